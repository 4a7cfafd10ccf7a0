//! Messages that the server does not have yet, and that can still become others.

use super::{Place, Sender};
use crate::io::{Diff, Output};
use crate::line::Line;
use crate::message::{Message, MessageId, PendingMessage};
use std::rc::Rc;

impl Sender {
    /// Whether the server does not have a message: it was never sent, or was refused.
    pub fn is_unknown(&self, id: MessageId) -> bool {
        let refused = |message: &PendingMessage| message.id == id && message.error.is_some();
        self.untried.contains(&id) || self.outbox.position(id).and_then(|at| self.outbox.get(at)).is_some_and(refused)
    }

    /// Gives a message that the server does not have another text. One that was refused is sent again.
    pub fn rewrite<V>(&mut self, line: &mut Line<V>, place: Place, id: MessageId, body: Rc<str>) {
        let Some(index) = self.outbox.position(id) else { return };
        // It is another text that a proxy looks at from now on.
        self.blocked.take_if(|blocked| blocked.message == id);
        if let Some(message) = self.outbox.rewrite(index, body) {
            line.emit(Output::Store(place.thread.clone(), message.clone()));
            let message = Message::Pending(message.clone());
            line.show(place.thread, vec![Diff::Update { at: place.above + index, message }]);
        }
    }
}
