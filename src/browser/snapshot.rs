//! What a page sees of a thread.

use super::error::to_js;
use super::json::Value;
use super::values;
#[cfg(feature = "inbox")]
use crate::conversation::Markers;
use crate::io::{Diff, State, Status};
#[cfg(not(feature = "changes"))]
use crate::message::PendingMessage;
use crate::message::{Message, Row, Sender};
use crate::thread_id::ThreadId;
use js_sys::Array;
use wasm_bindgen::JsValue;

/// A thread's messages and state as JavaScript values: each message one frozen object that stays the same until the
/// message changes, so that React renders only what did.
pub struct View {
    /// The thread.
    pub thread: ThreadId,
    messages: Array,
    #[cfg(feature = "changes")]
    pub changes: super::changes::Changes,
    state: State,
    outbox_persists: bool,
    /// Whether its newest page is kept for the next visit.
    pub cached: bool,
    error: JsValue,
    #[cfg(feature = "inbox")]
    marks: super::marks::Marks,
    frozen_messages: Option<JsValue>,
    snapshot: Option<JsValue>,
}

impl View {
    /// An empty thread that is about to be opened by `me`.
    pub fn new(thread: ThreadId, me: &str, outbox_persists: bool) -> Self {
        let messages = Array::new();
        #[cfg(not(feature = "changes"))]
        let _ = me;
        View {
            #[cfg(feature = "changes")]
            changes: super::changes::Changes::new(&messages, &thread, me),
            thread,
            messages,
            state: State {
                status: Status::Connecting,
                has_older: false,
                loading_older: false,
                from_cache: false,
                error: None,
            },
            outbox_persists,
            cached: false,
            error: JsValue::NULL,
            #[cfg(feature = "inbox")]
            marks: Default::default(),
            frozen_messages: None,
            snapshot: None,
        }
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> Array {
        self.messages.clone()
    }

    /// Follows a change of the messages.
    pub fn apply(&mut self, diff: Diff<Value>) {
        self.frozen_messages = None;
        self.snapshot = None;
        match diff {
            Diff::Insert { at, message } => self.put(at, 0, &message),
            Diff::Update { at, message } => self.put(at, 1, &message),
            #[cfg(feature = "changes")]
            Diff::Remove { at, count } => self.changes.remove(at as u32, count as u32),
            #[cfg(not(feature = "changes"))]
            Diff::Remove { at, count } => values::remove(&self.messages, at as u32, count as u32),
        }
    }

    fn put(&self, at: usize, replaced: u32, message: &Message<Value>) {
        let at = at as u32;
        match message {
            Message::Sent(Row { value, seq, sender, .. }) => {
                let mine = *sender == Sender::Me;
                #[cfg(feature = "changes")]
                self.changes.put_sent(at, replaced, value, *seq, mine);
                #[cfg(not(feature = "changes"))]
                values::put_sent(&self.messages, at, replaced, &value.0, *seq as f64, mine);
                #[cfg(feature = "inbox")]
                if mine {
                    self.marks.tick(&self.messages, at, at + 1);
                }
            }
            #[cfg(feature = "changes")]
            Message::Pending(message) => self.changes.put_pending(at, replaced, message),
            #[cfg(not(feature = "changes"))]
            Message::Pending(PendingMessage { id, body, written_at, error, .. }) => {
                let error = error.as_ref().map_or(JsValue::UNDEFINED, to_js);
                values::put_pending(&self.messages, at, replaced, &id.text(), body, *written_at as f64, &error);
            }
        }
    }

    /// Some messages are shown otherwise.
    #[cfg(feature = "changes")]
    pub fn touch(&mut self) {
        self.frozen_messages = None;
        self.snapshot = None;
    }

    /// What storage is to keep of a message besides what the core knows.
    pub fn extras(&self) -> JsValue {
        #[cfg(feature = "changes")]
        return self.changes.extras();
        #[cfg(not(feature = "changes"))]
        JsValue::UNDEFINED
    }

    /// Follows a change of the state.
    pub fn set_state(&mut self, state: State) {
        self.snapshot = None;
        if state.error != self.state.error {
            self.error = state.error.as_ref().map_or(JsValue::NULL, to_js);
        }
        self.state = state;
    }

    /// Follows whether storage keeps what is not sent yet.
    pub fn set_outbox_persists(&mut self, persists: bool) {
        self.snapshot = None;
        self.outbox_persists = persists;
    }

    /// Whether it is to be kept, is what the server said, and has changed since the last snapshot.
    pub fn is_worth_keeping(&self) -> bool {
        self.cached && !self.state.from_cache && self.snapshot.is_none()
    }

    /// Whether the thread has stopped for good.
    pub fn stopped(&self) -> bool {
        self.state.status == Status::Closed
    }

    /// The snapshot: the identical object until something changed.
    pub fn snapshot(&mut self) -> JsValue {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let messages = self.frozen_messages.get_or_insert_with(|| values::frozen_copy(&self.messages)).clone();
        let snapshot = values::snapshot(
            self.state.status.as_str(),
            &messages,
            self.state.has_older,
            self.state.loading_older,
            &self.error,
            self.outbox_persists,
            self.state.from_cache,
        );
        #[cfg(feature = "inbox")]
        let snapshot = self.marks.add_to(&snapshot, &self.messages, self.state.has_older);
        self.snapshot.insert(snapshot).clone()
    }
}

#[cfg(feature = "inbox")]
impl View {
    /// Nobody had it open, and now somebody has.
    pub fn open(&mut self) {
        self.snapshot = None;
        self.marks = Default::default();
    }

    /// Whether the first page is there.
    pub fn is_loaded(&self) -> bool {
        self.marks.loaded
    }

    /// The first page is there.
    pub fn opened(&mut self) {
        self.snapshot = None;
        self.marks.loaded = true;
    }

    /// Follows how far the thread is read.
    pub fn set_markers(&mut self, markers: Markers) {
        self.snapshot = None;
        if self.marks.set(markers, &self.messages) {
            self.frozen_messages = None;
        }
    }
}

thread_local! {
    static CLOSED: JsValue = {
        let none = Array::new();
        let list = values::frozen_copy(&none);
        let snapshot = values::snapshot(Status::Closed.as_str(), &list, false, false, &JsValue::NULL, true, false);
        #[cfg(feature = "inbox")]
        let snapshot = super::marks::Marks::default().add_to(&snapshot, &none, false);
        snapshot
    };
}

/// The snapshot of a session that is not open.
pub fn closed() -> JsValue {
    CLOSED.with(JsValue::clone)
}
