//! Randomness.

use crate::message::MessageId;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // `crypto.randomUUID` exists in secure contexts only; this one everywhere.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    get_random_values(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// Seeds the engine's jitter.
pub fn seed() -> u64 {
    random() as u64
}

/// A fresh version 4 UUID (RFC 9562, section 5.4).
pub fn message_id() -> MessageId {
    const VERSION: u128 = 0xf000 << 64;
    const VARIANT: u128 = 0xc000 << 48;
    MessageId(random() & !(VERSION | VARIANT) | 0x4000 << 64 | 0x8000 << 48)
}
