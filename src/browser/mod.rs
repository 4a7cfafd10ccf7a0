//! The browser shell: it drives the [`Engine`](crate::engine::Engine) and holds no decision about chat.
//!
//! | file | one idea |
//! |---|---|
//! | `session.rs` | `ChatSession`, as a page has it |
//! | `inbox.rs` | `ChatInbox`, as a page has it |
//! | `handle.rs` | what the two have in common |
//! | `attached.rs` | a session as its client has it |
//! | `client.rs` | one signed-in person in this tab: it drives the engine |
//! | `network.rs` | the sockets and requests that are under way |
//! | `environment.rs` | online, visible |
//! | `views.rs` | what is open |
//! | `snapshot.rs` | what a page sees of a thread |
//! | `marks.rs` | how far a thread is read |
//! | `lines.rs` | what a page sees of the inbox |
//! | `inbox.js` | the values of these two, and the marks that outlive the page |
//! | `changes.rs`, `changes.js` | messages that change: what a page sees of it, and what outlives the page |
//! | `notify.rs` | telling subscribers, not too often |
//! | `options.rs` | the options of a session or an inbox, checked |
//! | `requests.rs` | requests |
//! | `socket.rs` | one WebSocket |
//! | `storage.rs`, `storage.js` | the messages that outlive the page |
//! | `pages.rs`, `pages.js` | the newest page of each thread, for the next visit |
//! | `timer.rs`, `clock.rs`, `random.rs` | `setTimeout`, the time, randomness |
//! | `json.rs` | JSON as `JSON.parse` made it |
//! | `recorder.rs`, `recorder.js` | what happened, of a debug build |
//! | `error.rs` | a `ChatError` as a page catches it |
//! | `values.rs`, `values.js` | the JavaScript values that a page gets |
// What wasm-bindgen generates is unsafe.
#![allow(unsafe_code)]

mod attached;
#[cfg(feature = "changes")]
mod changes;
mod client;
mod clock;
mod environment;
mod error;
mod handle;
#[cfg(feature = "inbox")]
mod inbox;
mod json;
#[cfg(feature = "inbox")]
mod lines;
#[cfg(feature = "inbox")]
mod marks;
mod network;
mod notify;
mod options;
mod pages;
mod random;
#[cfg(feature = "recording")]
mod recorder;
mod requests;
mod session;
mod snapshot;
mod socket;
mod storage;
mod timer;
mod values;
mod views;

#[cfg(feature = "inbox")]
pub use inbox::ChatInbox;
pub use session::{ChatSession, count_unsent, sign_out, thread_id};

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
