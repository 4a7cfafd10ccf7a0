//! The shell in a real browser, against the running stand-in for Supabase.
//!
//! The stand-in's first line, JSON with its addresses and keys, is compiled in from `CHAT_TEST_STACK`:
//! `cargo xtask test browser` starts it and sets that.
#![cfg(target_arch = "wasm32")]

mod callbacks;
mod clocks;
mod conversation;
mod errors;
mod js;
mod network;
mod options;
mod outbox;
mod people;
mod session;
mod sharing;
mod stack;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
