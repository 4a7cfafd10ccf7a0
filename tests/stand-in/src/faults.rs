//! What the server does wrong on demand: rules set over the admin port, for tests.
//!
//! A rule names a place (`on`), what must match there, what to do, how often, how likely and how long. The first rule
//! that fits decides. README.md lists what each effect means at each place.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a request that hangs looks whether its rule still stands.
const HANG_LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An HTTP request, before anything of it ran.
    Request,
    /// A WebSocket handshake.
    Connect,
    /// A frame from a client.
    FrameIn,
    /// A frame to a client.
    FrameOut,
    /// An inserted row of `realtime.messages`, once for each joined channel.
    Broadcast,
    /// A join, or a token pushed to a joined channel: where Realtime asks the policies of `realtime.messages`.
    Join,
    /// The stream of `realtime.messages` as a whole.
    Replication,
    /// A transaction of REST, or of Realtime asking the policies.
    Database,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A whole path, or the beginning of one when it ends in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// With or without `realtime:` before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    pub drop: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub duplicate: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub cut: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub lose_answer: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub expire: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub silent: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub hang: bool,
    /// The policies cannot be evaluated.
    #[serde(skip_serializing_if = "is_false")]
    pub raise: bool,
    /// A join is refused with this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Effect {
    /// The part that needs no occasion.
    fn at_once(&self) -> Self {
        Self { cut: self.cut, expire: self.expire, ..Self::default() }
    }

    pub fn delay(&self) -> Option<Duration> {
        self.delay_ms.map(Duration::from_millis)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Absent: at once, to the sockets and channels there are (`cut` and `expire` only).
    #[serde(default)]
    pub on: Option<Place>,
    #[serde(default, rename = "match")]
    pub matches: Match,
    #[serde(rename = "do")]
    pub effect: Effect,
    #[serde(default)]
    pub times: Option<u64>,
    #[serde(default)]
    pub probability: Option<f64>,
    /// It stands for so long from the moment that it is set.
    #[serde(default)]
    pub for_ms: Option<u64>,
    #[serde(skip)]
    until: Option<Instant>,
    /// How often it took effect; the server counts.
    #[serde(default, skip_deserializing)]
    pub done: u64,
}

impl Rule {
    /// What makes the rule senseless, in words.
    pub fn problem(&self) -> Option<&'static str> {
        let effect = &self.effect;
        let answers = effect.status.is_some() || effect.lose_answer || effect.hang;
        let only = |allowed: Effect| *effect != allowed;
        match self.on {
            _ if *effect == Effect::default() => Some("`do` is empty"),
            Some(Place::Join)
                if only(Effect {
                    raise: effect.raise,
                    refuse: effect.refuse.clone(),
                    delay_ms: effect.delay_ms,
                    ..Effect::default()
                }) =>
            {
                Some("a join can be refused with a reason, meet a policy that raises, or be delayed")
            }
            Some(Place::Replication | Place::Database) if self.matches != Match::default() => {
                Some("replication and the database are everybody's: no `match`")
            }
            Some(Place::Replication) if only(Effect { drop: effect.drop, ..Effect::default() }) => {
                Some("replication can be dropped")
            }
            Some(Place::Database) if only(Effect { read_only: effect.read_only, ..Effect::default() }) => {
                Some("the database can be read_only")
            }
            Some(place)
                if place.asks_the_network() && (effect.raise || effect.refuse.is_some() || effect.read_only) =>
            {
                Some("`raise` and `refuse` are for a join, `read_only` for the database")
            }
            None if *effect != effect.at_once() => Some("without `on`, only cut and expire"),
            Some(Place::Request) if effect.duplicate || effect.silent => {
                Some("a request can be answered, dropped, delayed, cut, expired, hang, or lose its answer")
            }
            Some(Place::Connect)
                if effect.duplicate || effect.silent || effect.lose_answer || effect.expire || effect.hang =>
            {
                Some("a connect can be answered, dropped, delayed or cut")
            }
            Some(Place::FrameIn | Place::FrameOut) if answers || effect.silent || effect.expire => {
                Some("a frame can be dropped, delayed, duplicated, or cut the connection")
            }
            Some(Place::Broadcast) if answers => {
                Some("a broadcast can be dropped, delayed, duplicated, silent, cut or expire")
            }
            _ if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) => {
                Some("`probability` is between 0 and 1")
            }
            _ if effect.status.is_some_and(|s| !(200..=599).contains(&s)) => Some("`status` is between 200 and 599"),
            _ => None,
        }
    }

    fn stands(&self) -> bool {
        self.times.is_none_or(|times| self.done < times) && self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Place {
    /// Whether it is a place of the network, and not one of the services behind it.
    fn asks_the_network(self) -> bool {
        !matches!(self, Self::Join | Self::Replication | Self::Database)
    }
}

/// What stands at a place now, to be matched.
#[derive(Debug, Default, Clone, Copy)]
pub struct Subject<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub event: &'a str,
    /// A broadcast frame's own event, inside the frame's event `broadcast`.
    pub inner_event: &'a str,
    pub topic: &'a str,
}

