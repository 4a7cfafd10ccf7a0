//! Confirmed messages in seq order, and which seqs are known.
//!
//! Every number of a thread is either *covered* (its row is here, or the server said that there is none) or not. Covered
//! numbers form ranges; what lies between two of them is a hole, to be read. Below the lowest range is what scrolling up
//! reads. Every change leaves as a [`Diff`].

use crate::json::Json;
use crate::message::{Message, MessageId, Row};
use crate::mutation::{Mutation, mutated};
use crate::rest::Page;
use core::ops::RangeInclusive;

/// A change of the list that a page shows, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff<V> {
    /// `messages` come in before index `at`.
    Insert {
        /// The index of the first of them.
        at: usize,
        /// The messages, in order.
        messages: Vec<Message<V>>,
    },
    /// The message at index `at` becomes `message`; its id stays.
    Update {
        /// Its index.
        at: usize,
        /// What it is now.
        message: Message<V>,
    },
    /// `count` messages from index `at` on go away. A message that moves is removed and inserted again under its id.
    Remove {
        /// The index of the first of them.
        at: usize,
        /// How many.
        count: usize,
    },
}

/// The confirmed messages of a thread, a window of it that ends with the newest.
#[derive(Debug)]
pub struct Timeline<V> {
    rows: Vec<Row<V>>,
    /// Covered numbers: ascending, neither overlapping nor touching.
    covered: Vec<RangeInclusive<u64>>,
    page_size: u32,
}

/// A hole wider than so many pages is not filled: the newer side becomes a fresh window instead, and scrolling up reads
/// the rest.
const MAX_HOLE_PAGES: u64 = 3;

impl<V: Json> Timeline<V> {
    /// An empty window, to be filled in pages of `page_size`.
    pub fn new(page_size: u32) -> Self {
        Timeline { rows: Vec::new(), covered: Vec::new(), page_size }
    }

