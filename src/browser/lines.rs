//! What a page sees of the inbox, and who looks at it.

use super::attached::Attached;
use super::error::to_js;
use super::values;
use crate::conversation::{InboxDiff, InboxLine, Preview};
use crate::error::ChatError;
use crate::io::{InboxState, Status};
use crate::message::Sender;
use js_sys::Array;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/inbox.js")]
extern "C" {
    #[wasm_bindgen(js_name = putLine)]
    fn put_line(
        list: &Array,
        at: u32,
        replaced: u32,
        thread: &str,
        other: &str,
        unread: u32,
        read: f64,
        delivered: f64,
        message: &JsValue,
    );
    fn preview(
        id: &str,
        mine: bool,
        body: &str,
        created_at: &str,
        deleted: bool,
        seq: f64,
        read: f64,
        delivered: f64,
    ) -> JsValue;
    #[wasm_bindgen(js_name = inboxSnapshot)]
    fn inbox_snapshot(
        status: &str,
        threads: &JsValue,
        unread: u32,
        has_more: bool,
        loading_more: bool,
        error: &JsValue,
    ) -> JsValue;
}

/// The inbox of one person in this tab: the same for all who have it open.
#[derive(Default)]
pub struct Inbox {
    sessions: RefCell<Vec<Rc<Attached>>>,
    view: RefCell<View>,
}

impl Inbox {
    /// Whether somebody has it open.
    pub fn is_open(&self) -> bool {
        !self.sessions.borrow().is_empty()
    }

    /// One more has it open.
    pub fn open(&self, session: &Rc<Attached>) {
        self.sessions.borrow_mut().push(session.clone());
        session.subscribers.changed();
    }

    /// One has it open no more.
    pub fn close(&self, session: &Rc<Attached>) {
        self.sessions.borrow_mut().retain(|open| !Rc::ptr_eq(open, session));
        session.subscribers.changed();
    }

    /// The client has ended.
    pub fn end(&self) {
        for session in self.sessions.take() {
            session.end();
        }
    }

    /// Follows a change of the lines.
    pub fn apply(&self, diff: InboxDiff, me: &str) {
        self.view.borrow_mut().apply(diff, me);
        self.tell(|session| session.subscribers.changed());
    }

    /// Follows a change of the state.
    pub fn set_state(&self, state: InboxState) {
        self.view.borrow_mut().set_state(state);
        self.tell(|session| session.subscribers.changed());
    }

    /// `open()` has ended.
    pub fn opened(&self, result: &Result<(), ChatError>) {
        self.tell(|session| session.opened(result));
    }

    /// `loadMore()` has ended.
    pub fn more_loaded(&self, result: &Result<(), ChatError>) {
        self.tell(|session| session.loading.settle(result));
    }

    fn tell(&self, what: impl Fn(&Attached)) {
        self.sessions.borrow().iter().for_each(|session| what(session));
    }

    /// The snapshot: the identical object until something changed.
    pub fn snapshot(&self) -> JsValue {
        self.view.borrow_mut().snapshot()
    }

    /// Whether it has stopped for good.
    pub fn stopped(&self) -> bool {
        self.view.borrow().state.status == Status::Closed
    }
}

/// The lines and the state as JavaScript values: each line one frozen object that stays the same until the line changes.
struct View {
    lines: Array,
    state: InboxState,
    error: JsValue,
    frozen_lines: Option<JsValue>,
    snapshot: Option<JsValue>,
}

impl Default for View {
    fn default() -> Self {
        View {
            lines: Array::new(),
            state: InboxState {
                status: Status::Connecting,
                unread: 0,
                has_more: false,
                loading_more: false,
                error: None,
            },
            error: JsValue::NULL,
            frozen_lines: None,
            snapshot: None,
        }
    }
}

impl View {
    fn apply(&mut self, diff: InboxDiff, me: &str) {
        self.frozen_lines = None;
        self.snapshot = None;
        match diff {
            InboxDiff::Insert { at, line } => self.put(at, 0, &line, me),
            InboxDiff::Update { at, line } => self.put(at, 1, &line, me),
            InboxDiff::Remove { at } => values::remove(&self.lines, at as u32, 1),
        }
    }

    fn put(&self, at: usize, replaced: u32, line: &InboxLine, me: &str) {
        let (read, delivered) = (line.read_by_other as f64, line.delivered_to_other as f64);
        let Preview { id, seq, sender, body, created_at, deleted, .. } = &line.message;
        let mine = *sender == Sender::Me;
        let message = preview(&id.text(), mine, body, created_at, *deleted, *seq as f64, read, delivered);
        let other = line.thread.other(me).unwrap_or_default();
        put_line(&self.lines, at as u32, replaced, line.thread.as_str(), other, line.unread, read, delivered, &message);
    }

    fn set_state(&mut self, state: InboxState) {
        self.snapshot = None;
        if state.error != self.state.error {
            self.error = state.error.as_ref().map_or(JsValue::NULL, to_js);
        }
        self.state = state;
    }

    fn snapshot(&mut self) -> JsValue {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let lines = self.frozen_lines.get_or_insert_with(|| values::frozen_copy(&self.lines)).clone();
        let InboxState { status, unread, has_more, loading_more, .. } = &self.state;
        let snapshot = inbox_snapshot(status.as_str(), &lines, *unread, *has_more, *loading_more, &self.error);
        self.snapshot.insert(snapshot).clone()
    }
}

thread_local! {
    static CLOSED: JsValue =
        inbox_snapshot(Status::Closed.as_str(), &values::frozen_copy(&Array::new()), 0, false, false, &JsValue::NULL);
}

/// The snapshot of an inbox that is not open.
pub fn closed() -> JsValue {
    CLOSED.with(JsValue::clone)
}
