//! The engine: inputs in, outputs out.
//!
//! One engine serves one signed-in person on one page: one token, one WebSocket, any number of threads. It has no clock,
//! no network and no randomness of its own, so any run replays from its inputs. The driver's loop:
//!
//! 1. [`Engine::handle`] an [`Input`] with the current [`Now`];
//! 2. do every [`Output`] that [`Engine::poll`] hands out, until `None`;
//! 3. set one timer for [`Engine::next_timeout`] and, when it fires, handle [`Input::Timeout`].

use crate::backoff::{Backoff, Rng};
use crate::clock::Clock;
use crate::error::ChatError;
use crate::json::Json;
use crate::message::MessageId;
use crate::mutation::{Mutation, mutated};
use crate::outbox::Draft;
use crate::phoenix::{self, Frame};
use crate::rest::Page;
use crate::socket::{Need, Socket};
use crate::thread::{Read, Thread};
use crate::thread_id::ThreadId;
use crate::timeline::Diff;
use crate::token::Token;
use std::collections::VecDeque;

/// The time, as two clocks in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// A clock that never runs backwards (`performance.now()`).
    pub mono: u64,
    /// The device's wall clock (`Date.now()`), which may be wrong and may jump. It dates drafts, and where it runs
    /// further than `mono` the device slept; it decides nothing else.
    pub wall: u64,
}

/// The time as the engine has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// What every deadline is measured on, in ms since the start. It moves by the monotonic clock of [`Now`], and by the
    /// wall clock where that ran clearly further: the monotonic one stands still while some devices sleep, and the wall clock
    /// can be set back. A wall clock that is set ahead ends waits and tokens early, once; nothing can prolong them.
    pub clock: u64,
    /// [`Now::wall`].
    pub wall: u64,
}

/// What an engine must know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://<ref>.supabase.co`, without a slash at the end.
    pub supabase_url: String,
    /// The legacy anon JWT or an `sb_publishable_…` key.
    pub anon_key: String,
    /// The signed-in person's Mongo id.
    pub my_id: String,
    /// Seed of the jitter.
    pub seed: u64,
}

/// Names a request from [`Output::Request`] to its [`Input::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// Names a WebSocket from [`Output::OpenSocket`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<V> {
    /// A session opens `thread`. Counted: the thread stays open until as many [`Input::Close`] have come.
    Open {
        /// The thread.
        thread: ThreadId,
        /// The other person's Mongo id.
        other: String,
        /// Messages a page, 1 to 200. The session that opens a closed thread sets it.
        page_size: u32,
    },
    /// A session closes `thread`.
    Close {
        /// The thread.
        thread: ThreadId,
    },
    /// The person sends `body` ([`crate::message::check_body`] passed) under a fresh random `id`.
    Send {
        /// The thread.
        thread: ThreadId,
        /// A version 4 UUID.
        id: MessageId,
        /// The text.
        body: String,
    },
    /// Whether storage is still looking for what earlier pages left, as [`Input::Restore`] tells. Nothing is sent
    /// meanwhile: what was written first goes first. `false` at the start.
    Restoring(bool),
    /// Storage holds drafts of `thread` that an earlier page left: they are sent now, whether or not a session opens it;
    /// before what this page wrote while storage was looking, and behind what it wrote otherwise.
    Restore {
        /// The thread.
        thread: ThreadId,
        /// The other person's Mongo id.
        other: String,
        /// The drafts, in any order.
        drafts: Vec<Draft>,
    },
    /// Sends a refused message again.
    Retry {
        /// The thread.
        thread: ThreadId,
        /// The message.
        id: MessageId,
    },
    /// Drops a message that is not sent.
    Discard {
        /// The thread.
        thread: ThreadId,
        /// The message.
        id: MessageId,
    },
    /// The person scrolled to the top.
    LoadOlder {
        /// The thread.
        thread: ThreadId,
    },
    /// A request ended.
    Answer {
        /// Which one.
        request: RequestId,
        /// How.
        answer: Answer<V>,
    },
    /// A WebSocket is open.
    SocketOpened(SocketId),
    /// A WebSocket received a frame.
    SocketFrame(SocketId, Frame<V>),
    /// A WebSocket is closed, or could not be opened.
    SocketClosed(SocketId),
    /// The browser says that the network is there, or is not.
    Online(bool),
    /// The page is visible, or is not.
    Visible(bool),
    /// The time of [`Engine::next_timeout`] has come.
    Timeout,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Answer<V> {
    /// The server answered.
    Http {
        /// The HTTP status.
        status: u16,
        /// The body, where it is JSON.
        body: Option<V>,
        /// The header `Retry-After` in seconds, where it can be read and is a number.
        retry_after: Option<u32>,
    },
    /// There was no answer.
    Unreachable,
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<V> {
    /// Start a request; its end comes back as [`Input::Answer`].
    Request(RequestId, Request),
    /// Abort a request: its answer is no longer wanted, and may still come.
    Abort(RequestId),
    /// Open a WebSocket.
    OpenSocket(SocketId, String),
    /// Send a text frame.
    SendFrame(SocketId, String),
    /// Close a WebSocket; nothing that it still says is wanted.
    CloseSocket(SocketId),
    /// Write a draft to storage, over the one of its id: a page that dies must not take it along. Comes before the
    /// change of [`Output::Messages`] that shows it.
    Store(ThreadId, Draft),
    /// Take a draft out of storage.
    Unstore(ThreadId, MessageId),
    /// The thread's messages changed.
    Messages(ThreadId, Diff<V>),
    /// The thread's state changed.
    State(ThreadId, State),
    /// `open()` of the thread has ended: the first page is there, or the thread has stopped.
    Opened(ThreadId, Result<(), ChatError>),
    /// `loadOlder()` of the thread has ended.
    OlderLoaded(ThreadId, Result<(), ChatError>),
    /// The thread is closed and forgotten: free what is held for it.
    Forgotten(ThreadId),
}

/// A request as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GET the token endpoint with the page's cookies (or call `getToken`); the body is `{access_token, expires_in}`.
    Token,
    /// POST `body` to the ensure endpoint with the page's cookies.
    EnsureThread {
        /// JSON.
        body: String,
    },
    /// POST `body` to PostgREST, with the headers `apikey` and `Authorization: Bearer`.
    Rpc {
        /// The whole URL.
        url: String,
        /// The access token.
        token: String,
        /// The function's arguments, in JSON.
        body: String,
    },
}

