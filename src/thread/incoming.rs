//! What follows from what the server says.

#[cfg(feature = "changes")]
use super::changing::reply_to;
use super::read::{Cause, Purpose};
use super::reader;
use super::sender;
use super::timeline::Answered;
use super::{Thread, ensure, place};
#[cfg(feature = "inbox")]
use crate::conversation::Preview;
use crate::error::{ChatError, Code};
use crate::io::{Answer, Diff, RequestId};
use crate::json::Json;
use crate::line::Line;
#[cfg(feature = "inbox")]
use crate::line::hint::News;
use crate::line::phoenix::Incoming;
use crate::line::rest::SeqRange;
use crate::line::topic;
use crate::message::Row;
#[cfg(feature = "inbox")]
use crate::message::Sender;
use crate::mutation::{Mutation, mutated};

impl Thread {
    /// Takes in a frame of its topic.
    pub(crate) fn heard<V: Json>(&mut self, line: &mut Line<V>, incoming: Incoming<V>) {
        let now = line.now();
        match self.topic.handle(line, incoming) {
            None => {}
            Some(topic::Fact::Joined) => {
                self.reader.joined(now);
                self.watch.joined(now, line.server.tells_ready);
            }
            Some(topic::Fact::Ready) => {
                self.watch.ready();
                self.reader.ready(now);
            }
            Some(topic::Fact::Unauthorized(reason)) => self.unauthorized(line, reason),
            Some(topic::Fact::Failed(error)) => self.shown.failed(error),
            Some(topic::Fact::Ended) => self.watch.left(),
            Some(topic::Fact::Broadcast { event, payload, from_database }) => {
                self.broadcast(line, &event, &payload, from_database);
            }
        }
    }

    /// Realtime alone never ends a thread: REST goes on, and refuses by itself what is not allowed.
    fn unauthorized<V>(&mut self, line: &mut Line<V>, reason: String) {
        if self.ensure.doubt() {
            return self.topic.reset();
        }
        if mutated(Mutation::StopOnRefusal) {
            return self.stop(line, ChatError::with(Code::NotAParticipant, Some(reason)));
        }
        // RLS lets participants alone see a row.
        let code = if self.timeline.is_empty() { Code::NotAParticipant } else { Code::Server };
        self.shown.failed(ChatError::with(code, Some(reason)));
        self.topic.refused(line);
    }

    fn broadcast<V: Json>(&mut self, line: &mut Line<V>, event: &[u8], payload: &V, from_database: bool) {
        match event {
            b"INSERT" => {
                let record = payload.get("record").filter(|_| from_database);
                match record.and_then(|record| Row::read(record, self.id.as_str(), &line.config.my_id).ok()) {
                    Some(row) => {
                        line.server.good_news = true;
                        self.watch.heard(row.seq);
                        self.reader.heard(line.now());
                        // Alone it would stand above those that it was sent with.
                        if !self.sender.sends_in_batch(row.id) {
                            self.confirm(line, row);
                        }
                    }
                    // Not certainly the database's word: a reason to ask it, no more.
                    None => self.reader.want_news(),
                }
            }
            // Not certainly the database's word where it is none of its rows, but always a reason to ask it.
            #[cfg(feature = "changes")]
            b"CHANGE" if payload.get("rev").is_some() => {
                match Row::read(payload.clone(), self.id.as_str(), &line.config.my_id) {
                    Ok(row) if row.rev > 0 => self.change_came(line, row),
                    _ => self.reader.want_news(),
                }
            }
            // Somebody's messages were erased (erase_chat_person), or one changed.
            b"CHANGE" => {
                self.timeline.outdate();
                self.reader.want_news();
            }
            #[cfg(feature = "inbox")]
            b"MARK" => self.news.extend(News::read(event, payload, &line.config.my_id)),
            _ => {}
        }
    }

    /// A row came, the newest perhaps.
    #[cfg(feature = "inbox")]
    pub(super) fn tell_inbox<V: Json>(&mut self, row: &Row<V>) {
        self.news.extend(Preview::of(row).map(|preview| News::Newest(self.id.clone(), preview)));
    }

    pub(crate) fn awaits(&self, request: RequestId) -> bool {
        self.ensure.awaits(request)
            || self.reader.awaits(request)
            || self.sender.awaits(request)
            || self.changes.awaits(request)
    }

    /// Takes in an answer that it awaits.
    pub(crate) fn answered<V: Json>(&mut self, line: &mut Line<V>, request: RequestId, answer: Answer<V>) {
        #[cfg(feature = "changes")]
        if self.changes.awaits(request) {
            return self.change_answered(line, answer);
        }
        if self.ensure.awaits(request) {
            match self.ensure.answered(line, &self.id, answer) {
                ensure::Fact::Settled => {}
                ensure::Fact::Failed(error) => self.shown.failed(error),
                ensure::Fact::Stop(error) => self.stop(line, error),
            }
        } else if self.sender.awaits(request) {
            match self.sender.answered(line, place(&self.id, &self.timeline), answer) {
                sender::Fact::Sent(rows) => self.sent(line, rows),
                sender::Fact::WantsRead => self.reader.want_news(),
                sender::Fact::Stop(error) => self.stop(line, error),
                sender::Fact::Nothing => {}
            }
        } else {
            match self.reader.answered(line, &self.id, request, answer) {
                reader::Fact::Page(purpose, range, answered) => self.page_came(line, purpose, range, answered),
                reader::Fact::Failed(error, asked) => {
                    if asked {
                        self.settle_older(line, Err(error.clone()));
                    }
                    self.shown.failed(error);
                }
                reader::Fact::Stop(error) => self.stop(line, error),
                reader::Fact::Nothing => {}
            }
        }
    }