impl Match {
    pub fn fits(&self, subject: &Subject) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        let path = match self.path.as_deref().map(|p| (p, p.strip_suffix('*'))) {
            None => true,
            Some((_, Some(prefix))) => subject.path.starts_with(prefix),
            Some((whole, None)) => subject.path == whole,
        };
        // A preflight is only hit by name: who wants a POST to fail does not mean the OPTIONS before it.
        let method = is(&self.method, subject.method) && (self.method.is_some() || subject.method != "OPTIONS");
        let event = is(&self.event, subject.event) || is(&self.event, subject.inner_event);
        let topic = self.topic.as_deref().is_none_or(|t| bare_topic(t) == bare_topic(subject.topic));
        path && method && event && topic
    }
}

fn bare_topic(topic: &str) -> &str {
    topic.strip_prefix("realtime:").unwrap_or(topic)
}

pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    total: AtomicU64,
    /// Rises with every set of rules that touches requests. Open HTTP connections end then: a browser silently repeats a request that
    /// dies on a connection that had served one before, and the test would see no fault.
    generation: watch::Sender<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Mutex::default(), total: AtomicU64::new(0), generation: watch::Sender::new(0) }
    }
}

impl Faults {
    pub fn set(&self, mut rules: Vec<Rule>) {
        for rule in &mut rules {
            rule.until = rule.for_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        }
        *self.lock() = rules;
        if self.touch_requests() {
            self.generation.send_modify(|g| *g += 1);
        }
    }

    pub fn rules(&self) -> Vec<Rule> {
        self.lock().clone()
    }

    /// Effects since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Whether a request may be made to fail, so that no connection should be used twice.
    pub fn touch_requests(&self) -> bool {
        self.lock().iter().any(|r| r.on == Some(Place::Request) && r.stands())
    }

    /// Whether a rule of that place stands, without counting as an effect of it.
    pub fn stands(&self, place: Place) -> bool {
        self.lock().iter().any(|r| r.on == Some(place) && r.stands())
    }

    /// Waits for the end of the rule that let `subject` hang.
    pub async fn hang(&self, subject: &Subject<'_>) {
        let hangs = |r: &Rule| r.effect.hang && r.on == Some(Place::Request) && r.matches.fits(subject);
        while self.lock().iter().any(|r| hangs(r) && r.until.is_none_or(|until| Instant::now() < until)) {
            tokio::time::sleep(HANG_LOOK).await;
        }
    }

    pub fn at(&self, place: Place, subject: &Subject) -> Option<Effect> {
        let mut rules = self.lock();
        let rule = rules.iter_mut().find(|r| {
            r.on == Some(place)
                && r.stands()
                && r.matches.fits(subject)
                && r.probability.is_none_or(|p| rand::random::<f64>() < p)
        })?;
        rule.done += 1;
        self.total.fetch_add(1, Ordering::Relaxed);
        Some(rule.effect.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_rule_ends_after_its_times() {
        let faults = Faults::default();
        faults.set(vec![rule(r#"{"on":"request","match":{"method":"POST"},"do":{"status":500},"times":2}"#)]);
        let post = Subject { method: "POST", path: "/rest/v1/x", ..Subject::default() };
        let hits = (0..4).filter(|_| faults.at(Place::Request, &post).is_some()).count();
        assert_eq!((hits, faults.total(), faults.rules()[0].done), (2, 2, 2));
        assert!(!faults.touch_requests());
    }

    #[test]
    fn matching_is_by_place_path_and_bare_topic() {
        let fits = |m: &str, s: &Subject| serde_json::from_str::<Match>(m).unwrap().fits(s);
        let options = Subject { method: "OPTIONS", path: "/rest/v1/rpc/f", ..Subject::default() };
        assert!(!fits(r#"{"path":"/rest/*"}"#, &options));
        assert!(fits(r#"{"path":"/rest/*","method":"OPTIONS"}"#, &options));
        let frame =
            Subject { event: "broadcast", inner_event: "INSERT", topic: "realtime:chat:a__b", ..Subject::default() };
        assert!(fits(r#"{"event":"INSERT","topic":"chat:a__b"}"#, &frame));
        assert!(!fits(r#"{"event":"UPDATE"}"#, &frame));
    }

    #[test]
    fn a_senseless_rule_is_named() {
        assert!(rule(r#"{"do":{"drop":true}}"#).problem().is_some());
        assert!(rule(r#"{"on":"request","do":{}}"#).problem().is_some());
        assert!(rule(r#"{"do":{"cut":true}}"#).problem().is_none());
        assert!(rule(r#"{"on":"frame-out","do":{"status":500}}"#).problem().is_some());
        assert!(rule(r#"{"on":"broadcast","do":{"silent":true}}"#).problem().is_none());
    }
}
