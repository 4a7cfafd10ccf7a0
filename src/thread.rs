//! One thread's life: ensure, join, read, catch up, send.
//!
//! [`Thread::drive`] is level-triggered: it looks at what is wanted and what is there, and starts what is missing. Events
//! only change what is wanted. So no event can be missed for good, whatever the order in which things fail.

use crate::backoff::Backoff;
use crate::channel::{Channel, Refusal, refusal};
use crate::engine::{Answer, Core, Output, Purpose, Request, RequestId, State, Status};
use crate::error::{ChatError, Code};
use crate::json::Json;
use crate::message::{MessageId, Row};
use crate::mutation::{Mutation, mutated};
use crate::outbox::{Draft, InFlight, Outbox};
use crate::pace::Pace;
use crate::phoenix::{self, Event, Incoming};
use crate::rest::{self, Outcome, Page};
use crate::thread_id::{ThreadId, split};
use crate::timeline::{Answered, Diff, Timeline};
use crate::token::Verifier;
use crate::watch::Watch;

/// A thread that sessions have open, or had open a moment ago.
#[derive(Debug)]
pub(crate) struct Thread<V> {
    pub(crate) id: ThreadId,
    pub(crate) topic: String,
    other: String,
    sessions: u32,
    closed_at: u64,
    stopped: Option<ChatError>,
    /// The last failure since the thread was live.
    error: Option<ChatError>,
    was_live: bool,
    ensure: Ensure,
    ensure_backoff: Backoff,
    channel: Channel,
    timeline: Timeline<V>,
    outbox: Outbox,
    /// The first page is there.
    loaded: bool,
    /// Messages changed: what the next whole page brings takes the place of all that is here.
    outdated: bool,
    /// A read that started before the thread was known to exist found nothing.
    early_and_empty: bool,
    opening: bool,
    /// What is new is to be read.
    catch_up: Option<Cause>,
    /// Not before then.
    catch_up_at: u64,
    /// When the newest page was read last.
    read_at: Option<u64>,
    reading: Option<RequestId>,
    older_asked: bool,
    reading_older: Option<RequestId>,
    read_backoff: Backoff,
    /// Of reads that broadcasts bring about: where many are lost, reads must not become as many.
    read_pace: Pace,
    poll_at: u64,
    poll_every: u64,
    watch: Watch,
    shown: Option<State>,
}

/// Whether the thread exists, so that a join can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ensure {
    Unknown,
    Asking(RequestId),
    /// `fresh`: asked since the thread was opened, not only remembered.
    Known {
        fresh: bool,
    },
}

/// Why what is new is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Something said that there may be news.
    News,
    /// A look whether the broadcasts still come: what it finds they should have brought.
    Watch,
}

/// What a read was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Newest {
        cause: Cause,
        /// Started before the thread was known to exist: RLS may have hidden everything.
        early: bool,
    },
    Hole,
    Older,
}

/// How long a closed thread is kept: opening it again shows its last page at once.
pub(crate) const LINGER: u64 = 30_000;
/// Messages a page until a session says otherwise.
const DEFAULT_PAGE_SIZE: u32 = 50;
/// How long a read of the newest page makes the one after a join less urgent.
const FRESH: u64 = 5_000;
/// How long the word that broadcasts flow is waited for: a server that tells looks every 500 ms.
const READY_WITHIN: u64 = 800;
/// How often a quiet thread is polled, in ms: from, to, while it is not joined, and at most and at least while it is joined
/// and broadcasts do not arrive.
const POLL_FIRST: u64 = 20_000;
const POLL_LAST: u64 = 45_000;
const POLL_UNJOINED: u64 = 10_000;
const POLL_SILENT: u64 = 5_000;
const POLL_SILENT_FIRST: u64 = 2_000;
/// A send that has taken this long, in ms, is told of.
const SLOW_SEND: u64 = 5_000;
/// How long the endpoints may take.
const ANSWER_WITHIN: u64 = 20_000;

impl<V: Json> Thread<V> {
    pub(crate) fn new(id: ThreadId, other: String, known: bool) -> Self {
        Thread {
            topic: id.topic(),
            id,
            other,
            sessions: 0,
            closed_at: 0,
            stopped: None,
            error: None,
            was_live: false,
            ensure: if known { Ensure::Known { fresh: false } } else { Ensure::Unknown },
            ensure_backoff: Backoff::default(),
            channel: Channel::default(),
            timeline: Timeline::new(DEFAULT_PAGE_SIZE),
            outbox: Outbox::default(),
            loaded: false,
            outdated: false,
            early_and_empty: false,
            opening: false,
            catch_up: None,
            catch_up_at: 0,
            read_at: None,
            reading: None,
            older_asked: false,
            reading_older: None,
            read_backoff: Backoff::default(),
            read_pace: Pace::default(),
            poll_at: 0,
            poll_every: POLL_FIRST,
            watch: Watch::default(),
            shown: None,
        }
    }

