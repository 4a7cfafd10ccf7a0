//! Confirmed messages in seq order, and which seqs are known.
//!
//! Every number of a thread is either *covered* (its row is here, or the server said that there is none) or not. Covered
//! numbers form ranges; what lies between two of them is a hole, to be read. Below the lowest range is what scrolling up
//! reads. Every change leaves as a [`Diff`].

#[cfg(feature = "changes")]
pub mod changed;

use super::covered::Covered;
use super::entries::{Entries, Entry};
#[cfg(feature = "changes")]
use super::quotes::Quotes;
#[cfg(feature = "changes")]
use super::revs::Revs;
#[cfg(feature = "changes")]
use super::told::Told;
use crate::io::Diff;
use crate::line::rest::SeqRange;
use crate::message::{Message, MessageId, Row};
use crate::mutation::{Mutation, mutated};

/// The confirmed messages of a thread, a window of it that ends with the newest. What they say is not kept here: the page
/// that shows them has it.
#[derive(Debug)]
pub struct Timeline {
    entries: Entries,
    covered: Covered,
    page_size: u32,
    /// The newest message when the newest page was read last. What came alone since may stand on another history.
    verified: u64,
    /// The newest message when the newest page was asked for last: an answer that ends below it has lost it.
    last_when_asked: u64,
    doubt: Doubt,
    /// Which changes of them are known.
    #[cfg(feature = "changes")]
    pub revs: Revs,
    /// Messages that others reply to.
    #[cfg(feature = "changes")]
    pub quotes: Quotes,
}

/// Whether what is here may be wrong. If so the newest page is read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    No,
    /// The newest message was not found where it should be: the page shows whether the history is still the one that is here.
    Moved,
    /// Messages changed: what the page brings takes the place of all that is here.
    Outdated,
}

/// What a read brought.
#[derive(Debug)]
pub struct Answered<V> {
    /// The rows that could be read, in any order.
    pub rows: Vec<Row<V>>,
    /// The lowest and the highest number in the answer, of rows that could not be read as well; `None` if it was empty.
    pub span: Option<(u64, u64)>,
    /// What is told of changes.
    #[cfg(feature = "changes")]
    pub told: Option<Told<V>>,
}

/// A hole wider than so many pages is not filled: the newer side becomes a fresh window instead, and scrolling up reads
/// the rest.
const MAX_HOLE_PAGES: u64 = 3;
/// Among so many of the newest messages one is looked for that a recovery took back and its sender sent again.
const RESENT: usize = 200;

impl Timeline {
    /// An empty window, to be filled in pages of `page_size`.
    pub fn new(page_size: u32) -> Self {
        Timeline {
            entries: Entries::default(),
            covered: Covered::default(),
            page_size,
            verified: 0,
            last_when_asked: 0,
            doubt: Doubt::No,
            #[cfg(feature = "changes")]
            revs: Revs::default(),
            #[cfg(feature = "changes")]
            quotes: Quotes::default(),
        }
    }

    /// Reads in pages of `page_size` from now on.
    pub fn set_page_size(&mut self, page_size: u32) {
        self.page_size = page_size;
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// The highest number that is covered; 0 if none is.
    pub fn newest(&self) -> u64 {
        self.covered.last()
    }

    /// Whether anything before the window may exist.
    pub fn has_older(&self) -> bool {
        self.covered.first().is_some_and(|first| first > 1)
    }

    /// Whether a message is here.
    pub fn holds(&self, id: MessageId) -> bool {
        self.entries.holds(id, usize::MAX)
    }
}

/// What there is to read.
impl Timeline {
    /// The page to read for what is new. Read again after every join it finds what the broadcasts have not brought;
    /// holes below it are found by the answer. It begins with the newest message that such a page brought, if there is one:
    /// where that is missing, the database was set back to an earlier time.
    pub fn newest_page(&mut self) -> SeqRange {
        self.last_when_asked = self.last();
        // From the lowest range up to its end everything is covered: above that is what must be looked at again.
        let known = if mutated(Mutation::SkipHoleCheck) { self.newest() } else { self.covered.contiguous_to() };
        let anchor = match self.id_of(self.verified) {
            Some(_) => self.verified,
            None => self.entries.first().map_or(0, |entry| entry.seq),
        };
        let after = match () {
            _ if self.is_doubted() => 0,
            _ if anchor > 0 => known.min(anchor - 1),
            _ => known,
        };
        SeqRange { after, before: None, limit: self.page_size }
    }

