//! Sends what is in the outbox, one request at a time and in order, until the table has it or the server refuses it. What
//! waits goes together; where that fails, in ever smaller parts, which finds the message that is refused.
//!
//! A message is handed to storage before it is shown, and taken out of storage when it is confirmed or discarded.

#[cfg(feature = "changes")]
mod drafts;

use super::outbox::Outbox;
use crate::error::{ChatError, Code};
use crate::io::{Answer, Diff, Output, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::rest::{self, Outcome, SendBody};
use crate::line::token::{Access, Verifier};
use crate::message::{Message, MessageId, PendingMessage, Row};
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

/// The unconfirmed messages and what becomes of them.
#[derive(Debug)]
pub(super) struct Sender {
    outbox: Outbox,
    /// The send whose answer is awaited: there is one at most, or the order could not be kept.
    in_flight: Option<InFlight>,
    /// How many messages the next send carries at most.
    most: usize,
    blocked: Option<Blocked>,
    /// Those that were never sent: what was may be in the table, whatever came of it.
    #[cfg(feature = "changes")]
    untried: Vec<MessageId>,
    /// Why what waits is not sent yet, if sending failed since the last time that it worked.
    error: Option<ChatError>,
    backoff: Backoff,
}

#[derive(Debug)]
struct InFlight {
    request: RequestId,
    /// In their order.
    messages: Vec<MessageId>,
    since: u64,
    /// Of the token it was made with.
    generation: u32,
}

/// How often in a row a proxy on the way refused the same message.
#[derive(Debug)]
struct Blocked {
    message: MessageId,
    status: u16,
    times: u32,
    since: u64,
}

/// Where the outbox is shown: in this thread, behind so many confirmed messages.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub thread: &'a ThreadId,
    pub above: usize,
}

/// What the answer to a send says.
pub(super) enum Fact<V> {
    /// Messages are in the table. They still stand in the outbox, unless something else confirmed them.
    Sent(Vec<Row<V>>),
    /// A read would tell whether it is the message that is refused, or the way that is blocked.
    WantsRead,
    /// Nothing can be asked with these options.
    Stop(ChatError),
    /// Nothing for anybody else.
    Nothing,
}

/// A send that has taken this long, in ms, is told of.
const SLOW: u64 = 5_000;
/// A message that a proxy refused so often with the same status, while others got through, is marked.
const BLOCKED_AT_MOST: u32 = 10;
/// So many messages go at once (`insert_chat_messages` takes no more).
const BATCH: usize = 50;

impl Default for Sender {
    fn default() -> Self {
        Sender {
            outbox: Outbox::default(),
            in_flight: None,
            most: BATCH,
            blocked: None,
            #[cfg(feature = "changes")]
            untried: Vec::new(),
            error: None,
            backoff: Backoff::default(),
        }
    }
}

impl Sender {
    /// Whether a message waits to be sent.
    pub fn is_waiting(&self) -> bool {
        self.outbox.has_waiting()
    }

    /// Whether it holds nothing, refused messages included.
    pub fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    pub fn holds(&self, id: MessageId) -> bool {
        self.outbox.position(id).is_some()
    }

    /// Whether `id` is the first of the outbox.
    pub fn is_first(&self, id: MessageId) -> bool {
        self.outbox.get(0).is_some_and(|message| message.id == id)
    }

