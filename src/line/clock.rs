//! The engine's clock, made of the two that a device has.

use crate::io::Now;
use crate::mutation::{Mutation, mutated};

/// The time as the engine has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    /// What every deadline is measured on, in ms since the start. It moves by the monotonic clock of [`Now`], and by the
    /// wall clock where that ran clearly further: the monotonic one stands still while some devices sleep, and the wall clock
    /// can be set back. A wall clock that is set ahead ends waits and tokens early, once; nothing can prolong them.
    pub clock: u64,
    /// [`Now::wall`].
    pub wall: u64,
}

/// When something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    /// To be looked at again then.
    At(u64),
    /// Not until something happens.
    Never,
}

/// Counts the time from the first call on.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    time: Time,
    /// Both clocks when they last agreed, and what ours said then.
    agreed: Option<(Now, u64)>,
}

/// Further apart than this, in ms, the device slept or the wall clock was set. Less is rounding, and the slow steering by
/// which a device keeps its wall clock right.
const APART: u64 = 1_000;

impl Clock {
    /// Moves it, and returns how long the device slept unseen by its monotonic clock, in ms.
    ///
    /// Both clocks are compared with a moment far back and not with the last call: rounded to milliseconds, many short
    /// steps would add up to a clock that runs fast.
    pub fn advance(&mut self, now: Now) -> u64 {
        let (then, clock) = *self.agreed.get_or_insert((now, 0));
        let mono = now.mono.saturating_sub(then.mono);
        let expected = then.wall.saturating_add(mono);
        let slept = now.wall.saturating_sub(expected);
        let slept = if slept > APART && !mutated(Mutation::IgnoreSleep) { slept } else { 0 };
        let clock = clock.saturating_add(mono + slept).max(self.time.clock);
        if slept > 0 || expected > now.wall.saturating_add(APART) {
            self.agreed = Some((now, clock));
        }
        self.time = Time { clock, wall: now.wall };
        slept
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.time
    }

    /// Turns a time of ours into one of [`Now::mono`], as far as the last call knows.
    pub fn to_mono(&self, clock: u64) -> Option<u64> {
        let (then, at) = self.agreed?;
        Some(then.mono + clock.saturating_sub(at))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Clock;
    use crate::io::Now;
    use proptest::prelude::*;

    #[test]
    fn many_calls_in_a_millisecond_do_not_make_it_run_fast() {
        let mut clock = Clock::default();
        // Each clock ticks at a moment of its own, and is read between the ticks.
        for tenths in 0..100_000u64 {
            clock.advance(Now { mono: tenths / 10, wall: 1_000_000 + (tenths + 5) / 10 });
        }
        assert!((9_999..=10_000).contains(&clock.now().clock), "{:?}", clock.now());
    }

    #[test]
    fn a_sleep_counts_whichever_clock_saw_it() {
        for (mono, wall) in [(60_000, 60_000), (0, 60_000), (60_000, 0)] {
            let mut clock = Clock::default();
            clock.advance(Now { mono: 5, wall: 1_000_000 });
            clock.advance(Now { mono: 5 + mono, wall: 1_000_000 + wall });
            assert_eq!(clock.now().clock, 60_000);
        }
    }

    #[test]
    fn a_sleep_right_after_the_wall_clock_was_set_back_counts() {
        let mut clock = Clock::default();
        clock.advance(Now { mono: 0, wall: 1_000_000_000 });
        clock.advance(Now { mono: 800, wall: 500_000_000 });
        clock.advance(Now { mono: 900, wall: 500_060_000 });
        assert!(clock.now().clock >= 60_000, "{:?}", clock.now());
    }

    #[test]
    fn short_sleeps_that_the_monotonic_clock_missed_add_up() {
        let mut clock = Clock::default();
        for step in 0..=100u64 {
            clock.advance(Now { mono: step * 10, wall: 1_000_000 + step * 610 });
        }
        assert!(clock.now().clock >= 60_000, "{:?}", clock.now());
    }

    proptest! {
        /// Whatever the wall clock does, ours never runs backwards and never slower than the monotonic one.
        #[test]
        fn it_keeps_pace(steps in prop::collection::vec((0u64..10_000, any::<u32>()), 1..50)) {
            let mut clock = Clock::default();
            let mut mono = 0;
            clock.advance(Now { mono, wall: 1 });
            for (step, wall) in steps {
                let before = clock.now().clock;
                mono += step;
                clock.advance(Now { mono, wall: wall.into() });
                prop_assert!(clock.now().clock + 1 >= before + step);
                prop_assert!(clock.to_mono(clock.now().clock).is_some());
            }
        }
    }
}
