//! What the engine promises, each in a small story on a network that just takes its time: 100 ms a round trip.

use chopped_chat::*;
use serde_json::{Value, json};
use sim::server::{self, token_end};
use sim::story::{DAY, Proxy, ROUND_TRIP, Story, is_sending, thread, with};

#[test]
fn a_cold_open_starts_all_it_can_at_once_and_the_rest_as_soon_as_it_may() {
    let mut story = Story::closed();
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
    while story.joined.is_empty() {
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
    story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into(), reply_to: None });
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
    let end = |token: &String| token_end(token).expect("a token").1;
    assert!(story.join_tokens.iter().skip(1).all(|token| end(token) > story.now), "{:?}", story.join_tokens);
}

#[test]
fn signed_out_it_asks_again_slowly_while_seen_and_at_once_when_looked_at() {
    let mut story = Story::closed();
    story.server.signed_out.push("ana".into());
    story.open();
    story.pass(ROUND_TRIP);
    assert_eq!(story.status(), Status::AuthRequired);
    assert_eq!(story.opened.last().map(|r| r.as_ref().map_err(|e| e.code)), Some(Err(Code::AuthRequired)));
    story.log.clear();
    story.pass(3_600_000);
    assert!((60..=120).contains(&story.asked("token")), "{}", story.asked("token"));
    assert_eq!(story.asked("token"), story.log.len(), "and nothing else");
    story.feed(Input::Visible(false));
    story.log.clear();
    story.pass(3_600_000);
    assert_eq!(story.log, Vec::<String>::new());
    story.server.signed_out.clear();
    story.feed(Input::Visible(true));
    story.pass(5_000);
    assert_eq!((story.asked("token"), story.status()), (1, Status::Live));
}

#[test]
fn a_token_that_is_refused_again_and_again_ends_in_auth_required() {
    let mut story = Story::closed();
    story.refuse_joins = Some("JwtSignatureError: Failed to validate JWT signature");
    story.open();
    story.pass(20_000);
    assert_eq!((story.status(), story.asked("phx_join")), (Status::AuthRequired, 3));
    story.pass(600_000);
    assert!(story.asked("phx_join") <= 23, "{:?}", story.log);
    // The key that was wrong is the right one again.
    story.refuse_joins = None;
    story.pass(61_000);
    assert_eq!(story.status(), Status::Live);
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
        story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into(), reply_to: None });
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
    let mut story = Story::closed();
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
    story.feed(Input::Send { thread: thread(), id: MessageId(7), body: "hello".into(), reply_to: None });
    story.feed(Input::Close { thread: thread() });
    story.pass(300_000);
    assert!(is_sending(story.shown.first()));
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
        story.asked("connect") <= 900 && story.asked("read") <= 900,
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

fn http(status: u16, body: Option<Value>) -> Option<Answer<Value>> {
    Some(Answer::Http { status, body, retry_after: None })
}

fn is_send(request: &Request) -> bool {
    matches!(request, Request::Rpc { url, .. } if server::is_send(url))
}

#[test]
fn a_token_endpoint_that_says_no_at_a_renewal_ends_nothing() {
    let gateway: [Proxy; 3] = [
        |request| if *request == Request::Token { http(403, None) } else { None },
        |request| if *request == Request::Token { http(403, Some(json!({"error": "forbidden"}))) } else { None },
        |request| if *request == Request::Token { http(401, None) } else { None },
    ];
    for proxy in gateway {
        let mut story = Story::live();
        story.proxy = proxy;
        story.pass(2 * 3_600_000);
        story.say(7, "hello");
        story.proxy = |_| None;
        story.pass(61_000);
        assert_eq!((story.rows(), story.status()), (1, Status::Live));
    }
}

#[test]
fn half_of_a_hundred_broadcasts_lost_cost_three_reads() {
    let mut story = Story::live();
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    for _ in 0..50 {
        story.silent = true;
        story.ben_writes(1);
        story.silent = false;
        story.ben_writes(1);
    }
    story.pass(5_000);
    assert_eq!(story.seqs().len(), 101);
    assert!(story.asked("read") <= 3, "{:?}", story.log);
}