/// How a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On the way to live for the first time.
    Connecting,
    /// Joined, and the first page is there.
    Live,
    /// Was live; on the way back.
    Reconnecting,
    /// The browser says that there is no network.
    Offline,
    /// Signed out. Opens again by itself once the token endpoint gives a token: asked when the page becomes visible, goes
    /// online, or opens a session, and every 30 to 60 s while it is seen.
    AuthRequired,
    /// Closed by the page, or stopped for good by [`State::error`].
    Closed,
}

impl Status {
    /// The status as pages see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Connecting => "connecting",
            Status::Live => "live",
            Status::Reconnecting => "reconnecting",
            Status::Offline => "offline",
            Status::AuthRequired => "auth-required",
            Status::Closed => "closed",
        }
    }
}

/// What a page shows beside the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How the thread stands.
    pub status: Status,
    /// Whether there are messages before the first one shown.
    pub has_older: bool,
    /// Whether a page of older messages is on its way.
    pub loading_older: bool,
    /// What keeps the thread from being live, if anything failed; of a live one, why messages are not sent, if they are not.
    pub error: Option<ChatError>,
}

/// The engine of one signed-in person.
#[derive(Debug)]
pub struct Engine<V> {
    core: Core<V>,
    threads: Vec<Thread<V>>,
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Core<V> {
    pub(crate) config: Config,
    clock: Clock,
    /// What `clock` says.
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) token: Token,
    pub(crate) socket: Socket,
    offline: Option<Offline>,
    /// Since when the page is not seen.
    hidden_since: Option<u64>,
    /// Whether the device slept since the page was seen.
    slept: bool,
    pub(crate) restoring: bool,
    /// Whether some message waits to be sent.
    waiting: bool,
    /// Something of the server succeeded: what waits after a failure may wait less.
    pub(crate) good_news: bool,
    /// When PostgREST itself answered last.
    pub(crate) answered_at: u64,
    /// Whether the server tells after a join when broadcasts can flow.
    pub(crate) tells_ready: bool,
    /// Whether some thread's join waits for its answer.
    pub(crate) joining: bool,
    /// The threads that are known to exist.
    pub(crate) known: Vec<ThreadId>,
    outputs: VecDeque<Output<V>>,
    pending: Vec<Pending>,
    last_request: u32,
    wake: Option<u64>,
}

/// The browser says that there is no network. It may be wrong.
#[derive(Debug)]
struct Offline {
    since: u64,
    /// When the network is tried all the same.
    try_at: u64,
    /// Whether this is such a moment.
    trying: bool,
}

/// A request whose answer is awaited.
#[derive(Debug)]
struct Pending {
    id: RequestId,
    deadline: u64,
    purpose: Purpose,
}

