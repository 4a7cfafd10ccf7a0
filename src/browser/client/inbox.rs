//! What a client does of the inbox and of receipts.

use super::Client;
use crate::browser::attached::Attached;
use crate::browser::json::Value;
use crate::browser::marks;
use crate::browser::options::InboxOptions;
use crate::io::{Input, Output};
use std::rc::Rc;
use wasm_bindgen::JsValue;

impl Client {
    /// Opens the inbox for `session`.
    pub fn open_inbox(self: &Rc<Self>, session: &Rc<Attached>, options: &InboxOptions) {
        if self.views.is_empty() {
            self.start(options.account.persist_outbox);
        }
        self.queue(Input::Receipts(options.account.receipts));
        self.views.inbox.open(session);
        self.feed(Input::OpenInbox { limit: options.page_size });
    }

    /// Closes it for `session`.
    pub fn close_inbox(&self, session: &Rc<Attached>) {
        self.views.inbox.close(session);
        self.feed(Input::CloseInbox);
        if self.views.is_empty() {
            self.pause();
        }
    }

    /// The snapshot of the inbox.
    pub fn inbox(&self) -> JsValue {
        self.views.inbox.snapshot()
    }

    /// Whether the inbox has stopped for good.
    pub fn inbox_stopped(&self) -> bool {
        self.views.inbox.stopped()
    }

    /// Takes in what earlier pages had seen, and the server does not know yet.
    pub(super) fn find_seen(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        marks::find(&self.config.supabase_url, &self.config.my_id, move |thread, seq| {
            if let Some(client) = this.upgrade() {
                client.feed(Input::Seen { thread, seq });
            }
        });
    }

    /// Carries out what only an inbox or receipts want.
    pub(super) fn carry_out_inbox(&self, output: Output<Value>) {
        let (project, me) = (&self.config.supabase_url, &self.config.my_id);
        let inbox = &self.views.inbox;
        match output {
            Output::StoreSeen(thread, seq) if self.kept.outbox.borrow().is_some() => {
                marks::keep(project, me, &thread, seq);
            }
            Output::UnstoreSeen(thread) => marks::drop(project, me, &thread),
            Output::Inbox(diff) => inbox.apply(diff, me),
            Output::InboxState(state) => inbox.set_state(state),
            Output::InboxOpened(result) => inbox.opened(&result),
            Output::MoreLoaded(result) => inbox.more_loaded(&result),
            Output::Markers(thread, markers) => self.change(&thread, |view| view.set_markers(markers)),
            #[cfg(feature = "changes")]
            output => self.carry_out_change(output),
            #[cfg(not(feature = "changes"))]
            _ => {}
        }
    }
}
