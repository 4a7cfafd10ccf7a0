//! The confirmed messages of a thread as a sequence that grows at both ends and never moves what is big.

use crate::message::MessageId;

/// A confirmed message. Packed: memory of WebAssembly is never given back, and an id's alignment would take a quarter of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(Rust, packed(8))]
pub(super) struct Entry {
    pub seq: u64,
    pub id: MessageId,
}

/// Entries in the order of their numbers. One list would be copied to grow, and leave holes behind in a memory that only ever
/// grows. Here a chunk more is all that growing takes, before the first as behind the last: scrolling up adds a whole history
/// in front.
#[derive(Debug, Default)]
pub(super) struct Entries {
    #[expect(clippy::vec_box, reason = "a chunk stays where it is when there are more")]
    chunks: Vec<Box<[Entry; CHUNK]>>,
    /// Places of the first chunk that are free, before the first entry.
    free: usize,
    len: usize,
}

/// More would be more than most chats have.
const CHUNK: usize = 128;

impl Entries {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, at: usize) -> Option<Entry> {
        (at < self.len).then(|| {
            let place = self.free + at;
            self.chunks[place / CHUNK][place % CHUNK]
        })
    }

    pub fn first(&self) -> Option<Entry> {
        self.get(0)
    }

    pub fn last(&self) -> Option<Entry> {
        self.get(self.len.wrapping_sub(1))
    }

    /// Whether `id` is one of the last `newest`.
    pub fn holds(&self, id: MessageId, newest: usize) -> bool {
        let from = self.len.saturating_sub(newest);
        (from..self.len).any(|at| self.get(at).is_some_and(|entry| { entry.id } == id))
    }

    /// Where `seq` is, or else where it would be.
    pub fn find(&self, seq: u64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle) {
                Some(entry) if entry.seq < seq => low = middle + 1,
                _ => high = middle,
            }
        }
        let found = self.get(low).is_some_and(|entry| entry.seq == seq);
        if found { Ok(low) } else { Err(low) }
    }

    /// Puts `entry` in at `at`, which is at most the length. The entries on the shorter side of it move by one.
    pub fn insert(&mut self, at: usize, mut entry: Entry) {
        let forward = at < self.len - at;
        let chunks = self.chunks.len();
        let (end, full) = if forward { (0, self.free == 0) } else { (chunks, self.free + self.len == chunks * CHUNK) };
        if full {
            self.chunks.insert(end, Box::new([Entry { seq: 0, id: MessageId(0) }; CHUNK]));
            if forward {
                self.free = CHUNK;
            } else if self.len == 0 {
                // The next ones may belong before the first, or behind it.
                self.free = CHUNK / 2;
            }
        }
        self.free -= usize::from(forward);
        self.len += 1;
        let mut at = at;
        while at < self.len {
            let place = self.free + at;
            entry = core::mem::replace(&mut self.chunks[place / CHUNK][place % CHUNK], entry);
            // Past 0 it is more than any length.
            at = if forward { at.wrapping_sub(1) } else { at + 1 };
        }
    }

    /// Takes out the first `count`, of as many at least.
    pub fn remove_first(&mut self, count: usize) {
        self.len -= count;
        self.free += count;
        while self.free >= CHUNK {
            self.free -= CHUNK;
            self.chunks.remove(0);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Back(u16),
        Front(u16),
        Insert(prop::sample::Index),
        RemoveFirst(prop::sample::Index),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u16..300).prop_map(Step::Back),
            4 => (1u16..300).prop_map(Step::Front),
            4 => any::<prop::sample::Index>().prop_map(Step::Insert),
            2 => any::<prop::sample::Index>().prop_map(Step::RemoveFirst),
            1 => Just(Step::Clear),
        ]
    }

    fn entry(seq: u64) -> Entry {
        Entry { seq, id: MessageId(u128::from(seq) << 64 | 7) }
    }

    proptest! {
        /// It is a list of the same entries, in no more chunks than they need, and one at each end.
        #[test]
        fn it_is_a_list(steps in prop::collection::vec(step(), 1..30)) {
            let (mut entries, mut list) = (Entries::default(), Vec::<Entry>::new());
            for step in steps {
                let insert = |entries: &mut Entries, list: &mut Vec<Entry>, at: usize, seq: u64| {
                    entries.insert(at, entry(seq));
                    list.insert(at, entry(seq));
                };
                match step {
                    Step::Back(count) => for _ in 0..count {
                        let seq = list.last().map_or(1 << 40, |last| last.seq + 1000);
                        let at = list.len();
                        insert(&mut entries, &mut list, at, seq);
                    },
                    Step::Front(count) => for _ in 0..count {
                        let seq = list.first().map_or(1 << 40, |first| first.seq - 1000);
                        insert(&mut entries, &mut list, 0, seq);
                    },
                    Step::Insert(index) => if !list.is_empty() {
                        // Behind the entry that is there, and before the next.
                        let at = index.index(list.len());
                        let seq = list[at].seq + 1;
                        if let Err(at) = entries.find(seq) {
                            insert(&mut entries, &mut list, at, seq);
                        }
                    },
                    Step::RemoveFirst(index) => {
                        let count = index.index(list.len() + 1);
                        entries.remove_first(count);
                        list.drain(..count);
                    }
                    Step::Clear => {
                        entries.remove_first(list.len());
                        list.clear();
                    }
                }
                prop_assert_eq!(entries.len(), list.len());
                prop_assert_eq!((entries.first(), entries.last()), (list.first().copied(), list.last().copied()));
                prop_assert!((0..list.len() + 2).all(|at| entries.get(at) == list.get(at).copied()));
                for seq in list.iter().step_by(50).flat_map(|here| [here.seq - 1, here.seq, here.seq + 1]) {
                    prop_assert_eq!(entries.find(seq), list.binary_search_by_key(&seq, |here| here.seq));
                    let among = list.iter().rev().take(200).any(|here| here.seq == seq);
                    prop_assert_eq!(entries.holds(entry(seq).id, 200), among);
                }
                prop_assert!(entries.chunks.len() * CHUNK < list.len() + 2 * CHUNK);
            }
        }
    }
}
