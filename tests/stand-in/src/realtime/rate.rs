//! The project's message rate (protocol.md 1.15): every send and every delivery counts, averaged over a minute. Above it
//! rows of `realtime.messages` are dropped without a frame. Off until the admin port sets a limit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

/// Realtime looks at its counter so often, and only then is the limit exceeded or met: a burst passes whole.
const TICK: Duration = Duration::from_secs(5);
const TICKS: usize = 12;

#[derive(Default)]
pub struct Rate {
    /// Since the start.
    total: AtomicU64,
    counter: Mutex<Option<Counter>>,
}

struct Counter {
    limit: u64,
    now: u64,
    tick_ends: Instant,
    ticks: VecDeque<u64>,
    exceeded: bool,
}

impl Rate {
    /// Counts from now on. `None` ends the limit.
    pub fn set_limit(&self, per_second: Option<u64>) {
        *self.lock() = per_second.map(|limit| Counter {
            limit,
            now: 0,
            tick_ends: Instant::now() + TICK,
            ticks: VecDeque::new(),
            exceeded: false,
        });
    }

    pub fn count(&self, messages: u64) {
        self.total.fetch_add(messages, Ordering::Relaxed);
        if let Some(counter) = &mut *self.lock() {
            counter.tick(Instant::now());
            counter.now += messages;
        }
    }

    pub fn exceeded(&self) -> bool {
        self.lock().as_mut().is_some_and(|counter| {
            counter.tick(Instant::now());
            counter.exceeded
        })
    }

    /// For the admin port: what Supabase would bill.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// For the admin port.
    pub fn state(&self) -> Value {
        let exceeded = self.exceeded();
        self.lock().as_ref().map_or(Value::Null, |c| json!({"per_second": c.limit, "exceeded": exceeded}))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Counter>> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    fn tick(&mut self, now: Instant) {
        while now >= self.tick_ends {
            self.tick_ends += TICK;
            self.ticks.push_front(std::mem::take(&mut self.now));
            self.ticks.truncate(TICKS);
            let seconds = self.ticks.len() as u64 * TICK.as_secs();
            self.exceeded = self.ticks.iter().sum::<u64>() >= self.limit * seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_what_follows_is_dropped_until_the_minute_averages_less() {
        let rate = Rate::default();
        rate.count(1_000_000);
        assert!(!rate.exceeded(), "no limit, no end");
        rate.set_limit(Some(100));
        rate.count(2_000);
        assert!(!rate.exceeded(), "within the tick");
        tokio::time::advance(TICK).await;
        assert!(rate.exceeded(), "400 a second");
        tokio::time::advance(TICK * 2).await;
        assert!(rate.exceeded(), "133 a second over 15 s");
        tokio::time::advance(TICK * 2).await;
        assert!(!rate.exceeded(), "80 a second over 25 s");
    }
}
