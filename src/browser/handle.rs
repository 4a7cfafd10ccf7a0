//! What a session and an inbox have in common: they are opened, subscribed to and closed.

use super::attached::Attached;
use super::client::Client;
use super::error::to_js;
use super::json::Value;
use super::options::Account;
use crate::error::Code;
use crate::io::Input;
use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What a client can open: a thread, or the inbox.
pub trait Opens {
    /// Whose it is.
    fn account(&self) -> &Account;
    /// Whether it has stopped for good.
    fn stopped(&self, client: &Client) -> bool;
    /// Opens it for `attached`.
    fn open(&self, client: &Rc<Client>, attached: &Rc<Attached>);
    /// Closes it for `attached`.
    fn close(&self, client: &Client, attached: &Rc<Attached>);
}

/// Something that is open, or is not.
#[derive(Default)]
pub struct Handle {
    /// Who waits, and who wants to know.
    pub attached: Rc<Attached>,
    /// The client while it is open.
    client: RefCell<Option<Rc<Client>>>,
}

impl Handle {
    fn take_client(&self) -> Option<Rc<Client>> {
        self.client.take().filter(|_| !self.attached.ended.get())
    }

    /// The client while it is open.
    pub fn client(&self) -> Option<Rc<Client>> {
        self.client.borrow().clone().filter(|_| !self.attached.ended.get())
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

    /// Opens `what`; resolves when the first page is there. Resolves at once where it is; where it has stopped, it tries anew.
    pub fn open(&self, what: &impl Opens) -> Promise {
        let attached = &self.attached;
        let waiting = !attached.opening.is_empty();
        let stands = |client: Rc<Client>| attached.opened.get() && !what.stopped(&client);
        if !waiting && self.client().is_some_and(stands) {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        let promise = attached.opening.promise();
        if !waiting {
            // Taken out first: closing calls the page, which may call this one.
            if let Some(client) = self.take_client() {
                what.close(&client, attached);
            }
            attached.ended.set(false);
            let client = Client::of(what.account());
            self.client.replace(Some(client.clone()));
            what.open(&client, attached);
        }
        promise
    }

    /// Reads a further page by `input`; resolves when it is there.
    pub fn load(&self, input: Input<Value>) -> Promise {
        match self.client() {
            Some(client) => {
                let promise = self.attached.loading.promise();
                client.feed(input);
                promise
            }
            None => Promise::reject(&closed()),
        }
    }

    /// Looks for a message by `input`; resolves when it is there.
    #[cfg(feature = "changes")]
    pub fn jump(&self, input: Input<Value>) -> Promise {
        match self.client() {
            Some(client) => {
                let promise = self.attached.jumping.promise();
                client.feed(input);
                promise
            }
            None => Promise::reject(&closed()),
        }
    }

    /// Closes `what`, where it is open; promises are rejected with `closed`.
    pub fn close(&self, what: &impl Opens) {
        if let Some(client) = self.take_client() {
            self.attached.reject_all();
            what.close(&client, &self.attached);
        }
    }
}

/// What a call throws that needs it open.
pub fn closed() -> JsValue {
    to_js(&Code::Closed.into())
}
