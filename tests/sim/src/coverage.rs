//! What the runs reached: a fault that never struck proves nothing.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Debug, Default, Clone)]
pub struct Coverage(BTreeMap<&'static str, u64>);

/// All that a full run must reach.
pub const REQUIRED: &[&str] = &[
    "a read left early",
    "fault: another account signs in",
    "fault: answer hangs",
    "fault: answer hangs after commit",
    "fault: answer lost after commit",
    "fault: broadcast dropped",
    "fault: broadcast duplicated",
    "fault: broadcast reordered",
    "fault: burst over the message rate",
    "fault: channel closed",
    "fault: clock jumps",
    "fault: cold replication",
    "fault: device sleeps",
    "fault: device sleeps, clock stands still",
    "fault: gateway refuses",
    "fault: message blocked on the way",
    "fault: message refused",
    "fault: offline",
    "fault: pages shorter than asked for",
    "fault: point-in-time recovery",
    "fault: policy not evaluable",
    "fault: read-only database",
    "fault: realtime disabled",
    "fault: replication not established",
    "fault: request lost before",
    "fault: server error after commit",
    "fault: server error before",
    "fault: silent replication",
    "fault: slow answer",
    "fault: slow join",
    "fault: socket cut",
    "fault: socket half open",
    "fault: socket refused",
    "fault: tab killed",
    "fault: tab killed while sending",
    "fault: token endpoint down",
    "fault: token refused",
    "fault: too many requests",
    "fault: unauthorized session",
    "inbox: close",
    "inbox: load more",
    "inbox: open",
    "inbox: seen",
    "join: accepted",
    "join: refused",
    "page: close",
    "page: discard",
    "page: discard a change",
    "page: edit",
    "page: hidden for minutes",
    "page: hide",
    "page: jump",
    "page: load older",
    "page: open",
    "page: react",
    "page: reply",
    "page: retry",
    "page: retry a change",
    "page: send",
    "page: shown from the cache",
    "page: unsend",
    "send: several at once",
    "send: several at once, refused",
    "send: several at once, to an older database",
    "socket: idle end",
    "state: auth-required",
    "state: closed",
    "state: connecting",
    "state: live",
    "state: offline",
    "state: reconnecting",
    "sync: cut off",
    "sync: of an older database",
    "sync: of one thread",
    "sync: of several threads",
    "timeline: fresh window",
    "token: expired while joined",
    "token: renewed on the channel",
];

impl Coverage {
    /// Counts one.
    pub fn hit(&mut self, name: &'static str) {
        debug_assert!(REQUIRED.contains(&name), "{name} is not listed");
        *self.0.entry(name).or_default() += 1;
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Coverage) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each required name with its count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        REQUIRED.iter().map(|name| (*name, self.0.get(name).copied().unwrap_or(0)))
    }
}
