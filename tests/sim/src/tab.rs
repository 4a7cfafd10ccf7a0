//! A browser tab: an engine, its clocks, its screen, its storage.

use crate::coverage::Coverage;
use crate::server::Server;
use chopped_chat::recording;
use chopped_chat::{
    Config, Diff, Engine, InboxDiff, InboxLine, InboxState, Input, Markers, Message, MessageId, Now, Output,
    PendingChange, PendingMessage, RequestId, Row, State, Status, ThreadId,
};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// What a person sees of a thread.
#[derive(Debug, Default)]
pub struct Screen {
    pub messages: Vec<Message<Value>>,
    pub state: Option<State>,
}

impl Screen {
    /// Writes to storage what the server said last, or what it was said to have said.
    fn keep(&self, page: &mut Vec<Value>) {
        let rows = self.messages.iter().filter_map(|message| match message {
            Message::Sent(row) => Some(row.value.clone()),
            Message::Pending(_) => None,
        });
        let rows: Vec<_> = rows.collect();
        if !rows.is_empty() {
            *page = rows[rows.len().saturating_sub(100)..].to_vec();
        }
    }

    /// The numbers of the confirmed messages.
    pub fn seqs(&self) -> Vec<u64> {
        self.messages.iter().filter_map(Message::seq).collect()
    }

    /// The unconfirmed messages and whether each waits to be sent.
    pub fn pending(&self) -> impl Iterator<Item = (MessageId, bool)> + '_ {
        self.messages.iter().filter_map(|message| match message {
            Message::Sent(_) => None,
            Message::Pending(pending) => Some((pending.id, pending.error.is_none())),
        })
    }
}

/// A tab.
#[derive(Debug)]
pub struct Tab {
    pub person: &'static str,
    pub engine: Option<Engine<Value>>,
    /// Counts its incarnations: an event of an earlier one is void.
    pub life: u32,
    pub screens: BTreeMap<ThreadId, Screen>,
    /// Sessions open by thread.
    pub open: BTreeMap<ThreadId, u32>,
    /// Pending messages in storage, which survives the tab.
    pub storage: BTreeMap<MessageId, (ThreadId, PendingMessage)>,
    /// Sessions of the inbox that are open.
    pub inboxes: u32,
    /// When its person did something with it last.
    pub acted_at: u64,
    /// What is still to become of messages, in storage, which survives the tab.
    pub stored_changes: BTreeMap<MessageId, (ThreadId, PendingChange)>,
    /// The same as it is shown.
    pub changing: BTreeMap<MessageId, PendingChange>,
    /// What messages reply to, as the page was told.
    pub quoted: BTreeMap<(ThreadId, u64), Value>,
    /// Where the person wants to see a message.
    pub jumps: BTreeMap<ThreadId, u64>,
    pub lines: Vec<InboxLine>,
    pub inbox: Option<InboxState>,
    /// Of the threads that are open.
    pub markers: BTreeMap<ThreadId, Markers>,
    /// What was seen and the server may not know, in storage, which survives the tab.
    pub seen: BTreeMap<ThreadId, u64>,
    /// The newest page of each thread, as storage keeps it.
    pub cache: BTreeMap<ThreadId, Vec<Value>>,
    /// What is written once storage has been read, while it is being read: until then its order is not known.
    unwritten: Option<BTreeMap<MessageId, (ThreadId, PendingMessage)>>,
    unwritten_changes: Option<BTreeMap<MessageId, Option<(ThreadId, PendingChange)>>>,
    /// True time of the incarnation's start, plus all that its monotonic clock slept through.
    pub mono_zero: u64,
    /// Wall clock minus true time, in ms.
    pub wall_offset: i64,
    pub asleep_since: u64,
    pub asleep_until: u64,
    pub online: bool,
    /// Since when the browser says that there is no network.
    pub offline_since: u64,
    /// Since when the page is not seen; `None` while it is.
    pub hidden_since: Option<u64>,
    /// Since when it is seen.
    pub seen_since: u64,
    /// Nobody looks at it until then.
    pub hidden_until: u64,
    /// Whether it woke from a sleep that it must notice, and nothing has happened in it since.
    pub drowsy: bool,
    /// When it noticed the last such sleep.
    pub woke_at: u64,
    /// When it last had a socket that carried anything.
    pub cut_at: u64,
    /// What its requests ask for, while their answers are awaited.
    pub asked: BTreeMap<RequestId, Asked>,
    /// When the server first told this life of the page that it tells when broadcasts can flow.
    pub told_ready_at: Option<u64>,
    /// When reads of a thread began that no scrolling asked for.
    pub reads: BTreeMap<String, VecDeque<u64>>,
    /// When sockets were opened.
    pub connects: VecDeque<u64>,
    /// The latest send: an earlier one may be answered after it, and tells nothing any more.
    pub last_send: Option<RequestId>,
    /// A send failed and is not tried again yet.
    pub stalled: Option<Stalled>,
    /// What happened to its engine, where it is recorded.
    pub recording: Option<String>,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Token,
    Ensure,
    Read,
    Send(ThreadId),
}

