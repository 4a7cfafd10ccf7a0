//! One person's line to Supabase: what all their threads share.
//!
//! | file | one idea |
//! |---|---|
//! | `token.rs` | when a token is good, whose it is, when to renew it |
//! | `socket.rs` | one WebSocket: connect, heartbeat, reconnect |
//! | `topic.rs` | one private topic on it: join, renew, leave, refusal |
//! | `phoenix.rs` | its frames |
//! | `rest.rs` | PostgREST requests as values, and what their answers mean |
//! | `requests.rs` | which answers are awaited, and until when |
//! | `device.rs` | what the device says: online, seen, asleep |
//! | `clock.rs` | one clock made of two |
//! | `backoff.rs`, `pace.rs`, `poll.rs` | how long to wait after a failure; how often something may be done; how often what is quiet is polled |
//! | `hint.rs` | what a broadcast tells of a conversation besides its messages |

pub mod backoff;
mod clock;
mod device;
#[cfg(feature = "inbox")]
pub(crate) mod hint;
pub(crate) mod pace;
pub mod phoenix;
pub(crate) mod poll;
mod requests;
pub mod rest;
mod socket;
pub(crate) mod token;
pub mod topic;

use crate::error::ChatError;
use crate::io::{Answer, Config, Diff, Now, Output, Request, RequestId, SocketId, Status};
use crate::json::Json;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;
use backoff::{Backoff, Rng};
use clock::{Clock, Due, Time};
use device::Device;
use requests::Requests;
use socket::{Action, Socket};
use std::collections::VecDeque;
use token::{Access, Token};

/// Whatever the parts of an engine need to talk to the server, and to be woken.
#[derive(Debug)]
pub(crate) struct Line<V> {
    pub config: Config,
    pub rng: Rng,
    pub token: Token,
    pub socket: Socket,
    pub device: Device,
    pub server: Server,
    pub sending: Sending,
    /// Whether some topic's join waits for its answer.
    pub joining: bool,
    clock: Clock,
    requests: Requests,
    outputs: VecDeque<Output<V>>,
    /// When to be driven again.
    wake: Option<u64>,
}

/// What the server has shown of itself.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// Something of it succeeded: what waits after a failure may wait less.
    pub good_news: bool,
    /// When PostgREST itself answered last.
    pub answered_at: u64,
    /// When it took a message last.
    pub took_at: Option<u64>,
    /// Whether it tells after a join when broadcasts can flow.
    pub tells_ready: bool,
    /// Whether its sql/ is from before `insert_chat_messages`.
    pub takes_no_batches: bool,
    /// Whether it, or a proxy on the way, refuses `sync_chat`: its sql/ may be older.
    pub takes_no_sync: bool,
    /// Whether its sql/ is from before `list_chat_page`.
    #[cfg(feature = "changes")]
    pub takes_no_changes: bool,
}

impl Server {
    /// Whether it is asked for changes of messages.
    pub const fn tells_changes(&self) -> bool {
        #[cfg(feature = "changes")]
        return !self.takes_no_changes;
        #[cfg(not(feature = "changes"))]
        false
    }
}

/// Whether messages may be sent, and whether any waits for it.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Storage is still looking for what goes first.
    pub restoring: bool,
    /// Some message is not sent yet.
    pub waiting: bool,
}

/// The longest wait after a failure, in ms: while a message waits to be sent, while the page is seen, and else.
const CAP_WAITING: u64 = 2_000;
const CAP_SEEN: u64 = 10_000;
const CAP_HIDDEN: u64 = 30_000;
/// How long an endpoint or PostgREST may take, in ms.
const ANSWER_WITHIN: u64 = 20_000;

impl<V> Line<V> {
    pub fn new(config: Config) -> Self {
        Line {
            rng: Rng::new(config.seed),
            config,
            token: Token::default(),
            socket: Socket::default(),
            device: Device::default(),
            server: Server::default(),
            sending: Sending::default(),
            joining: false,
            clock: Clock::default(),
            requests: Requests::default(),
            outputs: VecDeque::new(),
            wake: None,
        }
    }

    // Time.

    /// Moves the clock; returns how long the device slept unseen by its monotonic clock, in ms.
    pub fn advance(&mut self, now: Now) -> u64 {
        self.clock.advance(now)
    }

    /// Both clocks.
    pub fn time(&self) -> Time {
        self.clock.now()
    }

    /// The clock that deadlines are measured on, in ms.
    pub fn now(&self) -> u64 {
        self.clock.now().clock
    }

    /// Asks to be driven again at `at`.
    pub fn wake_at(&mut self, at: u64) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Whether `at` has come; if not, asks to be driven again then.
    pub fn reached(&mut self, at: u64) -> bool {
        let reached = at <= self.now();
        if !reached {
            self.wake_at(at);
        }
        reached
    }

    /// All that asked to be woken is about to be driven, and will ask again.
    pub fn clear_wake(&mut self) {
        self.wake = self.device.next_try();
    }

    /// When the engine must be driven again, on the clock of [`Now::mono`].
    pub fn next_timeout(&self) -> Option<u64> {
        let deadlines = self.requests.deadlines();
        self.clock.to_mono(deadlines.chain(self.wake).min()?)
    }

    /// The longest wait after a failure.
    pub fn cap(&self) -> u64 {
        match self.device.is_visible() {
            true if self.sending.waiting => CAP_WAITING,
            true => CAP_SEEN,
            false => CAP_HIDDEN,
        }
    }

