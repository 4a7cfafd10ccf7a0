//! The scheduler: time, the network, its faults, the people. All of it is drawn from one seed.

use crate::coverage::Coverage;
use crate::markers::Event as Broadcast;
use crate::server::{Server, changes, is_inbox, is_send, is_sync, token_end};
use crate::tab::{Asked, Stalled, Tab};
use chopped_chat::line::backoff::Rng;
use chopped_chat::{
    Answer, Frame, Input, MessageId, Output, PendingMessage, Request, RequestId, SocketId, Status, ThreadId,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What went wrong in a run, and how it came to it.
#[derive(Debug)]
pub struct Failure {
    pub why: String,
    pub trace: Vec<String>,
}

/// What a good run looked like.
#[derive(Debug, Default)]
pub struct Summary {
    pub coverage: Coverage,
    pub sent: u64,
    pub requests: u64,
    pub joins: u64,
    pub connects: u64,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
    /// What happened to the engine of each tab's last life, if it was asked for.
    pub recordings: Vec<String>,
}

/// Plays one seed. `trace`: tells what happened.
pub fn run(seed: u64, trace: bool) -> Result<Summary, Failure> {
    let mut world = World::new(seed, trace);
    if trace {
        world.tabs.iter_mut().for_each(|tab| tab.recording = Some(String::new()));
    }
    match world.play() {
        Ok(()) => Ok(Summary {
            trace: world.trace,
            recordings: world.tabs.into_iter().filter_map(|tab| tab.recording).collect(),
            ..world.summary
        }),
        Err(why) => Err(Failure { why: format!("at {} ms: {why}", world.now), trace: world.trace }),
    }
}

type TabId = usize;
type ConnId = u32;

#[derive(Debug)]
enum Event {
    /// The person does something.
    Act(TabId),
    /// The surroundings do something.
    Fault,
    Timer(TabId, u32),
    RequestArrives(TabId, u32, RequestId, Request, Fate),
    AnswerArrives(TabId, u32, RequestId, Answer<Value>),
    SocketOpens(TabId, u32, SocketId, ConnId),
    SocketDies(TabId, u32, SocketId),
    FrameArrives(ConnId, String),
    FrameDelivered(TabId, u32, SocketId, Frame<Value>),
    /// A join has been decided.
    JoinDone(ConnId, Value),
    TokenEnds(ConnId, String, u64),
    Idle(ConnId),
    /// A channel has waited too long for replication.
    NotEstablished(ConnId, String, Value),
    ReplicationReady(u32),
    Restart(TabId),
    /// Storage has been read: this is what an earlier life of the tab left.
    Cached(TabId, u32, ThreadId, Value),
    Restored(TabId, u32, BTreeMap<ThreadId, Vec<PendingMessage>>),
    Wakes(TabId),
    Online(TabId),
    SignedIn(String),
}

/// What becomes of a request that reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    LostAfter,
    HangsAfter,
    FailsBefore,
    FailsAfter,
    Refused401,
    TooMany,
    /// A proxy on the way says no, in HTML.
    Blocked,
}

/// A WebSocket as the server sees it.
#[derive(Debug)]
struct Conn {
    tab: TabId,
    life: u32,
    socket: SocketId,
    person: &'static str,
    /// Frames vanish both ways, and no end is seen.
    half_open: bool,
    heard_at: u64,
    /// When the next frame may be read: a join stalls the socket.
    busy_until: u64,
    /// When the last frame out will arrive: a socket keeps the order.
    last_out: u64,
    last_in: u64,
    /// When the last broadcast will arrive.
    last_broadcast: u64,
    /// When a channel of it ended last.
    changed_at: u64,
    channels: BTreeMap<String, Channel>,
}

#[derive(Debug)]
struct Channel {
    joined_at: u64,
    join_ref: Value,
    token: String,
    /// Whether it waits for word that broadcasts can flow.
    awaits_ready: bool,
}

/// A message somebody sent.
#[derive(Debug)]
struct Sent {
    id: MessageId,
    tab: TabId,
    thread: ThreadId,
    body: String,
    /// What it was edited to.
    edits: Vec<String>,
    discarded: bool,
    retried: bool,
}

struct World {
    rng: Rng,
    now: u64,
    count: u64,
    queue: BTreeMap<(u64, u64), Event>,
    /// What reaches a sleeping tab when it wakes, in order.
    deferred: Vec<(TabId, Event)>,
    server: Server,
    tabs: Vec<Tab>,
    threads: Vec<(ThreadId, &'static str, &'static str)>,
    conns: BTreeMap<ConnId, Conn>,
    last_conn: ConnId,
    /// Whether database broadcasts flow; the number names the outage.
    replication: Result<(), u32>,
    outages: u32,
    /// Since when broadcasts flow.
    flowing_since: u64,
    /// When the last row was written.
    written_at: u64,
    calm: bool,
    /// Whether people come back to their pages in the calm; if not, those who look at theirs just go on.
    nudges: bool,
    /// Nothing of the server answers until then.
    away_until: u64,
    /// Broadcasts are lost until then: the project is over its message rate.
    over_rate_until: u64,
    /// Whether the server is new enough to say that replication is ready.
    tells_ready: bool,
    /// Whether the backend takes its time for a token.
    slow_backend: bool,
    /// The token endpoint fails until then: long enough for a token to end while its channel is joined.
    no_tokens_until: u64,
    /// Per mille of requests, frames and joins that something happens to.
    hostility: u64,
    page_size: u32,
    /// Whether the database is set back once.
    restores: bool,
    sent: Vec<Sent>,
    /// Whether people have inboxes and markers, and who reads privately.
    marks: bool,
    private: Vec<&'static str>,
    /// How far each has seen each thread, on any device.
    seen: BTreeMap<(String, &'static str), u64>,
    inbox_page: u32,
    /// Whether people change messages.
    changes: bool,
    intents: Vec<changing::Intent>,
    acts_left: u64,
    summary: Summary,
    tracing: bool,
    trace: Vec<String>,
}

macro_rules! trace {
    ($world:expr, $($arg:tt)*) => {
        if $world.tracing {
            let line = format!("{:>8} {}", $world.now, format!($($arg)*));
            $world.trace.push(line);
        }
    };
}

mod changing;
mod inbox;

/// Of a thousand reads that may be early so many see the table as it was up to 10 s before.
const EARLY: u64 = 500;
/// How long the faults and the people go on, in acts of people.
const ACTS: u64 = 40;
/// How long the calm may take until all is well, in ms: the longest back-off, join and poll in a row.
const CALM_WITHIN: u64 = 240_000;
/// How long a joined screen may lag behind where nothing strikes, in ms: a few requests in a row.
const PROMPT: u64 = 3_000;
/// How long a message may wait after its send failed and another request succeeded, in ms, and how late a timer may be.
const RELIEVED: u64 = 1_100;
/// For how long a page asks nothing of a network that the browser says is not there, in ms.
const QUIET: u64 = 100_000;
/// For how long a page that nobody sees has its timers when they are due, in ms.
const SEEN_TIMERS: u64 = 300_000;
/// How long a page that nobody sees keeps its socket, in ms: five minutes, and a timer that runs once a minute.
const KEPT_HIDDEN: u64 = 370_000;
/// How long a socket that died in a sleep may pass for a live one, in ms.
const DEAD_AFTER_SLEEP: u64 = 6_000;
/// The most connections in ten seconds.
const CONNECTS: usize = 25;
/// The most reads in ten seconds that no scrolling asked for.
const READS: usize = 30;
/// How long bad news may take to reach a tab, in ms: a slow frame.
const BAD_NEWS: u64 = 12_000;
/// More events than any run that ends has.
const MAX_EVENTS: u64 = 60_000;

impl World {
    fn new(seed: u64, tracing: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut tabs = vec![Tab::new("ana"), Tab::new("ben")];
        let mut threads = vec![(ThreadId::new("ana", "ben").expect("two ids"), "ana", "ben")];
        if rng.up_to(2) == 0 {
            tabs.push(Tab::new("cleo"));
            threads.push((ThreadId::new("ana", "cleo").expect("two ids"), "ana", "cleo"));
        }
        if rng.up_to(2) == 0 {
            tabs.push(Tab::new("ana"));
        }
        let year = 365 * 86_400_000;
        for tab in &mut tabs {
            if rng.up_to(1) == 0 {
                tab.wall_offset = rng.up_to(2 * year) as i64 - year as i64;
            }
        }
        let nudges = rng.up_to(1) == 0;
        // A page that is full before it reaches what was there is no proof of the same history.
        let restores = rng.up_to(3) == 0;
        let page_size = if restores { 200 } else { 2 + rng.up_to(5) as u32 };
        let marks = rng.up_to(2) > 0;
        let private = ["ana", "ben", "cleo"].into_iter().filter(|_| rng.up_to(4) == 0).collect();
        let inbox_page = [1, 2, 30][rng.up_to(2) as usize];
        let changes = rng.up_to(2) > 0;
        let server = Server {
            no_inbox: rng.up_to(9) == 0,
            no_changes: rng.up_to(4) == 0,
            edit_window: [20_000, u64::MAX][rng.up_to(1) as usize],
            unsend_window: [60_000, u64::MAX][rng.up_to(1) as usize],
            most_changes: [2, 200][rng.up_to(1) as usize],
            max_rows: if rng.up_to(2) == 0 && !restores { 1 + rng.up_to(u64::from(page_size)) as usize } else { 0 },
            old_backend: rng.up_to(1) == 0,
            no_batches: rng.up_to(4) == 0,
            no_sync: rng.up_to(4) == 0,
            sync_rows: if rng.up_to(1) == 0 {
                (1 + rng.up_to(5) as usize, 1 + rng.up_to(5) as usize)
            } else {
                (50, 500)
            },
            token_life: [60_000, 120_000, 300_000, 3_600_000][rng.up_to(3) as usize],
            refusing: true,
            ..Server::default()
        };
        World {
            hostility: [0, 50, 150, 400][rng.up_to(3) as usize],
            tells_ready: rng.up_to(1) == 0,
            slow_backend: rng.up_to(2) == 0,
            no_tokens_until: 0,
            page_size,
            restores,
            rng,
            now: 0,
            count: 0,
            queue: BTreeMap::new(),
            deferred: Vec::new(),
            server,
            tabs,
            threads,
            conns: BTreeMap::new(),
            last_conn: 0,
            replication: Ok(()),
            outages: 0,
            flowing_since: 0,
            written_at: 0,
            calm: false,
            nudges,
            away_until: 0,
            over_rate_until: 0,
            sent: Vec::new(),
            marks,
            private,
            seen: BTreeMap::new(),
            inbox_page,
            changes,
            intents: Vec::new(),
            acts_left: ACTS,
            summary: Summary::default(),
            tracing,
            trace: Vec::new(),
        }
    }