/// A send that failed while it waits for its next try.
#[derive(Debug)]
pub struct Stalled {
    pub thread: ThreadId,
    pub failed_at: u64,
    /// When something else of the server succeeded.
    pub good_news_at: Option<u64>,
}

impl Tab {
    pub fn new(person: &'static str) -> Self {
        Tab {
            person,
            engine: None,
            life: 0,
            screens: BTreeMap::new(),
            open: BTreeMap::new(),
            storage: BTreeMap::new(),
            inboxes: 0,
            acted_at: 0,
            stored_changes: BTreeMap::new(),
            changing: BTreeMap::new(),
            quoted: BTreeMap::new(),
            jumps: BTreeMap::new(),
            lines: Vec::new(),
            inbox: None,
            markers: BTreeMap::new(),
            seen: BTreeMap::new(),
            cache: BTreeMap::new(),
            unwritten: None,
            unwritten_changes: None,
            mono_zero: 0,
            wall_offset: 0,
            asleep_since: 0,
            asleep_until: 0,
            online: true,
            offline_since: 0,
            hidden_since: None,
            seen_since: 0,
            hidden_until: 0,
            drowsy: false,
            woke_at: 0,
            cut_at: 0,
            asked: BTreeMap::new(),
            told_ready_at: None,
            reads: BTreeMap::new(),
            connects: VecDeque::new(),
            last_send: None,
            stalled: None,
            recording: None,
        }
    }

    /// Loads the page.
    pub fn start(&mut self, now: u64, seed: u64) {
        self.life += 1;
        self.mono_zero = now;
        self.hidden_since = None;
        self.told_ready_at = None;
        self.reads.clear();
        self.connects.clear();
        self.asked.clear();
        self.stalled = None;
        self.unwritten = Some(BTreeMap::new());
        self.unwritten_changes = Some(BTreeMap::new());
        let config =
            Config { supabase_url: "https://model".into(), anon_key: "anon".into(), my_id: self.person.into(), seed };
        if let Some(recording) = &mut self.recording {
            *recording = format!("{{\"config\":{}}}\n", recording::config(&config));
        }
        self.engine = Some(Engine::new(config));
    }

    /// Storage has been read.
    pub fn restored(&mut self) {
        self.storage.extend(self.unwritten.take().unwrap_or_default());
    }

    /// The changes in storage have been read.
    pub fn changes_restored(&mut self) {
        for (id, change) in self.unwritten_changes.take().unwrap_or_default() {
            match change {
                Some(change) => self.stored_changes.insert(id, change),
                None => self.stored_changes.remove(&id),
            };
        }
    }

    /// Ends the page without a word. Returns the messages that were not written yet.
    pub fn kill(&mut self) -> Vec<MessageId> {
        self.life += 1;
        self.engine = None;
        self.screens.clear();
        self.open.clear();
        self.inboxes = 0;
        self.changing.clear();
        self.quoted.clear();
        self.jumps.clear();
        self.lines.clear();
        self.inbox = None;
        self.markers.clear();
        self.unwritten_changes = None;
        let unwritten = self.unwritten.take().unwrap_or_default();
        unwritten.into_keys().filter(|id| !self.storage.contains_key(id)).collect()
    }

    pub fn clocks(&self, now: u64) -> Now {
        // Not 0: a wall clock is never at the epoch.
        const DAY: i64 = 86_400_000;
        Now {
            mono: now.saturating_sub(self.mono_zero),
            wall: (1_000 * DAY + now as i64 + self.wall_offset).max(1) as u64,
        }
    }

