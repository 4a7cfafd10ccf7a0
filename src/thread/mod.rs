//! One conversation. Its parts know nothing of each other: they return facts, and this file says what follows from them.
//!
//! | file | one idea |
//! |---|---|
//! | `ensure.rs` | whether the thread exists |
//! | `reader.rs`, `read.rs` | what to read and when; one read |
//! | `synced.rs` | its part in the poll of all threads |
//! | `timeline.rs`, `entries.rs`, `covered.rs` | confirmed messages in seq order; as memory holds them; which numbers are known |
//! | `watch.rs` | whether broadcasts arrive |
//! | `sender.rs`, `outbox.rs` | sending what is not confirmed; in which order |
//! | `cached.rs` | what is shown before the server has answered |
//! | `changing.rs`, `changes.rs` | how messages change; what the person asks for |
//! | `revs.rs`, `quotes.rs`, `told.rs` | which changes are known; what others reply to; what answers tell of both |
//! | `incoming.rs` | what follows from what the server says |
//! | `shown.rs` | what the page has been told |
//!
//! [`Thread::drive`] is level-triggered: it looks at what is wanted and what is there, and starts what is missing. Events
//! only change what is wanted. So no event can be missed for good, whatever the order in which things fail.

mod cached;
#[cfg_attr(not(feature = "changes"), path = "no_changes.rs")]
mod changes;
#[cfg(feature = "changes")]
mod changing;
mod covered;
mod ensure;
mod entries;
mod incoming;
mod outbox;
#[cfg(feature = "changes")]
mod quotes;
mod read;
mod reader;
#[cfg(feature = "changes")]
mod revs;
mod sender;
mod shown;
mod synced;
mod timeline;
#[cfg(feature = "changes")]
mod told;
mod watch;

use crate::error::{ChatError, Code};
use crate::io::Output;
use crate::line::backoff::Backoff;
#[cfg(feature = "inbox")]
use crate::line::hint::News;
use crate::line::poll::Broadcasts;
use crate::line::token::Access;
use crate::line::topic::Topic;
use crate::line::{Line, limit};
use crate::message::{MessageId, PendingMessage};
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;
use changes::Changes;
use ensure::Ensure;
use reader::{Reader, Situation};
use sender::{Place, Sender};
use shown::{Shown, Standing};
use timeline::Timeline;
use watch::Watch;

/// A thread that sessions have open, or had open a moment ago.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) id: ThreadId,
    sessions: Sessions,
    /// What is shown is storage's word, and not the server's yet.
    from_cache: bool,
    ensure: Ensure,
    topic: Topic,
    watch: Watch,
    timeline: Timeline,
    reader: Reader,
    sender: Sender,
    changes: Changes,
    shown: Shown,
    /// What the inbox is to know.
    #[cfg(feature = "inbox")]
    news: Vec<News>,
}

/// Who has it open.
#[derive(Debug, Default)]
struct Sessions {
    open: u32,
    /// When the last one closed it.
    closed_at: u64,
    /// Why the thread has stopped, until one opens it again.
    stopped: Option<ChatError>,
}

/// How long a closed thread is kept: opening it again shows its last page at once.
const LINGER: u64 = 30_000;
/// Messages a page until a session says otherwise.
const DEFAULT_PAGE_SIZE: u32 = 50;

impl Thread {
    /// `known`: it existed a while ago.
    pub(crate) fn new(id: ThreadId, known: bool) -> Self {
        Thread {
            topic: Topic::new(id.topic()),
            id,
            sessions: Sessions::default(),
            from_cache: false,
            ensure: Ensure::new(known),
            watch: Watch::default(),
            timeline: Timeline::new(DEFAULT_PAGE_SIZE),
            reader: Reader::default(),
            sender: Sender::default(),
            changes: Changes::default(),
            shown: Shown::default(),
            #[cfg(feature = "inbox")]
            news: Vec::new(),
        }
    }
}

/// What the page asks for.
impl Thread {
    pub(crate) fn open(&mut self, page_size: u32) {
        if self.sessions.open == 0 {
            self.timeline.set_page_size(page_size);
            self.reader.want_news();
        }
        self.sessions.open += 1;
        self.shown.open();
        if self.sessions.stopped.take().is_some() {
            self.ensure.reset();
            self.reader.want_news();
        }
    }

    pub(crate) fn close<V>(&mut self, line: &mut Line<V>) {
        self.sessions.open = self.sessions.open.saturating_sub(1);
        if self.sessions.open > 0 {
            return;
        }
        self.sessions.closed_at = line.now();
        self.leave(line);
        self.reader.close(line);
        self.settle_older(line, Err(Code::Closed.into()));
        self.end_jump(line, Err(Code::Closed.into()));
        self.shown.opened(line, &self.id, Err(Code::Closed.into()));
        self.shown.close();
        let diffs = self.timeline.trim();
        line.show(&self.id, diffs);
    }

