//! The engine: inputs in, outputs out.
//!
//! One engine serves one signed-in person on one page: one token, one WebSocket, any number of threads. It has no clock,
//! no network and no randomness of its own, so any run replays from its inputs. The driver's loop:
//!
//! 1. [`Engine::handle`] an [`Input`] with the current [`Now`];
//! 2. do every [`Output`] that [`Engine::poll`] hands out, until `None`;
//! 3. set one timer for [`Engine::next_timeout`] and, when it fires, handle [`Input::Timeout`].

use crate::backoff::Rng;
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
    /// What every deadline is measured on, in ms since the start. Each time it moves by whichever of the two clocks of
    /// [`Now`] ran further: the monotonic one stands still while some devices sleep, and the wall clock can be set back.
    /// A wall clock that is set ahead ends waits and tokens early, once; nothing can prolong them.
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
    /// Signed out. Opens again by itself once the token endpoint gives a token: asked when the page becomes visible,
    /// goes online, or opens a session.
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
    /// What keeps the thread from being live, if anything failed.
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
    pub(crate) now: Time,
    /// When it was called last.
    last: Option<Now>,
    pub(crate) rng: Rng,
    pub(crate) token: Token,
    pub(crate) socket: Socket,
    pub(crate) online: bool,
    pub(crate) visible: bool,
    pub(crate) restoring: bool,
    /// Whether some thread's join waits for its answer.
    pub(crate) joining: bool,
    /// The threads that are known to exist.
    pub(crate) known: Vec<ThreadId>,
    outputs: VecDeque<Output<V>>,
    pending: Vec<Pending>,
    last_request: u32,
    wake: Option<u64>,
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
                now: Time::default(),
                last: None,
                rng: Rng::new(config.seed),
                config,
                token: Token::default(),
                socket: Socket::default(),
                online: true,
                restoring: false,
                visible: true,
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
        let slept = self.advance(now);
        if slept && self.core.visible {
            self.wake();
        }
        self.take_in(input);
        self.expire();
        // What one step starts may make another one possible.
        let mut done = usize::MAX;
        while done != self.core.outputs.len() {
            done = self.core.outputs.len();
            self.drive();
        }
    }

    /// Moves the clock. Answers whether the device slept: it ran far past the last deadline, or past its own clock.
    fn advance(&mut self, now: Now) -> bool {
        let core = &mut self.core;
        let last = core.last.replace(now).unwrap_or(now);
        let mono = now.mono.saturating_sub(last.mono);
        let wall = if mutated(Mutation::IgnoreSleep) { 0 } else { now.wall.saturating_sub(last.wall) };
        let due = self.next_timeout();
        let core = &mut self.core;
        core.now = Time { clock: core.now.clock.saturating_add(mono.max(wall)), wall: now.wall };
        wall > mono + SLEPT || due.is_some_and(|due| now.mono > due + SLEPT)
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output<V>> {
        self.core.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due, on the clock of [`Now::mono`].
    pub fn next_timeout(&self) -> Option<u64> {
        let deadlines = self.core.pending.iter().map(|pending| pending.deadline);
        let next = deadlines.chain(self.core.wake).min()?;
        Some(self.core.last?.mono + next.saturating_sub(self.core.now.clock))
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
            }
            Input::Retry { thread, id } => {
                if let Some(thread) = find(threads, &thread) {
                    thread.retry(core, id);
                }
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
                core.socket.opened(core.now.clock, id);
            }
            Input::SocketFrame(id, frame) => {
                if core.socket.heard(core.now.clock, id)
                    && let Some(incoming) = phoenix::decode(frame)
                    && let Some(thread) = threads.iter_mut().find(|t| t.topic == incoming.topic)
                {
                    thread.heard(core, incoming);
                }
            }
            Input::SocketClosed(id) => self.socket_gone(id),
            Input::Online(online) => {
                let back = online && !core.online;
                core.online = online;
                if back {
                    self.wake();
                }
            }
            Input::Visible(visible) => {
                let back = visible && !core.visible;
                core.visible = visible;
                if back {
                    self.wake();
                }
            }
            Input::Timeout => {}
        }
    }

    fn wake(&mut self) {
        self.core.token.wake();
        self.core.socket.wake(self.core.now.clock);
        for thread in &mut self.threads {
            thread.wake();
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer<V>) {
        let Engine { core, threads } = self;
        let Some(index) = core.pending.iter().position(|pending| pending.id == request) else {
            return;
        };
        match core.pending.swap_remove(index).purpose {
            Purpose::Token => core.token.fetched(core.now, &answer, &mut core.rng),
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
        if core.socket.gone(core.now.clock, id, &mut core.rng) {
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
        core.wake = None;
        core.joining = threads.iter().any(Thread::is_joining);
        if threads.iter().any(Thread::is_busy) {
            match core.token.fetch_due(core.now) {
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
        if unused || core.token.stopped().is_some() {
            if let Some(id) = core.socket.close() {
                core.emit(Output::CloseSocket(id));
                for thread in &mut self.threads {
                    thread.socket_gone();
                }
            }
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