    fn hit(&mut self, name: &'static str) {
        trace!(self, "  * {name}");
        self.summary.coverage.hit(name);
    }

    fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.queue.insert((time.max(self.now), self.count), event);
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    /// Draws whether something happens, `per_mille` of the times; never in the calm.
    fn strikes(&mut self, per_mille: u64) -> bool {
        !self.calm && self.rng.up_to(999) < per_mille
    }

    fn delay(&mut self) -> u64 {
        if self.strikes(self.hostility / 8) {
            self.hit("fault: slow answer");
            return 500 + self.rng.up_to(9_000);
        }
        5 + self.rng.up_to(80)
    }

    // The run.

    fn play(&mut self) -> Result<(), String> {
        if self.server.max_rows > 0 && (self.server.max_rows as u32) < self.page_size {
            self.hit("fault: pages shorter than asked for");
        }
        if self.rng.up_to(3) == 0 {
            let at_most = [3_000, 200_000][self.rng.up_to(1) as usize];
            self.fall_silent("fault: cold replication", at_most);
        }
        for tab in 0..self.tabs.len() {
            self.start(tab)?;
            let wait = self.rng.up_to(500);
            self.after(wait, Event::Act(tab));
        }
        self.after(300, Event::Fault);
        while self.acts_left > 0 {
            self.step()?;
        }
        self.calm_down()?;
        let last_wakes = self.tabs.iter().map(|tab| tab.asleep_until).max().unwrap_or(0);
        let deadline = self.now.max(last_wakes) + CALM_WITHIN;
        while !self.all_is_well() {
            if self.now > deadline {
                return Err(format!("not well {CALM_WITHIN} ms after the last fault: {}", self.what_is_wrong()));
            }
            self.step()?;
            self.retry_refused()?;
            self.settle_refused()?;
            self.scroll_inboxes()?;
        }
        self.check_delivery()?;
        self.check_intents()?;
        self.read_everything()?;
        self.read_all()?;
        self.check_bounds()
    }

    fn step(&mut self) -> Result<(), String> {
        let Some(((time, _), event)) = self.queue.pop_first() else {
            return Err("nothing is going to happen any more".into());
        };
        if self.count > MAX_EVENTS {
            return Err(format!("the run does not end: {MAX_EVENTS} events"));
        }
        if let Event::Timer(tab, _)
        | Event::AnswerArrives(tab, ..)
        | Event::SocketOpens(tab, ..)
        | Event::SocketDies(tab, ..)
        | Event::FrameDelivered(tab, ..)
        | Event::Cached(tab, ..)
        | Event::Restored(tab, ..)
        | Event::Act(tab) = event
            && self.tabs[tab].asleep_until > time
        {
            self.now = time;
            self.deferred.push((tab, event));
            return Ok(());
        }
        self.now = time;
        self.happen(event)?;
        self.check_promptness()?;
        self.check_prompt_inbox()?;
        self.check_marks()?;
        self.check_live()?;
        self.check_tabs()
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Act(tab) => {
                self.acts_left = self.acts_left.saturating_sub(1);
                if !self.calm {
                    self.act(tab)?;
                    // Now and then they let a page be for minutes.
                    let wait = [30, 30, 400, 400, 3_000, 3_000, 20_000, 300_000][self.rng.up_to(7) as usize];
                    let wait = self.rng.up_to(wait);
                    self.after(wait, Event::Act(tab));
                }
            }
            Event::Fault => {
                if !self.calm {
                    if self.hostility > 0 {
                        self.strike()?;
                    }
                    let wait = 200 + self.rng.up_to(6_000);
                    self.after(wait, Event::Fault);
                }
            }
            Event::Timer(tab, life) => {
                let due = self.tabs[tab].engine.as_ref().and_then(|engine| engine.next_timeout());
                if self.tabs[tab].life == life && due.is_some_and(|at| at <= self.tabs[tab].clocks(self.now).mono) {
                    self.feed(tab, Input::Timeout)?;
                }
            }
            Event::RequestArrives(tab, life, id, request, fate) => self.serve(tab, life, id, request, fate),
            Event::AnswerArrives(tab, life, request, answer) => {
                if self.tabs[tab].life == life {
                    trace!(self, "{}{tab} gets {request:?} {}", self.tabs[tab].person, show(&answer));
                    let answer = if self.tabs[tab].online { answer } else { Answer::Unreachable };
                    let asked = self.tabs[tab].asked.remove(&request);
                    self.note_answer(tab, request, asked.as_ref(), &answer);
                    self.feed(tab, Input::Answer { request, answer })?;
                }
            }
            Event::SocketOpens(tab, life, socket, conn) => {
                if self.tabs[tab].life == life && self.conns.get(&conn).is_some_and(|conn| !conn.half_open) {
                    self.feed(tab, Input::SocketOpened(socket))?;
                }
            }
            Event::SocketDies(tab, life, socket) => {
                if self.tabs[tab].life == life {
                    self.feed(tab, Input::SocketClosed(socket))?;
                }
            }
            Event::FrameDelivered(tab, life, socket, frame) => {
                if self.tabs[tab].life == life && self.tabs[tab].online {
                    trace!(self, "{}{tab} hears {}", self.tabs[tab].person, show_frame(&frame));
                    // Of what the page has closed it hears nothing.
                    let open = |topic: &str| match topic.strip_prefix("realtime:chat:") {
                        Some(id) => self.tabs[tab].open.iter().any(|(thread, n)| thread.as_str() == id && *n > 0),
                        None => self.tabs[tab].inboxes > 0,
                    };
                    let wanted = self.conn_of(tab, life, socket).is_some();
                    if matches!(&frame, Frame::Text(text) if wanted && open(text[2].as_str().unwrap_or_default()) && text[4]["message"].as_str().is_some_and(is_about_replication))
                    {
                        self.tabs[tab].told_ready_at.get_or_insert(self.now);
                    }
                    let beat = matches!(&frame, Frame::Text(text) if text[2] == "phoenix");
                    self.feed(tab, Input::SocketFrame(socket, frame))?;
                    // The answer to a heartbeat from before the sleep passes for one from after it.
                    if beat && self.tabs[tab].woke_at == self.now {
                        self.tabs[tab].cut_at = self.now;
                    }
                }
            }
            Event::FrameArrives(conn, text) => self.frame_arrives(conn, text),
            Event::JoinDone(conn, frame) => self.join(conn, frame),
            Event::TokenEnds(conn, topic, end) => self.token_ends(conn, &topic, end),
            Event::Idle(conn) => {
                let heard = self.conns.get(&conn).map(|conn| conn.heard_at);
                if heard.is_some_and(|at| at + 60_000 <= self.now) {
                    self.hit("socket: idle end");
                    // Who sleeps hears of it when it wakes, or never.
                    let asleep = self.conns.get(&conn).is_some_and(|c| self.tabs[c.tab].asleep_until > self.now);
                    let told = !asleep || self.rng.up_to(1) == 0;
                    self.end_conn(conn, told);
                }
            }
            Event::NotEstablished(conn, topic, join_ref) => self.not_established(conn, &topic, join_ref),
            Event::ReplicationReady(outage) => {
                if self.replication == Err(outage) {
                    trace!(self, "replication is back");
                    self.replication = Ok(());
                    self.flowing_since = self.now;
                    self.say_ready();
                }
            }
            Event::Restart(tab) => {
                if self.tabs[tab].engine.is_none() {
                    self.start(tab)?;
                }
            }
            Event::Cached(tab, life, thread, page) => {
                if self.tabs[tab].life == life {
                    self.feed(tab, Input::Cached { thread, page })?;
                }
            }
            Event::Restored(tab, life, stored) => {
                if self.tabs[tab].life == life {
                    self.restored(tab, stored)?;
                }
            }
            Event::Wakes(tab) => self.wakes(tab)?,
            Event::Online(tab) => self.set_online(tab, true)?,
            Event::SignedIn(person) => {
                self.server.signed_out.retain(|p| *p != person);
                self.server.signed_in_as.remove(&person);
            }
        }
        Ok(())
    }