    // What the page asks for.

    pub(crate) fn open(&mut self, page_size: u32) {
        if self.sessions == 0 {
            self.timeline.set_page_size(page_size);
        }
        self.sessions += 1;
        self.opening = true;
        if self.sessions == 1 {
            self.catch_up = Some(Cause::News);
        }
        if self.stopped.take().is_some() {
            self.ensure = Ensure::Unknown;
            self.catch_up = Some(Cause::News);
        }
    }

    pub(crate) fn close(&mut self, core: &mut Core<V>) {
        self.sessions = self.sessions.saturating_sub(1);
        if self.sessions > 0 {
            return;
        }
        self.closed_at = core.now.clock;
        self.leave(core);
        self.abort_reads(core);
        self.settle_older(core, Err(Code::Closed.into()));
        if core::mem::take(&mut self.opening) {
            core.emit(Output::Opened(self.id.clone(), Err(Code::Closed.into())));
        }
        self.catch_up = None;
        self.was_live = false;
        self.error = None;
        let diffs = self.timeline.trim();
        self.emit(core, diffs);
    }

    pub(crate) fn send(&mut self, core: &mut Core<V>, id: MessageId, body: String) {
        if self.timeline.holds(id) || self.outbox.position(id).is_some() {
            return;
        }
        let draft = Draft { id, body: body.into(), written_at: core.now.wall, order: 0, error: None };
        self.add_drafts(core, self.outbox.len(), vec![draft]);
    }

    /// Drafts that an earlier page left in storage.
    pub(crate) fn restore(&mut self, core: &mut Core<V>, mut drafts: Vec<Draft>) {
        drafts.sort_unstable_by_key(|draft| draft.order);
        drafts.retain(|draft| {
            let sent = self.timeline.holds(draft.id);
            if sent {
                core.emit(Output::Unstore(self.id.clone(), draft.id));
            }
            !sent && self.outbox.position(draft.id).is_none()
        });
        let at = if core.restoring { 0 } else { self.outbox.len() };
        self.add_drafts(core, at, drafts);
    }

    /// Stored first, shown then.
    fn add_drafts(&mut self, core: &mut Core<V>, at: usize, drafts: Vec<Draft>) {
        if drafts.is_empty() {
            return;
        }
        let messages = drafts.iter().map(Draft::message).collect();
        for draft in self.outbox.insert(at, core.now.wall, drafts) {
            core.emit(Output::Store(self.id.clone(), draft.clone()));
        }
        self.emit(core, vec![Diff::Insert { at: self.timeline.len() + at, messages }]);
    }

    /// Takes a draft out of the outbox, off the screen and out of storage. Its request, if its answer is awaited, is returned.
    fn drop_draft(&mut self, core: &mut Core<V>, index: usize) -> Option<RequestId> {
        let at = self.timeline.len() + index;
        let (draft, request) = self.outbox.remove(index)?;
        core.emit(Output::Unstore(self.id.clone(), draft.id));
        self.emit(core, vec![Diff::Remove { at, count: 1 }]);
        request
    }

    /// A message is in the table. If its send's answer is still awaited it may come, and says nothing new: to abort it
    /// would cost the connection it comes on.
    fn settle(&mut self, core: &mut Core<V>, id: MessageId) {
        if let Some(index) = self.outbox.position(id) {
            self.drop_draft(core, index);
            self.sending_works();
        }
    }

    fn sending_works(&mut self) {
        self.outbox.backoff.reset();
        self.outbox.error = None;
    }

    pub(crate) fn retry(&mut self, core: &mut Core<V>, id: MessageId) {
        let Some(index) = self.outbox.position(id) else { return };
        if self.outbox.get(index).is_none_or(|draft| draft.error.is_none()) {
            return;
        }
        // To the end, where a new message would be: what was sent since stays before it.
        let at = self.timeline.len() + index;
        if let Some((draft, _)) = self.outbox.remove(index) {
            self.emit(core, vec![Diff::Remove { at, count: 1 }]);
            let draft = Draft { error: None, order: 0, ..draft };
            self.add_drafts(core, self.outbox.len(), vec![draft]);
        }
    }