    /// Why what waits is not sent yet.
    pub fn error(&self) -> Option<&ChatError> {
        self.error.as_ref().filter(|_| self.is_waiting())
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// Puts a new message behind all others.
    pub fn add<V>(&mut self, line: &mut Line<V>, place: Place, id: MessageId, body: String, reply_to: Option<u64>) {
        #[cfg(feature = "changes")]
        self.untried.push(id);
        let written_at = line.time().wall;
        let message = PendingMessage { id, body: body.into(), reply_to, written_at, order: 0, error: None };
        self.insert(line, place, self.outbox.len(), vec![message]);
    }

    /// Puts in what an earlier page left.
    pub fn restore<V>(&mut self, line: &mut Line<V>, place: Place, mut messages: Vec<PendingMessage>) {
        messages.retain(|message| !self.holds(message.id));
        let at = if line.sending.restoring { 0 } else { self.outbox.len() };
        self.insert(line, place, at, messages);
    }

    /// Stored first, shown then.
    fn insert<V>(&mut self, line: &mut Line<V>, place: Place, at: usize, messages: Vec<PendingMessage>) {
        if messages.is_empty() {
            return;
        }
        let added = messages.len();
        let wall = line.time().wall;
        for message in self.outbox.insert(at, wall, messages) {
            line.emit(Output::Store(place.thread.clone(), message.clone()));
        }
        for at in at..at + added {
            if let Some(message) = self.outbox.get(at).cloned().map(Message::Pending) {
                line.show(place.thread, vec![Diff::Insert { at: place.above + at, message }]);
            }
        }
    }

    /// Takes a message out of the outbox, off the screen and out of storage.
    fn remove<V>(&mut self, line: &mut Line<V>, place: Place, index: usize) {
        if let Some(message) = self.take(index) {
            line.emit(Output::Unstore(place.thread.clone(), message.id));
            line.show(place.thread, vec![Diff::Remove { at: place.above + index, count: 1 }]);
        }
    }

    fn take(&mut self, index: usize) -> Option<PendingMessage> {
        let message = self.outbox.remove(index);
        #[cfg(feature = "changes")]
        self.untried.retain(|id| message.as_ref().is_none_or(|gone| gone.id != *id));
        if !self.is_waiting() {
            self.error = None;
        }
        message
    }

    /// Sends a refused message again.
    pub fn retry<V>(&mut self, line: &mut Line<V>, place: Place, id: MessageId) {
        let Some(index) = self.outbox.position(id) else { return };
        if self.outbox.get(index).is_none_or(|message| message.error.is_none()) {
            return;
        }
        // To the end, where a new message would be: what was sent since stays before it.
        if let Some(message) = self.take(index) {
            line.show(place.thread, vec![Diff::Remove { at: place.above + index, count: 1 }]);
            let again = PendingMessage { error: None, order: 0, ..message };
            self.insert(line, place, self.outbox.len(), vec![again]);
        }
    }

    /// Drops a message that is not sent. Returns whether it was being sent.
    pub fn discard<V>(&mut self, line: &mut Line<V>, place: Place, id: MessageId) -> bool {
        let Some(index) = self.outbox.position(id) else { return false };
        self.remove(line, place, index);
        let sending = self.is_sending(id);
        if sending {
            self.abort(line);
        }
        sending
    }

    pub fn is_sending(&self, id: MessageId) -> bool {
        self.in_flight.as_ref().is_some_and(|send| send.messages.contains(&id))
    }

    /// Whether `id` is being sent together with others, whose answer puts all of them in their order.
    pub fn sends_in_batch(&self, id: MessageId) -> bool {
        self.is_sending(id) && self.in_flight.as_ref().is_some_and(|send| send.messages.len() > 1)
    }

    /// A message is in the table.
    pub fn confirmed<V>(&mut self, line: &mut Line<V>, place: Place, id: MessageId) {
        if let Some(index) = self.outbox.position(id) {
            self.remove(line, place, index);
            self.worked(line, id);
        }
    }

    /// The first message of the outbox is in the table, and its bubble stays where it is.
    pub fn first_confirmed<V>(&mut self, line: &mut Line<V>, thread: &ThreadId) {
        if let Some(message) = self.take(0) {
            self.worked(line, message.id);
            line.emit(Output::Unstore(thread.clone(), message.id));
        }
    }

    /// `id` is in the table. Where a broadcast was faster than the answer, that may still come, and says nothing new: to
    /// abort it would cost the connection it comes on.
    fn worked<V>(&mut self, line: &mut Line<V>, id: MessageId) {
        let outbox = &self.outbox;
        let ended = |send: &mut InFlight| send.messages.contains(&id) && !holds_any(outbox, &send.messages);
        if let Some(send) = self.in_flight.take_if(ended) {
            line.token.accepted(send.generation, Verifier::Rest);
            self.got_through();
        }
        self.works();
    }

    /// A send got through: the next may carry more.
    fn got_through(&mut self) {
        self.most = (self.most * 2).min(BATCH);
    }

    fn works(&mut self) {
        self.backoff.reset();
        self.error = None;
    }

    /// Gives up the send in flight: its message stays, to be sent again.
    pub fn abort<V>(&mut self, line: &mut Line<V>) {
        if let Some(send) = self.in_flight.take() {
            line.abort(send.request);
        }
    }
}

/// Requests and their answers.
impl Sender {
    /// Sends what is next. `allowed`: the thread is known to exist.
    pub fn drive<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, access: &Access, allowed: bool) {
        if let Some(send) = &self.in_flight {
            if line.reached(send.since + SLOW) {
                self.error.get_or_insert(Code::Timeout.into());
            }
            return;
        }
        if !allowed || line.sending.restoring && !mutated(Mutation::SendWhileRestoring) {
            return;
        }
        if !self.is_waiting() || !line.reached(self.backoff.until()) {
            return;
        }
        let most = if line.server.takes_no_batches { 1 } else { self.most };
        let next = self.outbox.next(most);
        let several = next.len() > 1;
        let my_id = &line.config.my_id;
        let mut body = SendBody::new(thread, my_id, thread.other(my_id).unwrap_or_default(), several);
        let mut messages = Vec::with_capacity(next.len());
        for index in next {
            let Some(message) = self.outbox.get(index) else { continue };
            let mut id = message.id;
            messages.push(id);
            if mutated(Mutation::RetryWithNewId) && self.backoff.tries() > 0 {
                id.0 ^= u128::from(self.backoff.tries()) << 100;
            }
            body.push(id, &message.body, message.reply_to);
        }
        if mutated(Mutation::UnstoreBeforeAnswer) {
            messages.iter().for_each(|id| line.emit(Output::Unstore(thread.clone(), *id)));
        }
        #[cfg(feature = "changes")]
        self.untried.retain(|id| !messages.contains(id));
        let url = rest::send_url(&line.config.supabase_url, several);
        let request = line.rpc(access, url, body.end(), false);
        self.in_flight = Some(InFlight { request, messages, since: line.now(), generation: access.generation });
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.in_flight.as_ref().is_some_and(|send| send.request == request)
    }

