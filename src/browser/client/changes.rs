//! What a client does where messages change.

use super::Client;
use crate::browser::changes::Store;
use crate::browser::json::Value;
use crate::browser::notify;
use crate::browser::snapshot::View;
use crate::io::{Input, Output};
use crate::thread_id::ThreadId;
use std::rc::Rc;

impl Client {
    /// Takes in what earlier pages did not get done.
    pub(super) fn find_changes(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        let adopted = move |thread: ThreadId, change| {
            if let Some(client) = this.upgrade() {
                drop(client.views.of(&thread, &client.config.my_id));
                client.feed(Input::RestoreChanges { thread, changes: vec![change] });
            }
        };
        self.kept.changes.replace(Some(Store::new(&self.config.supabase_url, &self.config.my_id, adopted)));
    }

    /// A message that can't be changed any more is shown so.
    pub(super) fn hear_expiry(self: &Rc<Self>, thread: &ThreadId) {
        let (this, expiring) = (Rc::downgrade(self), thread.clone());
        self.views.of(thread, &self.config.my_id).changes.on_expiry(move || {
            if let Some(client) = this.upgrade() {
                client.change(&expiring, View::touch);
                notify::flush();
            }
        });
    }

    /// Carries out what only changes of messages want.
    pub(super) fn carry_out_change(&self, output: Output<Value>) {
        let kept = self.kept.changes.borrow();
        match output {
            Output::StoreChange(thread, change) => kept.iter().for_each(|store| store.put(&thread, &change)),
            Output::UnstoreChange(_, id) => kept.iter().for_each(|store| store.remove(id)),
            Output::Changing(thread, id, change) => self.change(&thread, |view| {
                view.changes.set(id, change.as_ref());
                view.touch();
            }),
            Output::Quoted(thread, row) => self.change(&thread, |view| {
                view.changes.quote(&row);
                view.touch();
            }),
            Output::Jumped(thread, result) => {
                for session in self.sessions_of(&thread) {
                    session.jumping.settle(&result);
                }
            }
            Output::Windows(windows) => {
                let mut views = self.views.threads.borrow_mut();
                let changed = views.iter_mut().filter(|view| view.changes.set_windows(&windows));
                let changed: Vec<ThreadId> = changed.map(|view| view.thread.clone()).collect();
                drop(views);
                changed.iter().for_each(|thread| self.change(thread, View::touch));
            }
            _ => {}
        }
    }
}
