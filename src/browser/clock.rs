//! The time.

use crate::engine::Now;
use std::cell::Cell;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
}

/// Milliseconds that never run backwards.
pub fn mono() -> f64 {
    performance_now()
}

/// How far the two clocks may run apart before the wall clock counts as set, or the monotonic one as having slept. Each
/// is rounded on its own, by up to 100 ms in a browser that guards against fingerprinting.
const APART_MS: f64 = 1_000.0;

thread_local! {
    /// What the wall clock is ahead of the monotonic one.
    static AHEAD: Cell<f64> = const { Cell::new(f64::NEG_INFINITY) };
}

/// Both clocks, in whole milliseconds that they tick at the same moment: whoever adds up, step by step, what the faster one
/// ran would otherwise count each millisecond twice.
pub fn now() -> Now {
    let mono = mono().floor();
    let ahead = date_now() - mono;
    if (ahead - AHEAD.get()).abs() >= APART_MS {
        AHEAD.set(ahead);
    }
    Now { mono: mono as u64, wall: (mono + AHEAD.get()) as u64 }
}