    /// A send worked.
    fn sent<V: Json>(&mut self, line: &mut Line<V>, rows: Vec<Row<V>>) {
        // Its sender is a participant, and what refused the join may be over.
        self.topic.backoff().relieve();
        // Of several only the newest is broadcast.
        if self.topic.is_joined() {
            self.watch.expect(line.now(), rows.iter().fold(0, |newest, row| newest.max(row.seq)));
        }
        for row in rows {
            self.confirm(line, row);
        }
    }

    /// A row came alone: it takes the place of its pending message, if it has one.
    fn confirm<V: Json>(&mut self, line: &mut Line<V>, row: Row<V>) {
        #[cfg(feature = "inbox")]
        self.tell_inbox(&row);
        #[cfg(feature = "changes")]
        let replied = reply_to(&row);
        if self.timeline.is_denied_by_row(&row) {
            self.start_over(line);
        }
        #[cfg(feature = "changes")]
        if let Some(seq) = replied {
            self.want_quoted(seq);
        }
        let next = self.timeline.is_contiguous_with(row.seq);
        if next && self.sender.is_first(row.id) {
            // The usual case: the bubble stays where it is.
            self.sender.first_confirmed(line, &self.id);
            let mut diffs = self.timeline.arrived(row);
            diffs.iter_mut().for_each(bubble_stays);
            line.show(&self.id, diffs);
            return;
        }
        self.sender.confirmed(line, place(&self.id, &self.timeline), row.id);
        let diffs = self.timeline.arrived(row);
        line.show(&self.id, diffs);
    }

    fn page_came<V: Json>(&mut self, line: &mut Line<V>, purpose: Purpose, range: SeqRange, answered: Answered<V>) {
        #[cfg(feature = "changes")]
        let mut answered = answered;
        #[cfg(feature = "changes")]
        if purpose == Purpose::Quote {
            return self.quote_came(line, range, answered);
        }
        #[cfg(feature = "changes")]
        let lowest = answered.span.map_or(0, |(low, _)| low);
        let known = self.timeline.newest();
        let top = answered.span.map_or(0, |(_, high)| high);
        if range.is_newest_page() {
            self.from_cache = false;
        }
        if self.timeline.is_denied_by(range, &answered) {
            self.start_over(line);
            // Something came alone while the page was on its way.
            if known > top {
                self.reader.want_news();
            }
            // What lies between must be read as well.
            if !range.is_newest_page() {
                self.reader.want_news();
                return self.settle_older(line, Ok(()));
            }
        }
        let newest = self.timeline.newest();
        for row in answered.rows.iter().filter(|_| !mutated(Mutation::KeepPendingOfRow)) {
            self.sender.confirmed(line, place(&self.id, &self.timeline), row.id);
        }
        #[cfg(feature = "inbox")]
        for of_them in [true, false] {
            let rows = answered.rows.iter().filter(|row| !of_them || row.sender == Sender::Them);
            if let Some(row) = rows.max_by_key(|row| row.seq) {
                self.tell_inbox(row);
            }
        }
        #[cfg(feature = "changes")]
        let told = answered.told.take();
        #[cfg(feature = "changes")]
        let replies: Vec<u64> = answered.rows.iter().filter_map(reply_to).collect();
        let diffs = self.timeline.read(range, answered);
        self.reader.brought(diffs.len());
        line.show(&self.id, diffs);
        #[cfg(feature = "changes")]
        if let Some(told) = told {
            self.told(line, purpose, lowest, told);
        }
        #[cfg(feature = "changes")]
        replies.into_iter().for_each(|seq| self.want_quoted(seq));
        self.reader.done(line.now(), purpose, top == 0, top > newest);
        match purpose {
            Purpose::Newest { cause, .. } => {
                if cause != Cause::News && top > newest && self.topic.is_joined() {
                    self.watch.expect(line.now(), top);
                }
                if self.timeline.is_doubted() {
                    self.reader.want_news();
                }
            }
            Purpose::Older => self.settle_older(line, Ok(())),
            #[cfg(feature = "changes")]
            Purpose::Quote => {}
            Purpose::Hole => {}
        }
    }

    /// The database has another history than the one that is shown.
    pub(super) fn start_over<V>(&mut self, line: &mut Line<V>) {
        self.from_cache = false;
        self.watch.forget();
        let diffs = self.timeline.forget();
        line.show(&self.id, diffs);
    }
}

/// A message that is confirmed where it stands becomes what was inserted.
fn bubble_stays<V>(diff: &mut Diff<V>) {
    *diff = match core::mem::replace(diff, Diff::Remove { at: 0, count: 0 }) {
        Diff::Insert { at, message } => Diff::Update { at, message },
        other => other,
    };
}