    pub(crate) fn discard(&mut self, core: &mut Core<V>, id: MessageId) {
        if let Some(index) = self.outbox.position(id)
            && let Some(request) = self.drop_draft(core, index)
        {
            core.abort(request);
        }
    }

    pub(crate) fn load_older(&mut self) {
        self.older_asked = true;
    }

    /// The page woke up, or the network came back.
    pub(crate) fn wake(&mut self) {
        self.channel.wake();
        self.backoffs().for_each(Backoff::hurry);
        if self.loaded && self.catch_up.is_none() {
            self.catch_up = Some(if self.is_joined() { Cause::Watch } else { Cause::News });
        }
    }

    /// The device slept.
    pub(crate) fn slept(&mut self) {
        self.channel.slept();
    }

    /// How long its parts wait after failures of what has nothing to do with Realtime.
    pub(crate) fn backoffs(&mut self) -> impl Iterator<Item = &mut Backoff> {
        [&mut self.ensure_backoff, &mut self.read_backoff, &mut self.outbox.backoff].into_iter()
    }

    // What the server says.

    pub(crate) fn heard(&mut self, core: &mut Core<V>, incoming: Incoming<V>) {
        // "Replication connection established", or "… was not established in time": it tells, of whichever join.
        core.tells_ready |=
            matches!(&incoming.event, Event::System { message, .. } if message.starts_with("Replication"));
        if incoming.join_ref.is_some() && incoming.join_ref != self.channel.join_ref() {
            return;
        }
        let now = core.now.clock;
        match incoming.event {
            Event::Reply { reference, result: Ok(()) } => {
                if let Some(generation) = self.channel.joined(now, reference) {
                    core.token.accepted(generation, Verifier::Realtime);
                    if !mutated(Mutation::NoCatchUpAfterJoin) {
                        self.catch_up = Some(Cause::News);
                        // Little can be new since, and the word that broadcasts flow asks for a read, too: one for both.
                        let fresh = self.read_at.is_some_and(|at| now < at + FRESH);
                        self.catch_up_at = if fresh { now + READY_WITHIN } else { now };
                    }
                    self.watch.joined(now, core.tells_ready);
                    self.poll_every = POLL_FIRST;
                }
            }
            Event::Reply { reference, result: Err(reason) } => {
                if self.channel.is_joining() && self.channel.join_ref() == Some(reference) {
                    self.join_refused(core, reason);
                }
            }
            Event::System { ok: true, message } => {
                if message.starts_with("Replication connection established") {
                    self.watch.ready();
                    self.catch_up = Some(Cause::News);
                    self.catch_up_at = now;
                }
            }
            // The channel's end follows in a frame of its own.
            Event::System { ok: false, message } => {
                if let (Refusal::Token, Some(generation)) = (refusal(&message), self.channel.generation()) {
                    self.token_refused(core, generation, Verifier::Realtime);
                } else {
                    let code = match refusal(&message) {
                        Refusal::Lasting(code) | Refusal::Transient(code) => code,
                        Refusal::Token | Refusal::Unauthorized => Code::Server,
                    };
                    self.error = Some(ChatError::with(code, Some(message)));
                }
            }
            Event::Close | Event::Error if mutated(Mutation::IgnoreServerClose) => {}
            Event::Close | Event::Error => {
                self.watch.left();
                self.channel.failed(now, core.cap(), &mut core.rng);
            }
            Event::Broadcast { event, payload, from_database } if event == "INSERT" => {
                let row = payload.get("record").and_then(|record| self.row(core, record));
                match row.filter(|_| from_database) {
                    Some(row) => {
                        core.good_news = true;
                        self.watch.heard(row.seq);
                        self.confirm(core, row);
                    }
                    // Not certainly the database's word: a reason to ask it, no more.
                    None => self.catch_up = Some(Cause::News),
                }
            }
            // Somebody's messages were erased (erase_chat_person).
            Event::Broadcast { event, .. } if event == "CHANGE" => {
                self.outdated = true;
                self.timeline.doubt();
                self.catch_up = Some(Cause::News);
            }
            Event::Broadcast { .. } | Event::Other => {}
        }
    }

