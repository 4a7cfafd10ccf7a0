//! What the engine promises, each in a small story on a network that just takes its time: 100 ms a round trip.

use chopped_chat::*;
use serde_json::{Value, json};
use sim::server::Server;
use std::collections::BTreeMap;

const ROUND_TRIP: u64 = 100;
const DAY: u64 = 86_400_000;

/// One page, one model server.
struct Story {
    engine: Engine<Value>,
    server: Server,
    now: u64,
    /// The page's monotonic clock lags behind by this much.
    stood_still: u64,
    arriving: BTreeMap<(u64, u32), Input<Value>>,
    count: u32,
    socket: Option<SocketId>,
    joined: Option<Value>,
    /// The server's sockets and broadcasts.
    reachable: bool,
    silent: bool,
    refuse_joins: Option<&'static str>,
    shown: Vec<Message<Value>>,
    state: Option<State>,
    opened: Vec<Result<(), ChatError>>,
    /// What the page asked of the network, in order.
    log: Vec<String>,
    join_tokens: Vec<String>,
    forgotten: bool,
}

fn thread() -> ThreadId {
    ThreadId::new("ana", "ben").expect("two ids")
}

impl Story {
    fn new() -> Self {
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
            joined: None,
            reachable: true,
            silent: false,
            refuse_joins: None,
            shown: Vec::new(),
            state: None,
            opened: Vec::new(),
            log: Vec::new(),
            join_tokens: Vec::new(),
            forgotten: false,
        }
    }

    /// Opens the chat and waits until it is live.
    fn live() -> Self {
        let mut story = Story::new();
        story.open();
        story.pass(2_000);
        assert_eq!(story.status(), Status::Live);
        story.log.clear();
        story
    }

    fn open(&mut self) {
        self.feed(Input::Open { thread: thread(), other: "ben".into(), page_size: 50 });
    }

    fn status(&self) -> Status {
        self.state.as_ref().expect("a state").status
    }

    fn seqs(&self) -> Vec<u64> {
        let seq = |m: &Message<Value>| if let Delivery::Sent { seq } = m.delivery { Some(seq) } else { None };
        self.shown.iter().filter_map(seq).collect()
    }

    fn asked(&self, what: &str) -> usize {
        self.log.iter().filter(|line| line.starts_with(what)).count()
    }

    fn later(&mut self, ms: u64, input: Input<Value>) {
        self.count += 1;
        self.arriving.insert((self.now + ms, self.count), input);
    }

    /// Ben writes `count` messages; Ana's page hears of them if it can.
    fn ben_writes(&mut self, count: u64) {
        let token = format!("token:ben:{}", self.now + DAY);
        for _ in 0..count {
            self.count += 1;
            let id = MessageId(u128::from(self.count) << 64 | 0xbe).text();
            let body = json!({"_thread_id": "ana__ben", "_sender_mongo_id": "ben", "_recipient_mongo_id": "ana",
                "_body": format!("hello {}", self.count), "_id": id});
            let request = Request::Rpc { url: rest::send_url(""), token: token.clone(), body: body.to_string() };
            let (_, row) = self.server.execute(self.now, "ben", &request);
            self.broadcast(row.expect("a new row"));
        }
    }

    fn broadcast(&mut self, row: Value) {
        if let (true, Some(socket)) = (self.joined.is_some() && !self.silent, self.socket) {
            let topic = thread().topic();
            let payload = json!({"record": row}).to_string();
            let head = [4, topic.len() as u8, 6, 10, 1];
            let bytes = [&head, topic.as_bytes(), b"INSERT", br#"{"id":"x"}"#, payload.as_bytes()].concat();
            self.later(ROUND_TRIP / 2, Input::SocketFrame(socket, Frame::Binary(bytes)));
        }
    }

    fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.joined = None;
            self.feed(Input::SocketClosed(socket));
        }
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) {
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

    fn feed(&mut self, input: Input<Value>) {
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
                    Request::Rpc { url, .. } if url.ends_with("/insert_chat_message") => "send".into(),
                    Request::Rpc { .. } => "read".into(),
                });
                let answer = match self.reachable {
                    true => self.server.execute(self.now, "ana", &request),
                    false => (Answer::Unreachable, None),
                };
                if let Some(row) = answer.1 {
                    self.broadcast(row);
                }
                self.later(ROUND_TRIP, Input::Answer { request: id, answer: answer.0 });
            }
            Output::OpenSocket(id, _) => {
                self.log.push("connect".into());
                let input = if self.reachable { Input::SocketOpened(id) } else { Input::SocketClosed(id) };
                self.socket = self.reachable.then_some(id);
                self.later(ROUND_TRIP, input);
            }
            Output::SendFrame(id, text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                let event = frame[3].as_str().unwrap_or_default().to_owned();
                let mut response = json!({"status": "ok", "response": {}});
                if event == "phx_join" {
                    self.join_tokens.push(frame[4]["access_token"].as_str().unwrap_or_default().into());
                    self.joined = self.refuse_joins.is_none().then(|| frame[0].clone());
                    if let Some(reason) = self.refuse_joins {
                        response = json!({"status": "error", "response": {"reason": reason}});
                    }
                }
                if event == "phx_leave" {
                    self.joined = None;
                }
                if event != "access_token" {
                    let reply = json!([frame[0], frame[1], frame[2], "phx_reply", response]);
                    self.later(ROUND_TRIP, Input::SocketFrame(id, Frame::Text(reply)));
                }
                self.log.push(event);
            }
            Output::CloseSocket(_) => {
                self.log.push("disconnect".into());
                self.socket = None;
                self.joined = None;
            }
            Output::Messages(_, diff) => match diff {
                Diff::Insert { at, messages } => drop(self.shown.splice(at..at, messages)),
                Diff::Update { at, message } => self.shown[at] = message,
                Diff::Remove { at, count } => drop(self.shown.drain(at..at + count)),
            },
            Output::State(_, state) => self.state = Some(state),
            Output::Opened(_, result) => self.opened.push(result),
            Output::Forgotten(_) => self.forgotten = true,
            Output::Abort(_) | Output::OlderLoaded(..) | Output::Store(..) | Output::Unstore(..) => {}
        }
    }
}

