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

/// Exponential backoff with full jitter: the wait is drawn from zero to a bound that doubles up to a cap, so that the
/// clients of a server that comes back do not all knock at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    tries: u32,
    failed_at: u64,
    until: u64,
    /// What the server asked for (`Retry-After`): no good news elsewhere shortens it.
    not_before: u64,
}

/// The first bound, in ms.
const BASE: u64 = 500;
/// The shortest wait, in ms: even the luckiest draw leaves the server a breath.
const FLOOR: u64 = 50;
/// The shortest wait after a failure while others succeed, in ms: what fails on its own must not be tried as often as
/// they succeed.
const RELIEVED: u64 = 1_000;

impl Backoff {
    /// A failure: waits from `now` on, at least `at_least` ms and else at most `cap` ms.
    pub fn fail(&mut self, now: u64, at_least: u64, cap: u64, rng: &mut Rng) {
        let bound = cap.min(BASE << self.tries.min(16));
        let wait = rng.up_to(bound).max(FLOOR);
        self.fail_for(now, wait.max(at_least));
        self.not_before = now + at_least;
    }

    /// A failure that is waited out for `wait` ms.
    pub fn fail_for(&mut self, now: u64, wait: u64) {
        self.tries += 1;
        self.failed_at = now;
        self.not_before = 0;
        self.until = if mutated(Mutation::NoBackoff) { 0 } else { now + wait };
    }

    /// A success: the next failure waits shortly again.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }

    /// Something changed for the better (online, visible): no need to wait any longer, but the count stays.
    pub fn hurry(&mut self) {
        self.until = self.until.min(self.not_before);
    }

    /// Something else of the same server succeeded: what it failed for may be over.
    pub fn relieve(&mut self) {
        if !mutated(Mutation::DeafBackoffs) {
            self.until = self.until.min(self.not_before.max(self.failed_at + RELIEVED));
        }
    }

    /// Somebody waits: `most` ms from `now` on at most.
    pub fn limit(&mut self, now: u64, most: u64) {
        self.until = self.until.min(self.not_before.max(now + most));
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
    use super::{BASE, Backoff, FLOOR, RELIEVED, Rng};
    use proptest::prelude::{any, prop_assert, proptest};

    proptest! {
        #[test]
        fn waits_stay_between_floor_and_cap_and_honour_retry_after(
            seed in any::<u64>(), at_least in 0u64..100_000, cap in 1_000u64..60_000,
        ) {
            let mut rng = Rng::new(seed);
            let mut backoff = Backoff::default();
            for tries in 0..100 {
                backoff.fail(1_000, at_least, cap, &mut rng);
                let wait = backoff.until() - 1_000;
                prop_assert!(wait >= FLOOR.max(at_least));
                prop_assert!(wait <= (BASE << tries.min(10)).min(cap).max(at_least).max(FLOOR));
                for shorten in [Backoff::relieve, Backoff::hurry] {
                    shorten(&mut backoff);
                    prop_assert!(backoff.until() >= 1_000 + at_least, "earlier than the server asked for");
                }
            }
        }
    }

    #[test]
    fn what_fails_alone_is_not_tried_as_often_as_others_succeed() {
        let mut backoff = Backoff::default();
        let mut tries = 0;
        for now in 0..60_000 {
            if backoff.until() <= now {
                tries += 1;
                backoff.fail_for(now, 10_000);
            }
            backoff.relieve();
        }
        assert_eq!(tries, 60_000 / RELIEVED);
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
