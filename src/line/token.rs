//! When a token is good and whose it is, when to renew it, when to stop asking.
//!
//! Expiry is counted from the moment the token was asked for, by the `expires_in` of the server: the device's clock may
//! be a year off, and an answer may wait in a device that sleeps. Only the *pace* of the clocks counts, see [`Time::clock`].

use super::backoff::{Backoff, Rng};
use super::clock::{Due, Time};
use crate::error::{ChatError, Code};
use crate::io::{Answer, RequestId};
use crate::json::Json;
use crate::mutation::{Mutation, mutated};
use std::rc::Rc;

/// The access token of the signed-in person, one for all threads.
#[derive(Debug, Default)]
pub(crate) struct Token {
    held: Option<Held>,
    /// Counts the tokens that came, from 1: names the one that a request or a join was made with.
    generation: u32,
    /// The fetch in flight: there is one at most.
    request: Option<RequestId>,
    /// When the last one started.
    asked: Time,
    /// Refusals in a row, by each [`Verifier`]: the one may accept what the other refuses.
    refusals: [u32; 2],
    backoff: Backoff,
    /// The account that the tokens are of, where they tell it.
    subject: Option<String>,
    stopped: Option<ChatError>,
    error: Option<ChatError>,
}

/// Who checks tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    /// PostgREST, at every request.
    Rest,
    /// Realtime, at a join and at a new token.
    Realtime,
}

/// A token that may be used now.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The JWT.
    pub token: Rc<str>,
    /// Which of all that came it is.
    pub generation: u32,
}

#[derive(Debug)]
struct Held {
    text: Rc<str>,
    asked: Time,
    life: u64,
}

/// After as many fresh tokens refused in a row, the person counts as signed out.
const MAX_REFUSALS: u32 = 3;
/// Renewal starts this long before the end, in ms, or at two thirds of a short life.
const RENEW_AHEAD: u64 = 90_000;
/// Stopped, a page that is seen asks again after 30 to 60 s: a sign-in elsewhere, or a backend that was wrong for a
/// moment, should not need a reload.
const ASK_AGAIN: u64 = 30_000;
/// A join or a request needs this much life left, in ms, or a sixth of a short one: Realtime allows no leeway.
const MIN_LEFT: u64 = 30_000;

impl Held {
    /// How long it is still good, in ms.
    fn remaining(&self, now: Time) -> u64 {
        if mutated(Mutation::TrustClientClock) {
            return (self.asked.wall + self.life).saturating_sub(now.wall);
        }
        self.life.saturating_sub(now.clock.saturating_sub(self.asked.clock))
    }
}

impl Token {
    /// The token, if it has enough life left to be used.
    pub fn usable(&self, now: Time) -> Option<Access> {
        let held = self.held.as_ref()?;
        let enough = held.remaining(now) > MIN_LEFT.min(held.life / 6);
        (enough || mutated(Mutation::UseExpiredToken))
            .then(|| Access { token: held.text.clone(), generation: self.generation })
    }

    /// When a fetch is due.
    pub fn fetch_due(&self, now: Time, visible: bool) -> Due {
        let waits_for_wake = self.stopped.is_some() && (!visible || mutated(Mutation::SignedOutForGood));
        if self.request.is_some() || waits_for_wake {
            return Due::Never;
        }
        if let Some(held) = &self.held {
            let ahead = RENEW_AHEAD.min(held.life / 3);
            let remaining = held.remaining(now);
            if remaining > ahead {
                return Due::At(now.clock + (remaining - ahead));
            }
        }
        if self.backoff.until() > now.clock { Due::At(self.backoff.until()) } else { Due::Now }
    }

    /// A fetch has started.
    pub fn fetching(&mut self, now: Time, request: RequestId) {
        self.asked = now;
        self.request = Some(request);
    }

    /// Whether `request` is the fetch in flight.
    pub fn awaits(&self, request: RequestId) -> bool {
        self.request == Some(request)
    }

