//! Whether broadcasts arrive.
//!
//! When they stop no frame says so: a joined topic is silent both where nothing is said and where the server's replication
//! died. What tells is a message that is in the table and was not broadcast, and the word that newer servers give after
//! a join once broadcasts can flow (`replication_ready`; realtime `realtime_channel.ex`).

use crate::mutation::{Mutation, mutated};

/// What is known of a topic's broadcasts.
#[derive(Debug, Default)]
pub(super) struct Watch {
    flow: Flow,
    /// The highest number that a broadcast brought.
    heard: u64,
    missing: Option<Missing>,
    rejoined_at: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nothing speaks against it.
    #[default]
    Trusted,
    /// The server gives its word, and has not yet since the join.
    Promised { by: u64 },
    /// One is known to be missing.
    Doubted,
}

/// A message that is in the table, whose broadcast is awaited.
#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: u64,
    deadline: u64,
}

/// How late a broadcast may be, in ms, before it counts as missing.
const BROADCAST_WITHIN: u64 = 5_000;
/// A topic is joined anew on suspicion at most this often: that restarts what died at the server.
const REJOIN_EVERY: u64 = 60_000;
/// How long the server may take for its word, in ms: it looks every 500 ms.
const PROMISED_WITHIN: u64 = 2_000;

impl Watch {
    /// The topic is joined. `promises`: this server tells when broadcasts can flow.
    pub fn joined(&mut self, now: u64, promises: bool) {
        self.missing = None;
        self.flow = match promises {
            true if !mutated(Mutation::LiveUnready) => Flow::Promised { by: now + PROMISED_WITHIN },
            _ => Flow::Trusted,
        };
    }

    /// The topic is joined no longer.
    pub fn left(&mut self) {
        self.missing = None;
    }

    /// The server says that broadcasts can flow.
    pub fn ready(&mut self) {
        self.flow = Flow::Trusted;
    }

    /// A broadcast brought `seq`.
    pub fn heard(&mut self, seq: u64) {
        self.flow = Flow::Trusted;
        self.heard = self.heard.max(seq);
        if self.missing.is_some_and(|missing| missing.seq <= self.heard) {
            self.missing = None;
        }
    }

    /// `seq` is in the table, and was written while the topic was joined.
    pub fn expect(&mut self, now: u64, seq: u64) {
        if self.heard < seq && self.missing.is_none() {
            self.missing = Some(Missing { seq, deadline: now + BROADCAST_WITHIN });
        }
    }

    /// The history was replaced by another one: numbers begin anew.
    pub fn forget(&mut self) {
        self.heard = 0;
        self.missing = None;
    }

    /// When to ask again [`Watch::is_overdue`] and [`Watch::flows`].
    pub fn next_at(&self) -> Option<u64> {
        let promised = match self.flow {
            Flow::Trusted => None,
            Flow::Promised { by } => Some(by),
            Flow::Doubted => self.rejoined_at.map(|at| at + REJOIN_EVERY),
        };
        match (promised, self.missing.map(|missing| missing.deadline)) {
            (Some(promised), Some(missing)) => Some(promised.min(missing)),
            (promised, missing) => promised.or(missing),
        }
    }

    /// Whether broadcasts are believed to arrive.
    pub fn flows(&self, now: u64) -> bool {
        match self.flow {
            Flow::Trusted => true,
            Flow::Promised { by } => now < by,
            Flow::Doubted => false,
        }
    }

    /// Whether a broadcast has just turned out to be missing: what it would have brought is to be read.
    pub fn is_overdue(&mut self, now: u64) -> bool {
        let overdue = self.missing.take_if(|missing| missing.deadline <= now).is_some();
        if overdue {
            self.flow = Flow::Doubted;
        }
        overdue
    }

    /// Whether the topic is to be joined anew now, which may help.
    pub fn wants_rejoin(&mut self, now: u64) -> bool {
        let wanted = self.flow == Flow::Doubted && self.rejoined_at.is_none_or(|at| now >= at + REJOIN_EVERY);
        if wanted {
            self.rejoined_at = Some(now);
        }
        wanted
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_trusted_until_a_broadcast_is_missing() {
        let mut watch = Watch::default();
        watch.joined(0, false);
        watch.expect(0, 7);
        assert!(!watch.is_overdue(BROADCAST_WITHIN - 1) && watch.flows(BROADCAST_WITHIN - 1));
        assert!(watch.is_overdue(BROADCAST_WITHIN));
        assert!(!watch.flows(BROADCAST_WITHIN));
        assert!(!watch.is_overdue(BROADCAST_WITHIN), "it is told once");
        watch.heard(8);
        assert!(watch.flows(BROADCAST_WITHIN));
    }

    #[test]
    fn a_later_broadcast_is_as_good() {
        let mut watch = Watch::default();
        watch.joined(0, false);
        watch.expect(0, 7);
        watch.heard(9);
        assert!(!watch.is_overdue(u64::MAX));
        watch.expect(0, 8);
        assert_eq!(watch.next_at(), None, "what is older than the newest heard is not awaited");
    }

    #[test]
    fn a_server_that_gives_its_word_is_believed_only_with_it() {
        let mut watch = Watch::default();
        watch.joined(0, true);
        assert!(watch.flows(PROMISED_WITHIN - 1), "it may still come");
        assert!(!watch.flows(PROMISED_WITHIN));
        watch.ready();
        assert!(watch.flows(PROMISED_WITHIN));
    }

    #[test]
    fn joining_anew_is_tried_once_a_minute() {
        let mut watch = Watch::default();
        watch.joined(0, false);
        let mut rejoined = 0;
        for now in 0..600_000 {
            watch.expect(now, 7);
            watch.is_overdue(now);
            rejoined += u32::from(watch.wants_rejoin(now));
        }
        assert_eq!(rejoined, 10);
    }
}
