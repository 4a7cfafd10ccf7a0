//! `ChatSession`, as a page has it.

use super::error::{invalid, to_js};
use super::options::Options;
use super::page::Page;
use super::{notify, random, snapshot, storage};
use crate::error::{ChatError, Code};
use crate::io::Input;
use crate::message::{MessageId, check_body};
use crate::thread_id::ThreadId;
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// A promise that is not settled yet.
struct Deferred {
    resolve: Function,
    reject: Function,
}

impl Deferred {
    fn settle(self, result: &Result<(), ChatError>) {
        // Calling them runs nothing of the page: its reactions come later, and these two never throw.
        let _ = match result {
            Ok(()) => self.resolve.call0(&JsValue::UNDEFINED),
            Err(error) => self.reject.call1(&JsValue::UNDEFINED, &to_js(error)),
        };
    }
}

fn promise(waiting: &RefCell<Vec<Deferred>>) -> Promise {
    Promise::new(&mut |resolve, reject| waiting.borrow_mut().push(Deferred { resolve, reject }))
}

fn settle(waiting: &RefCell<Vec<Deferred>>, result: &Result<(), ChatError>) {
    for deferred in waiting.take() {
        deferred.settle(result);
    }
}

/// A session's part that lives on while it is open, whoever holds the JavaScript object.
pub struct Session {
    /// What it was made with.
    pub options: Options,
    /// The page while it is open.
    page: RefCell<Option<Rc<Page>>>,
    subscribers: RefCell<Vec<(u32, JsValue)>>,
    next_subscriber: Cell<u32>,
    /// Who waits for `open()`; empty once it has ended.
    opening: RefCell<Vec<Deferred>>,
    /// Whether it ended well.
    opened: Cell<bool>,
    loading_older: RefCell<Vec<Deferred>>,
}

impl Session {
    /// Who wants to know of a new snapshot.
    pub fn subscribers(&self) -> Vec<JsValue> {
        self.subscribers.borrow().iter().map(|(_, subscriber)| subscriber.clone()).collect()
    }

    /// `open()` has ended.
    pub fn opened(&self, result: &Result<(), ChatError>) {
        self.opened.set(result.is_ok());
        settle(&self.opening, result);
    }

    /// `loadOlder()` has ended.
    pub fn older_loaded(&self, result: &Result<(), ChatError>) {
        settle(&self.loading_older, result);
    }

    /// The page has ended under the session.
    pub fn ended(self: &Rc<Self>) {
        self.page.take();
        self.reject_all();
        notify::changed(self);
    }

    fn reject_all(&self) {
        let closed = Err(Code::Closed.into());
        settle(&self.opening, &closed);
        settle(&self.loading_older, &closed);
    }

    fn page(&self) -> Option<Rc<Page>> {
        self.page.borrow().clone()
    }
}

/// One thread, open on a page.
#[wasm_bindgen]
pub struct ChatSession(Rc<Session>);

#[wasm_bindgen]
impl ChatSession {
    /// Checks the options; throws `invalid-options`. Does nothing else yet.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<ChatSession, JsValue> {
        Ok(ChatSession(Rc::new(Session {
            options: Options::read(options)?,
            page: RefCell::default(),
            subscribers: RefCell::default(),
            next_subscriber: Cell::new(0),
            opening: RefCell::default(),
            opened: Cell::new(false),
            loading_older: RefCell::default(),
        })))
    }

    /// Calls `callback` after the snapshot has changed; gives the function that stops it.
    pub fn subscribe(&self, callback: JsValue) -> JsValue {
        let key = self.0.next_subscriber.get();
        self.0.next_subscriber.set(key + 1);
        self.0.subscribers.borrow_mut().push((key, callback));
        let session = Rc::downgrade(&self.0);
        let off = move || {
            if let Some(session) = session.upgrade() {
                session.subscribers.borrow_mut().retain(|(known, _)| *known != key);
            }
        };
        Closure::<dyn Fn()>::new(off).into_js_value()
    }

    /// What to show: the identical object until something changed.
    #[wasm_bindgen(js_name = getSnapshot)]
    pub fn get_snapshot(&self) -> JsValue {
        match self.0.page() {
            Some(page) => page.snapshot(&self.0.options.thread),
            None => snapshot::closed(),
        }
    }

    /// Opens the thread; resolves when the first page is there. Resolves at once where it is; where the thread has
    /// stopped, it tries anew.
    pub fn open(&self) -> Promise {
        let session = &self.0;
        let waiting = !session.opening.borrow().is_empty();
        let stands = |page: Rc<Page>| session.opened.get() && !page.stopped(&session.options.thread);
        if !waiting && session.page().is_some_and(stands) {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        let promise = promise(&session.opening);
        if !waiting {
            // Taken out first: closing calls the page, which may call this session.
            if let Some(page) = session.page.take() {
                page.close(session);
            }
            let page = Page::of(&session.options);
            session.page.replace(Some(page.clone()));
            page.open(session);
        }
        promise
    }

    /// Sends `body`; gives the message's id: `id`, unless that is `undefined`. Under the same id a second time changes
    /// nothing. Throws `closed`, `message-empty` or `message-too-long`.
    pub fn send(&self, body: JsValue, id: JsValue) -> Result<String, JsValue> {
        let body = body.as_string().ok_or_else(|| invalid("send(body): body must be a string"))?;
        let id = match id.as_string() {
            Some(id) => MessageId::parse(&id).ok_or_else(|| invalid("send(body, id): id must be a UUID"))?,
            None => random::message_id(),
        };
        let page = self.0.page().ok_or_else(closed)?;
        check_body(&body).map_err(|code| to_js(&code.into()))?;
        page.feed(Input::Send { thread: self.0.options.thread.clone(), id, body });
        Ok(id.text())
    }

    /// Reads the page of messages before the first one; resolves when it is there.
    #[wasm_bindgen(js_name = loadOlder)]
    pub fn load_older(&self) -> Promise {
        match self.0.page() {
            Some(page) => {
                let promise = promise(&self.0.loading_older);
                page.feed(Input::LoadOlder { thread: self.0.options.thread.clone() });
                promise
            }
            None => Promise::reject(&closed()),
        }
    }

    /// Sends a refused message again; an id that is not among them changes nothing.
    pub fn retry(&self, id: JsValue) {
        self.on_message(id, |thread, id| Input::Retry { thread, id });
    }

    /// Drops a message that is not sent; an id that is not among them changes nothing.
    pub fn discard(&self, id: JsValue) {
        self.on_message(id, |thread, id| Input::Discard { thread, id });
    }

    fn on_message(&self, id: JsValue, input: fn(ThreadId, MessageId) -> Input<super::json::Value>) {
        let id = id.as_string().and_then(|id| MessageId::parse(&id));
        if let (Some(id), Some(page)) = (id, self.0.page()) {
            page.feed(input(self.0.options.thread.clone(), id));
        }
    }

    /// Closes the thread: the snapshot is `closed` and empty from now on, promises are rejected with `closed`.
    pub fn close(&self) {
        if let Some(page) = self.0.page.take() {
            self.0.reject_all();
            page.close(&self.0);
        }
    }
}

fn closed() -> JsValue {
    to_js(&Code::Closed.into())
}

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
    storage::count_unsent(&Page::all_messages())
}

/// Ends every session of the page and deletes what storage keeps; resolves when it is gone.
#[wasm_bindgen(js_name = signOut)]
pub fn sign_out() -> Promise {
    Page::end_all();
    storage::forget_all()
}
