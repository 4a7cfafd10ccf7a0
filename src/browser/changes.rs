//! Messages that change: what a page sees of it, and what outlives the page.

use super::error::to_js;
use super::json::Value;
use super::storage::JsStorage;
use crate::change::{PendingChange, Windows};
use crate::json::Json;
use crate::message::{MessageId, PendingMessage, Row, Sender};
use crate::stored;
use crate::thread_id::ThreadId;
use js_sys::Array;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/changes.js")]
extern "C" {
    #[wasm_bindgen(js_name = Changes)]
    type JsChanges;
    #[wasm_bindgen(constructor, js_class = "Changes")]
    fn new(list: &Array, is_low: bool, expired: &JsValue) -> JsChanges;
    #[wasm_bindgen(method)]
    fn close(this: &JsChanges);
    #[wasm_bindgen(method, js_name = putSent)]
    fn put_sent(this: &JsChanges, at: u32, replaced: u32, row: &JsValue, seq: f64, mine: bool);
    #[wasm_bindgen(method, js_name = putPending)]
    fn put_pending(
        this: &JsChanges,
        at: u32,
        replaced: u32,
        id: &str,
        body: &str,
        written_at: f64,
        error: &JsValue,
        reply_to: Option<f64>,
    );
    #[wasm_bindgen(method)]
    fn remove(this: &JsChanges, at: u32, count: u32);
    #[wasm_bindgen(method)]
    fn quote(this: &JsChanges, row: &JsValue, seq: f64, mine: bool);
    #[wasm_bindgen(method)]
    fn set(this: &JsChanges, id: &str, change: &JsValue);
    #[wasm_bindgen(method, js_name = setWindows)]
    fn set_windows(this: &JsChanges, edit: Option<f64>, unsend: Option<f64>, now: &str) -> bool;
    #[wasm_bindgen(method, getter)]
    fn extras(this: &JsChanges) -> JsValue;

    fn change(
        edit: Option<&str>,
        unsend: bool,
        reacts: bool,
        reaction: Option<&str>,
        refused: Option<&str>,
        error: &JsValue,
    ) -> JsValue;
    #[wasm_bindgen(js_name = openChanges)]
    fn open_changes(project: &str, person: &str, adopted: &JsValue) -> JsStorage;
    #[wasm_bindgen(js_name = keepChange)]
    fn keep_change(
        storage: &JsStorage,
        id: &str,
        thread: &str,
        change: &JsValue,
        code: Option<&str>,
        detail: Option<&str>,
    );
}

/// The messages of a thread as a page has them.
pub struct Changes {
    messages: JsChanges,
    expired: Expired,
    _told: Closure<dyn Fn()>,
}

/// Who wants to know that a message can't be changed any more.
type Expired = Rc<RefCell<Option<Box<dyn Fn()>>>>;

impl Changes {
    /// Of `me` in `thread`; `list` is what the page gets.
    pub fn new(list: &Array, thread: &ThreadId, me: &str) -> Self {
        let is_low = thread.as_str().strip_prefix(me).is_some_and(|rest| rest.starts_with("__"));
        let expired = Expired::default();
        let tell = expired.clone();
        let told: Closure<dyn Fn()> = Closure::new(move || tell.borrow().iter().for_each(|tell| tell()));
        Changes { messages: JsChanges::new(list, is_low, told.as_ref()), expired, _told: told }
    }

    /// Calls `tell` when a message can't be changed any more.
    pub fn on_expiry(&self, tell: impl Fn() + 'static) {
        self.expired.replace(Some(Box::new(tell)));
    }

    /// Puts a confirmed message in at `at`, in the place of so many.
    pub fn put_sent(&self, at: u32, replaced: u32, value: &Value, seq: u64, mine: bool) {
        self.messages.put_sent(at, replaced, &value.0, seq as f64, mine);
    }

    /// The same of one that is not confirmed.
    pub fn put_pending(&self, at: u32, replaced: u32, message: &PendingMessage) {
        let PendingMessage { id, body, reply_to, written_at, error, .. } = message;
        let error = error.as_ref().map_or(JsValue::UNDEFINED, to_js);
        let reply_to = reply_to.map(|seq| seq as f64);
        self.messages.put_pending(at, replaced, &id.text(), body, *written_at as f64, &error, reply_to);
    }

    /// Takes `count` messages out.
    pub fn remove(&self, at: u32, count: u32) {
        self.messages.remove(at, count);
    }

    /// A message that others reply to.
    pub fn quote(&self, row: &Row<Value>) {
        self.messages.quote(&row.value.0, row.seq as f64, row.sender == Sender::Me);
    }

    /// What is still to become of a message.
    pub fn set(&self, id: MessageId, change: Option<&PendingChange>) {
        self.messages.set(&id.text(), &change.map_or(JsValue::UNDEFINED, value));
    }

    /// For how long messages can be changed. Returns whether that makes a difference.
    pub fn set_windows(&self, windows: &Windows) -> bool {
        let seconds = |window: Option<u64>| window.map(|seconds| seconds as f64);
        self.messages.set_windows(seconds(windows.edit), seconds(windows.unsend), &windows.now)
    }

    /// The function that tells what storage is to keep of a message.
    pub fn extras(&self) -> JsValue {
        self.messages.extras()
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.messages.close();
    }
}

fn value(pending: &PendingChange) -> JsValue {
    let PendingChange { edit, unsend, reaction, refused, .. } = pending;
    let error = refused.as_ref().map_or(JsValue::UNDEFINED, |(_, error)| to_js(error));
    let refused = refused.as_ref().map(|(kind, _)| kind.as_str());
    let emoji = reaction.as_ref().and_then(|emoji| emoji.as_deref());
    change(edit.as_deref(), *unsend, reaction.is_some(), emoji, refused, &error)
}

/// One person's changes that are not done, in storage; dropped, it tells nothing more.
pub struct Store {
    storage: JsStorage,
    _adopted: Closure<dyn Fn(JsValue) -> JsValue>,
}

impl Store {
    /// Calls `adopted` with each change that other pages left, now and when one of them ends.
    pub fn new(project: &str, person: &str, adopted: impl Fn(ThreadId, PendingChange) + 'static) -> Self {
        let me = person.to_owned();
        let adopted: Closure<dyn Fn(JsValue) -> JsValue> = Closure::new(move |records: JsValue| {
            let (records, gone) = (Value(records), Array::new());
            let mut at = 0;
            while let Some(record) = records.at(at) {
                at += 1;
                match stored::read_change(&record, &me) {
                    Some((thread, change)) => adopted(thread, change),
                    None => drop(gone.push(&record.0)),
                }
            }
            gone.into()
        });
        Store { storage: open_changes(project, person, adopted.as_ref()), _adopted: adopted }
    }

    /// Writes what is to become of a message over what is there of it.
    pub fn put(&self, thread: &ThreadId, change: &PendingChange) {
        let error = change.refused.as_ref().map(|(_, error)| error);
        let code = error.map(|error| error.code.as_str());
        let detail = error.and_then(|error| error.detail.as_deref());
        keep_change(&self.storage, &change.id.text(), thread.as_str(), &value(change), code, detail);
    }

    /// Deletes it.
    pub fn remove(&self, id: MessageId) {
        self.storage.remove(&id.text());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.storage.close();
    }
}
