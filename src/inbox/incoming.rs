//! What follows from what the server says.

use super::list::place;
use super::reader::{self, Place};
use super::record::{Fact, Newest, Progress, Record};
use super::{Inbox, MOST};
use crate::conversation::Preview;
use crate::error::{ChatError, Code};
use crate::io::{Answer, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::hint::{self, Mark, News};
use crate::line::phoenix::Incoming;
use crate::line::topic;
use crate::message::Sender;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

impl Inbox {
    /// Whether a frame of `topic` is its.
    pub fn is_topic(&self, topic: &[u8]) -> bool {
        self.topic.as_ref().is_some_and(|own| own.name().as_bytes() == topic)
    }

    /// Takes in a frame of its topic.
    pub fn heard<V: Json>(&mut self, line: &mut Line<V>, incoming: Incoming<V>) {
        let Some(topic) = &mut self.topic else { return };
        match topic.handle(line, incoming) {
            None | Some(topic::Fact::Ended) => {}
            Some(topic::Fact::Joined) => self.reader.joined(line.now()),
            Some(topic::Fact::Ready) => self.reader.want(line.now()),
            Some(topic::Fact::Unauthorized(reason)) => {
                topic.refused(line);
                self.shown.error = Some(ChatError::with(Code::Server, Some(reason)));
            }
            Some(topic::Fact::Failed(error)) => self.shown.error = Some(error),
            Some(topic::Fact::Broadcast { event, payload, .. }) => {
                line.server.good_news = true;
                self.reader.heard(line.now());
                match News::read(&event, &payload, &line.config.my_id) {
                    Some(news) => self.learn(line, news),
                    // Of a later version, perhaps: a reason to ask, no more.
                    None => self.reader.want(line.now()),
                }
            }
        }
    }

    /// Something is new in a conversation: by a hint, or as an open thread knows it.
    pub fn learn<V>(&mut self, line: &mut Line<V>, news: News) {
        if self.reader.is_reading() {
            self.since.push(news.clone());
        }
        self.apply(line, news);
    }

    fn apply<V>(&mut self, line: &mut Line<V>, news: News) {
        let (thread, newest) = match &news {
            News::Newest(thread, message) => (thread.clone(), Some((message.seq, message.sender))),
            News::Mark(mark) => (mark.thread.clone(), None),
        };
        let (loaded, seen) = (self.reader.is_loaded(), self.marks.seen_of(&thread));
        let record = self.record(&thread);
        let before = record.newest.as_ref().map_or(0, |newest| newest.unread);
        let fact = match news {
            // Of a closed inbox no message is kept.
            News::Newest(_, message) if loaded => record.came(message, seen),
            News::Newest(..) => Fact::Known,
            News::Mark(Mark { mine: false, read, delivered, .. }) => {
                match record.theirs.raise(Progress { read, delivered }) {
                    true => Fact::Exact,
                    false => Fact::Known,
                }
            }
            News::Mark(Mark { read, delivered, counted, .. }) => {
                record.marked_mine(Progress { read, delivered }, counted)
            }
        };
        let after = record.newest.as_ref().map_or(0, |newest| newest.unread);
        let mine = record.mine;
        self.unread = self.unread.saturating_add(after).saturating_sub(before);
        match newest {
            Some((seq, Sender::Them)) if self.receipts == Some(true) => {
                self.marks.delivered(line.now(), &thread, seq, mine);
            }
            Some(_) => {}
            None => self.marks.reached(line, &thread, mine),
        }
        if fact != Fact::Known {
            self.reader.changed();
        }
        if fact == Fact::Doubted && loaded && !mutated(Mutation::ForgetDoubt) {
            self.reader.want(line.now());
        }
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.reader.awaits(request) || self.marks.awaits(request)
    }

    /// Takes in an answer that it awaits.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, request: RequestId, answer: Answer<V>) {
        if self.marks.awaits(request) {
            if let Some((asked, value)) = self.marks.answered(line, answer) {
                self.marked(line, &value);
                // One that it says nothing of has no markers yet: it may not even exist.
                asked.iter().for_each(|thread| self.record(thread).marked = true);
            }
        } else {
            self.read(line, Some(request), answer);
        }
    }

    /// Takes in what a poll of the threads was answered with: its own part, and how far everybody has come.
    pub fn synced<V: Json>(&mut self, line: &mut Line<V>, answer: &Answer<V>) {
        let mut answer = answer.clone();
        if let Answer::Http { status: 200..=299, body, .. } = &mut answer {
            if let Some(value) = &*body {
                self.marked(line, value);
            }
            *body = body.take().and_then(|value| value.get("inbox"));
        }
        if self.reader.is_syncing() {
            self.read(line, None, answer);
        }
    }

    /// The server says how far everybody has come in some threads.
    fn marked<V: Json>(&mut self, line: &mut Line<V>, value: &V) {
        let Some(threads) = value.get("threads") else { return };
        for part in (0..threads.len().unwrap_or(0)).filter_map(|at| threads.at(at)) {
            let Some(thread) = hint::thread(&part, &line.config.my_id) else { continue };
            let Some(read) = part.number("read") else { continue };
            let delivered = part.number("delivered").unwrap_or(0);
            let counted = hint::count(&part);
            self.learn(line, News::Mark(Mark { thread: thread.clone(), mine: true, read, delivered, counted }));
            if let Some(read) = part.number("other_read") {
                let delivered = part.number("other_delivered").unwrap_or(0);
                self.learn(
                    line,
                    News::Mark(Mark { thread: thread.clone(), mine: false, read, delivered, counted: None }),
                );
                let record = self.record(&thread);
                record.marked = true;
                record.all_read = counted.is_some_and(|count| count.unread == 0);
            }
        }
    }

    fn read<V: Json>(&mut self, line: &mut Line<V>, request: Option<RequestId>, answer: Answer<V>) {
        match self.reader.answered(line, request, answer) {
            reader::Fact::Newest(value) => {
                self.unread = u32::try_from(value.number("unread").unwrap_or(0)).unwrap_or(u32::MAX);
                self.page_came(line, &value, true);
            }
            reader::Fact::More(value) => {
                self.page_came(line, &value, false);
                self.settle_more(line, Ok(()));
            }
            reader::Fact::Unchanged if self.reader.is_reading() => {}
            reader::Fact::Unchanged => self.since.clear(),
            reader::Fact::Failed(error, asked) => {
                if asked {
                    self.settle_more(line, Err(error.clone()));
                }
                self.shown.error = Some(error);
            }
            reader::Fact::Stop(error) => {
                self.leave(line);
                self.stopped = Some(error);
            }
            reader::Fact::Nothing => {}
        }
    }

    /// Lines came: the `newest`, or those behind the last one.
    fn page_came<V: Json>(&mut self, line: &mut Line<V>, value: &V, newest: bool) {
        let me = &line.config.my_id;
        let threads = value.get("threads");
        let threads =
            threads.iter().flat_map(|threads| (0..threads.len().unwrap_or(0)).filter_map(|at| threads.at(at)));
        let page: Vec<Record> = threads.filter_map(|part| read_line(&part, me)).collect();
        let last: Option<Place> = page.last().and_then(place);
        let end = last.filter(|_| value.flag("has_more"));
        let above = |place: &Place| end.as_ref().is_none_or(|end| place > end);
        // What should be among them and is not is no longer there.
        for record in self.records.iter_mut().filter(|_| newest) {
            let listed = page.iter().any(|read| read.thread == record.thread);
            if !listed && place(record).as_ref().is_none_or(above) {
                record.newest = None;
            }
        }
        let mut arrived = Vec::new();
        for read in page {
            // Behind one's own message there may be one of the other that is not read.
            let from_them = |newest: &&Newest| newest.message.sender == Sender::Them || newest.unread > 0;
            let seq = read.newest.as_ref().filter(from_them).map_or(0, |newest| newest.message.seq);
            arrived.push((read.thread.clone(), seq, read.mine));
            let thread = read.thread.clone();
            *self.record(&thread) = read;
        }
        // What was loaded further down than was read is still there.
        let is_below = |place: Place| end.as_ref().is_some_and(|end| place < *end);
        let is_loaded = |place: &Place| self.end.as_ref().is_none_or(|end| place >= end);
        if !newest || !self.records.iter().filter_map(place).filter(is_loaded).any(is_below) {
            self.end = end;
        } else if arrived.len() < MOST as usize {
            // Others came in above while this was on its way: what they moved down has not been read again.
            self.reader.want(line.now());
        }
        for (thread, seq, mine) in arrived {
            self.marks.reached(line, &thread, mine);
            if self.receipts == Some(true) {
                self.marks.delivered(line.now(), &thread, seq, mine);
            }
        }
        for news in core::mem::take(&mut self.since) {
            if self.reader.is_reading() {
                self.since.push(news.clone());
            }
            self.apply(line, news);
        }
    }
}

/// Reads a line as `list_chat_threads` tells it.
fn read_line<V: Json>(part: &V, me: &str) -> Option<Record> {
    let thread: ThreadId = hint::thread(part, me)?;
    let progress = |read, delivered| Progress {
        read: part.number(read).unwrap_or(0),
        delivered: part.number(delivered).unwrap_or(0),
    };
    let rev = part.number("last_rev").unwrap_or(0);
    Some(Record {
        thread,
        marked: true,
        all_read: hint::unread(part) == Some(0),
        mine: progress("read", "delivered"),
        theirs: progress("other_read", "other_delivered"),
        newest: Some(Newest {
            message: Preview { rev, ..Preview::read(&part.get("message")?, me)? },
            at: part.text("last_message_at")?,
            unread: hint::unread(part)?,
            counted: true,
            rev,
        }),
    })
}
