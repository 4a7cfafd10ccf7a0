//! A page on a network that just takes its time, for stories: what happens to it is told step by step, and not drawn.

use crate::server::{self, Server, token};
use chopped_chat::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a request or a frame and its answer take, in ms.
pub const ROUND_TRIP: u64 = 100;
/// In ms.
pub const DAY: u64 = 86_400_000;

/// What stands between a page and the server: its answer, where it gives one.
pub type Proxy = fn(&Request) -> Option<Answer<Value>>;

/// One page, one model server.
pub struct Story {
    pub engine: Engine<Value>,
    pub server: Server,
    pub now: u64,
    /// The page's monotonic clock lags behind by this much.
    pub stood_still: u64,
    pub arriving: BTreeMap<(u64, u32), Input<Value>>,
    pub count: u32,
    pub socket: Option<SocketId>,
    /// The topics that are joined.
    pub joined: BTreeSet<String>,
    /// The server's sockets and broadcasts.
    pub reachable: bool,
    pub silent: bool,
    pub refuse_joins: Option<&'static str>,
    /// Whether the server says after a join that broadcasts can flow.
    pub says_ready: bool,
    /// The socket died, and nobody said so.
    pub dead: bool,
    /// What stands between the page and the server.
    pub proxy: Proxy,
    /// What the server answers about markers and the inbox instead of what it should.
    pub odd_answers: Option<Value>,
    pub shown: Vec<Message<Value>>,
    /// The numbers that are shown of other threads.
    pub elsewhere: BTreeMap<ThreadId, Vec<Option<u64>>>,
    pub state: Option<State>,
    pub opened: Vec<Result<(), ChatError>>,
    /// What the page asked of the network, in order.
    pub log: Vec<String>,
    pub join_tokens: Vec<String>,
    pub forgotten: bool,
    pub lines: Vec<InboxLine>,
    pub inbox: Option<InboxState>,
    pub inbox_opened: Vec<Result<(), ChatError>>,
    pub markers: BTreeMap<ThreadId, Markers>,
    /// What is still to become of messages, as it is shown and as storage keeps it.
    pub changing: BTreeMap<MessageId, PendingChange>,
    pub stored_changes: BTreeMap<MessageId, PendingChange>,
    /// What messages reply to, as the page was told.
    pub quoted: BTreeMap<u64, Value>,
    pub jumped: Vec<Result<(), ChatError>>,
    /// What was seen, as storage keeps it.
    pub seen: BTreeMap<ThreadId, u64>,
    /// The bodies of requests about markers.
    pub marks: Vec<Value>,
}

pub fn thread() -> ThreadId {
    with("ben")
}

/// Ana's thread with somebody else.
pub fn with(other: &str) -> ThreadId {
    ThreadId::new("ana", other).expect("two ids")
}

/// Whether the page shows that it is being sent.
pub fn is_sending(message: Option<&Message<Value>>) -> bool {
    matches!(message, Some(Message::Pending(pending)) if pending.error.is_none())
}

impl Story {
    /// Ana's page, with nothing open.
    pub fn closed() -> Self {
        let mut server = Server { token_life: 3_600_000, ..Server::default() };
        server.threads.insert("ana__ben".into(), Default::default());
        Story {
            engine: Engine::new(Config {
                supabase_url: "https://model".into(),
                anon_key: "anon".into(),
                my_id: "ana".into(),
                seed: 1,
            }),
            server,
            now: 1_000,
            stood_still: 0,
            arriving: BTreeMap::new(),
            count: 0,
            socket: None,
            joined: BTreeSet::new(),
            reachable: true,
            silent: false,
            refuse_joins: None,
            says_ready: false,
            dead: false,
            proxy: |_| None,
            odd_answers: None,
            shown: Vec::new(),
            elsewhere: BTreeMap::new(),
            state: None,
            opened: Vec::new(),
            log: Vec::new(),
            join_tokens: Vec::new(),
            forgotten: false,
            lines: Vec::new(),
            inbox: None,
            inbox_opened: Vec::new(),
            markers: BTreeMap::new(),
            changing: BTreeMap::new(),
            stored_changes: BTreeMap::new(),
            quoted: BTreeMap::new(),
            jumped: Vec::new(),
            seen: BTreeMap::new(),
            marks: Vec::new(),
        }
    }

    /// Opens the chat and waits until it is live.
    pub fn live() -> Self {
        let mut story = Story::closed();
        story.open();
        story.pass(2_000);
        assert_eq!(story.status(), Status::Live);
        story.log.clear();
        story
    }

    pub fn open(&mut self) {
        self.feed(Input::Open { thread: thread(), page_size: 50 });
    }

    pub fn status(&self) -> Status {
        self.state.as_ref().expect("a state").status
    }

    pub fn seqs(&self) -> Vec<u64> {
        self.shown.iter().filter_map(Message::seq).collect()
    }

    pub fn asked(&self, what: &str) -> usize {
        self.log.iter().filter(|line| line.starts_with(what)).count()
    }

    fn later(&mut self, ms: u64, input: Input<Value>) {
        self.count += 1;
        self.arriving.insert((self.now + ms, self.count), input);
    }

