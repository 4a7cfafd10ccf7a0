//! What is to be sent, first in first out.

use crate::backoff::Backoff;
use crate::engine::RequestId;
use crate::error::ChatError;
use crate::message::{Content, Delivery, Message, MessageId, Sender};
use crate::mutation::{Mutation, mutated};
use std::rc::Rc;

/// A message that is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its id for good.
    pub id: MessageId,
    /// The text.
    pub body: Rc<str>,
    /// The wall clock when it was written, in ms; for display only.
    pub written_at: u64,
    /// Its place in the outbox: what was to be sent before it has a smaller one. It is the wall clock in ms, so that drafts
    /// of several tabs can be put in order, and one more than the last one's where the clock says less, as it may be set back.
    pub order: u64,
    /// Why the server refused it, if it did. It waits for `retry` or `discard` then, and lets the others pass.
    pub error: Option<ChatError>,
}

impl Draft {
    /// The bubble.
    pub fn message<V>(&self) -> Message<V> {
        Message {
            id: self.id,
            sender: Sender::Me,
            delivery: match &self.error {
                None => Delivery::Sending,
                Some(error) => Delivery::Error(error.clone()),
            },
            content: Content::Draft { body: self.body.clone(), written_at: self.written_at },
        }
    }
}

/// A send whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The request.
    pub request: RequestId,
    /// The message.
    pub id: MessageId,
    /// When it was sent, in ms.
    pub since: u64,
}

/// How often in a row a proxy on the way refused the same message.
#[derive(Debug)]
struct Blocked {
    id: MessageId,
    status: u16,
    times: u32,
    since: u64,
}

/// A message that a proxy refused so often with the same status, while others got through, is marked.
const BLOCKED_AT_MOST: u32 = 10;

/// The unconfirmed messages of a thread, in the order in which they are shown and sent.
#[derive(Debug, Default)]
pub struct Outbox {
    drafts: Vec<Draft>,
    last_order: u64,
    /// The send whose answer is awaited: there is one at most, or the order could not be kept.
    pub in_flight: Option<InFlight>,
    blocked: Option<Blocked>,
    /// Why what waits is not sent yet, if sending failed since the last time that it worked.
    pub error: Option<ChatError>,
    /// How long to wait after a failure that may pass.
    pub backoff: Backoff,
}

impl Outbox {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Whether anything is still to be sent.
    pub fn has_pending(&self) -> bool {
        self.drafts.iter().any(|draft| draft.error.is_none())
    }

    /// The index of a message.
    pub fn position(&self, id: MessageId) -> Option<usize> {
        self.drafts.iter().position(|draft| draft.id == id)
    }

    /// The message at an index.
    pub fn get(&self, index: usize) -> Option<&Draft> {
        self.drafts.get(index)
    }

    /// The next to send.
    pub fn next(&self) -> Option<&Draft> {
        let mut waiting = self.drafts.iter().filter(|draft| draft.error.is_none());
        if mutated(Mutation::LastInFirstOut) { waiting.next_back() } else { waiting.next() }
    }

    /// Adds some at `at`, the length at most. Answers them and all that are behind them, in a new order. `wall`: the wall
    /// clock.
    pub fn insert(&mut self, at: usize, wall: u64, drafts: Vec<Draft>) -> &[Draft] {
        let behind = self.drafts.split_off(at);
        self.drafts.extend(drafts);
        self.drafts.extend(behind);
        for draft in &mut self.drafts[at..] {
            let order = if draft.order == 0 { wall } else { draft.order };
            self.last_order = order.max(self.last_order + 1);
            draft.order = self.last_order;
        }
        &self.drafts[at..]
    }

    /// A proxy on the way refused `id` with `status`. Since when, if it has done so too often to be tried again and again.
    pub fn is_blocked(&mut self, now: u64, id: MessageId, status: u16) -> Option<u64> {
        let known = self.blocked.take().filter(|blocked| (blocked.id, blocked.status) == (id, status));
        let blocked = self.blocked.insert(known.unwrap_or(Blocked { id, status, times: 0, since: now }));
        blocked.times += 1;
        (blocked.times >= BLOCKED_AT_MOST && !mutated(Mutation::BlockedForEver)).then_some(blocked.since)
    }

    /// Takes one out. If its answer is awaited, that request is returned too.
    pub fn remove(&mut self, index: usize) -> Option<(Draft, Option<RequestId>)> {
        if index >= self.drafts.len() {
            return None;
        }
        let draft = self.drafts.remove(index);
        if !self.has_pending() {
            self.error = None;
        }
        let request = match self.in_flight {
            Some(in_flight) if in_flight.id == draft.id => {
                self.in_flight = None;
                Some(in_flight.request)
            }
            _ => None,
        };
        Some((draft, request))
    }

    /// Marks one as refused.
    pub fn refuse(&mut self, index: usize, error: ChatError) {
        if let Some(draft) = self.drafts.get_mut(index) {
            draft.error = Some(error);
        }
    }
}