    fn join_refused(&mut self, core: &mut Core<V>, reason: String) {
        let generation = self.channel.generation();
        match refusal(&reason) {
            Refusal::Token => {
                self.channel.left();
                if let Some(generation) = generation {
                    self.token_refused(core, generation, Verifier::Realtime);
                }
            }
            Refusal::Unauthorized if self.ensure == (Ensure::Known { fresh: false }) => {
                self.channel.left();
                self.ensure = Ensure::Unknown;
            }
            Refusal::Unauthorized if mutated(Mutation::StopOnRefusal) => {
                self.stop(core, ChatError::with(Code::NotAParticipant, Some(reason)));
            }
            // Realtime alone never ends a thread: REST goes on, and refuses by itself what is not allowed.
            Refusal::Unauthorized => {
                // RLS lets participants alone see a row.
                let code = if self.timeline.is_empty() { Code::NotAParticipant } else { Code::Server };
                self.error = Some(ChatError::with(code, Some(reason)));
                self.channel.refused(core.now.clock, &mut core.rng);
            }
            Refusal::Lasting(code) => {
                self.error = Some(ChatError::with(code, Some(reason)));
                self.channel.refused(core.now.clock, &mut core.rng);
            }
            Refusal::Transient(code) => {
                self.error = Some(ChatError::with(code, Some(reason)));
                self.channel.failed(core.now.clock, core.cap(), &mut core.rng);
            }
        }
    }

    /// The socket is gone, and every join with it.
    pub(crate) fn socket_gone(&mut self) {
        self.left();
        self.error.get_or_insert(Code::Network.into());
    }

    /// The socket is closed, as nobody wants it.
    pub(crate) fn left(&mut self) {
        if !mutated(Mutation::NoRejoinAfterSocket) {
            self.channel.left();
        }
        self.watch.left();
        // What was read before says nothing of what is missed from now on.
        self.read_at = None;
    }

    pub(crate) fn ensured(&mut self, core: &mut Core<V>, answer: Answer<V>) {
        self.ensure = Ensure::Unknown;
        let (status, body, retry_after) = match answer {
            Answer::Http { status, body, retry_after } => (status, body, retry_after),
            Answer::Unreachable => (0, None, None),
        };
        let code = body.as_ref().and_then(|b| b.text("code")).unwrap_or_default();
        let detail = body.as_ref().and_then(|b| b.text("message"));
        let signed_out = |code| ChatError::with(code, detail.clone());
        // Without a code of ours it is a proxy's on the way, and says nothing of the thread.
        let ours = !code.is_empty() || mutated(Mutation::GatewayStops);
        let later = match (status, code.as_str()) {
            (200..=299, _) => {
                let made = body.and_then(|b| b.text("thread_id"));
                // What a backend of one's own says may be of another form.
                if made.is_some_and(|made| split(&made).is_some() && made != self.id.as_str()) {
                    let said = "the ensure endpoint made the thread of another account";
                    let error = ChatError::with(Code::AuthRequired, Some(said.into()));
                    return core.token.stop(error, core.now, &mut core.rng);
                }
                self.ensure = Ensure::Known { fresh: true };
                self.ensure_backoff.reset();
                core.good_news = true;
                if !core.known.contains(&self.id) {
                    core.known.push(self.id.clone());
                }
                return;
            }
            (_, "identity-unlinked") => {
                return core.token.stop(signed_out(Code::IdentityUnlinked), core.now, &mut core.rng);
            }
            (401, _) | (_, "signed-out" | "another-account") => {
                return core.token.stop(signed_out(Code::AuthRequired), core.now, &mut core.rng);
            }
            (0, _) => Code::Network,
            (429, _) => Code::RateLimited,
            (404, "") | (_, "forbidden-origin" | "setup-missing") => Code::SetupMissing,
            (400 | 422, _) if ours => return self.stop(core, ChatError::with(Code::InvalidOptions, detail)),
            (403 | 404, _) if ours => return self.stop(core, ChatError::with(Code::NotAParticipant, detail)),
            _ => Code::Server,
        };
        self.error = Some(ChatError::with(later, detail));
        let at_least = u64::from(retry_after.unwrap_or(0)) * 1_000;
        self.ensure_backoff.fail(core.now.clock, at_least, core.cap(), &mut core.rng);
    }

