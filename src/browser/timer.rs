//! One `setTimeout` at a time.

use super::clock;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &JsValue, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

/// The longest delay that browsers take; a longer one would fire at once.
const LONGEST_MS: f64 = i32::MAX as f64;

/// Calls one function again and again, each time after it was set; dropped, it never calls.
pub struct Timer {
    callback: Closure<dyn Fn()>,
    pending: RefCell<Option<JsValue>>,
}

impl Timer {
    /// A timer that is not set.
    pub fn new(callback: impl Fn() + 'static) -> Self {
        Timer { callback: Closure::new(callback), pending: RefCell::new(None) }
    }

    /// Fires once in `ms` milliseconds, and not when it was set to fire before.
    pub fn set(&self, ms: f64) {
        self.clear();
        let id = set_timeout(self.callback.as_ref(), ms.clamp(0.0, LONGEST_MS));
        self.pending.replace(Some(id));
    }

    /// Does not fire.
    pub fn clear(&self) {
        if let Some(id) = self.pending.take() {
            clear_timeout(&id);
        }
    }
}

/// A timer that fires no later than it is told.
pub struct Alarm {
    timer: Timer,
    due: Rc<Cell<Option<u64>>>,
}

impl Alarm {
    /// One that is not set.
    pub fn new(callback: impl Fn() + 'static) -> Self {
        let due = Rc::new(Cell::new(None));
        let fired = due.clone();
        let timer = Timer::new(move || {
            fired.set(None);
            callback();
        });
        Alarm { timer, due }
    }

    /// Fires at `due`, on the monotonic clock, or before. One that fires too early does no harm, and most deadlines only move
    /// away, with each frame of a burst: to set the timer anew for every one of them would cost more than the frame.
    pub fn set(&self, due: Option<u64>) {
        match due {
            Some(due) if self.due.get().is_none_or(|set| due < set) => {
                self.due.set(Some(due));
                self.timer.set(due as f64 - clock::mono());
            }
            Some(_) => {}
            None => self.clear(),
        }
    }

    /// Does not fire.
    pub fn clear(&self) {
        self.due.set(None);
        self.timer.clear();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}
