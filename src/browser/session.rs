//! `ChatSession`, as a page has it.

use super::attached::Attached;
use super::client::{self, Client};
use super::error::{invalid, to_js};
use super::handle::{self, Handle, Opens};
use super::options::{Account, Options};
use super::{random, snapshot, storage};
#[cfg(feature = "changes")]
use crate::change::Change;
use crate::io::Input;
#[cfg(feature = "inbox")]
use crate::json::Json;
use crate::message::{MessageId, check_body};
use crate::thread_id::ThreadId;
use js_sys::Promise;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

impl Opens for Options {
    fn account(&self) -> &Account {
        &self.account
    }

    fn stopped(&self, client: &Client) -> bool {
        client.stopped(&self.thread)
    }

    fn open(&self, client: &Rc<Client>, attached: &Rc<Attached>) {
        client.open(attached, self);
    }

    fn close(&self, client: &Client, attached: &Rc<Attached>) {
        client.close(attached, &self.thread);
    }
}

/// One thread, open on a page.
#[wasm_bindgen]
pub struct ChatSession {
    options: Options,
    handle: Handle,
}

impl ChatSession {
    fn on_message(&self, id: JsValue, input: fn(ThreadId, MessageId) -> Input<super::json::Value>) {
        let id = id.as_string().and_then(|id| MessageId::parse(&id));
        if let (Some(id), Some(client)) = (id, self.handle.client()) {
            client.feed(input(self.options.thread.clone(), id));
        }
    }
}

#[wasm_bindgen]
impl ChatSession {
    /// Checks the options; throws `invalid-options`. Does nothing else yet.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<ChatSession, JsValue> {
        Ok(ChatSession { options: Options::read(&options)?, handle: Handle::default() })
    }

    /// Calls `callback` after the snapshot has changed; gives the function that stops it.
    pub fn subscribe(&self, callback: JsValue) -> JsValue {
        self.handle.subscribe(callback)
    }

    /// What to show: the identical object until something changed.
    #[wasm_bindgen(js_name = getSnapshot)]
    pub fn get_snapshot(&self) -> JsValue {
        match self.handle.client() {
            Some(client) => client.snapshot(&self.options.thread),
            None => snapshot::closed(),
        }
    }

    /// Opens the thread; resolves when the first page is there. Resolves at once where it is; where the thread has
    /// stopped, it tries anew.
    pub fn open(&self) -> Promise {
        self.handle.open(&self.options)
    }

    /// Sends `body`; gives the message's id: `id`, unless that is `undefined`. Under the same id a second time changes
    /// nothing. Throws `closed`, `message-empty` or `message-too-long`.
    pub fn send(&self, body: JsValue, id: JsValue) -> Result<String, JsValue> {
        self.say(body, id, None)
    }

    fn say(&self, body: JsValue, id: JsValue, reply_to: Option<u64>) -> Result<String, JsValue> {
        let body = body.as_string().ok_or_else(|| invalid("send(body): body must be a string"))?;
        let id = match id.as_string() {
            Some(id) => MessageId::parse(&id).ok_or_else(|| invalid("send(body, id): id must be a UUID"))?,
            None => random::message_id(),
        };
        let client = self.handle.client().ok_or_else(handle::closed)?;
        check_body(&body).map_err(|code| to_js(&code.into()))?;
        client.feed(Input::Send { thread: self.options.thread.clone(), id, body, reply_to });
        Ok(id.text())
    }

    /// Reads the page of messages before the first one; resolves when it is there.
    #[wasm_bindgen(js_name = loadOlder)]
    pub fn load_older(&self) -> Promise {
        self.handle.load(Input::LoadOlder { thread: self.options.thread.clone() })
    }

    /// Sends a refused message again; an id that is not among them changes nothing.
    pub fn retry(&self, id: JsValue) {
        self.on_message(id, |thread, id| Input::Retry { thread, id });
    }

    /// Drops a message that is not sent; an id that is not among them changes nothing.
    pub fn discard(&self, id: JsValue) {
        self.on_message(id, |thread, id| Input::Discard { thread, id });
    }

    /// Closes the thread: the snapshot is `closed` and empty from now on, promises are rejected with `closed`.
    pub fn close(&self) {
        self.handle.close(&self.options);
    }
}