    pub(crate) fn read(&mut self, core: &mut Core<V>, read: Read, page: Page, generation: u32, answer: Answer<V>) {
        match read {
            Read::Older => self.reading_older = None,
            Read::Newest { .. } | Read::Hole => self.reading = None,
        }
        let (error, at_least) = match rest::outcome(answer) {
            Outcome::Done(value) => match self.rows(core, &value) {
                Some(answered) => {
                    core.token.accepted(generation, Verifier::Rest);
                    self.read_backoff.reset();
                    core.good_news = true;
                    core.answered_at = core.now.clock;
                    self.page_came(core, read, page, answered);
                    return;
                }
                None => {
                    let said = "list_chat_messages did not answer with rows that have a seq";
                    (Some(ChatError::with(Code::Server, Some(said.into()))), 0)
                }
            },
            Outcome::Token => {
                self.token_refused(core, generation, Verifier::Rest);
                (None, 0)
            }
            Outcome::Later(error, at_least) => (Some(error), at_least),
            Outcome::Blocked(_, error) => (Some(error), 0),
            Outcome::Unusable(error) => return self.stop(core, error),
            // A read is never refused to a participant: RLS hides rows, it does not raise.
            Outcome::Refused(error) => {
                return self.stop(core, ChatError::with(Code::SetupMissing, error.detail));
            }
        };
        if let (Read::Newest { cause, .. }, None) = (read, self.catch_up) {
            self.catch_up = Some(cause);
        }
        if let Some(error) = error {
            self.read_backoff.fail(core.now.clock, at_least, core.cap(), &mut core.rng);
            if read == Read::Older {
                self.settle_older(core, Err(error.clone()));
            }
            self.error = Some(error);
        }
    }

    /// Reads an answer; `None` if it is none that tells which messages there are.
    fn rows(&self, core: &Core<V>, value: &V) -> Option<Answered<V>> {
        let count = value.len()?;
        let (mut rows, mut span) = (Vec::new(), None);
        for value in (0..count).filter_map(|i| value.at(i)) {
            if let Some(seq) = value.number("seq") {
                let (low, high) = span.unwrap_or((seq, seq));
                span = Some((seq.min(low), seq.max(high)));
            }
            if let Some(row) = self.row(core, value) {
                rows.push(row);
            }
        }
        (span.is_some() || count == 0).then_some(Answered { rows, span })
    }

    fn page_came(&mut self, core: &mut Core<V>, read: Read, page: Page, answered: Answered<V>) {
        let whole = page.after == 0 && page.before.is_none();
        let renewed = whole && core::mem::take(&mut self.outdated);
        if self.timeline.is_denied_by(page, &answered) || renewed {
            self.start_over(core);
            // What lies between must be read as well.
            if !whole {
                self.catch_up = Some(Cause::News);
                return self.settle_older(core, Ok(()));
            }
        }
        let newest = self.timeline.newest();
        let top = answered.span.map_or(0, |(_, high)| high);
        for row in answered.rows.iter().filter(|_| !mutated(Mutation::KeepDraftOfRow)) {
            self.settle(core, row.id);
        }
        let diffs = self.timeline.read(page, answered);
        self.emit(core, diffs);
        let now = core.now.clock;
        match read {
            Read::Newest { early: true, .. } if top == 0 && !self.loaded => {
                self.early_and_empty = true;
                self.catch_up = Some(Cause::News);
            }
            Read::Newest { cause, .. } => {
                self.loaded = true;
                self.read_at = Some(now);
                self.poll_every = (self.poll_every * 3 / 2).min(POLL_LAST);
                if top > newest {
                    self.poll_every = POLL_FIRST;
                    if cause == Cause::Watch && self.is_joined() {
                        self.watch.expect(now, top);
                    }
                }
                if self.timeline.is_doubted() {
                    self.catch_up = Some(Cause::News);
                }
                self.poll_at = now + self.poll_every;
            }
            Read::Older => self.settle_older(core, Ok(())),
            Read::Hole => {}
        }
    }

    /// The database has another history than the one that is shown.
    fn start_over(&mut self, core: &mut Core<V>) {
        self.watch.forget();
        let diffs = self.timeline.forget();
        self.emit(core, diffs);
    }

