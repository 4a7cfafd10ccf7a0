//! `chopped-chat`: realtime 1:1 chat on Supabase that loses, doubles and swaps nothing.
//!
//! The crate is an engine without clock, network or browser types ([`Engine`]) and, on wasm32, the thin shell around it
//! that a page uses (`browser::ChatSession`). `docs/architecture.md` walks through it.
//!
//! | module | one idea |
//! |---|---|
//! | [`io`] | the contract between the engine and its driver |
//! | [`engine`] | inputs in, outputs out; composes all below |
//! | `sync` | the poll of all conversations |
//! | `inbox`, `conversation` | all conversations, and how far everybody has come in them; with the feature `inbox` |
//! | `thread` | one conversation |
//! | [`change`] | what a person does to a message that is there already; with the feature `changes` |
//! | [`line`] | one person's line to Supabase: what all threads share |
//! | [`stored`] | a pending message as storage keeps it |
//! | [`message`] | a message: a row of `chat_messages`, or one that is on its way there |
//! | [`thread_id`] | two Mongo ids, one thread |
//! | `uuid` | UUIDs as numbers |
//! | [`json`] | the JSON that the driver has parsed |
//! | [`error`] | every failure that a page can see |
//! | [`mutation`] | faults for the simulation to catch; not in what ships |
//! | `recording`, `replay` | what happened to an engine, as text; the same again natively |
#![deny(missing_docs, unsafe_code)]

#[cfg(feature = "changes")]
pub mod change;
#[cfg(feature = "inbox")]
pub mod conversation;
pub mod engine;
pub mod error;
#[cfg(feature = "inbox")]
mod inbox;
#[cfg(not(feature = "inbox"))]
#[path = "no_inbox.rs"]
mod inbox;
pub mod io;
pub mod json;
pub mod line;
pub mod message;
pub mod mutation;
#[cfg(any(feature = "recording", not(target_arch = "wasm32")))]
pub mod recording;
#[cfg(not(target_arch = "wasm32"))]
pub mod replay;
pub mod stored;
mod sync;
mod thread;
pub mod thread_id;
mod uuid;

#[cfg(target_arch = "wasm32")]
pub mod browser;

#[cfg(feature = "changes")]
pub use change::{Change, PendingChange, Windows};
#[cfg(feature = "inbox")]
pub use conversation::{InboxDiff, InboxLine, Markers, Preview};
pub use engine::Engine;
pub use error::{ChatError, Code};
#[cfg(feature = "inbox")]
pub use io::InboxState;
pub use io::{Answer, Config, Diff, Frame, Input, Now, Output, Request, RequestId, SocketId, State, Status};
pub use json::Json;
pub use message::{Message, MessageId, PendingMessage, Row, Sender};
pub use thread_id::ThreadId;
