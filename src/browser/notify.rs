//! Telling subscribers, not too often.
//!
//! A draft is stored before its bubble shows: what changed with it is told once the write is done, or after a frame.
//!
//! A lone change reaches the page at once. After a notification the next one waits out a short pause, so that a burst of
//! thousands of frames, each an event of its own, is a handful of calls. No borrow is held while the page is called: it
//! may call any method from there.

use super::clock;
use super::session::Session;
use super::timer::Timer;
use super::values;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const PAUSE_MS: f64 = 8.0;
/// How long a write may hold back a notification: a frame.
const HELD_MS: f64 = 16.0;

thread_local! {
    static CHANGED: RefCell<Vec<Rc<Session>>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<f64> = const { Cell::new(f64::NEG_INFINITY) };
    static TIMER: Timer = Timer::new(notify_now);
    static WAITING: Cell<bool> = const { Cell::new(false) };
    /// The last write that was begun, and whether it holds back what changed.
    static WRITE: Cell<(u32, bool)> = const { Cell::new((0, false)) };
}

/// Notes that `session` has a new snapshot.
pub fn changed(session: &Rc<Session>) {
    CHANGED.with_borrow_mut(|changed| {
        if !changed.iter().any(|known| Rc::ptr_eq(known, session)) {
            changed.push(session.clone());
        }
    });
}

/// Holds back what changes until [`written`] is called with what this gives, for a frame at most.
pub fn hold() -> u32 {
    let (last, _) = WRITE.get();
    WRITE.set((last.wrapping_add(1), true));
    last.wrapping_add(1)
}

/// All writes up to `ticket` have ended.
pub fn written(ticket: u32) {
    if WRITE.get() == (ticket, true) {
        WRITE.set((ticket, false));
        WAITING.set(false);
        flush();
    }
}

/// Tells the subscribers of what has changed, now or after the pause.
pub fn flush() {
    if CHANGED.with_borrow(Vec::is_empty) {
        return;
    }
    let (_, held) = WRITE.get();
    let wait = if held { HELD_MS } else { LAST.get() + PAUSE_MS - clock::mono() };
    if wait <= 0.0 {
        notify_now();
    } else if !WAITING.replace(true) {
        TIMER.with(|timer| timer.set(wait));
    }
}

fn notify_now() {
    WAITING.set(false);
    WRITE.set((WRITE.get().0, false));
    LAST.set(clock::mono());
    for session in CHANGED.take() {
        for subscriber in session.subscribers() {
            values::notify(&subscriber);
        }
    }
    // From its end on, so that slow subscribers leave time for frames.
    LAST.set(clock::mono());
}
