//! What a client does with what storage tells.

use super::Client;
use crate::browser::json::Value;
use crate::browser::snapshot::View;
use crate::browser::{notify, storage};
use crate::io::Input;

impl Client {
    pub(super) fn found(&self, thread: &str, page: Value) {
        let known = |view: &View| (view.thread.as_str() == thread).then(|| view.thread.clone());
        let thread = self.views.threads.borrow().iter().find_map(known);
        if let Some(thread) = thread {
            self.feed(Input::Cached { thread, page });
        }
    }

    pub(super) fn stored(&self, event: storage::Event) {
        match event {
            storage::Event::Works(works) => {
                if self.views.outbox_persists.replace(works) != works {
                    for view in &mut *self.views.threads.borrow_mut() {
                        view.set_outbox_persists(works);
                    }
                    for (_, session) in &*self.sessions.borrow() {
                        session.subscribers.changed();
                    }
                    notify::flush();
                }
            }
            storage::Event::Adopted(threads) => {
                for (thread, messages) in threads {
                    drop(self.views.of(&thread, &self.config.my_id));
                    self.feed(Input::Restore { thread, messages });
                }
            }
            storage::Event::Started => self.feed(Input::Restoring(false)),
        }
    }
}
