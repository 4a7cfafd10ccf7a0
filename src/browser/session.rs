//! `ChatSession`, as a page has it.

use super::attached::Attached;
use super::client::{self, Client};
use super::error::{invalid, to_js};
use super::options::Options;
use super::{random, snapshot, storage};
use crate::error::Code;
use crate::io::Input;
use crate::message::{MessageId, check_body};
use crate::thread_id::ThreadId;
use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// One thread, open on a page.
#[wasm_bindgen]
pub struct ChatSession {
    options: Options,
    attached: Rc<Attached>,
    /// The client while the session is open.
    client: RefCell<Option<Rc<Client>>>,
}

impl ChatSession {
    fn take_client(&self) -> Option<Rc<Client>> {
        self.client.take().filter(|_| !self.attached.ended.get())
    }

    fn client(&self) -> Option<Rc<Client>> {
        self.client.borrow().clone().filter(|_| !self.attached.ended.get())
    }

    fn on_message(&self, id: JsValue, input: fn(ThreadId, MessageId) -> Input<super::json::Value>) {
        let id = id.as_string().and_then(|id| MessageId::parse(&id));
        if let (Some(id), Some(client)) = (id, self.client()) {
            client.feed(input(self.options.thread.clone(), id));
        }
    }
}

#[wasm_bindgen]
impl ChatSession {
    /// Checks the options; throws `invalid-options`. Does nothing else yet.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<ChatSession, JsValue> {
        let options = Options::read(&options)?;
        let attached = Rc::new(Attached::new(options.thread.clone()));
        Ok(ChatSession { options, attached, client: RefCell::default() })
    }

    /// Calls `callback` after the snapshot has changed; gives the function that stops it.
    pub fn subscribe(&self, callback: JsValue) -> JsValue {
        let key = self.attached.subscribers.add(callback);
        let subscribers = Rc::downgrade(&self.attached.subscribers);
        let off = move || {
            if let Some(subscribers) = subscribers.upgrade() {
                subscribers.remove(key);
            }
        };
        Closure::<dyn Fn()>::new(off).into_js_value()
    }

    /// What to show: the identical object until something changed.
    #[wasm_bindgen(js_name = getSnapshot)]
    pub fn get_snapshot(&self) -> JsValue {
        match self.client() {
            Some(client) => client.snapshot(&self.options.thread),
            None => snapshot::closed(),
        }
    }

    /// Opens the thread; resolves when the first page is there. Resolves at once where it is; where the thread has
    /// stopped, it tries anew.
    pub fn open(&self) -> Promise {
        let attached = &self.attached;
        let waiting = !attached.opening.is_empty();
        let stands = |client: Rc<Client>| attached.opened.get() && !client.stopped(&self.options.thread);
        if !waiting && self.client().is_some_and(stands) {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        let promise = attached.opening.promise();
        if !waiting {
            // Taken out first: closing calls the page, which may call this session.
            if let Some(client) = self.take_client() {
                client.close(attached);
            }
            attached.ended.set(false);
            let client = Client::of(&self.options);
            self.client.replace(Some(client.clone()));
            client.open(attached, &self.options);
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
        let client = self.client().ok_or_else(closed)?;
        check_body(&body).map_err(|code| to_js(&code.into()))?;
        client.feed(Input::Send { thread: self.options.thread.clone(), id, body });
        Ok(id.text())
    }

    /// Reads the page of messages before the first one; resolves when it is there.
    #[wasm_bindgen(js_name = loadOlder)]
    pub fn load_older(&self) -> Promise {
        match self.client() {
            Some(client) => {
                let promise = self.attached.loading_older.promise();
                client.feed(Input::LoadOlder { thread: self.options.thread.clone() });
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

    /// Closes the thread: the snapshot is `closed` and empty from now on, promises are rejected with `closed`.
    pub fn close(&self) {
        if let Some(client) = self.take_client() {
            self.attached.reject_all();
            client.close(&self.attached);
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