    // Tabs.

    fn start(&mut self, tab: TabId) -> Result<(), String> {
        let seed = self.rng.up_to(u64::MAX - 1);
        trace!(self, "{}{tab} starts", self.tabs[tab].person);
        self.tabs[tab].start(self.now, seed);
        if !self.tabs[tab].online {
            self.feed(tab, Input::Online(false))?;
        }
        let mut stored: BTreeMap<ThreadId, Vec<_>> = BTreeMap::new();
        for (thread, draft) in self.tabs[tab].storage.values() {
            stored.entry(thread.clone()).or_default().push(draft.clone());
        }
        self.feed(tab, Input::Restoring(true))?;
        self.start_markers(tab)?;
        let thread = self.thread_of(tab);
        // The page opens, and is written on, before or after its storage is read.
        if self.rng.up_to(1) == 0 {
            self.open(tab, &thread)?;
        }
        let delay = self.rng.up_to(1) * self.rng.up_to(2_000);
        self.after(delay, Event::Restored(tab, self.tabs[tab].life, stored));
        Ok(())
    }

    fn restored(&mut self, tab: TabId, stored: BTreeMap<ThreadId, Vec<PendingMessage>>) -> Result<(), String> {
        for (thread, messages) in stored {
            self.feed(tab, Input::Restore { thread, messages })?;
        }
        self.tabs[tab].restored();
        self.restore_changes(tab)?;
        self.feed(tab, Input::Restoring(false))
    }

    fn wakes(&mut self, tab: TabId) -> Result<(), String> {
        if self.tabs[tab].asleep_until <= self.now {
            self.tabs[tab].stalled = None;
            self.tabs[tab].offline_since = 0;
            self.tabs[tab].reads.clear();
            self.tabs[tab].drowsy = self.tabs[tab].asleep_since + 60_000 <= self.now;
            for (sleeper, event) in core::mem::take(&mut self.deferred) {
                if sleeper == tab {
                    self.at(self.now, event);
                } else {
                    self.deferred.push((sleeper, event));
                }
            }
            self.set_timer(tab);
            if self.calm {
                self.settle(tab)?;
            }
        }
        Ok(())
    }

    fn thread_of(&mut self, tab: TabId) -> ThreadId {
        let person = self.tabs[tab].person;
        let mine: Vec<_> = self.threads.iter().filter(|(_, a, b)| *a == person || *b == person).collect();
        mine[self.rng.up_to(mine.len() as u64 - 1) as usize].0.clone()
    }

    fn open(&mut self, tab: TabId, thread: &ThreadId) -> Result<(), String> {
        self.hit("page: open");
        *self.tabs[tab].open.entry(thread.clone()).or_default() += 1;
        if let Some(page) = self.tabs[tab].cache.get(thread).cloned() {
            let delay = self.rng.up_to(50);
            self.after(delay, Event::Cached(tab, self.tabs[tab].life, thread.clone(), page.into()));
        }
        self.feed(tab, Input::Open { thread: thread.clone(), page_size: self.page_size })
    }

    fn set_online(&mut self, tab: TabId, online: bool) -> Result<(), String> {
        if self.tabs[tab].online && !online {
            self.tabs[tab].offline_since = self.now;
        }
        self.tabs[tab].online = online;
        self.tabs[tab].stalled = None;
        self.feed(tab, Input::Online(online))
    }

    fn feed(&mut self, tab: TabId, input: Input<Value>) -> Result<(), String> {
        let life = self.tabs[tab].life;
        if matches!(input, Input::OpenInbox { .. } | Input::Seen { .. } | Input::Visible(_) | Input::LoadMore) {
            self.tabs[tab].acted_at = self.now;
        }
        if core::mem::take(&mut self.tabs[tab].drowsy) {
            self.tabs[tab].woke_at = self.now;
        }
        let outputs = self.tabs[tab].handle(self.now, input, &self.server, &mut self.summary.coverage)?;
        self.note_refusals(tab);
        for output in outputs {
            match output {
                Output::Request(id, request) => {
                    trace!(self, "{}{tab} asks {id:?} {request:?}", self.tabs[tab].person);
                    self.send_request(tab, life, id, request)?;
                }
                Output::OpenSocket(socket, _) => self.connect(tab, life, socket)?,
                Output::SendFrame(socket, text) => self.send_frame(tab, socket, text)?,
                Output::CloseSocket(socket) => {
                    if let Some(conn) = self.conn_of(tab, life, socket) {
                        self.end_conn(conn, false);
                    }
                }
                Output::Abort(id) => {
                    self.tabs[tab].asked.remove(&id);
                    self.tabs[tab].stalled = None;
                }
                _ => unreachable!("the tab has applied the rest"),
            }
        }
        self.set_timer(tab);
        Ok(())
    }

    fn set_timer(&mut self, tab: TabId) {
        if let Some(due) = self.tabs[tab].engine.as_ref().and_then(|engine| engine.next_timeout()) {
            // Browsers fire a little late.
            let mut at = self.tabs[tab].mono_zero + due + self.rng.up_to(15);
            // In a page that was not seen for minutes they run once a minute.
            if self.tabs[tab].hidden_since.is_some_and(|since| since + SEEN_TIMERS <= at) {
                at = at.next_multiple_of(60_000);
            }
            self.at(at, Event::Timer(tab, self.tabs[tab].life));
        }
    }

    // HTTP.

    fn send_request(&mut self, tab: TabId, life: u32, id: RequestId, request: Request) -> Result<(), String> {
        self.summary.requests += 1;
        self.check_knock(tab)?;
        let asked = match &request {
            Request::Token => Asked::Token,
            Request::EnsureThread { .. } => Asked::Ensure,
            Request::Rpc { token, url, body, .. } => {
                let (owner, end) = token_end(token).ok_or("not a token of ours")?;
                if end <= self.now {
                    return Err(format!("a request carries a token that expired {} ms ago", self.now - end));
                }
                if owner != self.tabs[tab].person {
                    return Err(format!("{} asks with the token of {owner}", self.tabs[tab].person));
                }
                let body: Value = serde_json::from_str(body).map_err(|e| format!("not JSON: {body}: {e}"))?;
                if is_send(url) {
                    let named = body["_thread_id"].as_str();
                    let thread = self.threads.iter().find(|(id, ..)| Some(id.as_str()) == named);
                    Asked::Send(thread.ok_or("a send to no thread of the run")?.0.clone())
                } else if url.ends_with("/rpc/mark_chat") || changes(url).is_some() {
                    Asked::Read
                } else if is_inbox(url) {
                    self.count_read(tab, "inbox", inbox::READS)?;
                    Asked::Read
                } else if is_sync(url) {
                    for thread in body["_threads"].as_array().into_iter().flatten() {
                        self.count_read(tab, thread["thread_id"].as_str().unwrap_or_default(), READS)?;
                    }
                    Asked::Read
                } else {
                    if body["_after"] != 0 || body["_before"].is_null() {
                        self.count_read(tab, body["_thread_id"].as_str().unwrap_or_default(), READS)?;
                    }
                    Asked::Read
                }
            }
        };
        if asked != Asked::Read {
            self.tabs[tab].stalled = None;
        }
        if matches!(asked, Asked::Send(_)) {
            self.tabs[tab].last_send = Some(id);
        }
        self.tabs[tab].asked.insert(id, asked);
        let mut delay = self.delay();
        if self.slow_backend && !self.calm && matches!(request, Request::Token) {
            delay += self.rng.up_to(5_000);
        }
        if !self.tabs[tab].online {
            self.after(3, Event::AnswerArrives(tab, life, id, Answer::Unreachable));
            return Ok(());
        }
        let fate = if self.strikes(self.hostility) {
            match self.rng.up_to(8) {
                8 => Fate::Blocked,
                0 => {
                    self.hit("fault: request lost before");
                    self.after(delay, Event::AnswerArrives(tab, life, id, Answer::Unreachable));
                    return Ok(());
                }
                1 => {
                    self.hit("fault: answer hangs");
                    return Ok(());
                }
                2 => Fate::LostAfter,
                3 => Fate::HangsAfter,
                4 => Fate::FailsBefore,
                5 => Fate::FailsAfter,
                6 => Fate::Refused401,
                _ => Fate::TooMany,
            }
        } else {
            Fate::Answered
        };
        self.after(delay, Event::RequestArrives(tab, life, id, request, fate));
        Ok(())
    }

