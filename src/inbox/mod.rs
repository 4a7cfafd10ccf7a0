//! All conversations of a person, and how far everybody has come in them: one store for the inbox and for open threads, so
//! that a line and its thread can't disagree.
//!
//! | file | one idea |
//! |---|---|
//! | `record.rs` | one conversation: newest message, unread, markers |
//! | `marks.rs` | one's own markers until the server knows them |
//! | `reader.rs` | when the list is read |
//! | `list.rs` | what the page has been told |
//! | `incoming.rs` | what follows from what the server says |
//!
//! A hint (a broadcast, a row of an open thread) changes a record by itself only where that is certain to be right. After
//! anything else the list is read again, as it is after every gap; so a hint that is lost costs time, and is never missed.

mod incoming;
mod list;
mod marks;
mod reader;
mod record;

use crate::error::{ChatError, Code};
use crate::io::{InboxState, Output, Status};
use crate::line::Line;
use crate::line::hint::News;
use crate::line::poll::Broadcasts;
use crate::line::topic::Topic;
use crate::mutation::{Mutation, mutated};
use crate::thread::Thread;
use crate::thread_id::ThreadId;
use list::{Shown, lines};
use marks::Marks;
use reader::{Place, Reader};
use record::Record;

/// The inbox, open or not, and the markers of open threads.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    sessions: u32,
    page: u32,
    /// Whether receipts are sent and shown; `None` where the page uses no markers.
    receipts: Option<bool>,
    /// Why it has stopped, until a session opens it again.
    stopped: Option<ChatError>,
    topic: Option<Topic>,
    reader: Reader,
    marks: Marks,
    records: Vec<Record>,
    /// Where the lines that are loaded end; `None` where all of them are.
    end: Option<Place>,
    /// How many messages are unread, as far as the server knows what was seen.
    unread: u32,
    /// What came while the list was on its way: that may hold it, or not.
    since: Vec<News>,
    shown: Shown,
}

/// The most lines that are read again after a gap.
const MOST: u32 = 250;

/// What the page asks for.
impl Inbox {
    pub fn open(&mut self, limit: u32) {
        if self.sessions == 0 {
            self.page = limit;
            self.reader.want(0);
        }
        self.sessions += 1;
        self.shown.open();
        if self.stopped.take().is_some() {
            self.reader.want(0);
        }
    }

    pub fn close<V>(&mut self, line: &mut Line<V>) {
        self.sessions = self.sessions.saturating_sub(1);
        if self.sessions > 0 {
            return;
        }
        self.leave(line);
        self.reader.close(line);
        self.settle_more(line, Err(Code::Closed.into()));
        self.shown.opened(line, Err(Code::Closed.into()));
        self.shown.close(line);
        self.records.iter_mut().for_each(|record| record.newest = None);
        self.since.clear();
        (self.end, self.unread, self.topic) = (None, 0, None);
    }

    pub fn load_more(&mut self) {
        self.reader.load_more();
    }

    pub fn set_receipts(&mut self, receipts: bool) {
        self.receipts = Some(receipts);
    }

    /// The person has seen `thread` up to `seq`.
    pub fn seen<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, seq: u64) {
        let record = self.record(thread);
        let seq = if mutated(Mutation::SeenIsNewest) { record.last_seq().max(seq) } else { seq };
        let known = record.mine;
        self.marks.seen(line, thread, seq, known);
    }
}

/// What becomes of the line.
impl Inbox {
    /// Whether anything of it needs the token or the network.
    pub fn is_busy(&self) -> bool {
        self.is_open() || self.receipts.is_some() && self.marks.is_waiting()
    }

    fn is_open(&self) -> bool {
        self.sessions > 0 && self.stopped.is_none()
    }

    /// Whether it knows a message of `thread`: so that is there.
    pub fn lists(&self, thread: &ThreadId) -> bool {
        self.records.iter().any(|record| record.thread == *thread && record.newest.is_some())
    }

    /// Whether no socket is needed.
    pub fn is_idle(&self) -> bool {
        !self.is_open()
    }

    pub fn is_joining(&self) -> bool {
        self.topic.as_ref().is_some_and(Topic::is_joining)
    }

    /// The page woke up, or the network came back.
    pub fn wake(&mut self, now: u64) {
        if let Some(topic) = &mut self.topic {
            topic.backoff().hurry();
        }
        self.reader.wake(now);
        self.marks.backoff().hurry();
    }

    /// The device slept.
    pub fn slept(&mut self) {
        if let Some(topic) = &mut self.topic {
            topic.slept();
        }
    }

    /// Something else of the server succeeded: what failed need not be waited out.
    pub fn relieve(&mut self) {
        self.reader.backoff().relieve();
        self.marks.backoff().relieve();
    }

    /// The socket is gone, and every join with it. `unwanted`: it was closed, as nobody wants it.
    pub fn socket_gone(&mut self, unwanted: bool) {
        if let Some(topic) = &mut self.topic {
            topic.reset();
        }
        self.reader.disconnected();
        if !unwanted {
            self.shown.error.get_or_insert(Code::Network.into());
        }
    }

    fn leave<V>(&mut self, line: &mut Line<V>) {
        if let Some(topic) = &mut self.topic {
            topic.leave(line);
        }
    }
}