    pub(crate) fn sent(&mut self, core: &mut Core<V>, id: MessageId, generation: u32, answer: Answer<V>) {
        let outcome = rest::outcome(answer);
        if matches!(outcome, Outcome::Done(_)) {
            core.token.accepted(generation, Verifier::Rest);
            core.good_news = true;
            self.channel.relieve();
        }
        // A broadcast may have been faster.
        if self.outbox.in_flight.is_none_or(|sent| sent.id != id) {
            return;
        }
        self.outbox.in_flight = None;
        let Some(index) = self.outbox.position(id) else { return };
        let now = core.now.clock;
        let error = match outcome {
            Outcome::Done(value) => match self.row(core, value) {
                Some(row) => {
                    if self.is_joined() {
                        self.watch.expect(now, row.seq);
                    }
                    return self.confirm(core, row);
                }
                None => {
                    let said = "insert_chat_message did not answer with a row that has a seq";
                    ChatError::with(Code::SetupMissing, Some(said.into()))
                }
            },
            Outcome::Token => return self.token_refused(core, generation, Verifier::Rest),
            Outcome::Unusable(error) => return self.stop(core, error),
            Outcome::Later(error, at_least) => return self.send_failed(core, index, error, at_least),
            Outcome::Blocked(status, error) => match self.outbox.is_blocked(now, id, status) {
                // Another request got through meanwhile: it is the message, and not the way.
                Some(since) if core.answered_at >= since => {
                    let said = || "a proxy on the way refuses it".to_owned();
                    ChatError::with(Code::Refused, error.detail.or_else(|| Some(said())))
                }
                blocked => {
                    if blocked.is_some() {
                        self.catch_up = Some(Cause::News);
                    }
                    return self.send_failed(core, index, error, 0);
                }
            },
            Outcome::Refused(error) => error,
        };
        self.sending_works();
        self.refuse(core, index, error);
    }

    fn send_failed(&mut self, core: &mut Core<V>, index: usize, error: ChatError, at_least: u64) {
        self.outbox.error = Some(error);
        if mutated(Mutation::DropOnNetworkFailure) {
            self.drop_draft(core, index);
        }
        self.outbox.backoff.fail(core.now.clock, at_least, core.cap(), &mut core.rng);
    }

    fn token_refused(&self, core: &mut Core<V>, generation: u32, by: Verifier) {
        core.token.refused(core.now, generation, by, core.cap(), &mut core.rng);
    }

    // What is to be done.

    /// Whether anything of it needs the token or the network.
    pub(crate) fn is_busy(&self) -> bool {
        self.stopped.is_none() && self.sessions > 0 || self.is_waiting()
    }