    /// Up to which number all changes are known, where the newest page is being asked for.
    pub fn known(&mut self) -> Option<u64> {
        #[cfg(feature = "changes")]
        return self.revs.asked().filter(|_| !self.is_doubted());
        #[cfg(not(feature = "changes"))]
        None
    }

    /// The page to read for scrolling up; `None` if there is nothing older.
    pub fn older_page(&self) -> Option<SeqRange> {
        let first = self.covered.first()?;
        (first > 1).then_some(SeqRange { after: 0, before: Some(first), limit: self.page_size })
    }

    /// The page to read for the newest hole, and for as many below it as one page covers; `None` if there is none.
    pub fn hole(&self) -> Option<SeqRange> {
        if mutated(Mutation::SkipHoleCheck) {
            return None;
        }
        let widest = if mutated(Mutation::ReadStorm) { 0 } else { self.page_size.into() };
        let (mut after, before) = self.covered.holes(widest)?;
        // With the message below, as in `newest_page`.
        if self.id_of(after).is_some() && before - after <= u64::from(self.page_size) {
            after -= 1;
        }
        Some(SeqRange { after, before: Some(before), limit: self.page_size })
    }

    /// Whether `seq` is the next number, with no hole before it.
    pub fn is_contiguous_with(&self, seq: u64) -> bool {
        !self.covered.has_hole() && seq == self.newest() + 1
    }

    /// Whether the window holds less than a page although there is more to read.
    pub fn is_unfilled(&self) -> bool {
        self.entries.len() < self.page_size as usize && self.has_older()
    }
}

/// What was read.
impl Timeline {
    /// Whether an answer tells of another history than the one that is here: the database was restored to an earlier time
    /// (point-in-time recovery), and numbers are given again. Then forget all, and read anew.
    pub fn is_denied_by<V>(&mut self, range: SeqRange, answered: &Answered<V>) -> bool {
        let outdated = range.is_newest_page() && self.doubt == Doubt::Outdated;
        if range.is_newest_page() {
            self.doubt = Doubt::No;
        }
        if outdated || mutated(Mutation::KeepOldHistory) {
            return outdated;
        }
        #[cfg(feature = "changes")]
        if answered.told.as_ref().is_some_and(|told| told.after.is_some() && self.revs.is_denied_by(told.last_rev)) {
            self.revs = Revs::default();
            return true;
        }
        match answered.span {
            Some((_, high)) => {
                range.before.is_none() && high < self.last_when_asked
                    || answered.rows.iter().any(|row| self.is_denied_by_row(row))
            }
            None => {
                // It may also be hidden, from one who is no participant any more: then the whole is empty, too.
                let missing = range.before.is_none() && self.id_of(range.after + 1).is_some();
                if missing && !range.is_newest_page() && self.doubt == Doubt::No {
                    self.doubt = Doubt::Moved;
                }
                false
            }
        }
    }

    /// The same of a row that came alone.
    pub fn is_denied_by_row<V>(&self, row: &Row<V>) -> bool {
        // A message that was sent again got another number. Only the newest ones can have been.
        let again = || self.entries.holds(row.id, RESENT);
        let denied = self.id_of(row.seq).map_or_else(again, |id| id != row.id);
        denied && !mutated(Mutation::KeepOldHistory)
    }

    /// What is here has changed: the newest page is read whole next, and takes its place.
    pub fn outdate(&mut self) {
        self.doubt = Doubt::Outdated;
    }