    /// A failure that may pass: `backoff` waits, at least `at_least` ms.
    pub fn fail(&mut self, backoff: &mut Backoff, at_least: u64) {
        backoff.fail(self.now(), at_least, self.cap(), &mut self.rng);
    }

    /// Something succeeded: what failed here need not be waited out.
    pub fn relieve(&mut self) {
        self.token.backoff().relieve();
        self.socket.backoff().relieve();
    }

    /// Somebody waits for a message to be sent: what failed here is tried again soon.
    pub fn limit_waits(&mut self) {
        let now = self.now();
        if self.token.stopped().is_none() {
            limit(self.token.backoff(), now);
        }
        limit(self.socket.backoff(), now);
    }

    /// Whether nobody has looked for so long that only what waits to be sent is seen to.
    pub fn is_away(&mut self) -> bool {
        !mutated(Mutation::HiddenKeepsSocket) && self.device.away_at().is_some_and(|at| self.reached(at))
    }

    /// How whoever uses a topic stands: in use or not, and live now or before.
    pub fn status(&self, in_use: bool, live: bool, was_live: bool) -> Status {
        match (in_use, live) {
            (false, _) => Status::Closed,
            _ if self.token.stopped().is_some() => Status::AuthRequired,
            _ if !self.device.is_online() => Status::Offline,
            (true, true) => Status::Live,
            _ if was_live => Status::Reconnecting,
            _ => Status::Connecting,
        }
    }

    // Outputs.

    pub fn emit(&mut self, output: Output<V>) {
        self.outputs.push_back(output);
    }

    /// Changes of the messages of `thread`.
    pub fn show(&mut self, thread: &ThreadId, diffs: Vec<Diff<V>>) {
        for diff in diffs {
            self.emit(Output::Messages(thread.clone(), diff));
        }
    }

    pub fn poll(&mut self) -> Option<Output<V>> {
        self.outputs.pop_front()
    }

    /// How many outputs wait to be polled.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    // Requests.

    /// Starts a request. Who asks remembers its name, to know the answer by.
    pub fn request(&mut self, request: Request) -> RequestId {
        let id = self.requests.start(self.now() + ANSWER_WITHIN);
        self.emit(Output::Request(id, request));
        id
    }

    /// The same, of PostgREST.
    pub fn rpc(&mut self, access: &Access, url: String, body: String, may_be_early: bool) -> RequestId {
        self.request(Request::Rpc { url, token: String::from(&*access.token), body, may_be_early })
    }

    pub fn abort(&mut self, request: RequestId) {
        self.requests.end(request);
        self.emit(Output::Abort(request));
    }

    /// A request ended. `false` if its answer is not awaited.
    pub fn ended(&mut self, request: RequestId) -> bool {
        self.requests.end(request)
    }

    /// A request that took too long.
    pub fn late(&self) -> Option<RequestId> {
        self.requests.late(self.now()).filter(|_| !mutated(Mutation::NoRequestTimeout))
    }

    // Token and socket.

    /// Fetches a token where one is due.
    pub fn drive_token(&mut self) {
        match self.token.fetch_due(self.time(), self.device.is_visible()) {
            Due::Now => {
                let request = self.request(Request::Token);
                self.token.fetching(self.time(), request);
            }
            Due::At(at) => self.wake_at(at),
            Due::Never => {}
        }
    }

    /// Opens the socket and keeps it alive. Returns the one that is dead.
    pub fn drive_socket(&mut self) -> Option<SocketId> {
        if self.socket.id().is_none() && !self.device.may_ask() {
            return None;
        }
        match self.socket.advance(self.now(), self.joining) {
            Action::Open(id) => {
                let url = socket_url(&self.config);
                self.emit(Output::OpenSocket(id, url));
            }
            Action::Heartbeat(id) => {
                let frame = phoenix::heartbeat(self.socket.next_ref());
                self.emit(Output::SendFrame(id, frame));
            }
            Action::Drop(id) => {
                self.emit(Output::CloseSocket(id));
                return Some(id);
            }
            Action::Wait(at) => self.wake_at(at),
        }
        None
    }

    /// A socket is gone. `false` if it is not the one that is wanted.
    pub fn socket_gone(&mut self, id: SocketId) -> bool {
        let cap = self.cap();
        self.socket.gone(self.now(), id, cap, &mut self.rng)
    }

    /// The fetch of a token has ended.
    pub fn token_fetched(&mut self, answer: &Answer<V>)
    where
        V: Json,
    {
        let (time, cap) = (self.time(), self.cap());
        self.token.fetched(time, answer, &self.config.my_id, cap, &mut self.rng);
    }

    /// `by` refused the token of `generation`.
    pub fn token_refused(&mut self, generation: u32, by: token::Verifier) {
        let (time, cap) = (self.time(), self.cap());
        self.token.refused(time, generation, by, cap, &mut self.rng);
    }

    /// The person is signed out.
    pub fn sign_out(&mut self, error: ChatError) {
        let time = self.time();
        self.token.stop(error, time, &mut self.rng);
    }
}

/// What is waited for while somebody waits for a message to be sent is waited for so long at most.
pub(crate) fn limit(backoff: &mut Backoff, now: u64) {
    backoff.limit(now, CAP_WAITING);
}

/// `https` becomes `wss`, `http` `ws`. The key stands in the URL because a browser can't set a WebSocket's headers.
fn socket_url(config: &Config) -> String {
    let rest = config.supabase_url.strip_prefix("http").unwrap_or(&config.supabase_url);
    ["ws", rest, "/realtime/v1/websocket?apikey=", &config.anon_key, "&vsn=2.0.0"].concat()
}