    /// Reads in pages of `page_size` from now on.
    pub fn set_page_size(&mut self, page_size: u32) {
        self.page_size = page_size;
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The highest number that is covered; 0 if none is.
    pub fn newest(&self) -> u64 {
        self.covered.last().map_or(0, |range| *range.end())
    }

    /// Whether anything before the window may exist.
    pub fn has_older(&self) -> bool {
        self.covered.first().is_some_and(|range| *range.start() > 1)
    }

    /// Whether a message is here.
    pub fn holds(&self, id: MessageId) -> bool {
        self.rows.iter().any(|row| row.id == id)
    }

    /// Whether the number `seq` is covered.
    pub fn covers(&self, seq: u64) -> bool {
        self.covered.iter().any(|range| range.contains(&seq))
    }

    /// The page to read for what is new. Read again after every join it finds what the broadcasts have not brought;
    /// holes below it are found by the answer.
    pub fn newest_page(&self) -> Page {
        // From the lowest range up to its end everything is covered: above that is what must be looked at again.
        let after = if self.covered.len() == 1 || mutated(Mutation::SkipHoleCheck) {
            self.newest()
        } else {
            self.contiguous_to()
        };
        Page { after, before: None, limit: self.page_size }
    }

    /// The page to read for scrolling up; `None` if there is nothing older.
    pub fn older_page(&self) -> Option<Page> {
        let first = *self.covered.first()?.start();
        (first > 1).then_some(Page { after: 0, before: Some(first), limit: self.page_size })
    }

    /// The page to read for the newest hole; `None` if there is none.
    pub fn hole_page(&self) -> Option<Page> {
        if mutated(Mutation::SkipHoleCheck) {
            return None;
        }
        let [.., below, above] = self.covered.as_slice() else {
            return None;
        };
        Some(Page { after: *below.end(), before: Some(*above.start()), limit: self.page_size })
    }

    /// Whether `seq` is the next number, with no hole before it.
    pub fn is_contiguous_with(&self, seq: u64) -> bool {
        self.covered.len() <= 1 && seq == self.newest() + 1
    }

    /// Whether the window holds less than a page although there is more to read.
    pub fn is_unfilled(&self) -> bool {
        self.rows.len() < self.page_size as usize && self.has_older()
    }

    fn contiguous_to(&self) -> u64 {
        self.covered.first().map_or(0, |range| *range.end())
    }

    /// Takes in the answer to `page`. Answers the changes.
    pub fn read(&mut self, page: Page, mut rows: Vec<Row<V>>) -> Vec<Diff<V>> {
        rows.retain(|row| row.seq > page.after && page.before.is_none_or(|before| row.seq < before));
        rows.sort_unstable_by_key(|row| row.seq);
        // A full page covers down to its lowest row, a short one all that was asked for.
        let full = rows.len() as u64 >= u64::from(page.limit);
        let low = match rows.first() {
            Some(first) if full && !mutated(Mutation::FullPageCoversAll) => first.seq,
            _ => page.after + 1,
        };
        let high = match page.before {
            Some(before) => before - 1,
            None => rows.last().map_or(0, |row| row.seq),
        };
        self.cover(low, high);
        let mut diffs = self.merge(rows);
        self.open_fresh_window(&mut diffs);
        diffs
    }

    /// Takes in one row that came alone: a broadcast, or the answer to a send. Answers the changes.
    pub fn arrived(&mut self, row: Row<V>) -> Vec<Diff<V>> {
        if self.older_than_window(row.seq) {
            return Vec::new();
        }
        self.cover(row.seq, row.seq);
        let mut diffs = self.merge(vec![row]);
        self.open_fresh_window(&mut diffs);
        diffs
    }

    /// Whether `seq` lies before the window: scrolling up will bring it.
    pub fn older_than_window(&self, seq: u64) -> bool {
        self.covered.first().is_some_and(|range| seq < *range.start())
    }

    /// Forgets all but the newest page.
    pub fn trim(&mut self) -> Vec<Diff<V>> {
        let extra = self.rows.len().saturating_sub(self.page_size as usize);
        match self.rows.get(extra) {
            Some(first) if extra > 0 => {
                let first = first.seq;
                self.forget_below(first)
            }
            _ => Vec::new(),
        }
    }

    fn forget_below(&mut self, first: u64) -> Vec<Diff<V>> {
        self.covered.retain(|range| *range.end() >= first);
        if let Some(range) = self.covered.first_mut() {
            *range = first.max(*range.start())..=*range.end();
        }
        let count = self.rows.partition_point(|row| row.seq < first);
        self.rows.drain(..count);
        if count > 0 { vec![Diff::Remove { at: 0, count }] } else { Vec::new() }
    }

    fn open_fresh_window(&mut self, diffs: &mut Vec<Diff<V>>) {
        let widest = MAX_HOLE_PAGES * u64::from(self.page_size);
        let wide = self.covered.windows(2).rev().find_map(|pair| {
            let (below, above) = (pair[0].end(), pair[1].start());
            (above - below - 1 > widest).then_some(*above)
        });
        if let Some(first) = wide {
            diffs.extend(self.forget_below(first));
        }
    }

    fn cover(&mut self, low: u64, high: u64) {
        if low > high {
            return;
        }
        let from = self.covered.partition_point(|range| range.end() + 1 < low);
        let to = self.covered.partition_point(|range| *range.start() <= high + 1);
        let mut merged = low..=high;
        for range in &self.covered[from..to] {
            merged = *merged.start().min(range.start())..=*merged.end().max(range.end());
        }
        self.covered.drain(from..to);
        self.covered.insert(from, merged);
    }

    /// Puts rows, ascending, where they belong. A number that is here stays as it is.
    fn merge(&mut self, rows: Vec<Row<V>>) -> Vec<Diff<V>> {
        let mut diffs: Vec<Diff<V>> = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while let Some(row) = rows.next() {
            let mut at = self.rows.partition_point(|here| here.seq < row.seq);
            if mutated(Mutation::OrderByArrival) {
                at = self.rows.len();
            }
            let next = self.rows.get(at).map(|here| here.seq);
            if next == Some(row.seq) && !mutated(Mutation::NoDedupe) {
                continue;
            }
            // All that fits in before the next row that is here goes in at once.
            let mut run = vec![row];
            while let Some(row) = rows.next_if(|row| next.is_none_or(|next| row.seq < next)) {
                if run.last().is_none_or(|last| last.seq != row.seq) {
                    run.push(row);
                }
            }
            diffs.push(Diff::Insert { at, messages: run.iter().map(Row::message).collect() });
            // One by one: a page at most, and `splice` is half a KiB of WebAssembly.
            for (i, row) in run.into_iter().enumerate() {
                self.rows.insert(at + i, row);
            }
        }
        diffs
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::message::{Delivery, Sender};
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn row(seq: u64) -> Row<Value> {
        Row { id: MessageId(seq.into()), seq, sender: Sender::Them, value: Value::Null }
    }

    /// What a server with the rows `seqs` answers.
    fn answer(seqs: &BTreeSet<u64>, page: Page) -> Vec<Row<Value>> {
        let before = page.before.unwrap_or(u64::MAX);
        let found = seqs.iter().rev().filter(|seq| **seq > page.after && **seq < before);
        found.take(page.limit as usize).map(|seq| row(*seq)).collect()
    }

    fn apply(shown: &mut Vec<u64>, diffs: Vec<Diff<Value>>) {
        for diff in diffs {
            match diff {
                Diff::Insert { at, messages } => {
                    let seqs = messages.iter().map(|m| match m.delivery {
                        Delivery::Sent { seq } => seq,
                        _ => unreachable!("a timeline holds what is sent"),
                    });
                    shown.splice(at..at, seqs);
                }
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
        fn the_list_converges_on_the_server(steps in prop::collection::vec(step(), 1..60), page_size in 1u32..8) {
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
                    Step::Hole => match timeline.hole_page() {
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
            while let Some(page) = timeline.hole_page().or_else(|| timeline.older_page()) {
                apply(&mut shown, timeline.read(page, answer(&server, page)));
                reads += 1;
                prop_assert!(reads <= last + 2, "reads on and on");
            }
            prop_assert_eq!(shown, server.into_iter().collect::<Vec<_>>());
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
                next = timeline.hole_page();
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
        apply(&mut shown, timeline.read(Page { after: 0, before: None, limit: 50 }, (1..=50).map(row).collect()));
        apply(&mut shown, timeline.arrived(row(1_000)));
        assert_eq!(shown, [1_000]);
        while let Some(page) = timeline.older_page() {
            apply(&mut shown, timeline.read(page, answer(&server, page)));
        }
        assert_eq!(shown, (1..=1_000).collect::<Vec<_>>());
        assert!(!timeline.has_older());
    }

    #[test]
    fn closing_keeps_the_newest_page() {
        let mut timeline = Timeline::new(50);
        let mut shown = Vec::new();
        apply(&mut shown, timeline.read(Page { after: 0, before: None, limit: 200 }, (1..=120).map(row).collect()));
        apply(&mut shown, timeline.trim());
        assert_eq!(shown, (71..=120).collect::<Vec<_>>());
        assert_eq!(timeline.older_page(), Some(Page { after: 0, before: Some(71), limit: 50 }));
    }
}