    /// Whether [`Timeline::newest_page`] is to be read whole.
    pub fn is_doubted(&self) -> bool {
        self.doubt != Doubt::No
    }

    fn id_of(&self, seq: u64) -> Option<MessageId> {
        let at = self.entries.find(seq).ok()?;
        Some(self.entries.get(at)?.id)
    }

    fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.seq)
    }

    /// Forgets everything. Returns the changes.
    pub fn forget<V>(&mut self) -> Vec<Diff<V>> {
        self.doubt = Doubt::No;
        self.last_when_asked = 0;
        #[cfg(feature = "changes")]
        self.revs.forget();
        self.forget_below(u64::MAX)
    }

    /// Takes in a page of an earlier visit. Returns the changes. The newest page takes the place of all of it.
    pub fn cached<V>(&mut self, page: Answered<V>) -> Vec<Diff<V>> {
        let diffs = self.read(SeqRange { after: 0, before: None, limit: 0 }, page);
        if !mutated(Mutation::CacheIsTruth) {
            self.outdate();
        }
        diffs
    }

    /// Takes in the answer to a read of `range`. Returns the changes.
    pub fn read<V>(&mut self, range: SeqRange, answered: Answered<V>) -> Vec<Diff<V>> {
        let Answered { mut rows, span, .. } = answered;
        rows.retain(|row| row.seq > range.after && range.before.is_none_or(|before| row.seq < before));
        // It covers down to its lowest row and no further, however few there are: a server may give fewer than it was asked
        // for (`db-max-rows`). Only an empty one covers all that was asked for.
        let full = rows.len() as u64 >= u64::from(range.limit);
        let low = match span {
            Some((low, _)) if full || !mutated(Mutation::TrustShortPage) => low,
            _ => range.after + 1,
        };
        let low = if mutated(Mutation::FullPageCoversAll) { range.after + 1 } else { low };
        let high = match (range.before, span) {
            (Some(before), _) => before - 1,
            (None, Some((_, high))) => high,
            (None, None) => 0,
        };
        self.covered.add(low.max(range.after + 1), high);
        let mut diffs = self.merge(rows);
        self.open_fresh_window(&mut diffs);
        if range.before.is_none() {
            self.verified = self.last();
        }
        diffs
    }

    /// Takes in one row that came alone: a broadcast, or the answer to a send. Returns the changes.
    pub fn arrived<V>(&mut self, row: Row<V>) -> Vec<Diff<V>> {
        if self.older_than_window(row.seq) {
            return Vec::new();
        }
        self.covered.add(row.seq, row.seq);
        let mut diffs = self.merge(vec![row]);
        self.open_fresh_window(&mut diffs);
        diffs
    }

    /// Whether `seq` lies before the window: scrolling up will bring it.
    pub fn older_than_window(&self, seq: u64) -> bool {
        self.covered.first().is_some_and(|first| seq < first)
    }

    /// Forgets all but the newest page.
    pub fn trim<V>(&mut self) -> Vec<Diff<V>> {
        let extra = self.entries.len().saturating_sub(self.page_size as usize);
        match self.entries.get(extra) {
            Some(first) if extra > 0 => self.forget_below(first.seq),
            _ => Vec::new(),
        }
    }

    fn forget_below<V>(&mut self, first: u64) -> Vec<Diff<V>> {
        self.covered.forget_below(first);
        #[cfg(feature = "changes")]
        self.revs.forget_below(first);
        let (Ok(count) | Err(count)) = self.entries.find(first);
        self.entries.remove_first(count);
        if count > 0 { vec![Diff::Remove { at: 0, count }] } else { Vec::new() }
    }

    fn open_fresh_window<V>(&mut self, diffs: &mut Vec<Diff<V>>) {
        let widest = MAX_HOLE_PAGES * u64::from(self.page_size);
        let wide = self.covered.above_hole_wider_than(widest);
        if let Some(first) = wide {
            diffs.extend(self.forget_below(first));
        }
    }

    /// Puts rows where they belong. A number that is here stays as it is.
    fn merge<V>(&mut self, rows: Vec<Row<V>>) -> Vec<Diff<V>> {
        let mut diffs = Vec::new();
        for row in rows {
            let at = match self.entries.find(row.seq) {
                #[cfg(feature = "changes")]
                Ok(at) if self.revs.is_newer(&row) => {
                    self.revs.hold(&row);
                    diffs.push(Diff::Update { at, message: Message::Sent(row) });
                    continue;
                }
                Ok(_) if !mutated(Mutation::NoDedupe) => continue,
                _ if mutated(Mutation::OrderByArrival) => self.entries.len(),
                Ok(at) | Err(at) => at,
            };
            #[cfg(feature = "changes")]
            self.revs.hold(&row);
            self.entries.insert(at, Entry { seq: row.seq, id: row.id });
            diffs.push(Diff::Insert { at, message: Message::Sent(row) });
        }
        diffs
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::message::Sender;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn row(seq: u64) -> Row<Value> {
        Row { id: MessageId(seq.into()), seq, rev: 0, sender: Sender::Them, value: Value::Null }
    }

    /// What a server with the rows `seqs` answers.
    fn answer(seqs: &BTreeSet<u64>, page: SeqRange) -> Answered<Value> {
        answer_of_at_most(page.limit, seqs, page)
    }

    /// The same, where the server gives no more than `max_rows` at once.
    fn answer_of_at_most(max_rows: u32, seqs: &BTreeSet<u64>, page: SeqRange) -> Answered<Value> {
        let before = page.before.unwrap_or(u64::MAX);
        let found = seqs.iter().rev().filter(|seq| **seq > page.after && **seq < before);
        let rows: Vec<_> = found.take(page.limit.min(max_rows) as usize).map(|seq| row(*seq)).collect();
        let span = rows.last().zip(rows.first()).map(|(low, high)| (low.seq, high.seq));
        Answered {
            rows,
            span,
            #[cfg(feature = "changes")]
            told: None,
        }
    }

    fn apply(shown: &mut Vec<u64>, diffs: Vec<Diff<Value>>) {
        for diff in diffs {
            match diff {
                Diff::Insert { at, message } => match message {
                    Message::Sent(row) => shown.insert(at, row.seq),
                    Message::Pending(_) => unreachable!("a timeline holds what is sent"),
                },
                Diff::Update { .. } => unreachable!("a row never changes"),
                Diff::Remove { at, count } => {
                    shown.drain(at..at + count);
                }
            }
            assert!(shown.is_sorted_by(|a, b| a < b), "doubled or out of order: {shown:?}");
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        Broadcast(prop::sample::Index),
        Newest,
        Older,
        Hole,
        Delete(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1u8..30).prop_map(Step::Insert),
            3 => any::<prop::sample::Index>().prop_map(Step::Broadcast),
            2 => Just(Step::Newest),
            1 => Just(Step::Older),
            2 => Just(Step::Hole),
            1 => any::<prop::sample::Index>().prop_map(Step::Delete),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// Whatever comes in whatever order, the list is always sorted without repeats, and once nothing is left to read
        /// it is all that the server has.
        #[test]
        fn the_list_converges_on_the_server(
            steps in prop::collection::vec(step(), 1..60),
            page_size in 1u32..8,
            max_rows in 1u32..8,
            unreadable in 2u64..12,
        ) {
            // Each row whose number is a multiple is one that this version can't read.
            let answer = |seqs: &BTreeSet<u64>, page| {
                let mut answered = answer_of_at_most(max_rows, seqs, page);
                answered.rows.retain(|row| row.seq % unreadable != 0);
                answered
            };
            let mut timeline = Timeline::new(page_size);
            let (mut server, mut deleted, mut shown) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
            let mut last = 0;
            for step in steps {
                let diffs = match step {
                    Step::Insert(count) => {
                        server.extend(last + 1..=last + u64::from(count));
                        last += u64::from(count);
                        continue;
                    }
                    Step::Broadcast(index) => {
                        if server.is_empty() { continue }
                        let seq = *server.iter().nth(index.index(server.len())).unwrap();
                        if seq % unreadable == 0 { continue }
                        timeline.arrived(row(seq))
                    }
                    Step::Newest => {
                        let page = timeline.newest_page();
                        timeline.read(page, answer(&server, page))
                    }
                    Step::Older => match timeline.older_page() {
                        Some(page) => timeline.read(page, answer(&server, page)),
                        None => continue,
                    },
                    Step::Hole => match timeline.hole() {
                        Some(page) => timeline.read(page, answer(&server, page)),
                        None => continue,
                    },
                    // An admin may delete rows: numbers without a row must not be asked for again and again.
                    Step::Delete(index) => {
                        if server.is_empty() { continue }
                        let seq = *server.iter().nth(index.index(server.len())).unwrap();
                        if !shown.contains(&seq) {
                            server.remove(&seq);
                            deleted.insert(seq);
                        }
                        continue;
                    }
                };
                apply(&mut shown, diffs);
            }
            let mut reads = 0;
            let page = timeline.newest_page();
            apply(&mut shown, timeline.read(page, answer(&server, page)));
            while let Some(page) = timeline.hole().or_else(|| timeline.older_page()) {
                apply(&mut shown, timeline.read(page, answer(&server, page)));
                reads += 1;
                prop_assert!(reads <= last + 2, "reads on and on");
            }
            let readable = server.into_iter().filter(|seq| seq % unreadable != 0);
            prop_assert_eq!(shown, readable.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_gap_of_n_costs_one_read_a_page() {
        for missed in 0..=150u64 {
            let server: BTreeSet<u64> = (1..=60 + missed).collect();
            let mut timeline = Timeline::new(50);
            let (mut shown, mut reads) = (Vec::new(), 0);
            let page = timeline.newest_page();
            let first: BTreeSet<u64> = (1..=60).collect();
            apply(&mut shown, timeline.read(page, answer(&first, page)));
            let mut next = Some(timeline.newest_page());
            while let Some(page) = next {
                reads += 1;
                apply(&mut shown, timeline.read(page, answer(&server, page)));
                next = timeline.hole();
            }
            assert!(reads <= missed.div_ceil(50).max(1), "{missed} missed took {reads} reads");
            assert_eq!(shown, (11..=60 + missed).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_wide_gap_opens_a_fresh_window_and_scrolling_up_reaches_the_rest() {
        let server: BTreeSet<u64> = (1..=1_000).collect();
        let mut timeline = Timeline::new(50);
        let mut shown = Vec::new();
        apply(&mut shown, timeline.read(NEWEST, answer(&(1..=50).collect(), NEWEST)));
        apply(&mut shown, timeline.arrived(row(1_000)));
        assert_eq!(shown, [1_000]);
        while let Some(page) = timeline.older_page() {
            apply(&mut shown, timeline.read(page, answer(&server, page)));
        }
        assert_eq!(shown, (1..=1_000).collect::<Vec<_>>());
        assert!(!timeline.has_older());
    }

    const NEWEST: SeqRange = SeqRange { after: 0, before: None, limit: 50 };

    #[test]
    fn scattered_holes_are_read_together() {
        let server: BTreeSet<u64> = (1..=200).collect();
        let mut timeline = Timeline::new(50);
        let mut shown = Vec::new();
        apply(&mut shown, timeline.read(NEWEST, answer(&(1..=100).collect(), NEWEST)));
        // Every other one is lost.
        for seq in (102..=200).step_by(2) {
            apply(&mut shown, timeline.arrived(row(seq)));
        }
        let mut reads = 0;
        while let Some(page) = timeline.hole() {
            reads += 1;
            apply(&mut shown, timeline.read(page, answer(&server, page)));
        }
        assert_eq!((reads, shown), (2, (51..=200).collect()));
    }

    #[test]
    fn holes_far_apart_are_read_each_by_itself() {
        let server: BTreeSet<u64> = (1..=200).collect();
        let mut timeline = Timeline::new(50);
        let all = SeqRange { limit: 200, ..NEWEST };
        let held: BTreeSet<u64> = (1..=200).filter(|seq| ![10, 150].contains(seq)).collect();
        for seq in held {
            timeline.covered.add(seq, seq);
        }
        let mut pages = Vec::new();
        while let Some(page) = timeline.hole() {
            pages.push((page.after, page.before));
            timeline.read(page, answer(&server, page));
        }
        assert_eq!(pages, [(149, Some(151)), (9, Some(11))]);
        timeline.read(all, answer(&server, all));
        assert_eq!(timeline.len(), 200);
    }

    #[test]
    fn a_short_page_is_not_the_beginning() {
        let server: BTreeSet<u64> = (1..=120).collect();
        let mut timeline = Timeline::new(50);
        timeline.read(NEWEST, answer_of_at_most(30, &server, NEWEST));
        assert!(timeline.len() == 30 && timeline.has_older() && timeline.is_unfilled());
        let only_unreadable: Answered<Value> = Answered {
            rows: Vec::new(),
            span: Some((60, 90)),
            #[cfg(feature = "changes")]
            told: None,
        };
        timeline.read(SeqRange { before: Some(91), ..NEWEST }, only_unreadable);
        assert_eq!(timeline.older_page(), Some(SeqRange { before: Some(60), ..NEWEST }));
    }

    #[test]
    fn a_database_that_was_set_back_is_noticed() {
        let renewed = |seq: u64| Row { id: MessageId(u128::from(seq) << 64), ..row(seq) };
        for (rows, empty_first) in [(80, true), (100, false), (120, false)] {
            let mut timeline = Timeline::new(50);
            timeline.read(NEWEST, answer(&(1..=100).collect(), NEWEST));
            // Numbers up to 70 are the old ones.
            let new_history = |page: SeqRange| {
                let mut answered = answer(&(1..=rows).collect(), page);
                answered.rows.iter_mut().filter(|row| row.seq > 70).for_each(|row| *row = renewed(row.seq));
                answered
            };
            let page = timeline.newest_page();
            let answered = new_history(page);
            assert_eq!(answered.span.is_none(), empty_first);
            let denied = timeline.is_denied_by(page, &answered);
            assert_eq!((denied, timeline.is_doubted()), (!empty_first, empty_first));
            if timeline.is_doubted() {
                let page = timeline.newest_page();
                assert_eq!(page, NEWEST);
                assert!(timeline.is_denied_by(page, &new_history(page)));
            }
            assert!(timeline.is_denied_by_row(&renewed(90)) && !timeline.is_denied_by_row(&row(90)));
            timeline.forget::<Value>();
            let page = timeline.newest_page();
            timeline.read(page, new_history(page));
            assert_eq!(timeline.newest(), rows);
        }
    }

    #[test]
    fn who_is_kept_out_for_a_while_keeps_what_they_have() {
        let mut timeline = Timeline::new(50);
        timeline.read(NEWEST, answer(&(1..=100).collect(), NEWEST));
        for _ in 0..2 {
            let page = timeline.newest_page();
            assert!(!timeline.is_denied_by(page, &answer(&BTreeSet::new(), page)));
        }
        assert_eq!((timeline.len(), timeline.is_doubted()), (50, false));
    }

    #[test]
    fn closing_keeps_the_newest_page() {
        let mut timeline = Timeline::new(50);
        let mut shown = Vec::new();
        let all = SeqRange { limit: 200, ..NEWEST };
        apply(&mut shown, timeline.read(all, answer(&(1..=120).collect(), all)));
        apply(&mut shown, timeline.trim());
        assert_eq!(shown, (71..=120).collect::<Vec<_>>());
        assert_eq!(timeline.older_page(), Some(SeqRange { after: 0, before: Some(71), limit: 50 }));
    }
}
