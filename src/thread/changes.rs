//! What is still to become of messages that are there: one request at a time, until the server has said yes or no.

use crate::change::{Change, PendingChange};
use crate::error::{ChatError, Code};
use crate::io::{Answer, Output, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::rest::{self, Outcome};
use crate::line::token::{Access, Verifier};
use crate::message::{MessageId, Row};
use crate::thread_id::ThreadId;

/// The changes that are not done, in the order in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pending: Vec<PendingChange>,
    in_flight: Option<InFlight>,
    backoff: Backoff,
}

#[derive(Debug)]
struct InFlight {
    request: RequestId,
    id: MessageId,
    change: Change,
    /// Of the token it was made with.
    generation: u32,
}

/// What the answer to a change says.
pub(super) enum Fact<V> {
    /// The message is so now.
    Done(Row<V>),
    /// Nothing can be asked with these options.
    Stop(ChatError),
    Nothing,
}

/// What is to be done where a function is missing.
const MIGRATION: &str = "apply 20261128000001_chat_changes.sql";

impl Changes {
    /// Whether a change waits to be asked for.
    pub fn is_waiting(&self) -> bool {
        self.pending.iter().any(|change| change.next().is_some())
    }

    /// Whether there are none, refused ones included.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// What is to become of message `id`.
    pub fn of(&self, id: MessageId) -> Option<&PendingChange> {
        self.pending.iter().find(|change| change.id == id)
    }

    /// The messages that something is to become of.
    pub fn ids(&self) -> Vec<MessageId> {
        self.pending.iter().map(|change| change.id).collect()
    }

    /// The person wants this of message `id`.
    pub fn add<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, id: MessageId, change: Change) {
        let at = self.place(id);
        if self.pending[at].add(change) {
            self.tell(line, thread, at);
        }
    }

    /// Puts in what an earlier page left.
    pub fn restore<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, changes: Vec<PendingChange>) {
        for change in changes {
            let at = self.place(change.id);
            self.pending[at].restore(change);
            self.tell(line, thread, at);
        }
    }

    /// Where what is to become of message `id` stands, or will.
    fn place(&mut self, id: MessageId) -> usize {
        let at = self.pending.iter().position(|pending| pending.id == id).unwrap_or(self.pending.len());
        if at == self.pending.len() {
            self.pending.push(PendingChange::of(id));
        }
        at
    }

    /// Asks for what was refused again.
    pub fn retry<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, id: MessageId) {
        self.alter(line, thread, id, PendingChange::retry);
    }

    /// Drops what was refused.
    pub fn discard<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, id: MessageId) {
        self.alter(line, thread, id, PendingChange::take_refused);
    }

    /// Drops all that was to become of a message.
    pub fn forget<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, id: MessageId) {
        self.alter(line, thread, id, |change| {
            *change = PendingChange::of(id);
            true
        });
    }

    fn done<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, id: MessageId, change: &Change) {
        self.alter(line, thread, id, |pending| {
            pending.done(change);
            true
        });
    }

    fn alter<V>(
        &mut self,
        line: &mut Line<V>,
        thread: &ThreadId,
        id: MessageId,
        act: impl FnOnce(&mut PendingChange) -> bool,
    ) {
        let Some(at) = self.pending.iter().position(|change| change.id == id) else { return };
        if act(&mut self.pending[at]) {
            self.tell(line, thread, at);
        }
    }

    /// Stored first, shown then.
    fn tell<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, at: usize) {
        let change = self.pending[at].clone();
        let id = change.id;
        if change.is_empty() {
            self.pending.remove(at);
            line.emit(Output::UnstoreChange(thread.clone(), id));
            line.emit(Output::Changing(thread.clone(), id, None));
        } else {
            line.emit(Output::StoreChange(thread.clone(), change.clone()));
            line.emit(Output::Changing(thread.clone(), id, Some(change)));
        }
    }

    /// Gives up the request in flight: what it asks for stays, to be asked for again.
    pub fn abort<V>(&mut self, line: &mut Line<V>) {
        if let Some(asked) = self.in_flight.take() {
            line.abort(asked.request);
        }
    }
}

/// Requests and their answers.
impl Changes {
    /// Asks for the next change. `may_ask`: whether its message is in the table, as far as this page knows.
    pub fn drive<V>(&mut self, line: &mut Line<V>, access: &Access, may_ask: impl Fn(MessageId) -> bool) {
        if self.in_flight.is_some()
            || line.sending.restoring
            || !self.is_waiting()
            || !line.reached(self.backoff.until())
        {
            return;
        }
        let next = self.pending.iter().filter(|pending| may_ask(pending.id));
        let Some((id, change)) = next.filter_map(|pending| Some((pending.id, pending.next()?))).next() else { return };
        let (url, body) = rest::change(&line.config.supabase_url, id, &change);
        let request = line.rpc(access, url, body, false);
        self.in_flight = Some(InFlight { request, id, change, generation: access.generation });
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.in_flight.as_ref().is_some_and(|asked| asked.request == request)
    }

    /// Takes in the answer that it awaits. `is_here`: whether a message is shown as sent.
    pub fn answered<V: Json>(
        &mut self,
        line: &mut Line<V>,
        thread: &ThreadId,
        answer: Answer<V>,
        is_here: impl Fn(MessageId) -> bool,
    ) -> Fact<V> {
        let Some(InFlight { id, change, generation, .. }) = self.in_flight.take() else { return Fact::Nothing };
        let error = match rest::outcome(answer) {
            Outcome::Done(value) => {
                line.token.accepted(generation, Verifier::Rest);
                line.server.good_news = true;
                self.backoff.reset();
                self.done(line, thread, id, &change);
                return match Row::read(value, thread.as_str(), &line.config.my_id) {
                    Ok(row) => Fact::Done(row),
                    Err(_) => Fact::Nothing,
                };
            }
            Outcome::Token => {
                line.token_refused(generation, Verifier::Rest);
                return Fact::Nothing;
            }
            Outcome::Unusable(error) => return Fact::Stop(error),
            Outcome::Later(_, at_least) => {
                line.fail(&mut self.backoff, at_least);
                return Fact::Nothing;
            }
            Outcome::Blocked(..) => {
                line.fail(&mut self.backoff, 0);
                return Fact::Nothing;
            }
            // It never came to be sent, or is not there any more.
            Outcome::Refused(error) if error.code == Code::NotYours && !is_here(id) => {
                self.done(line, thread, id, &change);
                return Fact::Nothing;
            }
            Outcome::Refused(error) if error.code == Code::SetupMissing => {
                ChatError::with(Code::SetupMissing, Some(MIGRATION.into()))
            }
            Outcome::Refused(error) => error,
        };
        self.backoff.reset();
        self.alter(line, thread, id, |pending| {
            pending.refuse(&change, error);
            true
        });
        Fact::Nothing
    }
}
