//! How long to wait before trying again.

use crate::mutation::{Mutation, mutated};

/// A small generator (xorshift64*) for jitter: seeded, so that a run replays.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator; any seed does.
    pub fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to `max`, both included.
    pub fn up_to(&mut self, max: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        high % (max + 1)
    }
}

/// Exponential back-off with full jitter: the wait is drawn from zero to a bound that doubles up to a cap, so that the
/// clients of a server that comes back do not all knock at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    tries: u32,
    until: u64,
}

/// The first bound, in ms.
const BASE: u64 = 500;
/// The last bound, in ms.
const CAP: u64 = 30_000;
/// The shortest wait, in ms: even the luckiest draw leaves the server a breath.
const FLOOR: u64 = 50;

impl Backoff {
    /// A failure: waits from `now` on, and at least `at_least` ms.
    pub fn fail(&mut self, now: u64, at_least: u64, rng: &mut Rng) {
        let bound = CAP.min(BASE << self.tries.min(16));
        self.tries += 1;
        if mutated(Mutation::NoBackoff) {
            return;
        }
        self.until = now + rng.up_to(bound).max(at_least).max(FLOOR);
    }

    /// A success: the next failure waits shortly again.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }

    /// Something changed for the better (online, visible): no need to wait any longer, but the count stays.
    pub fn hurry(&mut self) {
        self.until = 0;
    }

    /// When the wait is over.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Failures in a row.
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::{BASE, Backoff, CAP, FLOOR, Rng};
    use proptest::prelude::{any, prop_assert, proptest};

    proptest! {
        #[test]
        fn waits_stay_between_floor_and_cap_and_honour_retry_after(seed in any::<u64>(), at_least in 0u64..100_000) {
            let mut rng = Rng::new(seed);
            let mut backoff = Backoff::default();
            for tries in 0..100 {
                backoff.fail(1_000, at_least, &mut rng);
                let wait = backoff.until() - 1_000;
                prop_assert!(wait >= FLOOR.max(at_least));
                prop_assert!(wait <= (BASE << tries.min(10)).min(CAP).max(at_least).max(FLOOR));
            }
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let mut rng = Rng::new(7);
        let mut buckets = [0; 10];
        for _ in 0..10_000 {
            buckets[rng.up_to(9) as usize] += 1;
        }
        assert!(buckets.iter().all(|n| (800..1_200).contains(n)), "{buckets:?}");
    }
}
