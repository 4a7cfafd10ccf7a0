//! Telling subscribers, not too often.
//!
//! A lone change reaches the page at once, and so does one close behind it: a message is confirmed and another comes in. In
//! the long run the page is left alone after a notification for as long as rendering it took, within bounds, so that a
//! burst of thousands of frames, each an event of its own, is a handful of calls however slow the page is. React renders in
//! a microtask behind the subscriber: what a notification costs is known after that, and what changed meanwhile is told in a
//! task of its own. No borrow is held while the page is called: it may call any method from there.

use super::clock;
use super::timer::Timer;
use super::values;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// How long the page is left alone after it has rendered: as long as that took, but at least and at most so long.
const PAUSE_MS: f64 = 4.0;
const LONGEST_PAUSE_MS: f64 = 100.0;
/// So much of a pause need not be waited out: one more notification after a while of quiet.
const CREDIT_MS: f64 = 8.0;

thread_local! {
    static CHANGED: RefCell<Vec<Rc<Subscribers>>> = const { RefCell::new(Vec::new()) };
    /// From a notification until the microtasks behind it have run: the page renders.
    static RENDERING: Cell<bool> = const { Cell::new(false) };
    /// When the pauses of all notifications so far are over (the generic cell rate algorithm).
    static PAUSED_UNTIL: Cell<f64> = const { Cell::new(f64::NEG_INFINITY) };
    static WAITING: Cell<bool> = const { Cell::new(false) };
    static TIMER: Timer = Timer::new(paused);
    static STARTED: Cell<f64> = const { Cell::new(0.0) };
    static AFTER: Closure<dyn Fn()> = Closure::new(after);
}

/// Who wants to know when a session has a new snapshot.
#[derive(Default)]
pub struct Subscribers {
    callbacks: RefCell<Vec<(u32, JsValue)>>,
    last: Cell<u32>,
}

impl Subscribers {
    /// Adds one. Returns the key to remove it by.
    pub fn add(&self, callback: JsValue) -> u32 {
        let key = self.last.get() + 1;
        self.last.set(key);
        self.callbacks.borrow_mut().push((key, callback));
        key
    }

    /// Removes the one of `key`.
    pub fn remove(&self, key: u32) {
        self.callbacks.borrow_mut().retain(|(known, _)| *known != key);
    }

    /// Notes that there is something new; [`flush`] tells it.
    pub fn changed(self: &Rc<Self>) {
        CHANGED.with_borrow_mut(|changed| {
            if !changed.iter().any(|known| Rc::ptr_eq(known, self)) {
                changed.push(self.clone());
            }
        });
    }

    fn notify(&self) {
        // Copied first: a callback may add and remove others.
        let callbacks: Vec<_> = self.callbacks.borrow().iter().map(|(_, callback)| callback.clone()).collect();
        for callback in callbacks {
            values::notify(&callback);
        }
    }
}

/// Tells the subscribers of what has changed, now or after the pause.
pub fn flush() {
    if RENDERING.get() || CHANGED.with_borrow(Vec::is_empty) {
        return;
    }
    let wait = PAUSED_UNTIL.get() - CREDIT_MS - clock::mono();
    if wait > 0.0 {
        if !WAITING.replace(true) {
            TIMER.with(|timer| timer.set(wait));
        }
        return;
    }
    RENDERING.set(true);
    STARTED.set(clock::mono());
    for subscribers in CHANGED.take() {
        subscribers.notify();
    }
    AFTER.with(|after| values::after_microtasks(after.as_ref()));
}

/// Called when the microtasks have run, and in the task behind it.
fn after() {
    if RENDERING.replace(false) {
        let rendering = clock::mono() - STARTED.get();
        let pause = rendering.clamp(PAUSE_MS, LONGEST_PAUSE_MS);
        PAUSED_UNTIL.set(PAUSED_UNTIL.get().max(STARTED.get()) + rendering + pause);
    } else {
        flush();
    }
}

fn paused() {
    WAITING.set(false);
    // Whatever the clock says: a timer may be early.
    PAUSED_UNTIL.set(PAUSED_UNTIL.get().min(clock::mono() + CREDIT_MS));
    flush();
}