    /// Whether a message waits to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.stopped.is_none() && self.outbox.has_pending()
    }

    /// When nothing more is to be expected of it; `None` while it is in use.
    pub(crate) fn idle_at(&self) -> Option<u64> {
        (self.sessions == 0 && !self.is_busy()).then_some(self.closed_at + LINGER)
    }

    /// Whether it holds what only a person can settle: refused messages, to be retried or discarded.
    pub(crate) fn holds_drafts(&self) -> bool {
        !mutated(Mutation::ForgetRefused) && !self.outbox.is_empty()
    }

    pub(crate) fn is_joining(&self) -> bool {
        self.channel.is_joining()
    }

    pub(crate) fn drive(&mut self, core: &mut Core<V>) {
        let seen = self.sessions > 0 && !core.is_away();
        if !(self.is_busy() && (seen || self.is_waiting())) || core.token.stopped().is_some() || !core.may_ask() {
            return;
        }
        let now = core.now.clock;
        if self.ensure == Ensure::Unknown && core.due(self.ensure_backoff.until()) {
            let request = Request::EnsureThread { body: rest::ensure_body(&core.config.my_id, &self.other) };
            self.ensure = Ensure::Asking(core.request(Purpose::Ensure(self.id.clone()), request, ANSWER_WITHIN));
        }
        if seen && self.is_joined() {
            if self.watch.is_overdue(now) {
                self.catch_up = Some(Cause::News);
            }
            if self.watch.wants_rejoin(now) {
                self.leave(core);
            }
            if let Some(at) = self.watch.next_at().filter(|at| *at > now) {
                core.wake_at(at);
            }
        }
        let Some((token, generation)) = core.token.usable(core.now).map(|(token, g)| (token.to_owned(), g)) else {
            return;
        };
        self.drive_send(core, &token, generation);
        if seen {
            self.drive_reads(core, &token, generation);
            self.drive_channel(core, &token, generation);
        }
    }

    fn drive_send(&mut self, core: &mut Core<V>, token: &str, generation: u32) {
        if let Some(sent) = self.outbox.in_flight
            && core.due(sent.since + SLOW_SEND)
        {
            self.outbox.error.get_or_insert(Code::Timeout.into());
        }
        if self.outbox.in_flight.is_some()
            || !self.is_known()
            || core.restoring && !mutated(Mutation::SendWhileRestoring)
        {
            return;
        }
        let Some(draft) = self.outbox.next() else { return };
        if !core.due(self.outbox.backoff.until()) {
            return;
        }
        let mut id = draft.id;
        if mutated(Mutation::RetryWithNewId) && self.outbox.backoff.tries() > 0 {
            id.0 ^= u128::from(self.outbox.backoff.tries()) << 100;
        }
        if mutated(Mutation::UnstoreBeforeAnswer) {
            core.emit(Output::Unstore(self.id.clone(), id));
        }
        let request = Request::Rpc {
            url: rest::send_url(&core.config.supabase_url),
            token: token.into(),
            body: rest::send_body(&self.id, &core.config.my_id, &self.other, id, &draft.body),
        };
        let request = core.request(Purpose::Send(self.id.clone(), id, generation), request, ANSWER_WITHIN);
        self.outbox.in_flight = Some(InFlight { request, id, since: core.now.clock });
    }

    fn drive_reads(&mut self, core: &mut Core<V>, token: &str, generation: u32) {
        let now = core.now.clock;
        if self.loaded && self.catch_up.is_none() && self.reading.is_none() && core.is_visible() {
            if !self.is_joined() {
                self.poll_at = self.poll_at.min(now + POLL_UNJOINED);
            } else if !self.watch.flows(now) && self.poll_at > now + POLL_SILENT {
                self.poll_at = now + POLL_SILENT_FIRST + core.rng.up_to(POLL_SILENT - POLL_SILENT_FIRST);
            }
            if core.due(self.poll_at) && !mutated(Mutation::NoPoll) {
                self.catch_up = Some(Cause::Watch);
            }
        }
        if !core.due(self.read_backoff.until()) {
            return;
        }
        let wants_read = self.catch_up.is_some() || self.timeline.hole_page().is_some();
        if self.reading.is_none() && wants_read && core.due(self.read_pace.next_at()) {
            match self.catch_up.filter(|_| core.due(self.catch_up_at)) {
                // Hidden by RLS, perhaps: to be asked again once the thread is known to exist.
                Some(_) if self.early_and_empty && !self.is_known() => {}
                Some(cause) => {
                    self.catch_up = None;
                    let read = Read::Newest { cause, early: !self.is_known() };
                    self.read_pace.done(now);
                    let page = self.timeline.newest_page();
                    self.reading = Some(self.start_read(core, read, page, token, generation));
                }
                None => {
                    if let Some(page) = self.timeline.hole_page() {
                        self.read_pace.done(now);
                        self.reading = Some(self.start_read(core, Read::Hole, page, token, generation));
                    }
                }
            }
        }
        if self.loaded && self.reading_older.is_none() && (self.older_asked || self.timeline.is_unfilled()) {
            match self.timeline.older_page() {
                Some(page) => {
                    self.reading_older = Some(self.start_read(core, Read::Older, page, token, generation));
                }
                None => self.settle_older(core, Ok(())),
            }
        }
    }

    fn start_read(&self, core: &mut Core<V>, read: Read, page: Page, token: &str, generation: u32) -> RequestId {
        let request = Request::Rpc {
            url: rest::page_url(&core.config.supabase_url),
            token: token.into(),
            body: rest::page_body(&self.id, page),
        };
        core.request(Purpose::Read(self.id.clone(), read, page, generation), request, ANSWER_WITHIN)
    }

    fn drive_channel(&mut self, core: &mut Core<V>, token: &str, generation: u32) {
        let Some(socket) = core.socket.open() else { return };
        let now = core.now.clock;
        if self.channel.is_late(now) {
            self.error = Some(Code::Timeout.into());
            self.leave(core);
            self.channel.failed(now, core.cap(), &mut core.rng);
        }
        if let Some(join_ref) = self.channel.renew(generation) {
            let frame = phoenix::access_token(join_ref, core.socket.next_ref(), &self.topic, token);
            core.emit(Output::SendFrame(socket, frame));
        }
        match self.channel.join_due(now) {
            // One join at a time: a refused one stalls the whole socket for 5 s.
            Ok(true) if self.is_known() && !core.joining && core.socket.trusted().is_some() => {
                let join_ref = core.socket.next_ref();
                self.channel.joining(now, join_ref, generation);
                core.joining = true;
                core.emit(Output::SendFrame(socket, phoenix::join(join_ref, &self.topic, token)));
                if let Err(deadline) = self.channel.join_due(now) {
                    core.wake_at(deadline);
                }
            }
            Ok(_) => {}
            Err(at) => core.wake_at(at),
        }
    }

    /// Emits what the page sees, where it changed.
    pub(crate) fn show(&mut self, core: &mut Core<V>) {
        let live = self.loaded && self.is_joined() && self.watch.flows(core.now.clock);
        if live && core.is_online() {
            self.was_live = true;
            self.error = None;
        }
        let stopped = self.stopped.clone().or_else(|| core.token.stopped().cloned());
        let status = if self.sessions == 0 || self.stopped.is_some() {
            Status::Closed
        } else if core.token.stopped().is_some() {
            Status::AuthRequired
        } else if !core.is_online() {
            Status::Offline
        } else if live {
            Status::Live
        } else if self.was_live {
            Status::Reconnecting
        } else {
            Status::Connecting
        };
        let opened = match &stopped {
            Some(error) => Some(Err(error.clone())),
            None if self.loaded => Some(Ok(())),
            None => None,
        };
        if let (true, Some(opened)) = (self.opening, opened) {
            self.opening = false;
            core.emit(Output::Opened(self.id.clone(), opened));
        }
        if let Some(error) = &stopped {
            self.settle_older(core, Err(error.clone()));
        }
        let state = State {
            status,
            has_older: self.timeline.has_older(),
            loading_older: self.older_asked && self.reading_older.is_some(),
            error: match status {
                Status::Live => self.outbox.error.clone().filter(|_| self.outbox.has_pending()),
                _ => stopped.or_else(|| self.error.clone()).or_else(|| core.token.error().cloned()),
            },
        };
        if self.shown.as_ref() != Some(&state) {
            self.shown = Some(state.clone());
            core.emit(Output::State(self.id.clone(), state));
        }
    }

    // Its parts.

    fn is_joined(&self) -> bool {
        self.channel.joined_since().is_some()
    }

    fn is_known(&self) -> bool {
        matches!(self.ensure, Ensure::Known { .. })
    }

    fn row(&self, core: &Core<V>, value: V) -> Option<Row<V>> {
        Row::read(value, self.id.as_str(), &core.config.my_id)
    }

    fn emit(&self, core: &mut Core<V>, diffs: Vec<Diff<V>>) {
        for diff in diffs {
            core.emit(Output::Messages(self.id.clone(), diff));
        }
    }

    /// A row came alone: it takes the place of its draft, if it has one.
    fn confirm(&mut self, core: &mut Core<V>, row: Row<V>) {
        if self.timeline.is_denied_by_row(&row) {
            self.start_over(core);
        }
        let end = self.timeline.len();
        let first_draft = self.outbox.get(0).is_some_and(|draft| draft.id == row.id);
        let appended = !self.timeline.covers(row.seq) && row.seq > self.timeline.newest();
        if first_draft && appended && self.timeline.is_contiguous_with(row.seq) {
            // The usual case: the bubble stays where it is.
            let message = row.message();
            self.outbox.remove(0);
            self.sending_works();
            core.emit(Output::Unstore(self.id.clone(), row.id));
            self.timeline.arrived(row);
            self.emit(core, vec![Diff::Update { at: end, message }]);
            return;
        }
        self.settle(core, row.id);
        let diffs = self.timeline.arrived(row);
        self.emit(core, diffs);
    }

    fn refuse(&mut self, core: &mut Core<V>, index: usize, error: ChatError) {
        self.outbox.refuse(index, error);
        if let Some(draft) = self.outbox.get(index) {
            let diff = Diff::Update { at: self.timeline.len() + index, message: draft.message() };
            core.emit(Output::Store(self.id.clone(), draft.clone()));
            self.emit(core, vec![diff]);
        }
    }

    /// For good, until a session opens the thread again. What waits to be sent goes on waiting.
    fn stop(&mut self, core: &mut Core<V>, error: ChatError) {
        self.leave(core);
        self.abort_reads(core);
        if let Some(sent) = self.outbox.in_flight.take() {
            core.abort(sent.request);
        }
        self.stopped = Some(error);
    }

    fn leave(&mut self, core: &mut Core<V>) {
        self.watch.left();
        if let (Some(join_ref), Some(socket)) = (self.channel.left(), core.socket.open()) {
            let frame = phoenix::leave(join_ref, core.socket.next_ref(), &self.topic);
            core.emit(Output::SendFrame(socket, frame));
        }
    }

    fn abort_reads(&mut self, core: &mut Core<V>) {
        for request in [self.reading.take(), self.reading_older.take()].into_iter().flatten() {
            core.abort(request);
        }
    }

    fn settle_older(&mut self, core: &mut Core<V>, result: Result<(), ChatError>) {
        if core::mem::take(&mut self.older_asked) {
            core.emit(Output::OlderLoaded(self.id.clone(), result));
        }
    }
}
