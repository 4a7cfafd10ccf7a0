//! Which changes of messages are known, by their numbers.
//!
//! Every change of a message in a thread has a number, `rev`: 1, 2, 3, … without a hole. What is missing here was lost on the way,
//! or is still on it, and is read after a moment. A page may have been read before a change that came while its message
//! was not here: then what is known goes back to what was so when the page was read.

use super::covered::Covered;
use crate::message::Row;
use crate::mutation::{Mutation, mutated};
use std::collections::BTreeMap;

/// The changes whose messages are shown as they left them, or are older than the window.
#[derive(Debug, Default)]
pub(super) struct Revs {
    /// All up to here, once a page was read.
    known: Option<u64>,
    /// Some above it.
    ahead: Covered,
    /// The newest that anything told of.
    newest: u64,
    /// The newest that came when its message was not here.
    dropped: u64,
    /// Since when some are missing, in ms.
    behind_since: Option<u64>,
    /// The newest when the newest page was asked for last.
    newest_when_asked: u64,
    /// The messages that are here and have changed: their number, and that of their last change.
    changed: BTreeMap<u64, u64>,
}

/// How long a missing change may be on its way, in ms: broadcasts may overtake each other.
const ON_ITS_WAY: u64 = 300;

impl Revs {
    /// Up to which number all are known; `None` before a page was read.
    pub fn known(&self) -> Option<u64> {
        if mutated(Mutation::KnownIsHighest) { self.known.map(|known| known.max(self.newest)) } else { self.known }
    }

    /// The newest page is asked for, with what has changed since.
    pub fn asked(&mut self) -> Option<u64> {
        self.newest_when_asked = self.newest;
        self.behind_since = None;
        self.known()
    }

    /// When to ask for what is missing.
    pub fn due_at(&self) -> Option<u64> {
        Some(self.behind_since? + ON_ITS_WAY)
    }

    /// A change was taken in. `here`: its message is; it is older than the window otherwise.
    pub fn took(&mut self, now: u64, rev: u64, here: bool) {
        if !here {
            self.dropped = self.dropped.max(rev);
        }
        self.ahead.add(rev, rev);
        self.told_of(now, rev);
    }

    /// There is such a change: if it is not known, it is missing.
    pub fn told_of(&mut self, now: u64, rev: u64) {
        self.newest = self.newest.max(rev);
        let Some(known) = self.known else { return };
        self.ahead.add(0, known);
        self.know(now, self.ahead.contiguous_to());
    }

    fn know(&mut self, now: u64, known: u64) {
        self.known = Some(known);
        self.behind_since = match self.newest > known {
            true => self.behind_since.or(Some(now)),
            false => None,
        };
    }

    /// The first page is there: what is shown is as the changes up to `rev` left it.
    pub fn start(&mut self, rev: u64) {
        self.known.get_or_insert(rev);
    }

    /// A page was read at `rev`.
    pub fn read(&mut self, now: u64, rev: u64) {
        let Some(known) = self.known else { return };
        if self.dropped > rev && !mutated(Mutation::NoRewind) {
            self.ahead = Covered::default();
            self.newest = self.newest.max(known).max(self.dropped);
            self.known = Some(known.min(rev));
            self.dropped = 0;
        }
        self.told_of(now, rev);
    }

    /// All changes above `after` up to `rev` were read.
    pub fn read_all(&mut self, now: u64, after: u64, rev: u64) {
        // It may have gone back since it was asked for.
        if self.known.is_some_and(|known| after <= known) {
            self.ahead.add(0, rev);
        }
        self.told_of(now, rev);
    }

    /// Whether a page that was read at `rev` tells of another history: the database was set back to an earlier time.
    pub fn is_denied_by(&self, rev: u64) -> bool {
        rev < self.newest_when_asked
    }

    /// Whether `row` is newer than the one of its number that is here.
    pub fn is_newer<V>(&self, row: &Row<V>) -> bool {
        row.rev > self.changed.get(&row.seq).copied().unwrap_or(0)
    }

    /// `row` is here from now on.
    pub fn hold<V>(&mut self, row: &Row<V>) {
        if row.rev > 0 {
            self.changed.insert(row.seq, row.rev);
        }
    }

    /// The messages below the number `first` are not here any more.
    pub fn forget_below(&mut self, first: u64) {
        self.changed.retain(|seq, _| *seq >= first);
    }

    /// Nothing is shown any more. A page may be on its way that was read before a change that was dropped.
    pub fn forget(&mut self) {
        let dropped = self.dropped;
        *self = Revs { dropped, ..Revs::default() };
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn started(rev: u64) -> Revs {
        let mut revs = Revs::default();
        revs.start(rev);
        revs.read(0, rev);
        revs
    }

    #[test]
    fn what_is_missing_is_asked_for_after_a_moment() {
        let mut revs = started(4);
        revs.took(1_000, 5, true);
        assert_eq!((revs.known(), revs.due_at()), (Some(5), None));
        revs.took(1_000, 7, true);
        assert_eq!((revs.known(), revs.due_at()), (Some(5), Some(1_000 + ON_ITS_WAY)));
        revs.took(1_200, 6, true);
        assert_eq!((revs.known(), revs.due_at()), (Some(7), None), "it was on its way");
        revs.told_of(2_000, 9);
        assert_eq!((revs.asked(), revs.due_at()), (Some(7), None));
        revs.read_all(2_100, 7, 9);
        assert_eq!((revs.known(), revs.due_at()), (Some(9), None), "superseded ones are told of by no row");
    }

    #[test]
    fn a_page_from_before_a_change_that_was_dropped_has_it_read_again() {
        let mut revs = started(4);
        revs.took(0, 5, false);
        assert_eq!(revs.known(), Some(5));
        revs.read(10, 4);
        assert_eq!((revs.known(), revs.due_at()), (Some(4), Some(10 + ON_ITS_WAY)));
        revs.asked();
        revs.read_all(400, 4, 5);
        assert_eq!((revs.known(), revs.due_at()), (Some(5), None));
        revs.took(500, 6, true);
        revs.read(510, 5);
        assert_eq!(revs.known(), Some(6), "its message was here");
    }

    #[test]
    fn changes_before_the_first_page_count() {
        let mut revs = Revs::default();
        revs.took(0, 6, false);
        assert_eq!((revs.known(), revs.due_at()), (None, None));
        revs.start(5);
        revs.read(10, 5);
        assert_eq!((revs.known(), revs.due_at()), (Some(5), Some(10 + ON_ITS_WAY)));
    }

    #[test]
    fn a_database_that_was_set_back_is_noticed() {
        let mut revs = started(9);
        revs.asked();
        assert!(revs.is_denied_by(8) && !revs.is_denied_by(9));
    }

    proptest! {
        /// In whatever order changes are told of, none is known before all below it are, and all are in the end.
        #[test]
        fn none_is_known_before_all_below_it(order in Just((1u64..40).collect::<Vec<_>>()).prop_shuffle()) {
            let mut revs = started(0);
            let mut told = std::collections::BTreeSet::new();
            for rev in order {
                revs.took(0, rev, true);
                told.insert(rev);
                let known = (1..).take_while(|rev| told.contains(rev)).count() as u64;
                prop_assert_eq!(revs.known(), Some(known));
                prop_assert_eq!(revs.due_at().is_some(), known < *told.last().unwrap());
            }
        }
    }
}
