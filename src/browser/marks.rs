//! How far a thread is read: what a page sees of it, and what outlives the page.

use super::json::Value;
use crate::conversation::Markers;
use crate::json::Json;
use crate::thread_id::ThreadId;
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/inbox.js")]
extern "C" {
    fn tick(list: &Array, start: u32, end: u32, read: f64, delivered: f64) -> bool;
    #[wasm_bindgen(js_name = firstUnread)]
    fn first_unread(list: &Array, seen: f64, may_be_older: bool) -> JsValue;
    #[wasm_bindgen(js_name = withMarkers)]
    fn with_markers(snapshot: &JsValue, first_unread: &JsValue, read: f64, delivered: f64) -> JsValue;
    #[wasm_bindgen(js_name = keepSeen)]
    fn keep_seen(project: &str, person: &str, thread: &str, seq: f64);
    #[wasm_bindgen(js_name = dropSeen)]
    fn drop_seen(project: &str, person: &str, thread: &str);
    #[wasm_bindgen(js_name = findSeen)]
    fn find_seen(project: &str, person: &str, found: &JsValue);
}

/// What a page sees of how far its thread is read.
#[derive(Default)]
pub struct Marks {
    /// Once they are known.
    known: Option<Markers>,
    /// The first page is there.
    pub loaded: bool,
    /// `undefined` while it is not known; from then on it stays.
    first_unread: JsValue,
}

impl Marks {
    /// Follows a change. Whether a message of `list` has another status now.
    pub fn set(&mut self, markers: Markers, list: &Array) -> bool {
        self.known = Some(markers);
        self.tick(list, 0, list.length())
    }

    /// Gives the own messages from `start` to `end` their status. Whether one has another than before.
    pub fn tick(&self, list: &Array, start: u32, end: u32) -> bool {
        let (read, delivered) = self.others();
        tick(list, start, end, read, delivered)
    }

    fn others(&self) -> (f64, f64) {
        self.known.map_or((0.0, 0.0), |known| (known.read_by_other as f64, known.delivered_to_other as f64))
    }

    /// `snapshot` with what is known.
    pub fn add_to(&mut self, snapshot: &JsValue, list: &Array, has_older: bool) -> JsValue {
        if let Some(known) = self.known.filter(|_| self.loaded && self.first_unread.is_undefined()) {
            let may_be_older = has_older && !known.all_read_at_open;
            self.first_unread = first_unread(list, known.seen_at_open as f64, may_be_older);
        }
        let (read, delivered) = self.others();
        with_markers(snapshot, &self.first_unread, read, delivered)
    }
}

/// Keeps that the person has seen `thread` up to `seq`.
pub fn keep(project: &str, person: &str, thread: &ThreadId, seq: u64) {
    keep_seen(project, person, thread.as_str(), seq as f64);
}

/// The server knows it.
pub fn drop(project: &str, person: &str, thread: &ThreadId) {
    drop_seen(project, person, thread.as_str());
}

/// Calls `found` with each thread of which earlier pages kept how far it was seen.
pub fn find(project: &str, person: &str, found: impl Fn(ThreadId, u64) + 'static) {
    let me = person.to_owned();
    let found = Closure::once_into_js(move |records: JsValue| {
        let records = Value(records);
        let mut at = 0;
        while let Some(record) = records.at(at) {
            at += 1;
            if let Some((thread, seq)) = read(&record, &me) {
                found(thread, seq);
            }
        }
    });
    find_seen(project, person, &found);
}

/// A record that could be of any version, or of anybody with the browser's tools.
fn read(record: &Value, me: &str) -> Option<(ThreadId, u64)> {
    Some((ThreadId::read(&record.text("thread")?, me)?, record.number("seq")?))
}