    fn serve(&mut self, tab: TabId, life: u32, id: RequestId, request: Request, fate: Fate) {
        let failed = |status| Answer::Http { status, body: None, retry_after: None };
        let early = match fate {
            _ if self.now < self.away_until => Some(failed(503)),
            _ if self.now < self.no_tokens_until && matches!(request, Request::Token) => Some(failed(503)),
            Fate::FailsBefore => {
                self.hit("fault: server error before");
                Some(failed(503))
            }
            Fate::TooMany => {
                self.hit("fault: too many requests");
                Some(Answer::Http { status: 429, body: None, retry_after: Some(1 + self.rng.up_to(2) as u32) })
            }
            Fate::Blocked => {
                self.hit("fault: gateway refuses");
                Some(failed([403, 404][self.rng.up_to(1) as usize]))
            }
            _ if matches!(&request, Request::Rpc { body, .. } if body.contains("body\":\"#")) => {
                self.hit("fault: message blocked on the way");
                Some(failed(403))
            }
            Fate::Refused401 if matches!(request, Request::Rpc { .. }) => {
                self.hit("fault: token refused");
                Some(Answer::Http {
                    status: 401,
                    body: Some(json!({"code": "PGRST301", "message": "no suitable key"})),
                    retry_after: None,
                })
            }
            _ => None,
        };
        let answer = match early {
            Some(answer) => answer,
            None => {
                let mut as_of = self.now;
                if matches!(request, Request::Rpc { may_be_early: true, .. }) && self.strikes(EARLY) {
                    self.hit("a read left early");
                    as_of = as_of.saturating_sub(self.rng.up_to(10_000));
                }
                let (answer, row) = self.server.execute(self.now, as_of, self.tabs[tab].person, &request);
                if matches!(&request, Request::Rpc { url, .. } if url.ends_with("/insert_chat_messages")) {
                    self.hit(match answer {
                        Answer::Http { status: 200, .. } => "send: several at once",
                        Answer::Http { status: 404, .. } => "send: several at once, to an older database",
                        _ => "send: several at once, refused",
                    });
                }
                if let Request::Rpc { url, body, .. } = &request
                    && is_sync(url)
                {
                    self.note_sync(body, &answer);
                }
                if let Some(row) = row {
                    trace!(self, "the server has {row}");
                    self.written_at = self.now;
                    self.broadcast(inbox::inserted(row));
                }
                if !self.server.events.is_empty() {
                    self.written_at = self.now;
                    self.broadcast_events();
                }
                if matches!((&answer, &request), (Answer::Http { status: 400, .. }, Request::Rpc { url, .. }) if is_send(url))
                {
                    self.hit("fault: message refused");
                }
                answer
            }
        };
        let answer = match fate {
            Fate::LostAfter => {
                self.hit("fault: answer lost after commit");
                Answer::Unreachable
            }
            Fate::HangsAfter => return self.hit("fault: answer hangs after commit"),
            Fate::FailsAfter => {
                self.hit("fault: server error after commit");
                failed(502)
            }
            _ => answer,
        };
        let delay = self.delay();
        self.after(delay, Event::AnswerArrives(tab, life, id, answer));
    }

    fn note_sync(&mut self, body: &str, answer: &Answer<Value>) {
        let Answer::Http { status: 200, body: Some(told), .. } = answer else {
            return self.hit("sync: of an older database");
        };
        let asked: Value = serde_json::from_str(body).expect("checked when sent");
        let count = asked["_threads"].as_array().map_or(0, Vec::len);
        self.hit(if count > 1 { "sync: of several threads" } else { "sync: of one thread" });
        let cut = asked["_threads"].as_array().into_iter().flatten().any(|asked| {
            let told =
                told["threads"].as_array().into_iter().flatten().find(|told| told["thread_id"] == asked["thread_id"]);
            told.is_some_and(|told| {
                let newer = told["last_seq"].as_u64().unwrap_or(0).saturating_sub(asked["after"].as_u64().unwrap_or(0));
                told["messages"].as_array().map_or(0, Vec::len) < newer as usize
            })
        });
        if cut {
            self.hit("sync: cut off");
        }
    }

    // WebSockets.

    fn connect(&mut self, tab: TabId, life: u32, socket: SocketId) -> Result<(), String> {
        self.check_knock(tab)?;
        self.tabs[tab].connects.push_back(self.now);
        while self.tabs[tab].connects.front().is_some_and(|at| at + 10_000 < self.now) {
            self.tabs[tab].connects.pop_front();
        }
        if self.tabs[tab].connects.len() > CONNECTS {
            return Err(format!("{} connects in ten seconds", self.tabs[tab].connects.len()));
        }
        self.summary.connects += 1;
        let delay = self.delay();
        let refused = self.strikes(self.hostility / 2);
        if refused {
            self.hit("fault: socket refused");
        }
        if refused || !self.tabs[tab].online || self.now < self.away_until {
            self.after(delay, Event::SocketDies(tab, life, socket));
            return Ok(());
        }
        self.last_conn += 1;
        let conn = self.last_conn;
        trace!(self, "{}{tab} connects {conn}", self.tabs[tab].person);
        self.conns.insert(
            conn,
            Conn {
                tab,
                life,
                socket,
                person: self.tabs[tab].person,
                half_open: false,
                heard_at: self.now,
                busy_until: 0,
                last_out: self.now + delay,
                last_in: self.now,
                last_broadcast: 0,
                changed_at: self.now,
                channels: BTreeMap::new(),
            },
        );
        self.after(delay, Event::SocketOpens(tab, life, socket, conn));
        self.after(66_000, Event::Idle(conn));
        Ok(())
    }

    fn conn_of(&self, tab: TabId, life: u32, socket: SocketId) -> Option<ConnId> {
        let found = self.conns.iter().find(|(_, c)| c.tab == tab && c.life == life && c.socket == socket);
        found.map(|(id, _)| *id)
    }

    /// The server no longer has the connection; the tab hears of it or not.
    fn end_conn(&mut self, id: ConnId, told: bool) {
        let Some(conn) = self.conns.remove(&id) else { return };
        if !conn.half_open {
            self.tabs[conn.tab].cut_at = self.now;
        }
        if told && !conn.half_open {
            let delay = self.delay();
            self.at((self.now + delay).max(conn.last_out), Event::SocketDies(conn.tab, conn.life, conn.socket));
        }
    }

    fn send_frame(&mut self, tab: TabId, socket: SocketId, text: String) -> Result<(), String> {
        trace!(self, "{}{tab} says {text}", self.tabs[tab].person);
        let frame: Value = serde_json::from_str(&text).map_err(|e| format!("not JSON: {text}: {e}"))?;
        if frame[3] == "phx_join" {
            self.summary.joins += 1;
        }
        if frame[3] == "access_token" {
            self.hit("token: renewed on the channel");
        }
        if let Some(token) = frame[4]["access_token"].as_str() {
            let (_, end) = token_end(token).ok_or("not a token of ours")?;
            if end <= self.now {
                return Err(format!("{} sent a token that expired {} ms ago", frame[3], self.now - end));
            }
        }
        let life = self.tabs[tab].life;
        let delay = self.delay();
        if let Some(id) = self.conn_of(tab, life, socket)
            && let Some(conn) = self.conns.get_mut(&id)
            && !conn.half_open
        {
            let at = (self.now + delay).max(conn.last_in);
            conn.last_in = at;
            self.at(at, Event::FrameArrives(id, text));
        }
        Ok(())
    }