/// What is to be done.
impl Inbox {
    /// Starts what is wanted and not there.
    pub fn drive<V>(&mut self, line: &mut Line<V>) {
        if line.token.stopped().is_some() || !line.device.may_ask() || line.is_away() {
            return;
        }
        let Some(access) = line.token.usable(line.time()) else { return };
        if let Some(receipts) = self.receipts {
            self.marks.drive(line, &access, receipts);
        }
        if !self.is_open() {
            return;
        }
        let (limits, broadcasts) = (self.limits(), self.broadcasts());
        if self.reader.drive(line, &access, broadcasts, limits, self.end.as_ref()) {
            self.settle_more(line, Ok(()));
        }
        if self.topic.is_none() {
            let Some(account) = line.token.account() else { return };
            self.topic = Some(Topic::new(["realtime:chat-inbox:", account].concat()));
        }
        let failed = self.topic.as_mut().and_then(|topic| topic.drive(line, &access, true));
        if failed.is_some() {
            self.shown.error = failed;
        }
    }

    /// How many lines are read again, and how many more at once.
    fn limits(&self) -> (u32, u32) {
        let loaded = self.records.iter().filter(|record| record.newest.is_some()).count();
        ((loaded as u32).clamp(self.page, MOST), self.page)
    }

    fn broadcasts(&self) -> Broadcasts {
        match &self.topic {
            Some(topic) if topic.is_joined() => Broadcasts::Flow,
            _ => Broadcasts::Away,
        }
    }

    /// Takes part in the poll of the threads; see [`Reader::join_sync`].
    pub fn join_sync<V>(&mut self, line: &mut Line<V>, due: bool, generation: u32) -> Option<String> {
        if !self.is_open() || line.is_away() {
            return None;
        }
        let ((limit, _), broadcasts) = (self.limits(), self.broadcasts());
        self.reader.join_sync(line, broadcasts, due, limit, generation)
    }

    /// Takes in what the threads have learned that is its business.
    pub fn meet<V>(&mut self, line: &mut Line<V>, threads: &mut [Thread]) {
        for thread in threads.iter_mut() {
            for news in thread.take_news() {
                self.learn(line, news);
            }
        }
        if self.receipts.is_none() {
            return;
        }
        let open = threads.iter().filter(|thread| thread.is_open()).map(|thread| &thread.id);
        self.shown.set_open(open.clone());
        // Of what is neither open nor listed nothing is heard.
        for record in self.records.iter_mut().filter(|record| record.newest.is_none()) {
            record.marked &= open.clone().any(|thread| *thread == record.thread);
        }
        for thread in open {
            if !self.record(thread).marked {
                self.marks.wonder(thread);
            }
        }
    }

    /// Tells the page what changed.
    pub fn show<V>(&mut self, line: &mut Line<V>) {
        let receipts = self.receipts == Some(true);
        for thread in self.shown.open_threads() {
            let seen = self.marks.seen_of(&thread);
            if let Some(record) = self.records.iter().find(|record| record.thread == thread && record.marked) {
                self.shown.tell_markers(line, record, seen, receipts);
            }
        }
        if self.sessions == 0 && self.shown.is_closed() {
            return;
        }
        if let Some(error) = self.stopped.as_ref().or(line.token.stopped()).cloned() {
            self.shown.opened(line, Err(error.clone()));
            self.settle_more(line, Err(error));
        } else if self.reader.is_loaded() {
            self.shown.opened(line, Ok(()));
        }
        if self.reader.is_loaded() {
            let lines = lines(&self.records, self.end.as_ref(), &self.marks, receipts);
            self.shown.update(line, lines);
        }
        let live = self.reader.is_loaded() && self.broadcasts() == Broadcasts::Flow;
        if live && line.device.is_online() {
            self.shown.was_live = true;
            self.shown.error = None;
        }
        let status = line.status(self.is_open(), live, self.shown.was_live);
        let error = match status {
            Status::Live => None,
            _ => self.stopped.as_ref().or(line.token.stopped()).or(self.shown.error.as_ref()).or(line.token.error()),
        };
        let state = InboxState {
            status,
            unread: self.shown_unread(),
            has_more: self.end.is_some(),
            loading_more: self.reader.is_loading_more(),
            error: error.cloned(),
        };
        self.shown.set_state(line, state);
    }

    /// Without what the person has seen and the server does not know yet.
    fn shown_unread(&self) -> u32 {
        let seen_of = |record: &Record| record.unread(0) - record.unread(self.marks.seen_of(&record.thread));
        self.unread.saturating_sub(self.records.iter().map(seen_of).sum())
    }

    fn settle_more<V>(&mut self, line: &mut Line<V>, result: Result<(), ChatError>) {
        if self.reader.settle_more() {
            line.emit(Output::MoreLoaded(result));
        }
    }

    /// The record of a thread, made if it is not there.
    fn record(&mut self, thread: &ThreadId) -> &mut Record {
        let at = self.records.iter().position(|record| record.thread == *thread).unwrap_or(self.records.len());
        if at == self.records.len() {
            self.records.push(Record::new(thread.clone()));
        }
        &mut self.records[at]
    }
}
