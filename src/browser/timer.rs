//! One `setTimeout` at a time.

use std::cell::RefCell;
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

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}
