//! `ChatInbox`, as a page has it.

use super::attached::Attached;
use super::client::Client;
use super::handle::{Handle, Opens};
use super::lines;
use super::options::{Account, InboxOptions};
use crate::io::Input;
use js_sys::Promise;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

impl Opens for InboxOptions {
    fn account(&self) -> &Account {
        &self.account
    }

    fn stopped(&self, client: &Client) -> bool {
        client.inbox_stopped()
    }

    fn open(&self, client: &Rc<Client>, attached: &Rc<Attached>) {
        client.open_inbox(attached, self);
    }

    fn close(&self, client: &Client, attached: &Rc<Attached>) {
        client.close_inbox(attached);
    }
}

/// A person's conversations, open on a page.
#[wasm_bindgen]
pub struct ChatInbox {
    options: InboxOptions,
    handle: Handle,
}

#[wasm_bindgen]
impl ChatInbox {
    /// Checks the options; throws `invalid-options`. Does nothing else yet.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<ChatInbox, JsValue> {
        Ok(ChatInbox { options: InboxOptions::read(&options)?, handle: Handle::default() })
    }

    /// Calls `callback` after the snapshot has changed; gives the function that stops it.
    pub fn subscribe(&self, callback: JsValue) -> JsValue {
        self.handle.subscribe(callback)
    }

    /// What to show: the identical object until something changed.
    #[wasm_bindgen(js_name = getSnapshot)]
    pub fn get_snapshot(&self) -> JsValue {
        self.handle.client().map_or_else(lines::closed, |client| client.inbox())
    }

    /// Opens the inbox; resolves when the first page is there. Resolves at once where it is; where the inbox has stopped, it
    /// tries anew.
    pub fn open(&self) -> Promise {
        self.handle.open(&self.options)
    }

    /// Reads the page of lines behind the last one; resolves when it is there.
    #[wasm_bindgen(js_name = loadMore)]
    pub fn load_more(&self) -> Promise {
        self.handle.load(Input::LoadMore)
    }

    /// Closes the inbox: the snapshot is `closed` and empty from now on, promises are rejected with `closed`.
    pub fn close(&self) {
        self.handle.close(&self.options);
    }
}