    /// Ben writes `count` messages; Ana's page hears of them if it can.
    pub fn ben_writes(&mut self, count: u64) {
        self.writes("ben", count);
    }

    pub fn writes(&mut self, person: &str, count: u64) {
        let token = token(person, self.now + DAY);
        for _ in 0..count {
            self.count += 1;
            let id = MessageId(u128::from(self.count) << 64 | 0xbe).text();
            let body = json!({"_thread_id": with(person).as_str(), "_sender_mongo_id": person, "_recipient_mongo_id": "ana",
                "_body": format!("hello {}", self.count), "_id": id});
            let request = Request::Rpc {
                url: line::rest::send_url("", false),
                token: token.clone(),
                body: body.to_string(),
                may_be_early: false,
            };
            let (_, row) = self.server.execute(self.now, self.now, person, &request);
            self.broadcast(row.expect("a new row"));
            self.broadcast_events();
        }
    }

    /// Another page of `person` has come so far in the thread with the other.
    pub fn marked(&mut self, person: &str, thread: &ThreadId, read: u64, delivered: u64) {
        let marks = json!([{"thread_id": thread.as_str(), "read": read, "delivered": delivered}]);
        self.server.mark(person, &json!({"_marks": marks, "_receipts": true}));
        self.broadcast_events();
    }

    /// Another page of `person` changes the message with the number `seq` by a function of the database.
    pub fn changes(&mut self, person: &str, function: &str, seq: usize, value: Value) {
        let id = self.server.threads["ana__ben"].rows[seq - 1]["id"].clone();
        let argument = if function.starts_with("edit") { "_body" } else { "_emoji" };
        let answer = self.server.change(self.now, person, function, &json!({"_id": id, argument: value}));
        assert!(matches!(answer, Answer::Http { status: 200, .. }), "{answer:?}");
        self.broadcast_events();
    }