#[test]
fn where_every_other_broadcast_is_lost_reads_do_not_become_as_many() {
    let mut story = Story::live();
    for _ in 0..300 {
        story.silent = true;
        story.ben_writes(1);
        story.silent = false;
        story.ben_writes(1);
        story.pass(100);
    }
    story.pass(5_000);
    assert_eq!(story.seqs().last(), Some(&600));
    // Two a second, and eight more.
    assert!(story.asked("read") <= 8 + 2 * 35 + 2, "{}", story.asked("read"));
}

#[test]
fn a_server_that_gives_less_than_a_page_hides_nothing() {
    let mut story = Story::closed();
    // It is what PostgREST gives of rows; a page made by a function is one.
    story.server.no_changes = true;
    story.server.max_rows = 30;
    story.ben_writes(120);
    story.open();
    story.pass(2_000);
    assert_eq!(story.seqs(), (61..=120).collect::<Vec<_>>());
    for _ in 0..5 {
        story.feed(Input::LoadOlder { thread: thread() });
        story.pass(ROUND_TRIP);
    }
    assert_eq!((story.seqs().len(), story.state.as_ref().is_some_and(|s| s.has_older)), (120, false));
}

#[test]
fn anothers_token_stops_all_and_condemns_nothing() {
    let mut story = Story::live();
    story.say(7, "before");
    story.pass(ROUND_TRIP);
    story.server.signed_in_as.insert("ana".into(), "ben");
    story.pass(3_600_000);
    assert_eq!((story.status(), story.code()), (Status::AuthRequired, Some(Code::AuthRequired)));
    story.say(8, "meanwhile");
    story.pass(600_000);
    assert!(is_sending(story.shown.last()));
    story.server.signed_in_as.clear();
    story.pass(61_000);
    assert_eq!((story.rows(), story.status()), (2, Status::Live));
}

#[test]
fn no_thread_is_made_for_who_signed_in_meanwhile() {
    for old_backend in [false, true] {
        let mut story = Story::closed();
        story.server.old_backend = old_backend;
        story.server.signed_in_as.insert("ana".into(), "cleo");
        story.open();
        story.pass(5_000);
        assert_eq!(story.status(), Status::AuthRequired);
        assert_eq!((story.asked("read"), story.asked("phx_join")), (0, 0));
        assert!(old_backend || story.server.threads.len() == 1, "a thread of two others was made");
    }
}

#[test]
fn a_socket_that_died_in_a_sleep_is_found_in_seconds() {
    let mut story = Story::live();
    story.now += 600_000;
    story.stood_still += 600_000;
    story.dead = true;
    story.feed(Input::Timeout);
    story.pass(4_000 + 500 + 5 * ROUND_TRIP);
    assert_eq!((story.asked("disconnect"), story.status()), (1, Status::Live));
    assert_eq!(story.asked("phx_join"), 1, "no join goes into a socket that may be dead");
}

#[test]
fn a_message_that_a_firewall_refuses_lets_the_others_pass() {
    let mut story = Story::live();
    story.proxy = |request| match request {
        Request::Rpc { body, .. } if body.contains("drop table") => http(403, None),
        _ => None,
    };
    story.say(7, "'; drop table users; --");
    story.say(8, "hello");
    story.pass(120_000);
    assert_eq!((story.rows(), story.seqs()), (1, vec![1]));
    assert!(
        matches!(&story.shown[1], Message::Pending(PendingMessage { error: Some(error), .. }) if error.code == Code::Refused)
    );
    assert!(story.asked("send") <= 12, "{}", story.asked("send"));
    // Where everything is refused it is the way and not the message.
    story.proxy = |request| if matches!(request, Request::Rpc { .. }) { http(403, None) } else { None };
    story.say(9, "later");
    story.pass(600_000);
    assert!(is_sending(story.shown.last()));
    story.proxy = |_| None;
    story.pass(11_000);
    assert_eq!(story.rows(), 2);
}

