//! Which numbers of a thread are known: their row is here, or the server said that there is none.

use core::ops::RangeInclusive;

/// Ranges of numbers: ascending, neither overlapping nor touching. What lies between two of them is a hole.
#[derive(Debug, Default)]
pub(super) struct Covered(Vec<RangeInclusive<u64>>);

impl Covered {
    /// Adds `low` to `high`; nothing if there is nothing between them.
    pub fn add(&mut self, low: u64, high: u64) {
        if low > high {
            return;
        }
        let from = self.0.partition_point(|range| range.end() + 1 < low);
        let to = self.0.partition_point(|range| *range.start() <= high + 1);
        let mut merged = low..=high;
        for range in &self.0[from..to] {
            merged = *merged.start().min(range.start())..=*merged.end().max(range.end());
        }
        self.0.drain(from..to);
        self.0.insert(from, merged);
    }

    /// Forgets what is below `first`.
    pub fn forget_below(&mut self, first: u64) {
        self.0.retain(|range| *range.end() >= first);
        if let Some(range) = self.0.first_mut() {
            *range = first.max(*range.start())..=*range.end();
        }
    }

    /// The lowest number.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|range| *range.start())
    }

    /// The highest number; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.0.last().map_or(0, |range| *range.end())
    }

    /// Up to where there is no hole; 0 if there is nothing.
    pub fn contiguous_to(&self) -> u64 {
        self.0.first().map_or(0, |range| *range.end())
    }

    pub fn has_hole(&self) -> bool {
        self.0.len() > 1
    }

    /// The newest hole, and as many below it as fit with it into `widest` numbers; as the number below them and the
    /// number above.
    pub fn holes(&self, widest: u64) -> Option<(u64, u64)> {
        let [.., below, above] = self.0.as_slice() else {
            return None;
        };
        let (mut after, before) = (*below.end(), *above.start());
        for range in self.0.iter().rev().skip(1) {
            if before - range.end() > widest + 1 {
                break;
            }
            after = *range.end();
        }
        Some((after, before))
    }

    /// The lowest number above the newest hole of more than `widest` numbers.
    pub fn above_hole_wider_than(&self, widest: u64) -> Option<u64> {
        self.0.windows(2).rev().find_map(|pair| {
            let (below, above) = (pair[0].end(), pair[1].start());
            (above - below - 1 > widest).then_some(*above)
        })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Covered;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// It says what a set of the same numbers says.
        #[test]
        fn it_is_a_set_of_numbers(spans in prop::collection::vec((1u64..60, 0u64..8), 0..30), forget in 0u64..60) {
            let (mut covered, mut set) = (Covered::default(), BTreeSet::new());
            for (low, length) in spans {
                covered.add(low, low + length - 1);
                set.extend(low..low + length);
            }
            covered.forget_below(forget);
            set.retain(|number| *number >= forget);
            let (first, last) = (set.first().copied(), set.last().copied().unwrap_or(0));
            prop_assert_eq!((covered.first(), covered.last()), (first, last));
            let missing: Vec<u64> = (first.unwrap_or(0)..last).filter(|number| !set.contains(number)).collect();
            prop_assert_eq!(covered.has_hole(), !missing.is_empty() && first.is_some());
            if let (Some((after, before)), Some(newest)) = (covered.holes(5), missing.last()) {
                prop_assert!(after < *newest && before == newest + 1 && set.contains(&after));
            }
        }
    }
}