#[cfg(feature = "inbox")]
#[wasm_bindgen]
impl ChatSession {
    /// The person has seen the messages up to the number `seq`. Changes nothing while it is closed.
    #[wasm_bindgen(js_name = markRead)]
    pub fn mark_read(&self, seq: JsValue) -> Result<(), JsValue> {
        let seq = message_number(seq, "markRead(seq): seq")?;
        if let Some(client) = self.handle.client() {
            client.feed(Input::Seen { thread: self.options.thread.clone(), seq });
        }
        Ok(())
    }
}

#[cfg(feature = "changes")]
#[wasm_bindgen]
impl ChatSession {
    /// Sends `body` as `send` does, as a reply to the message of the number `seq`.
    pub fn reply(&self, body: JsValue, id: JsValue, seq: JsValue) -> Result<String, JsValue> {
        self.say(body, id, Some(message_number(seq, "replyTo")?))
    }

    /// Gives a message another text. Throws as `send` does.
    pub fn edit(&self, id: JsValue, body: JsValue) -> Result<(), JsValue> {
        let body = body.as_string().ok_or_else(|| invalid("edit(id, body): body must be a string"))?;
        check_body(&body).map_err(|code| to_js(&code.into()))?;
        self.change(id, Change::Edit(body.into()))
    }

    /// Takes a message back.
    pub fn unsend(&self, id: JsValue) -> Result<(), JsValue> {
        self.change(id, Change::Unsend)
    }

    /// Reacts to a message with an emoji, or takes that back where it is `null`.
    pub fn react(&self, id: JsValue, emoji: JsValue) -> Result<(), JsValue> {
        let text = emoji.as_string();
        let fits = text.as_ref().map_or(emoji.is_null(), |text| (1..=MAX_EMOJI_BYTES).contains(&text.len()));
        if !fits {
            return Err(invalid("react(id, emoji): emoji must be null or a text of at most 32 bytes"));
        }
        self.change(id, Change::React(text.map(Into::into)))
    }

    /// Reads older messages down to the number `seq`; resolves when it is there.
    #[wasm_bindgen(js_name = jumpTo)]
    pub fn jump_to(&self, seq: JsValue) -> Result<Promise, JsValue> {
        let seq = message_number(seq, "jumpTo(seq): seq")?;
        Ok(self.handle.jump(Input::JumpTo { thread: self.options.thread.clone(), seq }))
    }

    fn change(&self, id: JsValue, change: Change) -> Result<(), JsValue> {
        let client = self.handle.client().ok_or_else(handle::closed)?;
        if let Some(id) = id.as_string().and_then(|id| MessageId::parse(&id)) {
            client.feed(Input::Change { thread: self.options.thread.clone(), id, change });
        }
        Ok(())
    }
}

/// The number of a message.
#[cfg(feature = "inbox")]
fn message_number(given: JsValue, name: &str) -> Result<u64, JsValue> {
    let seq = super::json::Value(given).as_u64().filter(|seq| *seq > 0);
    seq.ok_or_else(|| invalid(&[name, " must be a message's number"].concat()))
}

/// The longest reaction; the database holds the same limit.
#[cfg(feature = "changes")]
const MAX_EMOJI_BYTES: usize = 32;

/// The id of the thread of two people.
#[wasm_bindgen(js_name = threadId)]
pub fn thread_id(a: JsValue, b: JsValue) -> Result<String, JsValue> {
    let (Some(a), Some(b)) = (a.as_string(), b.as_string()) else {
        return Err(invalid("threadId(a, b): both must be strings"));
    };
    let thread = ThreadId::new(&a, &b).map_err(|error| to_js(&error))?;
    Ok(thread.as_str().to_owned())
}

/// How many messages `signOut` would delete.
#[wasm_bindgen(js_name = countUnsent)]
pub fn count_unsent() -> Promise {
    storage::count_unsent(&client::all_messages())
}

/// Whether a client holds a token and a socket already.
#[wasm_bindgen(js_name = hasClient)]
pub fn has_client() -> bool {
    client::any()
}

/// Ends every session of the page and deletes what storage keeps; resolves when it is gone.
#[wasm_bindgen(js_name = signOut)]
pub fn sign_out() -> Promise {
    client::end_all();
    storage::forget_all()
}