#[test]
fn what_waited_goes_within_seconds_once_the_server_is_back() {
    for away in [30_000, 300_000] {
        let mut story = Story::live();
        story.proxy = |request| if matches!(request, Request::Rpc { .. }) { http(502, None) } else { None };
        story.say(7, "hello");
        story.pass(away);
        story.proxy = |_| None;
        story.pass(5_000 + 2 * ROUND_TRIP);
        assert_eq!(story.rows(), 1, "after {away} ms");
    }
}

#[test]
fn a_broadcast_ends_the_wait_of_what_failed() {
    let mut story = Story::live();
    story.feed(Input::Visible(false));
    story.proxy = |request| if is_send(request) { http(502, None) } else { None };
    story.say(7, "hello");
    story.pass(120_000);
    story.proxy = |_| None;
    story.ben_writes(1);
    story.pass(2_000 + 2 * ROUND_TRIP);
    assert_eq!(story.rows(), 2);
}

#[test]
fn a_proxy_that_says_no_for_the_backend_ends_nothing() {
    for status in [400, 403, 404] {
        let mut story = Story::closed();
        story.proxy = match status {
            400 => |request| if matches!(request, Request::EnsureThread { .. }) { http(400, None) } else { None },
            403 => |request| if matches!(request, Request::EnsureThread { .. }) { http(403, None) } else { None },
            _ => |request| if matches!(request, Request::EnsureThread { .. }) { http(404, None) } else { None },
        };
        story.open();
        story.say(7, "hello");
        story.pass(60_000);
        assert!(is_sending(story.shown.last()), "{status}");
        assert!(story.code().is_some(), "{status}: and it is told");
        story.proxy = |_| None;
        story.pass(11_000);
        assert_eq!((story.rows(), story.status()), (1, Status::Live), "{status}");
    }
}

#[test]
fn a_read_only_database_refuses_no_message() {
    let mut story = Story::live();
    story.server.read_only_until = story.now + 30_000;
    story.refuse_joins = Some(UNAUTHORIZED);
    story.cut();
    story.say(7, "hello");
    story.pass(30_000);
    assert!(is_sending(story.shown.last()));
    story.refuse_joins = None;
    story.pass(13_000);
    assert_eq!((story.rows(), story.status()), (1, Status::Live));
}

#[test]
fn after_a_point_in_time_recovery_the_new_messages_are_shown() {
    for written in [0, 1, 20, 40] {
        let mut story = Story::live();
        story.ben_writes(100);
        story.pass(1_000);
        story.cut();
        story.server.set_back("ana__ben", 20);
        story.ben_writes(written);
        story.pass(5_000);
        let expected = story.server.threads["ana__ben"].rows.iter().filter_map(|row| row["seq"].as_u64());
        let shown = story.seqs();
        assert_eq!(shown, expected.filter(|seq| shown.first() <= Some(seq)).collect::<Vec<_>>(), "{written}");
        let values = story.shown.iter().filter_map(|message| match message {
            Message::Sent(row) => Some(row.value.clone()),
            Message::Pending(_) => None,
        });
        let rows = &story.server.threads["ana__ben"].rows;
        assert_eq!(values.collect::<Vec<_>>(), rows[rows.len() - shown.len()..], "{written}");
    }
}