    /// A fetch has ended. The tokens of anybody but `my_id` are not used.
    pub fn fetched<V: Json>(&mut self, now: Time, answer: &Answer<V>, my_id: &str, cap: u64, rng: &mut Rng) {
        self.request = None;
        let (error, at_least) = match answer {
            Answer::Http { status: 200..=299, body: Some(body), .. } => {
                let text = body.text("access_token").filter(|t| !t.is_empty());
                let life = body.number("expires_in").filter(|s| *s > 0);
                if let (Some(text), Some(life)) = (text, life) {
                    if !self.is_of::<V>(my_id, &text) {
                        let said = "the token endpoint gives another account's token";
                        return self.stop(ChatError::with(Code::AuthRequired, Some(said.into())), now, rng);
                    }
                    let life = life.saturating_mul(1_000);
                    self.held = Some(Held { text: text.into(), asked: self.asked, life });
                    self.generation += 1;
                    self.error = None;
                    self.stopped = None;
                    if self.refusals == [0, 0] {
                        self.backoff.reset();
                    }
                    return;
                }
                let said = "the token endpoint's answer lacks access_token or expires_in";
                (ChatError::with(Code::Server, Some(said.into())), 0)
            }
            Answer::Http { status, body, retry_after } => {
                let code = body.as_ref().and_then(|b| b.text("code")).unwrap_or_default();
                let detail = body.as_ref().and_then(|b| b.text("message"));
                match (status, code.as_str()) {
                    (_, "identity-unlinked") => {
                        return self.stop(ChatError::with(Code::IdentityUnlinked, detail), now, rng);
                    }
                    // A 403 without a code of ours is a proxy's on the way: it says nothing of the person.
                    (401, _) | (_, "signed-out") => {
                        return self.stop(ChatError::with(Code::AuthRequired, detail), now, rng);
                    }
                    (404, _) => {
                        let said = "the token endpoint answers 404";
                        (ChatError::with(Code::SetupMissing, Some(said.into())), 0)
                    }
                    (429, _) => (Code::RateLimited.into(), u64::from(retry_after.unwrap_or(1)) * 1_000),
                    _ => (ChatError::with(Code::Server, detail), 0),
                }
            }
            Answer::Unreachable => (Code::Network.into(), 0),
        };
        self.error = Some(error);
        self.backoff.fail(now.clock, at_least, cap, rng);
    }

    /// Whether a token is `my_id`'s: by its `app_metadata.mongoUserId`, which Supabase puts into every token unless a hook
    /// takes it out, and else by its account being the same as before. In another tab somebody else may have signed in,
    /// and the backend's cookie is then theirs.
    fn is_of<V: Json>(&mut self, my_id: &str, token: &str) -> bool {
        let Some(claims) = claims::<V>(token) else { return true };
        if mutated(Mutation::AnybodysToken) {
            return true;
        }
        let subject = claims.text("sub");
        let ours = match claims.get("app_metadata").and_then(|data| data.text("mongoUserId")) {
            Some(owner) => owner == my_id,
            None => self.subject.is_none() || subject.is_none() || subject == self.subject,
        };
        if ours && subject.is_some() {
            self.subject = subject;
        }
        ours
    }

