//! The newest page of each thread, as storage keeps it from one visit to the next. Where the outbox is emptied by a sign-out,
//! `storage.js` empties this as well.

use super::json::Value;
use crate::json::Json;
use crate::thread_id::ThreadId;
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/pages.js")]
extern "C" {
    #[wasm_bindgen(js_name = openPage)]
    fn open_page(project: &str, person: &str, thread: &str, wanted: bool, found: &JsValue);
    #[wasm_bindgen(js_name = keepPage)]
    fn keep_page(project: &str, person: &str, thread: &str, other: &str, list: &Array, extras: &JsValue);
}

/// Whom `pages.js` tells of what it found.
pub type Found = Closure<dyn Fn(JsValue) -> JsValue>;

/// Calls `found` with each page: the name of its thread, and its rows.
pub fn found(found: impl Fn(&str, Value) + 'static) -> Found {
    Closure::new(move |page| {
        let page = Value(page);
        if let (Some(thread), Some(rows)) = (page.at(0).and_then(|thread| thread.as_str()), page.at(1)) {
            found(&thread, rows);
        }
        JsValue::UNDEFINED
    })
}

/// Looks for the rows that are kept of `thread`; deletes them, unless they are wanted.
pub fn open(project: &str, person: &str, thread: &ThreadId, wanted: bool, found: &Found) {
    open_page(project, person, thread.as_str(), wanted, found.as_ref());
}

/// Keeps the newest of `messages` in a moment, with what the function `extras` tells of each.
pub fn keep(project: &str, person: &str, thread: &ThreadId, messages: &Array, extras: &JsValue) {
    keep_page(project, person, thread.as_str(), thread.other(person).unwrap_or_default(), messages, extras);
}
