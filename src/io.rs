//! The contract between the engine and its driver: inputs, outputs, requests, answers, states.
//!
//! One engine serves one signed-in person on one page: one token, one WebSocket, any number of threads. It has no clock,
//! no network and no randomness of its own, so any run replays from its inputs. The driver's loop:
//!
//! 1. [`Engine::handle`](crate::Engine::handle) an [`Input`] with the current [`Now`];
//! 2. carry out every [`Output`] that [`Engine::poll`](crate::Engine::poll) returns, until `None`;
//! 3. set one timer for [`Engine::next_timeout`](crate::Engine::next_timeout) and, when it fires, handle [`Input::Timeout`].
//!
//! The browser's shell (`src/browser/`) is one driver, the simulation (`tests/sim/`) another. `V` is JSON as the driver
//! has parsed it, see [`Json`](crate::Json).

#[cfg(feature = "changes")]
use crate::change::{Change, PendingChange, Windows};
#[cfg(feature = "inbox")]
use crate::conversation::{InboxDiff, Markers};
use crate::error::ChatError;
#[cfg(feature = "changes")]
use crate::message::Row;
use crate::message::{Message, MessageId, PendingMessage};
use crate::thread_id::ThreadId;

/// The time, as two clocks in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// A clock that never runs backwards (`performance.now()`).
    pub mono: u64,
    /// The device's wall clock (`Date.now()`), which may be wrong and may jump. It dates pending messages, and where it
    /// runs further than `mono` the device slept; it decides nothing else.
    pub wall: u64,
}