    /// The account that the token is of.
    #[cfg(feature = "inbox")]
    pub fn account(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `by` refused the token of `generation`. Renewed once at once, then ever more slowly.
    pub fn refused(&mut self, now: Time, generation: u32, by: Verifier, cap: u64, rng: &mut Rng) {
        if generation != self.generation || self.held.is_none() {
            return;
        }
        self.held = None;
        let refusals = &mut self.refusals[by as usize];
        *refusals += 1;
        let refusals = *refusals;
        if refusals >= MAX_REFUSALS {
            self.stop(Code::AuthRequired.into(), now, rng);
        } else if refusals > 1 {
            self.backoff.fail(now.clock, 0, cap, rng);
        }
    }

    /// `by` accepted the token of `generation`.
    pub fn accepted(&mut self, generation: u32, by: Verifier) {
        if generation == self.generation {
            self.refusals[by as usize] = 0;
        }
    }

    /// The person is signed out: whatever needs a token stops, and tokens are asked for slowly.
    pub fn stop(&mut self, error: ChatError, now: Time, rng: &mut Rng) {
        self.held = None;
        self.error = None;
        self.stopped = Some(error);
        self.backoff.fail_for(now.clock, ASK_AGAIN + rng.up_to(ASK_AGAIN));
    }

    /// Something changed (visible, online, a session opens): asks again if it had stopped, and waits no longer.
    pub fn wake(&mut self) {
        if self.stopped.take().is_some() {
            self.refusals = [0, 0];
        }
        self.backoff.hurry();
    }

    /// How long to wait after a failed fetch.
    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// Why the person counts as signed out, if they do.
    pub fn stopped(&self) -> Option<&ChatError> {
        self.stopped.as_ref()
    }

    /// Why there is no token yet, if a fetch failed.
    pub fn error(&self) -> Option<&ChatError> {
        self.error.as_ref()
    }
}

/// The claims of a JWT: the middle one of its three parts, in JSON and base64url (RFC 7519).
fn claims<V: Json>(token: &str) -> Option<V> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for &c in token.as_bytes().split(|c| *c == b'.').nth(1)? {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    V::parse(&bytes)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::super::backoff::Rng;
    use super::super::clock::{Due, Time};
    use super::{Token, claims};
    use crate::io::{Answer, RequestId};
    use crate::json::arbitrary;
    use proptest::prelude::{any, prop_assert, proptest};

    #[test]
    fn a_token_is_as_old_as_its_request() {
        let at = |clock| Time { clock, wall: 0 };
        let body = serde_json::json!({"access_token": "t", "expires_in": 120});
        let answer = Answer::Http { status: 200, body: Some(body), retry_after: None };
        for (arrives, good) in [(5_000, true), (110_000, false), (7_200_000, false)] {
            let mut token = Token::default();
            token.fetching(at(0), RequestId(1));
            token.fetched(at(arrives), &answer, "ana", 10_000, &mut Rng::new(1));
            assert_eq!(token.usable(at(arrives)).is_some(), good, "after {arrives} ms");
            assert_eq!(token.fetch_due(at(arrives), true) == Due::Now, !good, "after {arrives} ms");
        }
    }

    /// Signed by nobody: whose it is, is read and not verified.
    fn jwt(claims: serde_json::Value) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::from("e30.");
        for chunk in claims.to_string().as_bytes().chunks(3) {
            let bits = chunk.iter().enumerate().fold(0u32, |bits, (i, b)| bits | u32::from(*b) << (16 - 8 * i));
            out.extend((0..=chunk.len()).map(|i| ALPHABET[(bits >> (18 - 6 * i) & 63) as usize] as char));
        }
        out + ".c2ln"
    }

    #[test]
    fn anothers_token_is_not_used() {
        let person = |id: &str| serde_json::json!({"sub": "1", "app_metadata": {"mongoUserId": id}, "name": "é?>~"});
        let account = |sub: &str| serde_json::json!({"sub": sub});
        for (tokens, good) in [
            (vec![person("ana")], true),
            (vec![person("ben")], false),
            (vec![person("ana"), person("ben")], false),
            (vec![account("1"), account("1")], true),
            (vec![account("1"), account("2")], false),
        ] {
            let mut token = Token::default();
            for claims in &tokens {
                let body = serde_json::json!({"access_token": jwt(claims.clone()), "expires_in": 3600});
                let answer = Answer::Http { status: 200, body: Some(body), retry_after: None };
                token.fetched(Time::default(), &answer, "ana", 10_000, &mut Rng::new(1));
            }
            assert_eq!(
                (token.usable(Time::default()).is_some(), token.stopped().is_none()),
                (good, good),
                "{tokens:?}"
            );
        }
    }

    #[test]
    fn claims_are_read_from_a_token_and_from_nothing_else() {
        let genuine = jwt(serde_json::json!({"sub": "ü"}));
        assert_eq!(claims(&genuine), Some(serde_json::json!({"sub": "ü"})));
        for text in ["", "a.b", "a.!.c", "sb_publishable_x", "..", "a.e30=.c"] {
            assert_eq!(claims::<serde_json::Value>(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_token_panics(text in ".{0,40}\\.[A-Za-z0-9_-]{0,40}\\..{0,4}") {
            claims::<serde_json::Value>(&text);
        }

        /// Whatever the endpoint answers: what is used later has text and life, and what failed is not asked for at once.
        #[test]
        fn no_answer_panics(
            status in any::<u16>(),
            body in proptest::option::of(arbitrary::object(&["access_token", "expires_in", "code"])),
            retry_after in proptest::option::of(any::<u32>()),
            later in any::<u32>(),
        ) {
            let mut token = Token::default();
            token.fetching(Time::default(), RequestId(1));
            token.fetched(Time::default(), &Answer::Http { status, body, retry_after }, "ana", 10_000, &mut Rng::new(1));
            let now = Time { clock: later.into(), wall: 0 };
            let due = token.fetch_due(Time::default(), true);
            match token.usable(Time::default()) {
                Some(access) => prop_assert!(!access.token.is_empty() && due != Due::Now),
                None => prop_assert!(due != Due::Now, "asked again in the same moment"),
            }
            let _ = (token.usable(now).is_some(), token.fetch_due(now, true));
        }
    }
}
