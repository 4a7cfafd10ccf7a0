//! A session as its client has it: what lives on while it is open, whoever holds the JavaScript object.

use super::error::to_js;
use super::notify::Subscribers;
use crate::error::{ChatError, Code};
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// Whoever waits for a thread or an inbox, and whoever wants to know what changes in it.
#[derive(Default)]
pub struct Attached {
    /// Who wants to know of a new snapshot.
    pub subscribers: Rc<Subscribers>,
    /// Who waits for `open()`; nobody once it has ended.
    pub opening: Waiting,
    /// Whether it ended well.
    pub opened: Cell<bool>,
    /// Who waits for `loadOlder()` or `loadMore()`.
    pub loading: Waiting,
    /// Who waits for `jumpTo()`.
    #[cfg(feature = "changes")]
    pub jumping: Waiting,
    /// The client has ended.
    pub ended: Cell<bool>,
}

impl Attached {
    /// `open()` has ended.
    pub fn opened(&self, result: &Result<(), ChatError>) {
        self.opened.set(result.is_ok());
        self.opening.settle(result);
    }

    /// The client has ended under the session.
    pub fn end(&self) {
        self.ended.set(true);
        self.reject_all();
        self.subscribers.changed();
    }

    /// Nobody waits any more.
    pub fn reject_all(&self) {
        let closed = Err(Code::Closed.into());
        self.opening.settle(&closed);
        self.loading.settle(&closed);
        #[cfg(feature = "changes")]
        self.jumping.settle(&closed);
    }
}

/// Promises that are not settled yet.
#[derive(Default)]
pub struct Waiting(RefCell<Vec<(Function, Function)>>);

impl Waiting {
    /// One more.
    pub fn promise(&self) -> Promise {
        Promise::new(&mut |resolve, reject| self.0.borrow_mut().push((resolve, reject)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Settles them all.
    pub fn settle(&self, result: &Result<(), ChatError>) {
        for (resolve, reject) in self.0.take() {
            // Calling them runs nothing of the page: its reactions come later, and these two never throw.
            let _ = match result {
                Ok(()) => resolve.call0(&JsValue::UNDEFINED),
                Err(error) => reject.call1(&JsValue::UNDEFINED, &to_js(error)),
            };
        }
    }
}
