//! The shell in a real browser, against the stand-in.
#![cfg(target_arch = "wasm32")]