#[test]
fn a_cold_open_starts_all_it_can_at_once_and_the_rest_as_soon_as_it_may() {
    let mut story = Story::new();
    // An empty answer would be asked for again: before the thread is ensured, RLS may hide it.
    story.ben_writes(1);
    story.open();
    story.log.sort();
    assert_eq!(story.log, ["connect", "ensure", "token"]);
    story.log.clear();
    story.pass(ROUND_TRIP);
    story.log.sort();
    assert_eq!(story.log, ["phx_join", "read"], "one round trip later");
    story.pass(ROUND_TRIP);
    assert_eq!(story.opened, [Ok(())], "and the page is there after two");
}

#[test]
fn reopening_shows_the_page_at_once_and_costs_one_round_trip() {
    let mut story = Story::live();
    story.ben_writes(3);
    story.pass(ROUND_TRIP);
    story.feed(Input::Close { thread: thread() });
    story.ben_writes(1);
    story.pass(10_000);
    story.log.clear();
    story.open();
    assert_eq!(story.seqs(), [1, 2, 3]);
    assert_eq!(story.opened.len(), 2);
    story.log.sort();
    assert_eq!(story.log, ["phx_join", "read"]);
    story.pass(ROUND_TRIP);
    assert_eq!((story.seqs().len(), story.status()), (4, Status::Live));
}

#[test]
fn what_was_missed_costs_a_read_a_page_and_one_more() {
    for missed in [1, 49, 50, 51, 100, 120, 150] {
        let mut story = Story::live();
        story.ben_writes(1);
        story.pass(ROUND_TRIP);
        story.cut();
        story.ben_writes(missed);
        story.log.clear();
        story.pass(5_000);
        assert_eq!(story.seqs(), (1..=missed + 1).collect::<Vec<_>>());
        // The newest page is read at once and again after the join.
        let pages = missed.div_ceil(50) as usize;
        assert!(story.asked("read") <= pages + 1, "{missed} missed: {:?}", story.log);
    }
}