    pub(crate) fn send<V>(&mut self, line: &mut Line<V>, id: MessageId, body: String, reply_to: Option<u64>) {
        if !self.timeline.holds(id) && !self.sender.holds(id) {
            self.sender.add(line, place(&self.id, &self.timeline), id, body, reply_to);
        }
    }

    /// Messages that an earlier page left in storage.
    pub(crate) fn restore<V>(&mut self, line: &mut Line<V>, mut messages: Vec<PendingMessage>) {
        messages.sort_unstable_by_key(|message| message.order);
        if messages.iter().any(|message| self.timeline.holds(message.id)) {
            self.hide_cached(line);
        }
        messages.retain(|message| {
            let sent = self.timeline.holds(message.id);
            if sent {
                line.emit(Output::Unstore(self.id.clone(), message.id));
            }
            !sent
        });
        self.sender.restore(line, place(&self.id, &self.timeline), messages);
    }

    pub(crate) fn retry<V>(&mut self, line: &mut Line<V>, id: MessageId) {
        self.changes.retry(line, &self.id, id);
        self.sender.retry(line, place(&self.id, &self.timeline), id);
    }

    pub(crate) fn discard<V>(&mut self, line: &mut Line<V>, id: MessageId) {
        self.changes.discard(line, &self.id, id);
        if self.sender.discard(line, place(&self.id, &self.timeline), id) {
            // It may be in the table all the same, with those it was sent with.
            self.reader.want_news();
        }
    }

    pub(crate) fn load_older(&mut self) {
        self.reader.load_older();
    }
}

/// What becomes of the line.
impl Thread {
    /// The page woke up, or the network came back.
    pub(crate) fn wake(&mut self) {
        self.topic.backoff().hurry();
        self.backoffs().for_each(Backoff::hurry);
        self.reader.wake(self.topic.is_joined());
    }

    /// The device slept.
    pub(crate) fn slept(&mut self) {
        self.topic.slept();
    }

    /// Something else of the server succeeded: what failed need not be waited out.
    pub(crate) fn relieve(&mut self) {
        self.backoffs().for_each(Backoff::relieve);
    }

    /// Somebody waits for a message to be sent.
    pub(crate) fn limit_waits(&mut self, now: u64) {
        self.backoffs().for_each(|backoff| limit(backoff, now));
    }

    /// How long its parts wait after failures of what has nothing to do with Realtime.
    fn backoffs(&mut self) -> impl Iterator<Item = &mut Backoff> {
        [
            self.ensure.backoff(),
            self.reader.backoff(),
            self.sender.backoff(),
            #[cfg(feature = "changes")]
            self.changes.backoff(),
        ]
        .into_iter()
    }

    /// The socket is gone, and every join with it.
    pub(crate) fn socket_gone(&mut self) {
        self.socket_closed();
        self.shown.failed_too(Code::Network.into());
    }

    /// The socket is closed, as nobody wants it.
    pub(crate) fn socket_closed(&mut self) {
        if !mutated(Mutation::NoRejoinAfterSocket) {
            self.topic.reset();
        }
        self.watch.left();
        self.reader.disconnected();
    }
}

/// What is to be done.
impl Thread {
    /// Whether anything of it needs the token or the network.
    pub(crate) fn is_busy(&self) -> bool {
        self.sessions.stopped.is_none() && self.sessions.open > 0 || self.is_waiting()
    }

    /// Whether a message waits to be sent, or changed.
    pub(crate) fn is_waiting(&self) -> bool {
        self.sessions.stopped.is_none() && (self.sender.is_waiting() || self.changes.is_waiting())
    }

    /// Whether its join waits for an answer.
    pub(crate) fn is_joining(&self) -> bool {
        self.topic.is_joining()
    }

    pub(crate) fn topic(&self) -> &str {
        self.topic.name()
    }

    /// Whether some session has it open.
    #[cfg(feature = "inbox")]
    pub(crate) fn is_open(&self) -> bool {
        self.sessions.open > 0
    }