    /// Feeds the engine and returns what the world must do. What is shown is applied and checked here.
    pub fn handle(
        &mut self,
        now: u64,
        input: Input<Value>,
        server: &Server,
        coverage: &mut Coverage,
    ) -> Result<Vec<Output<Value>>, String> {
        let clocks = self.clocks(now);
        let Some(engine) = &mut self.engine else { return Ok(Vec::new()) };
        let mut line = self.recording.is_some().then(|| recording::input(clocks, &input, Value::to_string));
        engine.handle(clocks, input);
        let mut outputs = Vec::new();
        let mut rest = Vec::new();
        let mut changed: Vec<ThreadId> = Vec::new();
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll) {
            if line.is_some() {
                outputs.push(recording::output(&output));
            }
            match output {
                Output::Messages(thread, diff) => {
                    // What others reply to, the page keeps when the window moves on.
                    if let (Diff::Remove { at, count }, Some(screen)) = (&diff, self.screens.get(&thread)) {
                        for message in screen.messages.iter().skip(*at).take(*count) {
                            if let Message::Sent(row) = message {
                                self.quoted.insert((thread.clone(), row.seq), row.value.clone());
                            }
                        }
                    }
                    let lost = !server.lost.is_empty();
                    self.screens.entry(thread.clone()).or_default().apply(diff, lost, coverage)?;
                    if !changed.contains(&thread) {
                        changed.push(thread);
                    }
                }
                Output::State(thread, state) => {
                    coverage.hit(match state.status {
                        Status::Connecting => "state: connecting",
                        Status::Live => "state: live",
                        Status::Reconnecting => "state: reconnecting",
                        Status::Offline => "state: offline",
                        Status::AuthRequired => "state: auth-required",
                        Status::Closed => "state: closed",
                    });
                    if state.from_cache {
                        coverage.hit("page: shown from the cache");
                        let stopped = state.status == Status::Closed && self.open.get(&thread).is_some_and(|n| *n > 0);
                        if stopped || matches!(state.status, Status::Live | Status::AuthRequired) {
                            return Err(format!("{} shows a cached page while it is {:?}", self.person, state.status));
                        }
                    }
                    self.screens.entry(thread).or_default().state = Some(state);
                }
                Output::Store(thread, message) => {
                    self.unwritten.as_mut().unwrap_or(&mut self.storage).insert(message.id, (thread, message));
                }
                Output::Unstore(_, id) => {
                    self.storage.remove(&id);
                    if let Some(unwritten) = &mut self.unwritten {
                        unwritten.remove(&id);
                    }
                }
                Output::Forgotten(thread) => {
                    if self.open.get(&thread).is_some_and(|sessions| *sessions > 0) {
                        return Err(format!("{} forgot an open thread", self.person));
                    }
                    self.screens.remove(&thread);
                }
                Output::StoreChange(thread, change) => self.write_change(change.id, Some((thread, change))),
                Output::UnstoreChange(_, id) => self.write_change(id, None),
                Output::Changing(_, id, change) => {
                    match change {
                        Some(change) => self.changing.insert(id, change),
                        None => self.changing.remove(&id),
                    };
                }
                Output::Quoted(thread, row) => drop(self.quoted.insert((thread, row.seq), row.value)),
                Output::Jumped(thread, result) => {
                    let wanted = self.jumps.remove(&thread);
                    let screen = self.screens.get(&thread);
                    let first = screen.and_then(|screen| screen.seqs().first().copied());
                    let older = screen.and_then(|screen| screen.state.as_ref()).is_some_and(|state| state.has_older);
                    if result.is_ok() && first > wanted && older {
                        return Err(format!("jumped to {wanted:?}, and {first:?} is the first shown"));
                    }
                }
                Output::Windows(_) => {}
                Output::Inbox(diff) => self.apply_inbox(diff)?,
                Output::InboxState(state) => self.inbox = Some(state),
                Output::Markers(thread, markers) => self.apply_markers(thread, markers, server)?,
                Output::StoreSeen(thread, seq) => {
                    self.seen.insert(thread, seq);
                }
                Output::UnstoreSeen(thread) => {
                    self.seen.remove(&thread);
                }
                Output::InboxOpened(_) | Output::MoreLoaded(_) | Output::Opened(..) | Output::OlderLoaded(..) => {}
                other => rest.push(other),
            }
        }
        if let (Some(recording), Some(input)) = (&mut self.recording, line.take()) {
            recording.push_str(&format!("{{\"input\":{input},\"outputs\":[{}]}}\n", outputs.join(",")));
        }
        // A page shows what a batch left: that is what must be right.
        for thread in changed {
            if let Some(screen) = self.screens.get(&thread) {
                screen.check(&thread, server).map_err(|why| format!("{}'s screen: {why}", self.person))?;
                screen.keep(self.cache.entry(thread).or_default());
            }
        }
        self.check_inbox().map_err(|why| format!("{}'s inbox: {why}", self.person))?;
        Ok(rest)
    }

    /// The messages of which a change is not written yet.
    pub fn unwritten_changes(&self) -> Vec<MessageId> {
        self.unwritten_changes.iter().flat_map(|unwritten| unwritten.keys().copied()).collect()
    }

    fn write_change(&mut self, id: MessageId, change: Option<(ThreadId, PendingChange)>) {
        match (&mut self.unwritten_changes, change) {
            (Some(unwritten), change) => drop(unwritten.insert(id, change)),
            (None, Some(change)) => drop(self.stored_changes.insert(id, change)),
            (None, None) => drop(self.stored_changes.remove(&id)),
        }
    }

    fn apply_inbox(&mut self, diff: InboxDiff) -> Result<(), String> {
        let count = self.lines.len();
        match diff {
            InboxDiff::Insert { at, line } if at <= count => self.lines.insert(at, line),
            InboxDiff::Update { at, line } if at < count && self.lines[at].thread == line.thread => {
                self.lines[at] = line
            }
            InboxDiff::Remove { at } if at < count => drop(self.lines.remove(at)),
            other => return Err(format!("{other:?} of {count} lines")),
        }
        Ok(())
    }

    /// Markers never go back on a screen, unless the database did.
    fn apply_markers(&mut self, thread: ThreadId, markers: Markers, server: &Server) -> Result<(), String> {
        if let Some(before) = self.markers.insert(thread.clone(), markers)
            && (before.read_by_other > markers.read_by_other || before.delivered_to_other > markers.delivered_to_other)
            && server.lost.is_empty()
            && before.seen_at_open == markers.seen_at_open
        {
            return Err(format!("markers went back: {before:?}, {markers:?}"));
        }
        Ok(())
    }

    /// Each conversation once, newest first.
    fn check_inbox(&self) -> Result<(), String> {
        for pair in self.lines.windows(2) {
            if pair[0].message.created_at < pair[1].message.created_at {
                return Err(format!("{} stands above {}", pair[0].thread.as_str(), pair[1].thread.as_str()));
            }
        }
        let mut threads: Vec<_> = self.lines.iter().map(|line| &line.thread).collect();
        threads.sort_unstable();
        match threads.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err("one conversation twice".into()),
            false => Ok(()),
        }
    }
}