    /// What is shown as sent: each message's text.
    pub fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for message in &self.shown {
            if let Message::Sent(row) = message {
                texts.extend(row.value["body"].as_str());
            }
        }
        texts
    }

    fn broadcast_events(&mut self) {
        for (topic, event, payload) in core::mem::take(&mut self.server.events) {
            self.deliver(&format!("realtime:{topic}"), event, &payload);
        }
    }

    fn broadcast(&mut self, row: Value) {
        let topic = format!("realtime:chat:{}", row["thread_id"].as_str().expect("a thread"));
        self.deliver(&topic, "INSERT", &json!({"record": row}));
    }

    pub fn deliver(&mut self, topic: &str, event: &str, payload: &Value) {
        if let (true, Some(socket)) = (self.joined.contains(topic) && !self.silent, self.socket) {
            let head = [4, topic.len() as u8, event.len() as u8, 10, 1];
            let payload = payload.to_string();
            let parts = [&head, topic.as_bytes(), event.as_bytes(), br#"{"id":"x"}"#, payload.as_bytes()];
            let bytes = parts.concat();
            self.later(ROUND_TRIP / 2, Input::SocketFrame(socket, Frame::Binary(bytes)));
        }
    }

    pub fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.joined.clear();
            self.feed(Input::SocketClosed(socket));
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let arrival = self.arriving.first_key_value().map(|((at, _), _)| *at);
            let timer = self.engine.next_timeout().map(|at| at + self.stood_still);
            let Some(at) = arrival.into_iter().chain(timer).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            let input = match self.arriving.first_entry() {
                Some(entry) if entry.key().0 <= self.now => entry.remove(),
                _ => Input::Timeout,
            };
            self.feed(input);
        }
        self.now = end;
    }

    pub fn feed(&mut self, input: Input<Value>) {
        let now = Now { mono: self.now - self.stood_still, wall: 20_000 * DAY + self.now };
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output<Value>) {
        match output {
            Output::Request(id, request) => {
                self.log.push(match &request {
                    Request::Token => "token".into(),
                    Request::EnsureThread { .. } => "ensure".into(),
                    Request::Rpc { url, .. } if server::is_send(url) => "send".into(),
                    Request::Rpc { url, .. } if url.ends_with("/mark_chat") => "mark".into(),
                    Request::Rpc { url, .. } if server::is_inbox(url) => "list".into(),
                    Request::Rpc { url, .. } if server::changes(url).is_some() => "change".into(),
                    Request::Rpc { url, body, .. } if server::is_sync(url) && body.contains("_inbox") => "sync".into(),
                    Request::Rpc { .. } => "read".into(),
                });
                if let (Some("mark"), Request::Rpc { body, .. }) = (self.log.last().map(|what| &**what), &request) {
                    self.marks.push(serde_json::from_str(body).expect("JSON"));
                }
                let answer = match (self.proxy)(&request) {
                    _ if !self.reachable => (Answer::Unreachable, None),
                    Some(answer) => (answer, None),
                    None if self.log.last().is_some_and(|what| matches!(&**what, "mark" | "list" | "sync"))
                        && self.odd_answers.is_some() =>
                    {
                        (Answer::Http { status: 200, body: self.odd_answers.clone(), retry_after: None }, None)
                    }
                    None => self.server.execute(self.now, self.now, "ana", &request),
                };
                if let Some(row) = answer.1 {
                    self.broadcast(row);
                }
                self.broadcast_events();
                self.later(ROUND_TRIP, Input::Answer { request: id, answer: answer.0 });
            }
            Output::OpenSocket(id, _) => {
                self.log.push("connect".into());
                let input = if self.reachable { Input::SocketOpened(id) } else { Input::SocketClosed(id) };
                self.socket = self.reachable.then_some(id);
                self.dead = false;
                self.later(ROUND_TRIP, input);
            }
            // A socket that died without a word takes everything and answers nothing.
            Output::SendFrame(..) if self.dead => {}
            Output::SendFrame(id, text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                let event = frame[3].as_str().unwrap_or_default().to_owned();
                let topic = frame[2].as_str().unwrap_or_default().to_owned();
                let mut response = json!({"status": "ok", "response": {}});
                if event == "phx_join" {
                    self.join_tokens.push(frame[4]["access_token"].as_str().unwrap_or_default().into());
                    match self.refuse_joins {
                        Some(reason) => response = json!({"status": "error", "response": {"reason": reason}}),
                        None => drop(self.joined.insert(topic.clone())),
                    }
                }
                if event == "phx_leave" {
                    self.joined.remove(&topic);
                }
                if event != "access_token" {
                    let reply = json!([frame[0], frame[1], frame[2], "phx_reply", response]);
                    self.later(ROUND_TRIP, Input::SocketFrame(id, Frame::Text(reply)));
                }
                if event == "phx_join" && self.joined.contains(&topic) && self.says_ready {
                    let word = json!({"status": "ok", "message": "Replication connection established"});
                    let word = json!([frame[0], null, frame[2], "system", word]);
                    self.later(ROUND_TRIP, Input::SocketFrame(id, Frame::Text(word)));
                }
                self.log.push(event);
            }
            Output::CloseSocket(_) => {
                self.log.push("disconnect".into());
                self.socket = None;
                self.joined.clear();
            }
            Output::Messages(other, diff) if other != thread() => {
                let shown = self.elsewhere.entry(other).or_default();
                match diff {
                    Diff::Insert { at, message } => shown.insert(at, message.seq()),
                    Diff::Update { at, message } => shown[at] = message.seq(),
                    Diff::Remove { at, count } => drop(shown.drain(at..at + count)),
                }
            }
            Output::State(other, _) if other != thread() => {}
            Output::Messages(_, diff) => match diff {
                Diff::Insert { at, message } => self.shown.insert(at, message),
                Diff::Update { at, message } => self.shown[at] = message,
                Diff::Remove { at, count } => drop(self.shown.drain(at..at + count)),
            },
            Output::State(_, state) => self.state = Some(state),
            Output::Opened(_, result) => self.opened.push(result),
            Output::Forgotten(_) => self.forgotten = true,
            Output::Abort(_) => self.log.push("abort".into()),
            Output::Inbox(InboxDiff::Insert { at, line }) => self.lines.insert(at, line),
            Output::Inbox(InboxDiff::Update { at, line }) => self.lines[at] = line,
            Output::Inbox(InboxDiff::Remove { at }) => drop(self.lines.remove(at)),
            Output::InboxState(state) => self.inbox = Some(state),
            Output::InboxOpened(result) => self.inbox_opened.push(result),
            Output::Markers(thread, markers) => drop(self.markers.insert(thread, markers)),
            Output::StoreSeen(thread, seq) => drop(self.seen.insert(thread, seq)),
            Output::UnstoreSeen(thread) => drop(self.seen.remove(&thread)),
            Output::StoreChange(_, change) => drop(self.stored_changes.insert(change.id, change)),
            Output::UnstoreChange(_, id) => drop(self.stored_changes.remove(&id)),
            Output::Changing(_, id, Some(change)) => drop(self.changing.insert(id, change)),
            Output::Changing(_, id, None) => drop(self.changing.remove(&id)),
            Output::Quoted(_, row) => drop(self.quoted.insert(row.seq, row.value)),
            Output::Jumped(_, result) => self.jumped.push(result),
            Output::Windows(_) => {}
            Output::MoreLoaded(_) | Output::OlderLoaded(..) | Output::Store(..) | Output::Unstore(..) => {}
        }
    }
}

impl Story {
    pub fn say(&mut self, id: u128, body: &str) {
        self.feed(Input::Send { thread: thread(), id: MessageId(id), body: body.into(), reply_to: None });
    }

    pub fn rows(&self) -> usize {
        self.server.threads["ana__ben"].rows.len()
    }

    pub fn code(&self) -> Option<Code> {
        self.state.as_ref().and_then(|state| state.error.as_ref()).map(|error| error.code)
    }
}

impl Story {
    pub fn shows(&self, other: &str) -> Vec<u64> {
        self.elsewhere[&with(other)].iter().flatten().copied().collect()
    }

    /// All that is asked by HTTP.
    pub fn requests(&self) -> usize {
        ["token", "ensure", "send", "read"].iter().map(|what| self.asked(what)).sum()
    }
}
