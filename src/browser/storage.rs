//! The pending messages that storage keeps beyond the page's life.

use super::json::Value;
use super::random;
use crate::json::Json;
use crate::message::{MessageId, PendingMessage};
use crate::stored;
use crate::thread_id::ThreadId;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/storage.js")]
extern "C" {
    #[wasm_bindgen(js_name = Storage)]
    pub type JsStorage;
    #[wasm_bindgen(constructor, js_class = "Storage")]
    fn new(project: &str, person: &str, works: &JsValue, adopted: &JsValue) -> JsStorage;
    #[wasm_bindgen(method)]
    fn put(
        this: &JsStorage,
        id: &str,
        thread: &str,
        order: f64,
        written_at: f64,
        body: &str,
        reply_to: Option<f64>,
        code: Option<&str>,
        detail: Option<&str>,
    );
    #[wasm_bindgen(method)]
    pub fn remove(this: &JsStorage, id: &str);
    #[wasm_bindgen(method)]
    pub fn close(this: &JsStorage);

    #[wasm_bindgen(js_name = forgetAll)]
    pub fn forget_all() -> Promise;
    #[wasm_bindgen(js_name = countUnsent)]
    pub fn count_unsent(lists: &Array) -> Promise;

    type Heard;
    #[wasm_bindgen(js_name = hearSignOut)]
    fn hear_sign_out(signed_out: &JsValue) -> Heard;
    #[wasm_bindgen(method, js_name = close)]
    fn unhear(this: &Heard);
}

/// Hears when another page signs out; dropped, it hears nothing more.
pub struct SignOuts {
    heard: Heard,
    _signed_out: Closure<dyn Fn()>,
}

impl SignOuts {
    /// Calls `signed_out` each time.
    pub fn hear(signed_out: fn()) -> Self {
        let signed_out = Closure::new(signed_out);
        SignOuts { heard: hear_sign_out(signed_out.as_ref()), _signed_out: signed_out }
    }
}

impl Drop for SignOuts {
    fn drop(&mut self) {
        self.heard.unhear();
    }
}

/// What storage tells.
pub enum Event {
    /// Whether what is written is kept.
    Works(bool),
    /// Messages that other pages left, by thread.
    Adopted(Vec<(ThreadId, Vec<PendingMessage>)>),
    /// All that was there at the start has been told.
    Started,
}

/// One person's pending messages in storage; dropped, it tells nothing more.
pub struct Storage {
    storage: JsStorage,
    _callbacks: [Closure<dyn Fn(JsValue) -> JsValue>; 2],
}

impl Storage {
    /// Finds what other pages left, now and when one of them ends.
    pub fn new(project: &str, person: &str, tell: impl Fn(Event) + Clone + 'static) -> Self {
        let (works, adopted) = (tell.clone(), tell);
        let me = person.to_owned();
        let callbacks: [Closure<dyn Fn(JsValue) -> JsValue>; 2] = [
            Closure::new(move |value: JsValue| {
                works(Event::Works(value.is_truthy()));
                JsValue::UNDEFINED
            }),
            Closure::new(move |records: JsValue| {
                if records.is_undefined() {
                    adopted(Event::Started);
                    return JsValue::UNDEFINED;
                }
                let (messages, gone) = read_all(&Value(records), &me);
                adopted(Event::Adopted(messages));
                gone.into()
            }),
        ];
        let [works, adopted] = &callbacks;
        let storage = JsStorage::new(project, person, works.as_ref(), adopted.as_ref());
        Storage { storage, _callbacks: callbacks }
    }

    /// Writes a message over the one of its id.
    pub fn put(&self, thread: &ThreadId, message: &PendingMessage) {
        self.storage.put(
            &message.id.text(),
            thread.as_str(),
            message.order as f64,
            message.written_at as f64,
            &message.body,
            message.reply_to.map(|seq| seq as f64),
            message.error.as_ref().map(|error| error.code.as_str()),
            message.error.as_ref().and_then(|error| error.detail.as_deref()),
        );
    }

    /// Deletes a message.
    pub fn remove(&self, id: MessageId) {
        self.storage.remove(&id.text());
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.storage.close();
    }
}

/// The messages of `records` by thread, and those of the records that are to be removed: they hold nothing that could be
/// shown, or their message goes on under another id.
fn read_all(records: &Value, me: &str) -> (Vec<(ThreadId, Vec<PendingMessage>)>, Array) {
    let mut threads: Vec<(ThreadId, Vec<PendingMessage>)> = Vec::new();
    let gone = Array::new();
    let mut at = 0;
    while let Some(record) = records.at(at) {
        at += 1;
        let read = stored::read(&record, me, random::message_id);
        if read.as_ref().is_none_or(|(_, message)| record.text("id") != Some(message.id.text())) {
            gone.push(&record.0);
        }
        let Some((thread, message)) = read else { continue };
        match threads.iter_mut().find(|(known, _)| *known == thread) {
            Some((_, messages)) => messages.push(message),
            None => threads.push((thread, vec![message])),
        }
    }
    (threads, gone)
}