impl Screen {
    /// Whether what it shows as sent is what the server has.
    pub fn shows(&self, rows: &[Value]) -> bool {
        self.messages.iter().all(|message| match message {
            // One that was sent again after a recovery may have another time.
            Message::Sent(row) => rows.get(row.seq as usize - 1).is_some_and(|there| {
                let text = ["id", "body", "edited_at", "deleted_at", "reaction_a", "reaction_b"];
                text.into_iter().all(|key| there[key] == row.value[key])
            }),
            Message::Pending(_) => true,
        })
    }

    /// `lost`: the database was set back.
    fn apply(&mut self, diff: Diff<Value>, lost: bool, coverage: &mut Coverage) -> Result<(), String> {
        match diff {
            Diff::Insert { at, message } => {
                if at > self.messages.len() {
                    return Err(format!("insert at {at} of {}", self.messages.len()));
                }
                self.messages.insert(at, message);
            }
            Diff::Update { at, message } => {
                let old = self.messages.get_mut(at).ok_or("update beyond the end")?;
                if old.id() != message.id() {
                    return Err("a bubble's id changed".into());
                }
                if let (Message::Sent(old), Message::Sent(new)) = (&*old, &message)
                    && new.rev <= old.rev
                    && !lost
                {
                    return Err(format!("{} became what it was: {} after {}", new.seq, new.rev, old.rev));
                }
                *old = message;
            }
            Diff::Remove { at, count } => {
                if at + count > self.messages.len() {
                    return Err("remove beyond the end".into());
                }
                let sent = self.messages[at..at + count].iter().any(|message| message.seq().is_some());
                if at == 0 && sent {
                    coverage.hit("timeline: fresh window");
                }
                self.messages.drain(at..at + count);
            }
        }
        Ok(())
    }

    /// What must hold at every moment: confirmed messages in seq order, each as the server has it; pending ones after them, none
    /// marked as refused that the server did not refuse; no id
    /// twice.
    fn check(&self, thread: &ThreadId, server: &Server) -> Result<(), String> {
        let log = server.threads.get(thread.as_str()).map(|table| &table.log);
        let (mut last, mut pending) = (0, false);
        let mut ids = Vec::with_capacity(self.messages.len());
        for message in &self.messages {
            ids.push(message.id());
            match message {
                Message::Sent(Row { seq, value, .. }) => {
                    if *seq <= last {
                        return Err(format!("swapped or doubled: {seq} after {last}"));
                    }
                    if pending {
                        return Err(format!("sent {seq} after a pending message"));
                    }
                    last = *seq;
                    if !log.is_some_and(|log| log.knows(*seq as usize - 1, value)) && !server.lost.contains(value) {
                        return Err(format!("{seq} is not what the server ever had"));
                    }
                }
                // The server refuses those alone.
                Message::Pending(PendingMessage { error: Some(error), body, .. }) if !body.starts_with(['!', '#']) => {
                    return Err(format!("condemned without a refusal of REST: {error}"));
                }
                Message::Pending(_) => pending = true,
            }
        }
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("doubled: one id twice".into());
        }
        Ok(())
    }
}
