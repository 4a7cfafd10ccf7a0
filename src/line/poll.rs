//! When a quiet thread or inbox is polled: a broadcast that is lost is noticed by nothing else.

use super::Line;
use crate::mutation::{Mutation, mutated};

/// How often what is newest is read though nothing asks for it.
#[derive(Debug)]
pub(crate) struct Poll {
    at: u64,
    every: u64,
    /// When the newest page was read last, while what it told is still worth something.
    read_at: Option<u64>,
}

/// How the broadcasts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broadcasts {
    /// The topic is not joined.
    Away,
    /// It is joined, and they do not arrive.
    Silent,
    /// They are believed to arrive.
    Flow,
}

/// How often, in ms: at first and ever more seldom while they flow, while the topic is not joined, and at most and at least
/// while it is joined and they do not arrive.
const FIRST: u64 = 20_000;
const LAST: u64 = 45_000;
const AWAY: u64 = 10_000;
const SILENT: u64 = 5_000;
const SILENT_FIRST: u64 = 2_000;
/// How long a read of the newest page makes the one after a join less urgent, in ms.
const FRESH: u64 = 5_000;

impl Default for Poll {
    fn default() -> Self {
        Poll { at: 0, every: FIRST, read_at: None }
    }
}

impl Poll {
    /// Whether it is time. Asked while nothing is being read.
    pub fn is_due<V>(&mut self, line: &mut Line<V>, broadcasts: Broadcasts) -> bool {
        let now = line.now();
        match broadcasts {
            Broadcasts::Away => self.at = self.at.min(now + AWAY),
            Broadcasts::Silent if self.at > now + SILENT => {
                self.at = now + SILENT_FIRST + line.rng.up_to(SILENT - SILENT_FIRST);
            }
            Broadcasts::Silent | Broadcasts::Flow => {}
        }
        line.reached(self.at) && !mutated(Mutation::NoPoll)
    }

    /// The newest page was read, and brought something `newer` or not.
    pub fn read(&mut self, now: u64, newer: bool) {
        self.every = if newer { FIRST } else { (self.every * 3 / 2).min(LAST) };
        self.at = now + self.every;
        self.read_at = Some(now);
    }

    /// Broadcasts are seen to flow.
    pub fn put_off(&mut self, now: u64) {
        let every = if mutated(Mutation::PutOffForGood) { u64::MAX / 2 } else { self.every };
        self.at = self.at.max(now + every);
    }

    /// The topic is joined. Returns whether the newest page was read a moment ago.
    pub fn joined(&mut self, now: u64) -> bool {
        self.every = FIRST;
        self.read_at.is_some_and(|at| now < at + FRESH)
    }

    /// It is time.
    #[cfg(feature = "inbox")]
    pub fn hurry(&mut self, now: u64) {
        self.at = now;
    }

    /// Broadcasts are missed from now on: what was read before says nothing of them.
    pub fn disconnected(&mut self) {
        self.read_at = None;
    }
}
