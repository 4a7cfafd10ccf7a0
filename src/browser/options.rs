//! The options of `new ChatSession(options)` and `new ChatInbox(options)`.
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
    fn read_options(options: &JsValue, is_inbox: bool) -> JsValue;
}

/// The page's own backend: each a URL, called with the page's cookies, or a function of the page.
#[derive(Clone)]
pub struct Backend {
    /// Gives `{access_token, expires_in}`.
    pub token: JsValue,
    /// Makes sure that the thread exists. An inbox has none.
    pub ensure: JsValue,
}

#[cfg(feature = "inbox")]
impl Backend {
    /// With what an inbox does not name as it was `before`.
    pub fn over(mut self, before: &Backend) -> Self {
        if self.ensure.is_falsy() {
            self.ensure = before.ensure.clone();
        }
        self
    }
}

/// Who is signed in, and on which project.
pub struct Account {
    /// Without a slash at the end.
    pub supabase_url: String,
    /// The anon or publishable key.
    pub anon_key: String,
    /// The page's own backend.
    pub backend: Backend,
    /// The signed-in person.
    pub my_id: String,
    /// Whether what is not sent yet is kept beyond the page's life.
    pub persist_outbox: bool,
    /// Whether others are told how far the person has read, and the person how far others have.
    #[cfg(feature = "inbox")]
    pub receipts: bool,
}

/// What a session was made with, checked.
pub struct Options {
    /// Whose it is.
    pub account: Account,
    /// The two people's thread.
    pub thread: ThreadId,
    /// Messages a page.
    pub page_size: u32,
    /// Whether the newest page is kept beyond the page's life.
    pub cache_messages: bool,
}

impl Options {
    /// Reads a page's options; the error is what to throw.
    pub fn read(options: &JsValue) -> Result<Self, JsValue> {
        let read = Read::new(options, false)?;
        let account = read.account();
        let thread = ThreadId::new(&account.my_id, &read.text(5)).map_err(|error| to_js(&error))?;
        Ok(Options { account, thread, page_size: read.page_size(), cache_messages: read.value(8).is_truthy() })
    }
}

/// What an inbox was made with, checked.
#[cfg(feature = "inbox")]
pub struct InboxOptions {
    /// Whose it is.
    pub account: Account,
    /// Lines a page.
    pub page_size: u32,
}

#[cfg(feature = "inbox")]
impl InboxOptions {
    /// Reads a page's options; the error is what to throw.
    pub fn read(options: &JsValue) -> Result<Self, JsValue> {
        let read = Read::new(options, true)?;
        let account = read.account();
        if !crate::thread_id::is_mongo_id(&account.my_id) {
            return Err(invalid(
                "myMongoId must be 1 to 119 bytes, without \"__\", control characters or \"_\" at an end",
            ));
        }
        Ok(InboxOptions { account, page_size: read.page_size() })
    }
}

/// The options in a row.
struct Read(Value);

impl Read {
    fn new(options: &JsValue, is_inbox: bool) -> Result<Self, JsValue> {
        let read = read_options(options, is_inbox);
        match read.as_string() {
            Some(complaint) => Err(invalid(&complaint)),
            None => Ok(Read(Value(read))),
        }
    }

    fn value(&self, at: usize) -> JsValue {
        self.0.at(at).map_or(JsValue::UNDEFINED, |Value(value)| value)
    }

    fn text(&self, at: usize) -> String {
        self.value(at).as_string().unwrap_or_default()
    }

    fn page_size(&self) -> u32 {
        self.value(6).as_f64().unwrap_or_default() as u32
    }

    fn account(&self) -> Account {
        Account {
            supabase_url: self.text(0),
            anon_key: self.text(1),
            backend: Backend { token: self.value(2), ensure: self.value(3) },
            my_id: self.text(4),
            persist_outbox: self.value(7).is_truthy(),
            #[cfg(feature = "inbox")]
            receipts: self.value(9).is_truthy(),
        }
    }
}