#[test]
fn up_to_a_page_missed_is_there_one_request_after_the_join() {
    let mut story = Story::live();
    story.cut();
    story.ben_writes(50);
    while story.joined.is_none() {
        story.pass(1);
    }
    story.pass(2 * ROUND_TRIP);
    assert_eq!(story.seqs().len(), 50);
}

#[test]
fn a_wide_gap_opens_a_fresh_window() {
    let mut story = Story::live();
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    story.cut();
    story.ben_writes(1_000);
    story.pass(5_000);
    assert_eq!(story.seqs(), (952..=1_001).collect::<Vec<_>>());
    assert!(story.state.as_ref().is_some_and(|s| s.has_older));
}

#[test]
fn silent_replication_is_found_within_a_minute_and_joined_anew() {
    let mut story = Story::live();
    // A quiet quarter of an hour first: polls have slowed down as far as they do.
    story.pass(900_000);
    story.silent = true;
    story.ben_writes(1);
    story.log.clear();
    story.pass(60_000);
    assert_eq!(story.seqs(), [1]);
    story.pass(10_000);
    assert_eq!(story.asked("phx_join"), 1);
    // It stays silent: no storm.
    story.log.clear();
    story.ben_writes(5);
    story.pass(600_000);
    assert!(story.asked("phx_join") <= 10 && story.asked("read") < 60, "{:?}", story.log);
}

#[test]
fn ones_own_message_whose_echo_stays_out_gives_silence_away_at_once() {
    let mut story = Story::live();
    story.silent = true;
    story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into() });
    story.pass(6_000);
    assert_eq!(story.asked("phx_join"), 1);
}

#[test]
fn a_day_of_idling_is_cheap_and_a_hidden_page_reads_nothing() {
    let mut story = Story::live();
    story.pass(DAY);
    // A poll every 45 s, a heartbeat every 25 s, a token an hour.
    assert!(story.asked("read") <= 24 * 80 + 5, "{}", story.asked("read"));
    assert!(story.asked("heartbeat") <= 24 * 144 + 1, "{}", story.asked("heartbeat"));
    assert!((24..=25).contains(&story.asked("token")), "{}", story.asked("token"));
    assert_eq!(story.asked("token"), story.asked("access_token"), "each is pushed on the channel");
    assert_eq!((story.asked("connect"), story.asked("phx_join")), (0, 0));
    story.feed(Input::Visible(false));
    story.log.clear();
    story.pass(3_600_000);
    assert_eq!(story.asked("read"), 0);
}

#[test]
fn asleep_for_an_hour_it_wakes_with_a_fresh_token_before_its_join() {
    let mut story = Story::live();
    // The monotonic clock stands still, and the server ended the socket.
    story.now += 3_700_000;
    story.stood_still += 3_700_000;
    story.cut();
    story.pass(10_000);
    assert_eq!(story.status(), Status::Live);
    let end = |token: &String| token.rsplit(':').next().and_then(|end| end.parse::<u64>().ok()).expect("a token");
    assert!(story.join_tokens.iter().skip(1).all(|token| end(token) > story.now), "{:?}", story.join_tokens);
}

#[test]
fn signed_out_it_asks_again_when_looked_at_and_not_before() {
    let mut story = Story::new();
    story.server.signed_out.push("ana".into());
    story.open();
    story.pass(ROUND_TRIP);
    assert_eq!(story.status(), Status::AuthRequired);
    assert_eq!(story.opened.last().map(|r| r.as_ref().map_err(|e| e.code)), Some(Err(Code::AuthRequired)));
    story.log.clear();
    story.pass(3_600_000);
    assert_eq!(story.log, Vec::<String>::new());
    story.server.signed_out.clear();
    story.feed(Input::Visible(false));
    story.feed(Input::Visible(true));
    story.pass(5_000);
    assert_eq!((story.asked("token"), story.status()), (1, Status::Live));
}

#[test]
fn a_token_that_is_refused_again_and_again_ends_in_auth_required() {
    let mut story = Story::new();
    story.refuse_joins = Some("JwtSignatureError: Failed to validate JWT signature");
    story.open();
    story.pass(600_000);
    assert_eq!(story.status(), Status::AuthRequired);
    assert!(story.asked("phx_join") <= 3, "{:?}", story.log);
}