#[test]
fn what_was_erased_goes_from_the_screen() {
    let mut story = Story::live();
    story.ben_writes(3);
    story.pass(ROUND_TRIP);
    story.server.erase(story.now, "ana__ben");
    let socket = story.socket.expect("a socket");
    let topic = thread().topic();
    let head = [4, topic.len() as u8, 6, 10, 1];
    let bytes = [&head, topic.as_bytes(), b"CHANGE", br#"{"id":"x"}"#, br#"{"erased":"ben"}"#].concat();
    story.feed(Input::SocketFrame(socket, Frame::Binary(bytes)));
    assert_eq!(story.seqs(), [1, 2, 3], "nothing flickers");
    story.pass(2 * ROUND_TRIP);
    let bodies = story.shown.iter().map(|message| match message {
        Message::Sent(row) => row.value["body"].as_str().expect("a body").to_owned(),
        Message::Pending(pending) => pending.body.to_string(),
    });
    assert_eq!(bodies.collect::<Vec<_>>(), ["", "", ""]);
    assert_eq!(story.seqs(), [1, 2, 3]);
}

#[test]
fn a_page_that_nobody_sees_leaves_its_socket_and_catches_up_when_it_is_seen() {
    let mut story = Story::live();
    story.feed(Input::Visible(false));
    story.pass(299_000);
    assert_eq!(story.asked("disconnect"), 0);
    story.pass(2_000);
    assert_eq!(story.asked("disconnect"), 1);
    story.log.clear();
    story.pass(DAY);
    assert_eq!(story.log, Vec::<String>::new(), "and nothing more");
    // What is written now goes all the same.
    story.say(7, "hello");
    story.ben_writes(1);
    story.pass(5_000);
    assert_eq!((story.rows(), story.asked("connect")), (2, 0));
    story.feed(Input::Visible(true));
    story.pass(5 * ROUND_TRIP);
    assert_eq!((story.seqs(), story.status()), (vec![1, 2], Status::Live));
}

#[test]
fn offline_it_asks_nothing_and_tries_again_in_case_the_browser_is_wrong() {
    let mut story = Story::live();
    story.reachable = false;
    story.feed(Input::Online(false));
    story.cut();
    story.say(7, "hello");
    story.pass(60_000);
    assert_eq!(story.log, Vec::<String>::new());
    story.pass(600_000);
    assert!(story.asked("connect") <= 5 && story.asked("send") <= 5, "{:?}", story.log);
    // It was wrong all along.
    story.reachable = true;
    story.pass(125_000);
    assert_eq!((story.rows(), story.status()), (1, Status::Live));
}

#[test]
fn a_server_that_promises_its_word_is_not_live_without_it() {
    let mut story = Story::closed();
    story.says_ready = true;
    story.open();
    story.pass(2_000);
    assert_eq!(story.status(), Status::Live);
    // Its replication dies.
    story.says_ready = false;
    story.silent = true;
    story.cut();
    story.pass(10_000);
    assert_eq!(story.status(), Status::Reconnecting);
    story.log.clear();
    story.pass(60_000);
    assert!((12..=30).contains(&story.asked("read")), "{}: every two to five seconds", story.asked("read"));
    story.ben_writes(1);
    story.pass(5_000 + ROUND_TRIP);
    assert_eq!(story.seqs(), [1]);
}

#[test]
fn a_broadcast_that_is_missing_is_looked_for_often_until_they_come_again() {
    let mut story = Story::live();
    story.pass(900_000);
    story.silent = true;
    story.say(7, "hello");
    story.pass(6_000);
    // Joined anew, it is believed once more; and doubted again at the next one.
    story.say(8, "hello?");
    story.pass(6_000);
    assert_eq!(story.status(), Status::Reconnecting);
    story.ben_writes(1);
    story.pass(5_000 + ROUND_TRIP);
    assert_eq!(story.seqs(), [1, 2, 3]);
    story.silent = false;
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    assert_eq!(story.status(), Status::Live);
}

#[test]
fn it_is_told_that_nothing_is_sent_while_everything_else_works() {
    let mut story = Story::live();
    story.proxy = |request| if is_send(request) { http(503, None) } else { None };
    story.say(7, "hello");
    story.pass(10_000);
    assert_eq!((story.status(), story.code()), (Status::Live, Some(Code::Server)));
    story.proxy = |_| None;
    story.pass(6_000);
    assert_eq!((story.status(), story.code()), (Status::Live, None));
    // Nor does it take a failure: silence is enough.
    let mut story = Story::live();
    story.proxy = |_| None;
    story.say(7, "hello");
    story.arriving.clear();
    story.pass(6_000);
    assert_eq!(story.code(), Some(Code::Timeout));
}

#[test]
fn the_answer_of_a_send_may_come_after_its_broadcast() {
    let mut story = Story::live();
    for id in 7..17 {
        story.say(id, "hello");
    }
    story.pass(2_000);
    assert_eq!((story.rows(), story.seqs().len(), story.asked("abort")), (10, 10, 0));
}

#[test]
fn a_wrong_key_is_told_as_such_and_loses_no_message() {
    let mut story = Story::closed();
    story.proxy = |request| match request {
        Request::Rpc { .. } => http(401, Some(json!({"message": "Invalid API key"}))),
        _ => None,
    };
    story.open();
    story.say(7, "hello");
    story.pass(5_000);
    assert_eq!((story.status(), story.code()), (Status::Closed, Some(Code::InvalidOptions)));
    assert!(is_sending(story.shown.last()));
    story.proxy = |_| None;
    story.open();
    story.pass(5_000);
    assert_eq!(story.rows(), 1);
}

#[test]
fn what_two_tabs_left_is_sent_in_the_order_in_which_it_was_written() {
    let draft = |id: u128, order: u64, body: &str| PendingMessage {
        reply_to: None,
        id: MessageId(id),
        body: body.into(),
        written_at: order,
        order,
        error: None,
    };
    let mut story = Story::closed();
    let (one, two) = ([draft(1, 1_000, "a"), draft(3, 3_000, "c")], [draft(2, 2_000, "b"), draft(4, 4_000, "d")]);
    story.feed(Input::Restoring(true));
    story.open();
    story.say(9, "e");
    let messages = one.into_iter().chain(two).collect();
    story.feed(Input::Restore { thread: thread(), messages });
    story.feed(Input::Restoring(false));
    story.pass(5_000);
    let bodies = story.server.threads["ana__ben"].rows.iter().map(|row| row["body"].as_str().unwrap_or_default());
    assert_eq!(bodies.collect::<String>(), "abcde");
}

#[test]
fn who_writes_in_two_tabs_numbers_by_the_clock() {
    // Both tabs of a device read one clock: what they store can be put in order.
    let mut orders = Vec::new();
    for tab in 0..4u128 {
        let mut story = Story::closed();
        story.now += tab as u64 * 1_000;
        story.feed(Input::Restoring(true));
        story.feed(Input::Open { thread: thread(), page_size: 50 });
        let now = Now { mono: story.now, wall: 20_000 * DAY + story.now };
        story.engine.handle(
            now,
            Input::Send { thread: thread(), id: MessageId(tab + 1), body: "hello".into(), reply_to: None },
        );
        while let Some(output) = story.engine.poll() {
            if let Output::Store(_, draft) = output {
                orders.push(draft.order);
            }
        }
    }
    assert!(orders.len() == 4 && orders.is_sorted_by(|a, b| a < b), "{orders:?}");
}

/// Whether what is shown of one's own stands in the order in which it was written: its body is its number.
fn in_order(story: &Story) -> bool {
    let bodies = story.shown.iter().map(|message| match message {
        Message::Sent(row) => row.value["body"].as_str().and_then(|body| body.parse().ok()),
        Message::Pending(pending) => pending.body.parse().ok(),
    });
    bodies.collect::<Vec<Option<u64>>>().is_sorted()
}

#[test]
fn what_waits_goes_at_once_and_never_stands_in_another_order() {
    let mut story = Story::live();
    story.log.clear();
    for id in 1..=120 {
        story.say(id, &id.to_string());
    }
    while story.rows() < 120 || story.shown.iter().any(|message| is_sending(Some(message))) {
        story.pass(1);
        assert!(in_order(&story), "{:?}", story.shown);
    }
    assert_eq!(story.asked("send"), 4, "the first one alone, and then 50, 50 and the rest");
    assert_eq!(story.seqs(), (1..=120).collect::<Vec<_>>());
    story.pass(10_000);
    assert_eq!(story.asked("read"), 0, "its own broadcasts have it read nothing");
}

#[test]
fn of_a_batch_that_is_refused_the_one_message_is_found_and_the_others_go() {
    for (proxy, most) in [(None, 20), (Some(refuse_hash as Proxy), 40)] {
        let mut story = Story::live();
        story.server.refusing = true;
        if let Some(proxy) = proxy {
            story.proxy = proxy;
        }
        story.log.clear();
        let bad = if proxy.is_some() { "#" } else { "!" };
        for id in 1..=100 {
            story.say(id, if id == 33 { bad } else { "fine" });
        }
        story.pass(120_000);
        assert_eq!(story.rows(), 99);
        let refused: Vec<_> = story.shown.iter().filter(|message| message.seq().is_none()).collect();
        assert_eq!(refused.len(), 1);
        assert!(matches!(refused[0], Message::Pending(pending) if &*pending.body == bad && pending.error.is_some()));
        assert!(story.asked("send") <= most, "{} sends", story.asked("send"));
    }
}

fn refuse_hash(request: &Request) -> Option<Answer<Value>> {
    let Request::Rpc { url, body, .. } = request else { return None };
    (server::is_send(url) && body.contains("body\":\"#")).then(|| http(403, None)).flatten()
}

#[test]
fn an_older_database_gets_one_message_at_a_time() {
    let mut story = Story::live();
    story.server.no_batches = true;
    story.log.clear();
    for id in 1..=20 {
        story.say(id, "hello");
    }
    story.pass(20 * 2 * ROUND_TRIP);
    assert_eq!((story.rows(), story.seqs().len()), (20, 20));
    assert_eq!(story.asked("send"), 21, "it was asked for a batch once");
}

#[test]
fn of_a_batch_whose_message_is_discarded_meanwhile_nothing_is_missing() {
    let mut story = Story::live();
    for id in 1..=5 {
        story.say(id, "hello");
    }
    story.pass(ROUND_TRIP + ROUND_TRIP / 2);
    story.feed(Input::Discard { thread: thread(), id: MessageId(3) });
    story.pass(10 * ROUND_TRIP);
    assert_eq!(story.rows(), 5, "it had arrived");
    assert_eq!(story.seqs(), [1, 2, 3, 4, 5]);
}

/// The page of an earlier visit.
fn cached(story: &Story) -> Value {
    story.server.threads["ana__ben"].rows.clone().into()
}

#[test]
fn what_the_last_visit_kept_is_shown_at_once_and_joined_without_waiting_for_the_backend() {
    let mut story = Story::closed();
    story.ben_writes(2);
    let page = cached(&story);
    story.ben_writes(1);
    story.open();
    story.feed(Input::Cached { thread: thread(), page });
    assert_eq!(story.seqs(), [1, 2]);
    assert_eq!((story.status(), story.opened.len()), (Status::Connecting, 1));
    assert!(story.state.as_ref().is_some_and(|state| state.from_cache));
    story.proxy = |request| matches!(request, Request::EnsureThread { .. }).then_some(Answer::Unreachable);
    story.pass(2 * ROUND_TRIP);
    assert_eq!(story.seqs(), [1, 2, 3]);
    assert!(story.state.as_ref().is_some_and(|state| !state.from_cache));
    story.pass(ROUND_TRIP);
    assert_eq!(story.status(), Status::Live);
}

#[test]
fn what_comes_while_the_first_page_is_on_its_way_stays() {
    let mut story = Story::closed();
    story.ben_writes(2);
    let page = cached(&story);
    story.open();
    story.feed(Input::Cached { thread: thread(), page });
    while story.joined.is_empty() {
        story.pass(1);
    }
    for _ in 0..3 * ROUND_TRIP {
        let before = story.seqs().len();
        story.pass(1);
        assert!(story.seqs().len() >= before.min(2), "nothing goes away");
    }
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    assert_eq!(story.seqs(), [1, 2, 3]);
}

#[test]
fn what_another_sends_in_batches_is_read_as_fast_as_it_comes() {
    let mut story = Story::live();
    for batch in 1..=20 {
        let first = (batch - 1) * 50;
        story.silent = true;
        story.ben_writes(49);
        story.silent = false;
        story.ben_writes(1);
        story.pass(2 * ROUND_TRIP);
        assert_eq!(story.seqs().last(), Some(&(first + 50)));
    }
    story.pass(ROUND_TRIP);
    assert_eq!(story.seqs(), (1..=1_000).collect::<Vec<_>>());
}

const OTHERS: [&str; 4] = ["cleo", "dan", "erin", "finn"];

/// Five chats, all live, each with a message.
fn five() -> Story {
    let mut story = Story::closed();
    story.open();
    for other in OTHERS {
        story.feed(Input::Open { thread: with(other), page_size: 50 });
    }
    story.pass(3_000);
    for person in ["ben"].iter().chain(&OTHERS) {
        story.writes(person, 1);
    }
    story.pass(3_000);
    assert_eq!((story.status(), story.joined.len()), (Status::Live, 5));
    story.log.clear();
    story
}

#[test]
fn five_quiet_chats_cost_no_more_than_one_and_nothing_while_hidden() {
    for mut story in [Story::live(), five()] {
        // The polls have slowed down as far as they do.
        story.pass(600_000);
        story.log.clear();
        story.pass(3_600_000);
        assert!((80..=81).contains(&story.requests()), "{} requests an hour", story.requests());
        story.feed(Input::Visible(false));
        story.log.clear();
        story.pass(240_000);
        assert_eq!(story.requests(), 0, "hidden a moment ago");
        story.pass(3_600_000);
        assert_eq!(story.requests(), 0, "hidden");
    }
}

#[test]
fn silence_is_found_in_each_of_five_chats_within_a_minute() {
    for silent_in in OTHERS {
        let mut story = five();
        // All but one go on talking, for longer than any poll waits.
        for _ in 0..100 {
            for person in ["ben"].iter().chain(&OTHERS).filter(|person| **person != silent_in) {
                story.writes(person, 1);
            }
            story.pass(10_000);
        }
        story.silent = true;
        story.writes(silent_in, 1);
        story.silent = false;
        for _ in 0..6 {
            story.ben_writes(1);
            story.pass(10_000);
        }
        assert_eq!(story.shows(silent_in), [1, 2], "{silent_in}");
    }
}

#[test]
fn a_broadcast_puts_the_poll_off_and_silence_behind_it_is_found_within_a_minute() {
    let mut story = Story::live();
    for _ in 0..200 {
        story.ben_writes(1);
        story.pass(18_000);
    }
    assert_eq!((story.asked("read"), story.seqs().len()), (0, 200), "nobody asks where it is told");
    story.silent = true;
    story.ben_writes(1);
    story.pass(60_000);
    assert_eq!(story.seqs().len(), 201);
    assert_eq!(story.asked("phx_join"), 1, "and it is joined anew");
}

/// In every chat, within a minute.
fn what_is_not_broadcast_is_found(mut story: Story) {
    story.silent = true;
    OTHERS.iter().for_each(|other| story.writes(other, 1));
    story.pass(60_000);
    for other in OTHERS {
        assert_eq!(story.shows(other), [1, 2]);
    }
}

#[test]
fn an_older_database_is_polled_as_before() {
    let mut story = five();
    story.server.no_sync = true;
    story.pass(600_000);
    story.log.clear();
    story.pass(3_600_000);
    assert!((400..=405).contains(&story.requests()), "{} requests an hour", story.requests());
    what_is_not_broadcast_is_found(story);
}

#[test]
fn where_a_proxy_lets_no_sync_through_every_chat_is_polled_by_itself() {
    let mut story = five();
    story.proxy = |request| match request {
        Request::Rpc { url, .. } if server::is_sync(url) => http(403, None),
        _ => None,
    };
    what_is_not_broadcast_is_found(story);
}

#[test]
fn more_is_missing_than_a_sync_tells() {
    for (a_thread, in_all) in [(50, 500), (50, 3), (3, 500), (1, 0)] {
        let mut story = five();
        story.server.sync_rows = (a_thread, in_all);
        story.silent = true;
        OTHERS.iter().for_each(|other| story.writes(other, 120));
        story.pass(60_000);
        for other in OTHERS {
            assert_eq!(story.shows(other), (1..=121).collect::<Vec<_>>(), "{a_thread}, {in_all}");
        }
    }
}

#[test]
fn a_chat_that_is_closed_while_all_are_asked_for_leaves_the_others_theirs() {
    let mut story = five();
    story.silent = true;
    OTHERS.iter().for_each(|other| story.writes(other, 1));
    while story.asked("read") == 0 {
        story.pass(10);
    }
    story.feed(Input::Close { thread: with("cleo") });
    assert_eq!(story.asked("abort"), 0);
    story.feed(Input::Open { thread: with("cleo"), page_size: 50 });
    story.pass(2 * ROUND_TRIP);
    for other in OTHERS {
        assert_eq!(story.shows(other), [1, 2], "{other}");
    }
}

#[test]
fn of_more_chats_than_are_asked_for_at_once_each_has_its_turn() {
    let mut story = Story::closed();
    let others: Vec<_> = (0..120).map(|n| format!("other{n}")).collect();
    for other in &others {
        story.feed(Input::Open { thread: with(other), page_size: 50 });
    }
    story.pass(60_000);
    story.silent = true;
    others.iter().for_each(|other| story.writes(other, 1));
    story.pass(50_000);
    assert!(others.iter().all(|other| story.shows(other) == [1]));
}

#[test]
fn a_poll_that_fails_is_asked_for_again_as_one() {
    let mut story = five();
    story.pass(600_000);
    story.reachable = false;
    story.log.clear();
    story.pass(600_000);
    let alone = {
        let mut story = Story::live();
        story.pass(600_000);
        story.reachable = false;
        story.log.clear();
        story.pass(600_000);
        story.asked("read")
    };
    assert!(story.asked("read") <= 5 * alone, "{} and {alone}", story.asked("read"));
    story.reachable = true;
    story.silent = true;
    OTHERS.iter().for_each(|other| story.writes(other, 1));
    story.pass(12_000);
    for other in OTHERS {
        assert_eq!(story.shows(other), [1, 2], "{other}");
    }
}

#[test]
fn what_waits_is_not_taken_for_sent_because_the_last_visit_says_so() {
    for cached_first in [false, true] {
        let mut story = Story::closed();
        story.ben_writes(1);
        // The last visit saw it sent, and a recovery has taken it back since.
        let id = MessageId(7);
        let mut page = cached(&story);
        page.as_array_mut().expect("rows").push(json!({"id": id.text(), "thread_id": "ana__ben", "seq": 2,
            "sender_mongo_id": "ana", "body": "mine", "created_at": "2026-01-01T00:00:00+00:00"}));
        let messages =
            vec![PendingMessage { id, body: "mine".into(), reply_to: None, written_at: 1, order: 1, error: None }];
        story.feed(Input::Restoring(true));
        story.open();
        let mut inputs = [Input::Restore { thread: thread(), messages }, Input::Cached { thread: thread(), page }];
        if cached_first {
            inputs.reverse();
        }
        for input in inputs {
            story.feed(input);
        }
        assert!(is_sending(story.shown.last()));
        story.feed(Input::Restoring(false));
        story.pass(5_000);
        assert_eq!((story.rows(), story.seqs()), (2, vec![1, 2]));
    }
}