/// What a request is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    Token,
    Ensure(ThreadId),
    /// With the generation of its token, as in `Send`.
    Read(ThreadId, Read, Page, u32),
    Send(ThreadId, MessageId, u32),
}

/// A timer that fires this late, in ms, or a wall clock that ran this much further: the device slept.
const SLEPT: u64 = 5_000;
/// The longest wait after a failure, in ms: while a message waits to be sent, while the page is seen, and else.
const CAP_WAITING: u64 = 3_000;
const CAP_SEEN: u64 = 10_000;
const CAP_HIDDEN: u64 = 30_000;
/// How often the network is tried while the browser says that there is none, in ms.
const TRY_OFFLINE_EVERY: u64 = 120_000;
/// What comes so soon after the word that there is no network was on its way before it, in ms.
const ON_ITS_WAY: u64 = 5_000;
/// A page that was not seen for so long leaves its socket, in ms: its timers may run once a minute, which is the server's
/// idle limit, and it reads what it missed when it is seen.
const AWAY_AFTER: u64 = 300_000;
/// How long the token endpoint may take.
const TOKEN_WITHIN: u64 = 20_000;

impl<V> Core<V> {
    pub(crate) fn emit(&mut self, output: Output<V>) {
        self.outputs.push_back(output);
    }

    pub(crate) fn request(&mut self, purpose: Purpose, request: Request, within: u64) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.pending.push(Pending { id, deadline: self.now.clock + within, purpose });
        self.emit(Output::Request(id, request));
        id
    }

    pub(crate) fn abort(&mut self, request: RequestId) {
        self.pending.retain(|pending| pending.id != request);
        self.emit(Output::Abort(request));
    }

    /// Whether anything may be asked of the network.
    pub(crate) fn may_ask(&self) -> bool {
        self.offline.as_ref().is_none_or(|offline| offline.trying) || mutated(Mutation::KnockOffline)
    }

    pub(crate) fn is_online(&self) -> bool {
        self.offline.is_none()
    }

    pub(crate) fn is_visible(&self) -> bool {
        self.hidden_since.is_none()
    }

    /// Whether nobody has looked for so long that only what waits to be sent is seen to.
    pub(crate) fn is_away(&mut self) -> bool {
        !mutated(Mutation::HiddenKeepsSocket) && self.hidden_since.is_some_and(|since| self.due(since + AWAY_AFTER))
    }

    /// The longest wait after a failure.
    pub(crate) fn cap(&self) -> u64 {
        match self.is_visible() {
            true if self.waiting => CAP_WAITING,
            true => CAP_SEEN,
            false => CAP_HIDDEN,
        }
    }

    /// The network works, whatever the browser says.
    fn heard_of_network(&mut self) {
        if self.offline.as_ref().is_some_and(|offline| self.now.clock >= offline.since + ON_ITS_WAY) {
            self.offline = None;
        }
    }

    /// Looks again at `at`.
    pub(crate) fn wake_at(&mut self, at: u64) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Whether `at` has come; if not, looks again then.
    pub(crate) fn due(&mut self, at: u64) -> bool {
        let due = at <= self.now.clock;
        if !due {
            self.wake_at(at);
        }
        due
    }
}

