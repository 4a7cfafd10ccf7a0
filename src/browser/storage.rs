//! The drafts that storage keeps beyond the page's life.

use super::json::Value;
use super::notify;
use crate::json::Json;
use crate::message::MessageId;
use crate::outbox::Draft;
use crate::stored;
use crate::thread_id::ThreadId;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/storage.js")]
extern "C" {
    #[wasm_bindgen(js_name = Storage)]
    type JsStorage;
    #[wasm_bindgen(constructor, js_class = "Storage")]
    fn new(
        project: &str,
        person: &str,
        written: &JsValue,
        works: &JsValue,
        adopted: &JsValue,
        signed_out: &JsValue,
    ) -> JsStorage;
    #[wasm_bindgen(method)]
    fn put(
        this: &JsStorage,
        ticket: u32,
        id: &str,
        thread: &str,
        order: f64,
        written_at: f64,
        body: &str,
        code: Option<&str>,
        detail: Option<&str>,
    );
    #[wasm_bindgen(method)]
    fn remove(this: &JsStorage, id: &str);
    #[wasm_bindgen(method)]
    fn close(this: &JsStorage);

    #[wasm_bindgen(js_name = forgetAll)]
    pub fn forget_all() -> Promise;
}

/// What storage tells.
pub enum Event {
    /// Whether what is written is kept.
    Works(bool),
    /// Drafts that another page left.
    Adopted(Vec<(ThreadId, Draft)>),
    /// All that was there at the start has been told.
    Started,
    /// Another page signed out.
    SignedOut,
}

/// One person's drafts in storage; dropped, it tells nothing more.
pub struct Storage {
    storage: JsStorage,
    _callbacks: [Closure<dyn Fn(JsValue)>; 4],
}

impl Storage {
    /// Finds what other pages left, now and when one of them ends.
    pub fn new(project: &str, person: &str, tell: impl Fn(Event) + Clone + 'static) -> Self {
        let (works, adopted, signed_out) = (tell.clone(), tell.clone(), tell);
        let me = person.to_owned();
        let callbacks: [Closure<dyn Fn(JsValue)>; 4] = [
            Closure::new(|ticket: JsValue| notify::written(ticket.as_f64().unwrap_or_default() as u32)),
            Closure::new(move |value: JsValue| works(Event::Works(value.is_truthy()))),
            Closure::new(move |records: JsValue| {
                if records.is_undefined() {
                    return adopted(Event::Started);
                }
                let records = Value(records);
                let all = (0..records.len().unwrap_or(0)).filter_map(|at| stored::read(&records.at(at)?, &me));
                adopted(Event::Adopted(all.collect()));
            }),
            Closure::new(move |_| signed_out(Event::SignedOut)),
        ];
        let [written, works, adopted, signed_out] = [0, 1, 2, 3].map(|at: usize| callbacks[at].as_ref());
        Storage { storage: JsStorage::new(project, person, written, works, adopted, signed_out), _callbacks: callbacks }
    }

    /// Writes a draft over the one of its id; what the page sees of it waits for that.
    pub fn put(&self, thread: &ThreadId, draft: &Draft) {
        self.storage.put(
            notify::hold(),
            &draft.id.text(),
            thread.as_str(),
            draft.order as f64,
            draft.written_at as f64,
            &draft.body,
            draft.error.as_ref().map(|error| error.code.as_str()),
            draft.error.as_ref().and_then(|error| error.detail.as_deref()),
        );
    }

    /// Deletes a draft.
    pub fn remove(&self, id: MessageId) {
        self.storage.remove(&id.text());
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.storage.close();
    }
}
