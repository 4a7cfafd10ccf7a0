//! What the sessions of one person show.

use super::snapshot::View;
use crate::thread_id::ThreadId;
use std::cell::{Cell, RefCell, RefMut};

/// What is open.
#[derive(Default)]
pub struct Views {
    /// The threads.
    pub threads: RefCell<Vec<View>>,
    /// The conversations.
    #[cfg(feature = "inbox")]
    pub inbox: super::lines::Inbox,
    /// Whether storage keeps what is not sent yet.
    pub outbox_persists: Cell<bool>,
}

impl Views {
    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        #[cfg(feature = "inbox")]
        if self.inbox.is_open() {
            return false;
        }
        self.threads.borrow().is_empty()
    }

    /// The view of `thread`, made for `me` if it is not there.
    pub fn of(&self, thread: &ThreadId, me: &str) -> RefMut<'_, View> {
        RefMut::map(self.threads.borrow_mut(), |views| {
            let at = views.iter().position(|view| view.thread == *thread).unwrap_or(views.len());
            if at == views.len() {
                views.push(View::new(thread.clone(), me, self.outbox_persists.get()));
            }
            &mut views[at]
        })
    }

    /// Calls `change` with the view of `thread`, where there is one.
    pub fn change(&self, thread: &ThreadId, change: impl FnOnce(&mut View)) {
        if let Some(view) = self.threads.borrow_mut().iter_mut().find(|view| view.thread == *thread) {
            change(view);
        }
    }
}
