//! How often something may be done: a burst at once, and then at a steady rate.

use crate::mutation::{Mutation, mutated};

/// Counts what was done (the generic cell rate algorithm).
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When all that was done has been paid for, at the steady rate.
    paid_at: u64,
}

/// One in so many ms in the long run.
const EVERY: u64 = 500;
/// So many at once.
const BURST: u64 = 8;
/// One that did as much as so many would have done by themselves is free.
const WORTH: usize = 10;

impl Pace {
    /// When the next one may be done.
    pub fn next_at(&self) -> u64 {
        if mutated(Mutation::ReadStorm) {
            return 0;
        }
        self.paid_at.saturating_sub(EVERY * (BURST - 1))
    }

    /// One is done.
    pub fn done(&mut self, now: u64) {
        self.paid_at = self.paid_at.max(now) + EVERY;
    }

    /// The last one was worth so many, and need not be paid for.
    pub fn was_worth(&mut self, count: usize) {
        if count >= WORTH {
            self.paid_at = self.paid_at.saturating_sub(EVERY);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::{BURST, EVERY, Pace};

    #[test]
    fn a_burst_is_free_and_the_rest_is_steady() {
        let mut pace = Pace::default();
        let mut at = Vec::new();
        for now in 0..20_000 {
            if pace.next_at() <= now {
                pace.done(now);
                at.push(now);
            }
        }
        assert_eq!(at[..BURST as usize], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(at.len() as u64, BURST - 1 + 20_000 / EVERY);
        assert!(at[BURST as usize..].windows(2).all(|pair| pair[1] - pair[0] == EVERY));
    }
}
