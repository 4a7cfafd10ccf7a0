//! Engines, a model server and a hostile network under a scheduler drawn from one seed.
//!
//! [`run`] plays one seed: people type, scroll, close and reopen while requests are lost before and after they commit,
//! sockets die with and without a word, replication falls silent, clocks jump and tabs are killed. Then the faults end,
//! and what every screen shows must be what the server has.
//!
//! | module | one idea |
//! |---|---|
//! | [`world`] | the scheduler: time, the network, its faults, the people |
//! | [`server`] | the model of Supabase: rows numbered under a lock, RLS, tokens, at-most-once broadcasts |
//! | `markers`, `changing` | the model's markers and inboxes; its changes of messages |
//! | [`tab`] | a browser tab: an engine, its clocks, its screen, its storage |
//! | [`story`] | one page on a quiet network, step by step |
//! | [`coverage`] | what the runs reached |

mod changing;
pub mod coverage;
mod markers;
pub mod server;
pub mod story;
pub mod tab;
pub mod world;

pub use coverage::Coverage;
pub use world::{Failure, run};
