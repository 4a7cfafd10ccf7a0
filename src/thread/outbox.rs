//! The unconfirmed messages of a thread, in the order in which they are shown and sent.

use crate::error::ChatError;
use crate::message::{MessageId, PendingMessage};
use crate::mutation::{Mutation, mutated};
#[cfg(feature = "changes")]
use std::rc::Rc;

/// First in, first out; refused ones stay until a person settles them, and let the others pass.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: Vec<PendingMessage>,
    last_order: u64,
}

impl Outbox {
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether anything is still to be sent.
    pub fn has_waiting(&self) -> bool {
        self.messages.iter().any(|message| message.error.is_none())
    }

    /// The index of a message.
    pub fn position(&self, id: MessageId) -> Option<usize> {
        self.messages.iter().position(|message| message.id == id)
    }

    /// The message at an index.
    pub fn get(&self, index: usize) -> Option<&PendingMessage> {
        self.messages.get(index)
    }

    /// The indices of the next to send, `most` at most.
    pub fn next(&self, most: usize) -> Vec<usize> {
        let mut found = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            if message.error.is_none() && (found.len() < most || mutated(Mutation::LastInFirstOut)) {
                // A reply goes alone: an older sql/ would send several without what they reply to.
                if message.reply_to.is_some() && !found.is_empty() {
                    break;
                }
                found.push(index);
                if message.reply_to.is_some() {
                    break;
                }
            }
        }
        if mutated(Mutation::LastInFirstOut) { found.pop().into_iter().collect() } else { found }
    }

    /// Adds some at `at`, the length at most. Returns them and all that are behind them, in a new order. `wall`: the wall
    /// clock.
    pub fn insert(&mut self, at: usize, wall: u64, messages: Vec<PendingMessage>) -> &[PendingMessage] {
        let behind = self.messages.split_off(at);
        self.messages.extend(messages);
        self.messages.extend(behind);
        for message in &mut self.messages[at..] {
            let order = if message.order == 0 { wall } else { message.order };
            self.last_order = order.max(self.last_order + 1);
            message.order = self.last_order;
        }
        &self.messages[at..]
    }

    /// Takes one out.
    pub fn remove(&mut self, index: usize) -> Option<PendingMessage> {
        (index < self.messages.len()).then(|| self.messages.remove(index))
    }

    /// Gives one another text.
    #[cfg(feature = "changes")]
    pub fn rewrite(&mut self, index: usize, body: Rc<str>) -> Option<&PendingMessage> {
        let message = self.messages.get_mut(index)?;
        (message.body, message.error) = (body, None);
        Some(message)
    }

    /// Marks one as refused.
    pub fn refuse(&mut self, index: usize, error: ChatError) -> Option<&PendingMessage> {
        let message = self.messages.get_mut(index)?;
        message.error = Some(error);
        Some(message)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::Code;

    fn message(id: u128, order: u64) -> PendingMessage {
        PendingMessage { id: MessageId(id), body: "x".into(), reply_to: None, written_at: 0, order, error: None }
    }

    #[test]
    fn orders_rise_even_where_the_clock_was_set_back() {
        let mut outbox = Outbox::default();
        outbox.insert(0, 1_000, vec![message(1, 0)]);
        outbox.insert(1, 400, vec![message(2, 0)]);
        let behind: Vec<_> = outbox.insert(1, 500, vec![message(3, 7)]).iter().map(|m| (m.id.0, m.order)).collect();
        assert_eq!(behind.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 2], "what is behind is stored anew");
        assert!(behind[0].1 > 1_001 && behind[1].1 > behind[0].1);
    }

    #[test]
    fn a_refused_message_lets_the_others_pass_and_stays() {
        let mut outbox = Outbox::default();
        outbox.insert(0, 1, vec![message(1, 0), message(2, 0)]);
        outbox.refuse(0, Code::Refused.into());
        assert_eq!(outbox.next(2), [1]);
        outbox.remove(1);
        assert!(!outbox.has_waiting() && !outbox.is_empty());
        assert!(outbox.remove(1).is_none() && outbox.refuse(1, Code::Refused.into()).is_none());
    }
}
