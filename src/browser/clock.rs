//! The time.

use crate::io::Now;
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

/// Both clocks.
pub fn now() -> Now {
    Now { mono: mono() as u64, wall: date_now() as u64 }
}
