//! The options of `new ChatSession(options)`.
//!
//! `values.js` checks them, not serde: every complaint names its option, two of them are functions, and a deserialiser would
//! weigh more than the rest of the shell.

use super::error::{invalid, to_js};
use super::json::Value;
use crate::json::Json;
use crate::thread_id::ThreadId;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/values.js")]
extern "C" {
    #[wasm_bindgen(js_name = readOptions)]
    fn read_options(options: &JsValue) -> JsValue;
}

/// The page's own backend: each a URL, called with the page's cookies, or a function of the page.
#[derive(Clone)]
pub struct Backend {
    /// Gives `{access_token, expires_in}`.
    pub token: JsValue,
    /// Makes sure that the thread exists.
    pub ensure: JsValue,
}

/// What a session was made with, checked.
pub struct Options {
    /// Without a slash at the end.
    pub supabase_url: String,
    /// The anon or publishable key.
    pub anon_key: String,
    /// The page's own backend.
    pub backend: Backend,
    /// The signed-in person.
    pub my_id: String,
    /// The two people's thread.
    pub thread: ThreadId,
    /// Messages a page.
    pub page_size: u32,
    /// Whether what is not sent yet is kept beyond the page's life.
    pub persist_outbox: bool,
    /// Whether the newest page is kept beyond it.
    pub cache_messages: bool,
}

impl Options {
    /// Reads a page's options; the error is what to throw.
    pub fn read(options: &JsValue) -> Result<Self, JsValue> {
        let read = read_options(options);
        if let Some(complaint) = read.as_string() {
            return Err(invalid(&complaint));
        }
        let read = Value(read);
        let value = |at| read.at(at).map_or(JsValue::UNDEFINED, |Value(value)| value);
        let text = |at| value(at).as_string().unwrap_or_default();
        let my_id = text(4);
        let thread = ThreadId::new(&my_id, &text(5)).map_err(|error| to_js(&error))?;
        Ok(Options {
            supabase_url: text(0),
            anon_key: text(1),
            backend: Backend { token: value(2), ensure: value(3) },
            my_id,
            thread,
            page_size: value(6).as_f64().unwrap_or_default() as u32,
            persist_outbox: value(7).is_truthy(),
            cache_messages: value(8).is_truthy(),
        })
    }
}