impl<V: Json> Engine<V> {
    /// An engine with nothing open. It does nothing until a thread is opened.
    pub fn new(config: Config) -> Self {
        Engine {
            core: Core {
                clock: Clock::default(),
                now: Time::default(),
                rng: Rng::new(config.seed),
                config,
                token: Token::default(),
                socket: Socket::default(),
                offline: None,
                hidden_since: None,
                slept: false,
                restoring: false,
                waiting: false,
                good_news: false,
                answered_at: 0,
                tells_ready: false,
                joining: false,
                known: Vec::new(),
                outputs: VecDeque::new(),
                pending: Vec::new(),
                last_request: 0,
                wake: None,
            },
            threads: Vec::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Now, input: Input<V>) {
        let due = self.next_timeout();
        let slept = self.core.clock.advance(now);
        self.core.now = self.core.clock.now();
        // It ran far past the last deadline, or past its own clock.
        if slept > SLEPT || due.is_some_and(|due| now.mono > due + SLEPT) {
            self.core.slept = true;
            if self.core.is_visible() {
                self.wake();
            }
        }
        self.take_in(input);
        self.expire();
        if core::mem::take(&mut self.core.good_news) {
            self.relieve();
        }
        self.try_offline();
        // What one step starts may make another one possible.
        let mut done = usize::MAX;
        while done != self.core.outputs.len() {
            done = self.core.outputs.len();
            self.drive();
        }
        if let Some(offline) = &mut self.core.offline {
            offline.trying = false;
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output<V>> {
        self.core.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due, on the clock of [`Now::mono`].
    pub fn next_timeout(&self) -> Option<u64> {
        let deadlines = self.core.pending.iter().map(|pending| pending.deadline);
        self.core.clock.to_mono(deadlines.chain(self.core.wake).min()?)
    }

    /// Whether nothing is open or kept: the engine can be dropped.
    pub fn is_idle(&self) -> bool {
        self.threads.is_empty()
    }

    fn take_in(&mut self, input: Input<V>) {
        let Engine { core, threads } = self;
        match input {
            Input::Open { thread, other, page_size } => {
                if core.token.stopped().is_some() {
                    core.token.wake();
                }
                thread_of(core, threads, thread, other).open(page_size);
            }
            Input::Restoring(restoring) => core.restoring = restoring,
            Input::Restore { thread, other, drafts } => {
                thread_of(core, threads, thread, other).restore(core, drafts);
            }
            Input::Close { thread } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.close(core);
                }
            }
            Input::Send { thread, id, body } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.send(core, id, body);
                }
                self.limit_waits();
            }
            Input::Retry { thread, id } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.retry(core, id);
                }
                self.limit_waits();
            }
            Input::Discard { thread, id } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.discard(core, id);
                }
            }
            Input::LoadOlder { thread } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.load_older();
                }
            }
            Input::Answer { request, answer } => self.answered(request, answer),
            Input::SocketOpened(id) => {
                if core.socket.opened(core.now.clock, id) {
                    core.good_news = true;
                    core.heard_of_network();
                }
            }
            Input::SocketFrame(id, frame) => {
                let incoming = phoenix::decode(frame);
                let answers = incoming.as_ref().is_some_and(|incoming| incoming.topic == phoenix::HEARTBEAT_TOPIC);
                if core.socket.heard(core.now.clock, id, answers) {
                    core.heard_of_network();
                    if let Some(incoming) = incoming
                        && let Some(thread) = threads.iter_mut().find(|t| t.topic == incoming.topic)
                    {
                        thread.heard(core, incoming);
                    }
                }
            }
            Input::SocketClosed(id) => self.socket_gone(id),
            Input::Online(true) => {
                if core.offline.take().is_some() {
                    self.wake();
                }
            }
            Input::Online(false) => {
                let since = core.now.clock;
                let offline = Offline { since, try_at: since + TRY_OFFLINE_EVERY, trying: false };
                core.offline.get_or_insert(offline);
            }
            Input::Visible(true) => {
                if core.hidden_since.take().is_some() {
                    self.wake();
                }
            }
            Input::Visible(false) => {
                core.hidden_since.get_or_insert(core.now.clock);
            }
            Input::Timeout => {}
        }
    }

    fn wake(&mut self) {
        let Engine { core, threads } = self;
        if core::mem::take(&mut core.slept) {
            for thread in threads.iter_mut() {
                thread.slept();
            }
        }
        core.token.wake();
        core.socket.wake(core.now.clock, threads.iter().any(Thread::is_joining));
        for thread in threads {
            thread.wake();
        }
    }

    /// Something succeeded: what failed elsewhere need not be waited out.
    fn relieve(&mut self) {
        self.core.token.backoff().relieve();
        self.core.socket.backoff().relieve();
        for thread in &mut self.threads {
            thread.backoffs().for_each(Backoff::relieve);
        }
    }

    /// Somebody waits for a message to be sent.
    fn limit_waits(&mut self) {
        let Engine { core, threads } = self;
        if core.is_visible() {
            let now = core.now.clock;
            if core.token.stopped().is_none() {
                core.token.backoff().limit(now, CAP_WAITING);
            }
            core.socket.backoff().limit(now, CAP_WAITING);
            for thread in threads {
                thread.backoffs().for_each(|backoff| backoff.limit(now, CAP_WAITING));
            }
        }
    }

    /// The browser may be wrong when it says that there is no network.
    fn try_offline(&mut self) {
        let core = &mut self.core;
        let now = core.now.clock;
        let due = core.offline.as_mut().is_some_and(|offline| {
            offline.trying = offline.try_at <= now;
            if offline.trying {
                offline.try_at = now + TRY_OFFLINE_EVERY;
            }
            offline.trying
        });
        if due {
            self.wake();
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer<V>) {
        let Engine { core, threads } = self;
        let Some(index) = core.pending.iter().position(|pending| pending.id == request) else {
            return;
        };
        if matches!(answer, Answer::Http { .. }) {
            core.heard_of_network();
        }
        match core.pending.swap_remove(index).purpose {
            Purpose::Token => {
                let cap = core.cap();
                core.token.fetched(core.now, &answer, &core.config.my_id, cap, &mut core.rng);
            }
            Purpose::Ensure(id) => {
                if let Some(thread) = find(threads, &id) {
                    thread.ensured(core, answer);
                }
            }
            Purpose::Read(id, read, page, generation) => {
                if let Some(thread) = find(threads, &id) {
                    thread.read(core, read, page, generation, answer);
                }
            }
            Purpose::Send(id, message, generation) => {
                if let Some(thread) = find(threads, &id) {
                    thread.sent(core, message, generation, answer);
                }
            }
        }
    }

    fn socket_gone(&mut self, id: SocketId) {
        let core = &mut self.core;
        let cap = core.cap();
        if core.socket.gone(core.now.clock, id, cap, &mut core.rng) {
            for thread in &mut self.threads {
                thread.socket_gone();
            }
        }
    }

    /// Ends the requests that took too long.
    fn expire(&mut self) {
        let now = self.core.now.clock;
        while let Some(late) = self.core.pending.iter().find(|pending| pending.deadline <= now)
            && !mutated(Mutation::NoRequestTimeout)
        {
            let request = late.id;
            self.core.emit(Output::Abort(request));
            self.answered(request, Answer::Unreachable);
        }
    }

    /// Starts what is wanted and not there.
    fn drive(&mut self) {
        let Engine { core, threads } = self;
        core.wake = core.offline.as_ref().map(|offline| offline.try_at);
        core.joining = threads.iter().any(Thread::is_joining);
        core.waiting = threads.iter().any(Thread::is_waiting);
        let wanted = if core.is_away() { core.waiting } else { threads.iter().any(Thread::is_busy) };
        if wanted && core.may_ask() {
            match core.token.fetch_due(core.now, core.is_visible()) {
                Ok(true) => {
                    let request = core.request(Purpose::Token, Request::Token, TOKEN_WITHIN);
                    core.token.fetching(core.now, request);
                }
                Ok(false) => {}
                Err(at) => core.wake_at(at),
            }
        }
        self.drive_socket();
        let Engine { core, threads } = self;
        for thread in threads.iter_mut() {
            thread.drive(core);
        }
        threads.retain(|thread| {
            let forget = thread.idle_at().is_some_and(|at| core.due(at)) && !thread.holds_drafts();
            if forget {
                core.emit(Output::Forgotten(thread.id.clone()));
            }
            !forget
        });
        for thread in threads.iter_mut() {
            thread.show(core);
        }
    }

    fn drive_socket(&mut self) {
        let core = &mut self.core;
        let now = core.now.clock;
        let unused = self.threads.iter().all(|thread| thread.idle_at().is_some_and(|at| at <= now));
        if unused || core.is_away() || core.token.stopped().is_some() {
            if let Some(id) = core.socket.close() {
                core.emit(Output::CloseSocket(id));
                for thread in &mut self.threads {
                    thread.left();
                }
            }
            return;
        }
        if core.socket.id().is_none() && !core.may_ask() {
            return;
        }
        match core.socket.need(core.now.clock, core.joining) {
            Need::Open(id) => {
                let url = socket_url(&core.config);
                core.emit(Output::OpenSocket(id, url));
            }
            Need::Heartbeat(id) => {
                let frame = phoenix::heartbeat(core.socket.next_ref());
                core.emit(Output::SendFrame(id, frame));
            }
            Need::Drop(id) => {
                core.emit(Output::CloseSocket(id));
                self.socket_gone(id);
            }
            Need::Wait(at) => core.wake_at(at),
        }
    }
}

fn find<'a, V>(threads: &'a mut [Thread<V>], id: &ThreadId) -> Option<&'a mut Thread<V>> {
    threads.iter_mut().find(|thread| thread.id == *id)
}

/// The thread, made if it is not there.
fn thread_of<'a, V: Json>(
    core: &Core<V>,
    threads: &'a mut Vec<Thread<V>>,
    id: ThreadId,
    other: String,
) -> &'a mut Thread<V> {
    let index = threads.iter().position(|thread| thread.id == id).unwrap_or(threads.len());
    if index == threads.len() {
        let known = core.known.contains(&id);
        threads.push(Thread::new(id, other, known));
    }
    &mut threads[index]
}

/// `https` becomes `wss`, `http` `ws`. The key stands in the URL because a browser can't set a WebSocket's headers.
fn socket_url(config: &Config) -> String {
    let rest = config.supabase_url.strip_prefix("http").unwrap_or(&config.supabase_url);
    ["ws", rest, "/realtime/v1/websocket?apikey=", &config.anon_key, "&vsn=2.0.0"].concat()
}
