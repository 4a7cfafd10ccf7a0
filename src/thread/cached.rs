//! The page that storage keeps of an earlier visit. It is shown until the server's page is there, which takes its place whole:
//! messages may have been erased since, and a recovery may have taken others back.

use super::Thread;
use super::read::read_rows;
use super::timeline::Answered;
use crate::json::Json;
use crate::line::Line;
use crate::mutation::{Mutation, mutated};

impl Thread {
    /// Shows `page` unless there is something better or nobody may see it.
    pub(crate) fn cached<V: Json>(&mut self, line: &mut Line<V>, page: &V) {
        let welcome = self.sessions.open > 0 && self.sessions.stopped.is_none() && line.token.stopped().is_none();
        if !welcome || self.reader.is_loaded() || !self.timeline.is_empty() {
            return;
        }
        // What waits to be sent is not sent on storage's word.
        let waits = |answered: &Answered<V>| answered.rows.iter().any(|row| self.sender.holds(row.id));
        if let Some(answered) = read_rows(page, &self.id, &line.config.my_id).filter(|page| !waits(page)) {
            let diffs = self.timeline.cached(answered);
            self.from_cache = !diffs.is_empty();
            line.show(&self.id, diffs);
        }
    }

    /// Whoever looks may not be the one who was here before.
    pub(super) fn hide_cached<V>(&mut self, line: &mut Line<V>) {
        if self.from_cache && !mutated(Mutation::CacheForAnybody) {
            self.start_over(line);
        }
    }
}
