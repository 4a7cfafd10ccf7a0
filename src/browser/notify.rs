//! Telling subscribers, not too often.
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

thread_local! {
    static CHANGED: RefCell<Vec<Rc<Session>>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<f64> = const { Cell::new(f64::NEG_INFINITY) };
    static TIMER: Timer = Timer::new(notify_now);
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// Notes that `session` has a new snapshot.
pub fn changed(session: &Rc<Session>) {
    CHANGED.with_borrow_mut(|changed| {
        if !changed.iter().any(|known| Rc::ptr_eq(known, session)) {
            changed.push(session.clone());
        }
    });
}

/// Tells the subscribers of what has changed, now or after the pause.
pub fn flush() {
    if CHANGED.with_borrow(Vec::is_empty) {
        return;
    }
    let wait = LAST.get() + PAUSE_MS - clock::mono();
    if wait <= 0.0 {
        notify_now();
    } else if !WAITING.replace(true) {
        TIMER.with(|timer| timer.set(wait));
    }
}

fn notify_now() {
    WAITING.set(false);
    LAST.set(clock::mono());
    for session in CHANGED.take() {
        for subscriber in session.subscribers() {
            values::notify(&subscriber);
        }
    }
    // From its end on, so that slow subscribers leave time for frames.
    LAST.set(clock::mono());
}