/// What an engine must know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://<ref>.supabase.co`, without a slash at the end.
    pub supabase_url: String,
    /// The legacy anon JWT or an `sb_publishable_…` key.
    pub anon_key: String,
    /// The signed-in person's Mongo id: one half of every thread's id.
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
        /// A thread of [`Config::my_id`].
        thread: ThreadId,
        /// Messages a page, 1 to 200. The session that opens a closed thread sets it.
        page_size: u32,
    },
    /// Storage keeps the newest page of an earlier visit to `thread`: it is shown until the server's is there.
    Cached {
        /// An open thread.
        thread: ThreadId,
        /// Rows as the server gave them.
        page: V,
    },
    /// A session closes `thread`.
    Close {
        /// An open thread.
        thread: ThreadId,
    },
    /// The person sends `body` ([`crate::message::check_body`] passed) under a fresh random `id`.
    Send {
        /// An open thread.
        thread: ThreadId,
        /// A version 4 UUID.
        id: MessageId,
        /// The text.
        body: String,
        /// The number of the message that it replies to.
        reply_to: Option<u64>,
    },
    /// Whether storage is still looking for what earlier pages left, as [`Input::Restore`] tells. Nothing is sent
    /// meanwhile: what was written first goes first. `false` at the start.
    Restoring(bool),
    /// Storage holds messages that an earlier page did not get sent: they are sent now, whether or not a session opens
    /// their thread; before what this page wrote while storage was looking, and behind what it wrote otherwise.
    Restore {
        /// Their thread, one of [`Config::my_id`].
        thread: ThreadId,
        /// In any order.
        messages: Vec<PendingMessage>,
    },
    /// Sends a refused message again.
    Retry {
        /// Its thread.
        thread: ThreadId,
        /// The message.
        id: MessageId,
    },
    /// Drops a message that is not sent.
    Discard {
        /// Its thread.
        thread: ThreadId,
        /// The message.
        id: MessageId,
    },
    /// The person scrolled to the top.
    LoadOlder {
        /// An open thread.
        thread: ThreadId,
    },
    /// The person changes a message. One that is not sent yet is rewritten, or discarded.
    #[cfg(feature = "changes")]
    Change {
        /// An open thread.
        thread: ThreadId,
        /// The message.
        id: MessageId,
        /// What becomes of it.
        change: Change,
    },
    /// Storage holds changes that an earlier page did not get done: they are done now.
    #[cfg(feature = "changes")]
    RestoreChanges {
        /// Their thread, one of [`Config::my_id`].
        thread: ThreadId,
        /// One a message.
        changes: Vec<PendingChange>,
    },
    /// The person wants to see the message with the number `seq`: what is older than the first one shown is read, down to it.
    #[cfg(feature = "changes")]
    JumpTo {
        /// An open thread.
        thread: ThreadId,
        /// The message's number.
        seq: u64,
    },
    /// A session opens the inbox. Counted, as for threads.
    #[cfg(feature = "inbox")]
    OpenInbox {
        /// Conversations a page, 1 to 250. The session that opens a closed inbox sets it.
        limit: u32,
    },
    /// A session closes the inbox.
    #[cfg(feature = "inbox")]
    CloseInbox,
    /// The person scrolled to the end of the inbox.
    #[cfg(feature = "inbox")]
    LoadMore,
    /// The page uses markers, of the inbox and of open threads. `false`: it reads privately, and is not shown how far others
    /// have read. Before this nothing is asked or told of markers.
    #[cfg(feature = "inbox")]
    Receipts(bool),
    /// The person has seen the messages of `thread` up to the number `seq`; what storage kept of an earlier page as well.
    #[cfg(feature = "inbox")]
    Seen {
        /// A thread of [`Config::my_id`].
        thread: ThreadId,
        /// The number of the newest one seen.
        seq: u64,
    },
    /// A request ended.
    Answer {
        /// Its name.
        request: RequestId,
        /// How it ended.
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
    /// The time of [`Engine::next_timeout`](crate::Engine::next_timeout) has come.
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

/// A frame as a WebSocket received it.
#[derive(Clone, Debug)]
pub enum Frame<V> {
    /// A text frame, parsed. Text that is not JSON is not a frame.
    Text(V),
    /// A binary frame.
    Binary(Vec<u8>),
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
    /// Write a pending message to storage, over the one of its id: a page that dies must not take it along. Comes before
    /// the change of [`Output::Messages`] that shows it, which does not wait until it is written.
    Store(ThreadId, PendingMessage),
    /// Take a message out of storage.
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
    /// Write to storage how far the person has seen the thread, over what is there: the server is told later.
    #[cfg(feature = "inbox")]
    StoreSeen(ThreadId, u64),
    /// The server knows how far the person has seen the thread.
    #[cfg(feature = "inbox")]
    UnstoreSeen(ThreadId),
    /// Write to storage what is still to become of a message, over what is there of it.
    #[cfg(feature = "changes")]
    StoreChange(ThreadId, PendingChange),
    /// Nothing more is to become of the message: take that out of storage.
    #[cfg(feature = "changes")]
    UnstoreChange(ThreadId, MessageId),
    /// What is still to become of a message: it is shown as if it were done, apart from what was refused. `None`: nothing more.
    #[cfg(feature = "changes")]
    Changing(ThreadId, MessageId, Option<PendingChange>),
    /// A message that some of the thread's messages reply to, and that may not be among those shown.
    #[cfg(feature = "changes")]
    Quoted(ThreadId, Row<V>),
    /// `jumpTo()` of the thread has ended: the message is shown, or there is none.
    #[cfg(feature = "changes")]
    Jumped(ThreadId, Result<(), ChatError>),
    /// For how long messages can be changed.
    #[cfg(feature = "changes")]
    Windows(Windows),
    /// The lines of the inbox changed.
    #[cfg(feature = "inbox")]
    Inbox(InboxDiff),
    /// The state of the inbox changed.
    #[cfg(feature = "inbox")]
    InboxState(InboxState),
    /// `open()` of the inbox has ended: the first page is there, or the inbox has stopped.
    #[cfg(feature = "inbox")]
    InboxOpened(Result<(), ChatError>),
    /// `loadMore()` of the inbox has ended.
    #[cfg(feature = "inbox")]
    MoreLoaded(Result<(), ChatError>),
    /// The markers of an open thread are known, or changed.
    #[cfg(feature = "inbox")]
    Markers(ThreadId, Markers),
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
        /// The answer to the very same request will do that left up to 10 s before this one: what it misses is read again.
        may_be_early: bool,
    },
}

/// A change of the list of messages that a page shows, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff<V> {
    /// `message` comes in before index `at`.
    Insert {
        /// Its index from now on.
        at: usize,
        /// The message.
        message: Message<V>,
    },
    /// The message at index `at` becomes `message`; its id stays.
    Update {
        /// Its index.
        at: usize,
        /// What it is now.
        message: Message<V>,
    },
    /// `count` messages from index `at` on go away. A message that moves is removed and inserted again under its id.
    Remove {
        /// The index of the first of them.
        at: usize,
        /// The number of messages.
        count: usize,
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
    /// Whether the messages are those of an earlier visit: the server has not said yet what there is now.
    pub from_cache: bool,
    /// What keeps the thread from being live, if anything failed; of a live one, why messages are not sent, if they are not.
    pub error: Option<ChatError>,
}

/// What a page shows of the inbox beside its lines.
#[cfg(feature = "inbox")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxState {
    /// How it stands.
    pub status: Status,
    /// How many messages are unread in all conversations, those that are not loaded as well. Each counts up to 100.
    pub unread: u32,
    /// Whether there are conversations behind the last one shown.
    pub has_more: bool,
    /// Whether a page of them is on its way.
    pub loading_more: bool,
    /// What keeps it from being live, if anything failed.
    pub error: Option<ChatError>,
}