    /// Takes in the answer that it awaits.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, place: Place, answer: Answer<V>) -> Fact<V> {
        let Some(InFlight { messages, generation, .. }) = self.in_flight.take() else { return Fact::Nothing };
        let size = messages.len();
        let outcome = rest::outcome(answer);
        if matches!(outcome, Outcome::Done(_)) {
            line.token.accepted(generation, Verifier::Rest);
            line.server.good_news = true;
            line.server.took_at = Some(line.now());
            self.got_through();
        } else if !matches!(outcome, Outcome::Token) {
            self.most = (size / 2).max(1);
        }
        let Some(message) = messages.into_iter().find(|id| self.holds(*id)) else { return Fact::Nothing };
        let Some(index) = self.outbox.position(message) else { return Fact::Nothing };
        let error = match outcome {
            Outcome::Done(value) => {
                let mut rows = Vec::with_capacity(size);
                for at in 0..size {
                    let value = if size > 1 { value.at(at) } else { Some(value.clone()) };
                    let read = |value| Row::read(value, place.thread.as_str(), &line.config.my_id).ok();
                    if let Some(row) = value.and_then(read) {
                        rows.push(row);
                    }
                }
                if rows.len() == size {
                    return Fact::Sent(rows);
                }
                let said = "insert_chat_message did not answer with a row that has a seq";
                ChatError::with(Code::SetupMissing, Some(said.into()))
            }
            Outcome::Token => {
                line.token_refused(generation, Verifier::Rest);
                return Fact::Nothing;
            }
            Outcome::Unusable(error) => return Fact::Stop(error),
            // An older sql/ knows no batches. Else it is one of them, or their number.
            Outcome::Refused(ChatError { code: Code::SetupMissing, .. }) if size > 1 => {
                line.server.takes_no_batches = true;
                return Fact::Nothing;
            }
            Outcome::Refused(_) | Outcome::Blocked(..) if size > 1 && !mutated(Mutation::BlameTheFirst) => {
                return Fact::Nothing;
            }
            Outcome::Later(error, at_least) => {
                self.failed(line, place, index, error, at_least);
                return Fact::Nothing;
            }
            Outcome::Blocked(status, error) => match self.is_blocked(line.now(), message, status) {
                // Another request got through meanwhile: it is the message, and not the way.
                Some(since) if line.server.answered_at >= since => {
                    let said = || "a proxy on the way refuses it".to_owned();
                    ChatError::with(Code::Refused, error.detail.or_else(|| Some(said())))
                }
                blocked => {
                    self.failed(line, place, index, error, 0);
                    return if blocked.is_some() { Fact::WantsRead } else { Fact::Nothing };
                }
            },
            Outcome::Refused(error) => error,
        };
        self.works();
        self.refuse(line, place, index, error);
        Fact::Nothing
    }

    /// A proxy on the way refused `message` with `status`. Since when, if it has done so too often to be tried again and
    /// again.
    fn is_blocked(&mut self, now: u64, message: MessageId, status: u16) -> Option<u64> {
        let known = self.blocked.take().filter(|blocked| (blocked.message, blocked.status) == (message, status));
        let blocked = self.blocked.insert(known.unwrap_or(Blocked { message, status, times: 0, since: now }));
        blocked.times += 1;
        (blocked.times >= BLOCKED_AT_MOST && !mutated(Mutation::BlockedForEver)).then_some(blocked.since)
    }

    fn failed<V>(&mut self, line: &mut Line<V>, place: Place, index: usize, error: ChatError, at_least: u64) {
        self.error = Some(error);
        if mutated(Mutation::DropOnNetworkFailure) {
            self.remove(line, place, index);
        }
        line.fail(&mut self.backoff, at_least);
    }

    fn refuse<V>(&mut self, line: &mut Line<V>, place: Place, index: usize, error: ChatError) {
        if let Some(message) = self.outbox.refuse(index, error) {
            line.emit(Output::Store(place.thread.clone(), message.clone()));
            let message = Message::Pending(message.clone());
            line.show(place.thread, vec![Diff::Update { at: place.above + index, message }]);
        }
    }
}

fn holds_any(outbox: &Outbox, messages: &[MessageId]) -> bool {
    messages.iter().any(|id| outbox.position(*id).is_some())
}
