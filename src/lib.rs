//! `chopped-chat`: realtime 1:1 chat on Supabase that loses, doubles and swaps nothing.
//!
//! The crate is an engine without clock, network or browser types ([`Engine`]) and, on wasm32, the thin shell around it
//! that a page uses (`browser::ChatSession`).
//!
//! | module | one idea |
//! |---|---|
//! | [`engine`] | inputs in, outputs out; composes everything below |
//! | [`thread`] | one thread's life: ensure, join, read, catch up, send |
//! | [`timeline`] | confirmed messages in seq order, and which seqs are known |
//! | [`outbox`] | what is to be sent, first in first out |
//! | [`stored`] | a draft as storage keeps it |
//! | [`channel`] | one private topic: join, rejoin, leave |
//! | [`socket`] | one WebSocket: connect, heartbeat, reconnect |
//! | [`token`] | when a token is good, whose it is, when to renew it |
//! | [`rest`] | PostgREST requests as values, and what their answers mean |
//! | [`phoenix`] | Phoenix frames, vsn 2.0.0 |
//! | [`message`] | a row of `chat_messages` and the message that the page sees |
//! | [`thread_id`] | two Mongo ids, one thread |
//! | `watch` | whether broadcasts arrive |
//! | [`backoff`] | how long to wait before trying again |
//! | `pace` | how often something may be done |
//! | `clock` | one clock made of two |
//! | [`json`] | the JSON that the host has parsed |
//! | [`mutation`] | faults for the simulation to catch; not in what ships |
//! | [`error`] | every failure that a page can see |
#![deny(missing_docs, unsafe_code)]

pub mod backoff;
pub mod channel;
mod clock;
pub mod engine;
pub mod error;
pub mod json;
pub mod message;
pub mod mutation;
pub mod outbox;
mod pace;
pub mod phoenix;
pub mod rest;
pub mod socket;
pub mod stored;
pub mod thread;
pub mod thread_id;
pub mod timeline;
pub mod token;
mod watch;

#[cfg(target_arch = "wasm32")]
pub mod browser;

pub use engine::{Answer, Config, Engine, Input, Now, Output, Request, RequestId, SocketId, State, Status};
pub use error::{ChatError, Code};
pub use json::Json;
pub use message::{Content, Delivery, Message, MessageId, Sender};
pub use outbox::Draft;
pub use phoenix::Frame;
pub use thread_id::ThreadId;
pub use timeline::Diff;
