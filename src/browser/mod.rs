//! The browser shell: it drives the [`Engine`](crate::engine::Engine) and holds no decision about chat.
//!
//! | file | one idea |
//! |---|---|
//! | `session.rs` | `ChatSession`, as a page has it |
//! | `page.rs` | one signed-in person on the page: engine, sockets, requests, timer |
//! | `snapshot.rs` | what a page sees of a thread |
//! | `notify.rs` | telling subscribers, not too often |
//! | `options.rs` | the options of a session, checked |
//! | `fetch.rs` | requests |
//! | `socket.rs` | one WebSocket |
//! | `storage.rs`, `storage.js` | the drafts that outlive the page |
//! | `timer.rs`, `clock.rs`, `random.rs` | `setTimeout`, the time, randomness |
//! | `json.rs` | JSON as `JSON.parse` made it |
//! | `error.rs` | a `ChatError` as a page catches it |
//! | `values.rs`, `values.js` | the JavaScript values that a page gets |
// What wasm-bindgen generates is unsafe.
#![allow(unsafe_code)]

mod clock;
mod error;
mod fetch;
mod json;
mod notify;
mod options;
mod page;
mod random;
mod session;
mod snapshot;
mod socket;
mod storage;
mod timer;
mod values;

pub use session::{ChatSession, count_unsent, sign_out, thread_id};

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