const UNAUTHORIZED: &str = "Unauthorized: You do not have permissions to read from this Channel topic";

#[test]
fn a_refused_join_slows_down_and_stops_nothing() {
    for reason in [UNAUTHORIZED, "RealtimeDisabledForTenant: off", "TenantNotFound: none", "PrivateOnly: no"] {
        let mut story = Story::live();
        story.refuse_joins = Some(reason);
        story.cut();
        story.pass(600_000);
        // REST goes on both ways.
        story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into() });
        story.ben_writes(1);
        story.pass(20_000);
        assert_eq!(story.seqs(), [1, 2], "{reason}");
        assert_eq!(story.status(), Status::Reconnecting, "{reason}");
        assert!(story.asked("phx_join") <= 20, "{reason}: a refused join stalls the socket");
        assert_eq!(story.asked("phx_leave"), 0, "{reason}: there is nothing to leave");
        // Whatever it was has passed.
        story.refuse_joins = None;
        story.pass(61_000);
        assert_eq!(story.status(), Status::Live, "{reason}");
    }
}

#[test]
fn a_refused_join_is_tried_again_when_the_page_is_seen() {
    let mut story = Story::live();
    story.refuse_joins = Some(UNAUTHORIZED);
    story.cut();
    story.pass(600_000);
    story.refuse_joins = None;
    story.feed(Input::Visible(false));
    story.feed(Input::Visible(true));
    story.pass(1_000);
    assert_eq!(story.status(), Status::Live);
}

#[test]
fn a_stranger_is_told_and_comes_in_once_let_in() {
    let mut story = Story::new();
    story.refuse_joins = Some(UNAUTHORIZED);
    story.open();
    story.pass(600_000);
    let state = story.state.clone().expect("a state");
    assert_eq!((state.status, state.error.map(|e| e.code)), (Status::Connecting, Some(Code::NotAParticipant)));
    story.refuse_joins = None;
    story.pass(61_000);
    assert_eq!(story.status(), Status::Live);
}

#[test]
fn a_thread_only_remembered_is_ensured_before_it_is_joined_again() {
    let mut story = Story::live();
    story.feed(Input::Close { thread: thread() });
    story.pass(60_000);
    assert!(story.forgotten);
    story.log.clear();
    story.refuse_joins = Some(UNAUTHORIZED);
    story.open();
    story.pass(1_000);
    assert_eq!((story.asked("phx_join"), story.asked("ensure")), (2, 1));
}

#[test]
fn closing_leaves_at_once_and_the_socket_ends_half_a_minute_later() {
    let mut story = Story::live();
    story.feed(Input::Close { thread: thread() });
    assert_eq!(story.log, ["phx_leave"]);
    story.pass(29_000);
    assert_eq!(story.asked("disconnect"), 0);
    story.pass(2_000);
    assert_eq!(story.asked("disconnect"), 1);
    assert!(story.forgotten && story.engine.is_idle());
    assert_eq!(story.engine.next_timeout(), None, "nothing is left to be done");
}

#[test]
fn a_message_outlives_its_chat_and_an_outage() {
    let mut story = Story::live();
    story.reachable = false;
    story.cut();
    story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into() });
    story.feed(Input::Close { thread: thread() });
    story.pass(300_000);
    assert_eq!(story.shown[0].delivery, Delivery::Sending);
    story.reachable = true;
    story.feed(Input::Online(false));
    story.feed(Input::Online(true));
    story.pass(1_000);
    assert_eq!(story.server.threads["ana__ben"].rows.len(), 1);
}

#[test]
fn an_hour_without_a_server_costs_few_tries() {
    let mut story = Story::live();
    story.reachable = false;
    story.cut();
    story.pass(3_600_000);
    assert!(
        story.asked("connect") <= 300 && story.asked("read") <= 300,
        "{} {}",
        story.asked("connect"),
        story.asked("read")
    );
    story.reachable = true;
    story.feed(Input::Visible(false));
    story.feed(Input::Visible(true));
    story.pass(1_000);
    assert_eq!(story.status(), Status::Live, "back at once when looked at");
}
