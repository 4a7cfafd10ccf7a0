//! How a thread takes part in the poll of all of them.

use super::Thread;
use super::timeline::Answered;
use crate::json::Json;
use crate::line::Line;
use crate::line::rest::Outcome;

impl Thread {
    /// Whether its poll is due, and to go with those of other threads.
    pub(crate) fn is_poll_due<V>(&self, line: &mut Line<V>) -> bool {
        self.is_looked_at(line) && self.reader.is_poll_due(line.now())
    }

    /// Takes part in a sync, if it can, with the token of `generation`. Returns the number after which it asks.
    pub(crate) fn join_sync<V>(&mut self, line: &mut Line<V>, generation: u32) -> Option<u64> {
        self.is_looked_at(line).then(|| self.reader.join_sync(&mut self.timeline, generation)).flatten()
    }

    /// Takes in its part of the answer; `None` if that does not tell all.
    pub(crate) fn synced<V: Json>(&mut self, line: &mut Line<V>, part: Option<Outcome<Answered<V>>>) {
        // It may have been closed meanwhile.
        if !self.reader.is_in_sync() {
            return;
        }
        match part {
            Some(outcome) => {
                let fact = self.reader.answered(line, None, outcome);
                self.was_read(line, fact);
            }
            None => self.reader.leave_sync(),
        }
    }
}