    /// What the inbox is to know.
    #[cfg(feature = "inbox")]
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        core::mem::take(&mut self.news)
    }

    /// Whether it was ever known to exist.
    pub(crate) fn was_known(&self) -> bool {
        self.ensure.was_known()
    }

    /// When nothing more is to be expected of it; `None` while it is in use.
    pub(crate) fn idle_at(&self) -> Option<u64> {
        (self.sessions.open == 0 && !self.is_busy()).then_some(self.sessions.closed_at + LINGER)
    }

    /// Whether it holds what only a person can settle: what was refused, to be retried or discarded.
    pub(crate) fn holds_messages(&self) -> bool {
        let nothing = self.sender.is_empty() && self.changes.is_empty();
        !nothing && !mutated(Mutation::ForgetRefused)
    }

    /// Whether it is open in a page that somebody looks at, or did so a moment ago.
    fn is_looked_at<V>(&self, line: &mut Line<V>) -> bool {
        self.sessions.open > 0 && self.sessions.stopped.is_none() && !line.is_away()
    }

    /// Starts what is wanted and not there.
    pub(crate) fn drive<V>(&mut self, line: &mut Line<V>) {
        let seen = self.is_looked_at(line);
        let idle = !self.is_busy() || !seen && !self.is_waiting();
        if idle || line.token.stopped().is_some() || !line.device.may_ask() {
            return;
        }
        self.ensure.drive(line, &self.id);
        if seen && self.topic.is_joined() {
            self.drive_watch(line);
        }
        let Some(access) = line.token.usable(line.time()) else { return };
        let known = self.ensure.is_known();
        self.sender.drive(line, &self.id, &access, known);
        self.drive_changes(line, &access);
        if seen {
            self.drive_reads(line, &access);
            // A thread that was there at the last visit is joined without waiting for the backend's word.
            if let Some(error) = self.topic.drive(line, &access, known || self.from_cache) {
                self.shown.failed(error);
            }
        }
    }

    fn drive_watch<V>(&mut self, line: &mut Line<V>) {
        let now = line.now();
        if self.watch.is_overdue(now) {
            self.reader.want_news();
        }
        if self.watch.wants_rejoin(now) {
            self.leave(line);
        }
        if let Some(at) = self.watch.next_at().filter(|at| *at > now) {
            line.wake_at(at);
        }
    }

    fn drive_reads<V>(&mut self, line: &mut Line<V>, access: &Access) {
        self.settle_jump(line);
        self.drive_revs(line);
        let situation = Situation { known: self.ensure.is_known(), broadcasts: self.broadcasts(line.now()) };
        if self.reader.drive(line, &self.id, &mut self.timeline, situation, access) {
            self.settle_older(line, Ok(()));
        }
    }

    fn broadcasts(&self, now: u64) -> Broadcasts {
        match self.topic.is_joined() {
            false => Broadcasts::Away,
            true if self.watch.flows(now) => Broadcasts::Flow,
            true => Broadcasts::Silent,
        }
    }

    /// Tells the page what changed.
    pub(crate) fn show<V>(&mut self, line: &mut Line<V>) {
        if let Some(error) = self.sessions.stopped.as_ref().or(line.token.stopped()).cloned() {
            self.shown.opened(line, &self.id, Err(error.clone()));
            self.settle_older(line, Err(error.clone()));
            self.end_jump(line, Err(error));
            self.hide_cached(line);
        } else if self.reader.is_loaded() || self.from_cache {
            self.shown.opened(line, &self.id, Ok(()));
        }
        let standing = Standing {
            open: self.sessions.open > 0,
            stopped: self.sessions.stopped.as_ref(),
            loaded: self.reader.is_loaded() && !self.from_cache,
            from_cache: self.from_cache,
            receiving: self.broadcasts(line.now()) == Broadcasts::Flow,
            not_sending: self.sender.error(),
            has_older: self.timeline.has_older(),
            loading_older: self.reader.is_loading_older(),
        };
        self.shown.update(line, &self.id, standing);
    }

    /// For good, until a session opens the thread again. What waits to be sent goes on waiting.
    fn stop<V>(&mut self, line: &mut Line<V>, error: ChatError) {
        self.leave(line);
        self.reader.abort(line);
        self.sender.abort(line);
        self.changes.abort(line);
        self.sessions.stopped = Some(error);
    }

    fn leave<V>(&mut self, line: &mut Line<V>) {
        self.watch.left();
        self.topic.leave(line);
    }

    fn settle_older<V>(&mut self, line: &mut Line<V>, result: Result<(), ChatError>) {
        if self.reader.settle_older() {
            line.emit(Output::OlderLoaded(self.id.clone(), result));
        }
    }
}

/// Where the outbox of a thread is shown. Not a method: what else it has may be borrowed beside it.
fn place<'a>(thread: &'a ThreadId, timeline: &Timeline) -> Place<'a> {
    Place { thread, above: timeline.len() }
}