    fn frame_arrives(&mut self, id: ConnId, text: String) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.busy_until > self.now {
            let at = conn.busy_until;
            return self.at(at, Event::FrameArrives(id, text));
        }
        conn.heard_at = self.now;
        self.after(60_000, Event::Idle(id));
        let frame: Value = serde_json::from_str(&text).expect("checked when sent");
        let topic = frame[2].as_str().unwrap_or_default().to_owned();
        let ok = json!({"status": "ok", "response": {}});
        match frame[3].as_str().unwrap_or_default() {
            "heartbeat" => self.reply(id, json!([null, frame[1], topic, "phx_reply", ok])),
            "phx_join" => {
                let (token, end) = (frame[4]["access_token"].as_str().unwrap_or_default(), self.now);
                let conn = &self.conns[&id];
                let allowed = token_end(token).is_some_and(|(p, at)| p == conn.person && at > end)
                    && self.may_join(&topic, conn.person);
                // Never at once: what comes behind a join is read after it.
                let mut busy = 1 + self.rng.up_to(30);
                if !allowed {
                    busy = 5_000;
                } else if self.strikes(100) {
                    self.hit("fault: slow join");
                    busy = self.rng.up_to(15_000);
                }
                let until = self.now + busy;
                if let Some(conn) = self.conns.get_mut(&id) {
                    // Behind it: what arrives in that very moment is read after the join.
                    conn.busy_until = until + 1;
                }
                self.at(until, Event::JoinDone(id, frame));
            }
            "phx_leave" => {
                let conn = self.conns.get_mut(&id).expect("found above");
                if conn.channels.get(&topic).is_some_and(|c| c.join_ref == frame[0]) {
                    conn.channels.remove(&topic);
                    conn.changed_at = self.now;
                    self.reply(id, json!([frame[0], frame[1], topic, "phx_reply", ok]));
                    self.reply(id, json!([frame[0], frame[0], topic, "phx_close", {}]));
                }
            }
            "access_token" => {
                let token = frame[4]["access_token"].as_str().unwrap_or_default().to_owned();
                if let (Some((_, end)), Some(conn)) = (token_end(&token), self.conns.get_mut(&id))
                    && let Some(channel) = conn.channels.get_mut(&topic)
                {
                    channel.token = token.clone();
                    self.at(end, Event::TokenEnds(id, topic, end));
                }
            }
            other => panic!("the model does not know {other}"),
        }
    }

    fn join(&mut self, id: ConnId, frame: Value) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let topic = frame[2].as_str().unwrap_or_default().to_owned();
        let token = frame[4]["access_token"].as_str().unwrap_or_default().to_owned();
        let person = conn.person;
        let end = token_end(&token).filter(|(owner, end)| *owner == person && *end > self.now).map(|(_, end)| end);
        let allowed = self.may_join(&topic, person);
        let reason = match end {
            None => Some("InvalidJWTToken: Token has expired 1 seconds ago"),
            Some(_) if !allowed || self.now < self.server.read_only_until => {
                Some("Unauthorized: You do not have permissions to read from this Channel topic")
            }
            Some(_) if self.strikes(self.hostility / 4) => Some("UnableToConnectToProject: try again"),
            // Word for word the refusal of a stranger: the server says it of almost any error of the database.
            Some(_) if self.strikes(self.hostility / 4) => {
                self.hit("fault: policy not evaluable");
                Some("Unauthorized: You do not have permissions to read from this Channel topic")
            }
            Some(_) if self.strikes(self.hostility / 8) => {
                self.hit("fault: realtime disabled");
                Some("RealtimeDisabledForTenant: Realtime disabled for this tenant")
            }
            Some(_) => None,
        };
        let conn = self.conns.get_mut(&id).expect("found above");
        let old = conn.channels.remove(&topic);
        conn.changed_at = self.now;
        if let Some(reason) = reason {
            self.hit("join: refused");
            let error = json!({"status": "error", "response": {"reason": reason}});
            self.reply(id, json!([frame[0], frame[1], topic, "phx_reply", error]));
        } else {
            self.hit("join: accepted");
            let awaits_ready = self.tells_ready && self.replication.is_err();
            let channel = Channel { joined_at: self.now, join_ref: frame[0].clone(), token, awaits_ready };
            self.conns.get_mut(&id).expect("found above").channels.insert(topic.clone(), channel);
            let ok = json!({"status": "ok", "response": {"postgres_changes": []}});
            self.reply(id, json!([frame[0], frame[1], topic, "phx_reply", ok]));
            self.at(end.unwrap_or(0), Event::TokenEnds(id, topic.clone(), end.unwrap_or(0)));
            if awaits_ready {
                self.after(60_000, Event::NotEstablished(id, topic.clone(), frame[0].clone()));
            }
            if self.replication.is_ok() && self.tells_ready {
                self.ready_frame(id, &topic, &frame[0]);
            } else if self.rng.up_to(3) == 0 {
                // A join may restart what died.
                let outage = self.outages;
                self.after(500, Event::ReplicationReady(outage));
            }
        }
        if let Some(old) = old {
            self.reply(id, json!([old.join_ref, old.join_ref, topic, "phx_close", {}]));
        }
    }

    fn ready_frame(&mut self, id: ConnId, topic: &str, join_ref: &Value) {
        let message = json!({"extension": "system", "status": "ok", "message": "Replication connection established", "channel": topic});
        self.reply(id, json!([join_ref, null, topic, "system", message]));
    }

    /// Who joined before replication started is told.
    fn say_ready(&mut self) {
        let mut told = Vec::new();
        for (id, conn) in &mut self.conns {
            for (topic, channel) in conn.channels.iter_mut().filter(|(_, channel)| channel.awaits_ready) {
                channel.awaits_ready = false;
                told.push((*id, topic.clone(), channel.join_ref.clone()));
            }
        }
        for (id, topic, join_ref) in told {
            self.ready_frame(id, &topic, &join_ref);
        }
    }

    fn not_established(&mut self, id: ConnId, topic: &str, join_ref: Value) {
        let waits = |channel: &Channel| channel.awaits_ready && channel.join_ref == join_ref;
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.channels.get(topic).is_some_and(waits)) else {
            return;
        };
        conn.channels.remove(topic);
        conn.changed_at = self.now;
        self.hit("fault: replication not established");
        let message = json!({"extension": "system", "status": "error",
            "message": "Replication connection was not established in time", "channel": topic});
        self.reply(id, json!([join_ref, null, topic, "system", message]));
        self.reply(id, json!([join_ref, join_ref, topic, "phx_close", {}]));
    }

    fn token_ends(&mut self, id: ConnId, topic: &str, end: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let current = conn.channels.get(topic).is_some_and(|c| token_end(&c.token).is_some_and(|(_, e)| e == end));
        if current && let Some(channel) = conn.channels.remove(topic) {
            conn.changed_at = self.now;
            self.hit("token: expired while joined");
            let message = json!({"extension": "system", "status": "error", "message": "Token has expired 0 seconds ago", "channel": topic});
            self.reply(id, json!([channel.join_ref, null, topic, "system", message]));
            self.reply(id, json!([channel.join_ref, channel.join_ref, topic, "phx_close", {}]));
        }
    }

    fn reply(&mut self, id: ConnId, frame: Value) {
        self.deliver(id, Frame::Text(frame), false);
    }

    fn deliver(&mut self, id: ConnId, frame: Frame<Value>, out_of_order: bool) {
        let broadcast = matches!(frame, Frame::Binary(_));
        let delay = self.delay();
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.half_open) else { return };
        let at = if out_of_order { now + delay * 3 } else { (now + delay).max(conn.last_out) };
        conn.last_out = conn.last_out.max(at);
        if broadcast {
            conn.last_broadcast = conn.last_broadcast.max(at);
        }
        let event = Event::FrameDelivered(conn.tab, conn.life, conn.socket, frame);
        self.at(at, event);
    }

    fn broadcast(&mut self, broadcast: Broadcast) {
        if self.replication.is_err() {
            return;
        }
        let (topic, frame) = inbox::frame(&broadcast);
        let receivers: Vec<_> =
            self.conns.iter().filter(|(_, c)| c.channels.contains_key(&topic)).map(|(id, _)| *id).collect();
        for id in receivers {
            let over_rate = self.now < self.over_rate_until && self.rng.up_to(3) > 0;
            if over_rate || self.strikes(self.hostility / 2) {
                self.hit("fault: broadcast dropped");
                continue;
            }
            let out_of_order = self.strikes(self.hostility / 2);
            if out_of_order {
                self.hit("fault: broadcast reordered");
            }
            self.deliver(id, frame.clone(), out_of_order);
            if self.strikes(self.hostility / 2) {
                self.hit("fault: broadcast duplicated");
                self.deliver(id, frame.clone(), true);
            }
        }
    }

    // People.

    fn act(&mut self, tab: TabId) -> Result<(), String> {
        if self.tabs[tab].engine.is_none() || self.tabs[tab].hidden_until > self.now {
            return Ok(());
        }
        if self.marks && self.rng.up_to(2) == 0 {
            return self.act_inbox(tab);
        }
        let thread = self.thread_of(tab);
        let open = self.tabs[tab].open.get(&thread).copied().unwrap_or(0);
        if open == 0 {
            return self.open(tab, &thread);
        }
        if self.changes && self.rng.up_to(2) == 0 {
            return self.act_on_message(tab, &thread);
        }
        match self.rng.up_to(19) {
            0..=9 => {
                for _ in 0..=self.rng.up_to(3) * self.rng.up_to(1) {
                    self.type_one(tab, &thread)?;
                }
                Ok(())
            }
            10..=12 => {
                self.hit("page: load older");
                self.feed(tab, Input::LoadOlder { thread })
            }
            13 | 14 => {
                let refused = self.draft(tab, &thread, false);
                self.retry(tab, thread, refused)
            }
            15 => match self.draft(tab, &thread, self.count.is_multiple_of(2)) {
                Some(id) => {
                    self.hit("page: discard");
                    if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
                        sent.discarded = true;
                    }
                    trace!(self, "discards {}", id.text());
                    self.forget_intents_of(id);
                    self.feed(tab, Input::Discard { thread, id })
                }
                None => Ok(()),
            },
            16 => {
                self.hit("page: close");
                trace!(self, "{}{tab} closes {}", self.tabs[tab].person, thread.as_str());
                self.tabs[tab].open.insert(thread.clone(), open - 1);
                if open == 1 {
                    self.tabs[tab].markers.remove(&thread);
                    self.tabs[tab].jumps.remove(&thread);
                }
                self.feed(tab, Input::Close { thread })
            }
            17 if open < 3 => self.open(tab, &thread),
            18 => {
                self.hit("page: hide");
                self.set_visible(tab, false)
            }
            _ => self.set_visible(tab, true),
        }
    }

    fn set_visible(&mut self, tab: TabId, visible: bool) -> Result<(), String> {
        let tab_ = &mut self.tabs[tab];
        if visible && tab_.hidden_since.is_some() {
            tab_.seen_since = self.now;
        }
        tab_.hidden_since = if visible { None } else { tab_.hidden_since.or(Some(self.now)) };
        self.feed(tab, Input::Visible(visible))
    }

    fn type_one(&mut self, tab: TabId, thread: &ThreadId) -> Result<(), String> {
        self.write(tab, thread, None)
    }

    fn write(&mut self, tab: TabId, thread: &ThreadId, reply_to: Option<u64>) -> Result<(), String> {
        self.hit("page: send");
        self.summary.sent += 1;
        let id = MessageId(u128::from(self.rng.up_to(u64::MAX - 1)) << 64 | self.sent.len() as u128);
        let mut fate = ["!", "#", "", "", "", "", "", "", "", ""][self.rng.up_to(9) as usize];
        // One holds up the others for up to a minute.
        if self.sent.iter().any(|sent| sent.thread == *thread && sent.body.starts_with('#') && !sent.discarded) {
            fate = "";
        }
        let body = format!("{fate}{} says {}", self.tabs[tab].person, self.sent.len());
        trace!(self, "{}{tab} types {:?} {}", self.tabs[tab].person, body, id.text());
        let edits = Vec::new();
        self.sent.push(Sent {
            id,
            tab,
            thread: thread.clone(),
            body: body.clone(),
            edits,
            discarded: false,
            retried: false,
        });
        self.feed(tab, Input::Send { thread: thread.clone(), id, body, reply_to })?;
        if !self.tabs[tab].screens[thread].messages.iter().any(|m| m.id() == id) {
            return Err("a send without a bubble".into());
        }
        Ok(())
    }

    /// A draft on the screen that waits, or one that was refused.
    fn draft(&self, tab: TabId, thread: &ThreadId, waiting: bool) -> Option<MessageId> {
        let screen = self.tabs[tab].screens.get(thread)?;
        screen.pending().find(|(_, sending)| *sending == waiting).map(|(id, _)| id)
    }

    fn retry(&mut self, tab: TabId, thread: ThreadId, id: Option<MessageId>) -> Result<(), String> {
        let Some(id) = id else { return Ok(()) };
        self.hit("page: retry");
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.retried = true;
        }
        self.feed(tab, Input::Retry { thread, id })
    }

    // Surroundings.

    /// The server shuts a client's channels, as it does over the message rate. The socket stays.
    fn close_channels(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.changed_at = self.now;
        for (topic, channel) in core::mem::take(&mut conn.channels) {
            self.hit("fault: channel closed");
            let message = json!({"extension": "system", "status": "error", "message": "Too many messages per second", "channel": topic});
            self.reply(id, json!([channel.join_ref, null, topic, "system", message]));
            self.reply(id, json!([channel.join_ref, channel.join_ref, topic, "phx_close", {}]));
        }
    }

    fn fall_silent(&mut self, name: &'static str, at_most: u64) {
        self.hit(name);
        self.outages += 1;
        self.replication = Err(self.outages);
        let (outage, wait) = (self.outages, 500 + self.rng.up_to(at_most));
        self.after(wait, Event::ReplicationReady(outage));
    }

    fn strike(&mut self) -> Result<(), String> {
        let tab = self.rng.up_to(self.tabs.len() as u64 - 1) as usize;
        let conn = self.conns.iter().find(|(_, c)| c.tab == tab && !c.half_open).map(|(id, _)| *id);
        match self.rng.up_to(19) {
            13 | 14 => {
                let person = self.tabs[tab].person;
                let others: Vec<_> = self.tabs.iter().map(|tab| tab.person).filter(|other| *other != person).collect();
                let other = others[self.rng.up_to(others.len() as u64 - 1) as usize];
                self.hit("fault: another account signs in");
                self.server.signed_in_as.insert(person.to_owned(), other);
                let wait = self.rng.up_to(60_000);
                self.after(wait, Event::SignedIn(person.to_owned()));
            }
            15 => {
                self.hit("fault: read-only database");
                self.server.read_only_until = self.now + self.rng.up_to(40_000);
            }
            16 => self.set_back(),
            17 => {
                self.hit("page: hidden for minutes");
                self.tabs[tab].hidden_until = self.now + self.rng.up_to(900_000);
                self.set_visible(tab, false)?;
            }
            18 => {
                self.hit("fault: burst over the message rate");
                self.over_rate_until = self.now + 10_000;
                let thread = self.thread_of(tab);
                if self.tabs[tab].open.get(&thread).is_some_and(|n| *n > 0) && self.tabs[tab].asleep_until <= self.now {
                    for _ in 0..self.rng.up_to(80) {
                        self.type_one(tab, &thread)?;
                    }
                }
            }
            11 => {
                if let Some(id) = conn {
                    self.close_channels(id);
                }
            }
            0 => {
                self.hit("fault: offline");
                for conn in self.conns.values_mut().filter(|c| c.tab == tab) {
                    conn.half_open = true;
                }
                self.tabs[tab].cut_at = self.now;
                self.set_online(tab, false)?;
                let wait = self.rng.up_to(150_000);
                self.after(wait, Event::Online(tab));
            }
            1 | 2 => {
                if let Some(conn) = conn {
                    self.hit("fault: socket cut");
                    self.end_conn(conn, true);
                }
            }
            3 => {
                if let Some(conn) = conn.and_then(|id| self.conns.get_mut(&id)) {
                    conn.half_open = true;
                    self.tabs[tab].cut_at = self.now;
                    self.hit("fault: socket half open");
                }
            }
            4 => self.fall_silent("fault: silent replication", 300_000),
            // Not in a sleep, nor unseen before one: where one clock stands still while the other is set back, nothing tells
            // of the sleep.
            5 if self.tabs[tab].asleep_until <= self.now => {
                self.hit("fault: clock jumps");
                let year = 365 * 86_400_000;
                self.feed(tab, Input::Timeout)?;
                // For the page, much time may have passed.
                self.tabs[tab].offline_since = 0;
                self.tabs[tab].reads.clear();
                self.tabs[tab].wall_offset = self.rng.up_to(2 * year) as i64 - year as i64;
                self.feed(tab, Input::Timeout)?;
            }
            6 | 7 if self.tabs[tab].engine.is_some() => {
                let sending = self.tabs[tab].screens.values().any(|s| s.pending().any(|(_, sending)| sending));
                self.hit(if sending { "fault: tab killed while sending" } else { "fault: tab killed" });
                trace!(self, "{}{tab} dies", self.tabs[tab].person);
                let life = self.tabs[tab].life;
                for id in self.tabs[tab].unwritten_changes() {
                    self.forget_intents_of(id);
                }
                for id in self.tabs[tab].kill() {
                    self.forget_intents_of(id);
                    // It may be there or not, as in any write that was cut short.
                    self.sent.iter_mut().filter(|sent| sent.id == id).for_each(|sent| sent.discarded = true);
                }
                let dead: Vec<_> =
                    self.conns.iter().filter(|(_, c)| c.tab == tab && c.life == life).map(|(id, _)| *id).collect();
                for id in dead {
                    self.end_conn(id, false);
                }
                let wait = self.rng.up_to(5_000);
                self.after(wait, Event::Restart(tab));
            }
            8 | 9 => {
                let long = if self.rng.up_to(4) == 0 { 900_000 } else { 30_000 };
                let wait = self.rng.up_to(long);
                let still = self.rng.up_to(1) == 0;
                self.hit(if still { "fault: device sleeps, clock stands still" } else { "fault: device sleeps" });
                if self.tabs[tab].asleep_until <= self.now {
                    // The server ends the sockets of a sleeper; it hears of that when it wakes, or never.
                    // What carries its socket may have forgotten it when it wakes.
                    if self.rng.up_to(1) == 0 {
                        self.conns.values_mut().filter(|c| c.tab == tab).for_each(|conn| conn.half_open = true);
                        self.tabs[tab].cut_at = self.now;
                    }
                    self.tabs[tab].asleep_since = self.now;
                    self.tabs[tab].asleep_until = self.now + wait;
                    self.after(wait, Event::Wakes(tab));
                    if still {
                        self.tabs[tab].mono_zero += wait;
                    }
                }
            }
            10 => {
                let person = self.tabs[tab].person.to_owned();
                self.hit("fault: unauthorized session");
                self.server.signed_out.push(person.clone());
                let wait = self.rng.up_to(30_000);
                self.after(wait, Event::SignedIn(person));
            }
            12 | 19 => {
                self.hit("fault: token endpoint down");
                self.no_tokens_until = self.no_tokens_until.max(self.now + self.rng.up_to(400_000));
            }
            _ => {}
        }
        Ok(())
    }

    /// Point-in-time recovery: everything is away for a while, and restarts at an earlier time. Once a run at most.
    fn set_back(&mut self) {
        if !core::mem::take(&mut self.restores) {
            return;
        }
        self.away_until = self.now + 1_000 + self.rng.up_to(20_000);
        for event in self.queue.values_mut().chain(self.deferred.iter_mut().map(|(_, event)| event)) {
            if let Event::AnswerArrives(.., answer) = event {
                *answer = Answer::Unreachable;
            }
        }
        let thread = self.threads[self.rng.up_to(self.threads.len() as u64 - 1) as usize].0.clone();
        let count = 1 + self.rng.up_to(5) as usize;
        self.forget_intents();
        for said in self.server.set_back(thread.as_str(), count) {
            self.hit("fault: point-in-time recovery");
            trace!(self, "the server no longer has {said:?}");
            // Its sender may have it as sent, and no longer has the text.
            let said_it = |sent: &&mut Sent| sent.body == said || sent.edits.contains(&said);
            self.sent.iter_mut().filter(said_it).for_each(|sent| sent.discarded = true);
        }
        for id in self.conns.keys().copied().collect::<Vec<_>>() {
            self.end_conn(id, true);
        }
    }

    // The end.

    /// The faults are over. Everybody is back, signed in and looking.
    fn calm_down(&mut self) -> Result<(), String> {
        self.calm = true;
        trace!(self, "---- calm ----");
        self.server.refusing = false;
        self.no_tokens_until = 0;
        self.over_rate_until = 0;
        self.server.read_only_until = 0;
        self.server.signed_in_as.clear();
        self.server.signed_out.clear();
        if let Err(outage) = self.replication {
            self.after(10_000, Event::ReplicationReady(outage));
        }
        for tab in 0..self.tabs.len() {
            if self.tabs[tab].asleep_until <= self.now {
                self.settle(tab)?;
            }
        }
        Ok(())
    }

    /// In the calm, a person comes back to a tab, looks at it, and opens every thread.
    fn settle(&mut self, tab: TabId) -> Result<(), String> {
        if self.tabs[tab].engine.is_none() {
            self.start(tab)?;
        }
        if !self.tabs[tab].online {
            self.set_online(tab, true)?;
        }
        self.tabs[tab].hidden_until = 0;
        if self.nudges {
            self.set_visible(tab, false)?;
        }
        if self.tabs[tab].hidden_since.is_some() {
            self.set_visible(tab, true)?;
        }
        self.settle_inbox(tab)?;
        for (thread, ..) in self.threads.clone() {
            let mine = thread.as_str().split("__").any(|id| id == self.tabs[tab].person);
            if mine && self.tabs[tab].open.get(&thread).copied().unwrap_or(0) == 0 {
                self.open(tab, &thread)?;
            }
        }
        Ok(())
    }

    /// People retry what was refused, and give up what a firewall does not let through.
    fn retry_refused(&mut self) -> Result<(), String> {
        for tab in 0..self.tabs.len() {
            for thread in self.tabs[tab].open.keys().cloned().collect::<Vec<_>>() {
                while let Some(id) = self.draft(tab, &thread, false) {
                    let blocked = self.sent.iter_mut().find(|sent| sent.id == id && sent.body.starts_with('#'));
                    if let Some(sent) = blocked {
                        sent.discarded = true;
                        self.forget_intents_of(id);
                        self.feed(tab, Input::Discard { thread: thread.clone(), id })?;
                    } else {
                        self.retry(tab, thread.clone(), Some(id))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn all_is_well(&self) -> bool {
        self.tabs.iter().filter(|tab| tab.asleep_until <= self.now).count() == self.tabs.len()
            && (0..self.tabs.len()).all(|tab| self.inbox_trouble(tab).is_none())
            && self.tabs.iter().all(|tab| {
                // Nothing is open in a tab in the moment in which it wakes.
                tab.storage.is_empty()
                    && tab.stored_changes.is_empty()
                    && !tab.open.is_empty()
                    && tab.open.keys().all(|thread| {
                        let Some(screen) = tab.screens.get(thread) else { return false };
                        let Some(table) = self.server.threads.get(thread.as_str()) else { return false };
                        let rows = table.rows.len() as u64;
                        let seqs = screen.seqs();
                        // Where a message that was sent again has got its old number, nothing tells what lies below it.
                        let again =
                            |lost: &Value| table.rows.iter().any(|r| r["id"] == lost["id"] && r["seq"] == lost["seq"]);
                        (screen.shows(&table.rows) || self.server.lost.iter().any(again))
                            && screen.state.as_ref().is_some_and(|state| state.status == Status::Live)
                            && screen.pending().next().is_none()
                            && self.quotes_trouble(tab, thread).is_none()
                            && seqs.last().copied().unwrap_or(0) == rows
                            && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1)
                    })
            })
    }

    /// Whoever says that it is live is joined, but for the time that bad news takes.
    fn check_live(&self) -> Result<(), String> {
        for conn in self.conns.values().filter(|conn| !conn.half_open) {
            let tab = &self.tabs[conn.tab];
            let since = conn.changed_at.max(tab.asleep_until).max(conn.last_out);
            if conn.life != tab.life || since + BAD_NEWS > self.now {
                continue;
            }
            for (thread, screen) in &tab.screens {
                let live = screen.state.as_ref().is_some_and(|state| state.status == Status::Live);
                let channel = conn.channels.get(&thread.topic());
                if live && channel.is_none() {
                    return Err(format!("{} says live, and is not joined", tab.person));
                }
                let unready = |c: &Channel| {
                    let knows = tab.told_ready_at.is_some_and(|at| at + BAD_NEWS < c.joined_at);
                    c.awaits_ready && knows && conn.last_broadcast < c.joined_at && c.joined_at + BAD_NEWS < self.now
                };
                // What no frame says a timer does, and in a page that was not seen for minutes that runs once a minute.
                if live
                    && channel.is_some_and(unready)
                    && tab.hidden_since.is_none_or(|since| since + SEEN_TIMERS > self.now)
                {
                    return Err(format!("{} says live, and broadcasts do not flow", tab.person));
                }
            }
        }
        Ok(())
    }

    /// What holds for a page by itself.
    fn check_tabs(&self) -> Result<(), String> {
        for (n, tab) in self.tabs.iter().enumerate() {
            if tab.engine.is_none() || tab.asleep_until > self.now {
                continue;
            }
            let has_conn = self.conns.values().any(|c| c.tab == n && c.life == tab.life);
            if has_conn && tab.hidden_since.is_some_and(|since| since.max(tab.woke_at) + KEPT_HIDDEN < self.now) {
                return Err(format!("{} keeps its socket, and nobody looks", tab.person));
            }
            if tab.hidden_since.is_some() {
                continue;
            }
            let carries = self.conns.values().any(|c| c.tab == n && c.life == tab.life && !c.half_open);
            let live = tab.screens.values().any(|s| s.state.as_ref().is_some_and(|s| s.status == Status::Live));
            let looked_at = tab.woke_at.max(tab.seen_since).max(tab.asleep_until);
            if live && !carries && tab.cut_at < tab.woke_at && looked_at + DEAD_AFTER_SLEEP < self.now {
                return Err(format!("{} says live, and its socket died in its sleep", tab.person));
            }
            if let Some(Stalled { thread, failed_at, good_news_at: Some(good_news_at) }) = &tab.stalled
                && (failed_at + RELIEVED).max(*good_news_at + RELIEVED) < self.now
                && tab.screens.get(thread).is_some_and(|screen| screen.pending().any(|(_, sending)| sending))
                && !tab.asked.values().any(|asked| *asked == Asked::Token)
            {
                return Err(format!("{}'s message waits although the server is back", tab.person));
            }
        }
        Ok(())
    }

    /// Follows how a send fares.
    fn note_answer(&mut self, tab: TabId, request: RequestId, asked: Option<&Asked>, answer: &Answer<Value>) {
        let tab = &mut self.tabs[tab];
        match (asked, answer) {
            (
                Some(Asked::Send(thread)),
                Answer::Unreachable | Answer::Http { status: 500.., retry_after: None, .. },
            ) if tab.last_send == Some(request) => {
                tab.stalled = Some(Stalled { thread: thread.clone(), failed_at: self.now, good_news_at: None });
            }
            // A token or a thread may be another person's.
            // That of a send which a broadcast has confirmed is awaited by nobody.
            (Some(Asked::Send(_)), Answer::Http { status: 200..=299, .. }) if tab.last_send != Some(request) => {}
            (Some(Asked::Read | Asked::Send(_)), Answer::Http { status: 200..=299, .. }) => {
                if let Some(stalled) = &mut tab.stalled {
                    stalled.good_news_at.get_or_insert(self.now);
                }
            }
            _ => tab.stalled = None,
        }
    }

    /// Nothing is asked of a network that is not there.
    fn check_knock(&self, tab: TabId) -> Result<(), String> {
        let tab = &self.tabs[tab];
        if !tab.online && self.now < tab.offline_since + QUIET && tab.offline_since > 0 {
            return Err(format!("{} knocks, and the browser says that there is no network", tab.person));
        }
        Ok(())
    }

    /// Counts a read of `what`, a thread or the inbox: at most so many in ten seconds.
    fn count_read(&mut self, tab: TabId, what: &str, most: usize) -> Result<(), String> {
        let reads = self.tabs[tab].reads.entry(what.to_owned()).or_default();
        reads.push_back(self.now);
        while reads.front().is_some_and(|at| at + 10_000 < self.now) {
            reads.pop_front();
        }
        if reads.len() > most {
            return Err(format!("{} reads of {what} in ten seconds", reads.len()));
        }
        Ok(())
    }

    /// Where nothing strikes, whoever joined shows everything soon: it must not take a poll.
    fn check_promptness(&self) -> Result<(), String> {
        if self.hostility > 0 {
            return Ok(());
        }
        for conn in self.conns.values().filter(|conn| !conn.half_open) {
            let tab = &self.tabs[conn.tab];
            for (topic, channel) in conn.channels.iter().filter(|_| conn.life == tab.life) {
                let since = channel.joined_at.max(self.written_at);
                if channel.joined_at <= self.flowing_since || self.replication.is_err() || since + PROMPT > self.now {
                    continue;
                }
                let thread = topic.strip_prefix("realtime:chat:").unwrap_or_default();
                let table = self.server.threads.get(thread).map_or(&[][..], |table| &table.rows);
                let rows = table.len() as u64;
                let screen = tab.screens.iter().find(|(id, _)| id.as_str() == thread).map(|(_, screen)| screen);
                let shown = screen.and_then(|screen| screen.seqs().last().copied()).unwrap_or(0);
                let open = tab.open.iter().any(|(id, n)| id.as_str() == thread && *n > 0);
                if shown != rows && open {
                    return Err(format!("{} shows {shown} of {rows} {PROMPT} ms after its join", tab.person));
                }
                if open && !screen.is_none_or(|screen| screen.shows(table)) {
                    return Err(format!("{} shows what has changed {PROMPT} ms after that", tab.person));
                }
            }
        }
        Ok(())
    }

    fn what_is_wrong(&self) -> String {
        let mut out = String::new();
        for (n, tab) in self.tabs.iter().enumerate() {
            if let Some(trouble) = self.inbox_trouble(n) {
                out += &format!("\n  {}{n}'s inbox: {trouble}", tab.person);
            }
            for thread in tab.open.keys() {
                let table = self.server.threads.get(thread.as_str()).map_or(&[][..], |table| &table.rows);
                let rows = table.len();
                let screen = tab.screens.get(thread);
                out += &format!(
                    "\n  {}{n} {}: server has {rows}, shows {:?}{}, pending {:?}, {:?}, stored {} and {:?}, {:?}",
                    tab.person,
                    thread.as_str(),
                    screen.map(|s| s.seqs()),
                    if screen.is_some_and(|s| !s.shows(table)) { " of another history" } else { "" },
                    screen.map(|s| s.pending().collect::<Vec<_>>()),
                    screen.map(|s| &s.state),
                    tab.storage.len(),
                    tab.stored_changes,
                    self.quotes_trouble(tab, thread),
                );
            }
        }
        out
    }

    /// Every send that was not discarded is at the server exactly once, and what a tab sent in one order is there in it.
    fn check_delivery(&self) -> Result<(), String> {
        let mut last: BTreeMap<(TabId, &str), u64> = BTreeMap::new();
        for sent in &self.sent {
            let table = self.server.threads.get(sent.thread.as_str());
            let originals =
                table.into_iter().flat_map(|table| (0..table.rows.len()).map(|index| table.log.original(index)));
            let said = |body: &str| body == sent.body || sent.edits.iter().any(|edit| edit == body);
            let found: Vec<_> = originals.filter(|row| row["body"].as_str().is_some_and(said)).collect();
            match found.as_slice() {
                [] if sent.discarded => {}
                [] => return Err(format!("lost: {:?}", sent.body)),
                [row] => {
                    if row["id"] != sent.id.text() {
                        return Err(format!("{:?} is there under another id", sent.body));
                    }
                    let seq = row["seq"].as_u64().unwrap_or(0);
                    if !sent.retried && !sent.discarded && !sent.body.starts_with('!') {
                        let before = last.insert((sent.tab, sent.thread.as_str()), seq).unwrap_or(0);
                        if before > seq {
                            return Err(format!("swapped: {:?} came before what was typed earlier", sent.body));
                        }
                    }
                }
                _ => return Err(format!("doubled: {:?}", sent.body)),
            }
        }
        Ok(())
    }

    /// Scrolling up reaches all that the server has.
    fn read_everything(&mut self) -> Result<(), String> {
        for tab in 0..self.tabs.len() {
            for thread in self.tabs[tab].open.keys().cloned().collect::<Vec<_>>() {
                let deadline = self.now + 60_000;
                // A discarded message may still arrive: the server's rows are counted each time.
                while self.tabs[tab].screens[&thread].seqs().len() != self.server.threads[thread.as_str()].rows.len() {
                    if self.now > deadline {
                        return Err(format!("scrolling up ends before the first message{}", self.what_is_wrong()));
                    }
                    let loading = self.tabs[tab].screens[&thread].state.as_ref().is_some_and(|s| s.loading_older);
                    if !loading {
                        self.feed(tab, Input::LoadOlder { thread: thread.clone() })?;
                    }
                    self.step()?;
                }
                if self.tabs[tab].screens[&thread].state.as_ref().is_some_and(|s| s.has_older) {
                    return Err("all is read, and there should be more".into());
                }
            }
        }
        Ok(())
    }

    /// What a run may cost, by how long it took, how much was done and how hostile it was.
    fn check_bounds(&self) -> Result<(), String> {
        let tabs = self.tabs.len() as u64;
        let minutes = self.now / 60_000 + 1;
        let stirred = ACTS + self.summary.coverage.total();
        for (name, count, bound) in [
            ("requests", self.summary.requests, 12 * stirred + 60 * minutes * tabs),
            ("joins", self.summary.joins, 4 * stirred + 12 * minutes * tabs),
            ("connects", self.summary.connects, 4 * stirred + 12 * minutes * tabs),
        ] {
            if count > bound {
                return Err(format!("{count} {name}, at most {bound} were to be expected"));
            }
        }
        Ok(())
    }
}

fn is_about_replication(message: &str) -> bool {
    message.starts_with("Replication connection")
}

fn show(answer: &Answer<Value>) -> String {
    match answer {
        Answer::Unreachable => "nothing".into(),
        Answer::Http { status, body, .. } => {
            let body = body.as_ref().map(Value::to_string).unwrap_or_default();
            format!("{status} {}", body.chars().take(300).collect::<String>())
        }
    }
}

fn show_frame(frame: &Frame<Value>) -> String {
    match frame {
        Frame::Text(value) => value.to_string(),
        Frame::Binary(bytes) => String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect(),
    }
}
