//! The newest page of each thread, as storage keeps it from one visit to the next. Where the outbox is emptied by a sign-out,
//! `storage.js` empties this as well.

use super::json::Value;
use crate::thread_id::ThreadId;
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/pages.js")]
extern "C" {
    #[wasm_bindgen(js_name = openPage)]
    fn open_page(project: &str, person: &str, thread: &str, wanted: bool, found: &JsValue);
    #[wasm_bindgen(js_name = keepPage)]
    fn keep_page(project: &str, person: &str, thread: &str, other: &str, list: &Array);
}

/// Calls `found` with the rows that are kept of `thread`, or with nothing; deletes them, unless they are wanted.
pub fn open(project: &str, person: &str, thread: &ThreadId, wanted: bool, found: impl FnOnce(Value) + 'static) {
    let found = Closure::once_into_js(move |rows| found(Value(rows)));
    open_page(project, person, thread.as_str(), wanted, &found);
}

/// Keeps the newest of `messages` in a moment.
pub fn keep(project: &str, person: &str, thread: &ThreadId, messages: &Array) {
    keep_page(project, person, thread.as_str(), thread.other(person).unwrap_or_default(), messages);
}
