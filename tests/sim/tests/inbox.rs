//! What the inbox and the markers promise, each in a small story on a network that just takes its time: 100 ms a round trip.

use chopped_chat::*;
use serde_json::json;
use sim::story::{ROUND_TRIP, Story, thread, with};

/// Ana's inbox, live.
fn inbox() -> Story {
    let mut story = Story::closed();
    story.server.threads.insert("ana__cleo".into(), Default::default());
    story.feed(Input::Receipts(true));
    story.feed(Input::OpenInbox { limit: 30 });
    story.pass(2_000);
    assert_eq!((state(&story).status, &story.inbox_opened), (Status::Live, &vec![Ok(())]));
    story.log.clear();
    story
}

fn state(story: &Story) -> &InboxState {
    story.inbox.as_ref().expect("an inbox")
}

/// The other person, the newest number and what is unread, line by line.
fn lines(story: &Story) -> Vec<(&str, u64, u32)> {
    story.lines.iter().map(|line| (line.thread.other("ana").expect("hers"), line.message.seq, line.unread)).collect()
}

#[test]
fn a_strangers_first_message_appears_without_a_request() {
    let mut story = inbox();
    story.writes("cleo", 1);
    story.pass(ROUND_TRIP);
    assert_eq!((lines(&story), state(&story).unread), (vec![("cleo", 1, 1)], 1));
    story.ben_writes(2);
    story.pass(ROUND_TRIP);
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 2, 2), ("cleo", 1, 1)], 3));
    assert_eq!((story.asked("list"), story.asked("sync")), (0, 0), "{:?}", story.log);
}

#[test]
fn an_inbox_whose_broadcasts_died_is_read_by_the_poll_and_says_nothing_where_nothing_changed() {
    let mut story = inbox();
    story.silent = true;
    story.ben_writes(3);
    story.pass(60_000);
    assert_eq!(lines(&story), [("ben", 3, 3)]);
    let before = story.asked("sync");
    story.pass(600_000);
    let polls = story.asked("sync") - before;
    assert!((10..=40).contains(&polls), "{polls} polls in ten minutes");
    assert_eq!(story.asked("list"), 0, "the poll is one request");
}

#[test]
fn what_was_missed_is_read_once_after_the_join() {
    let mut story = inbox();
    story.cut();
    story.ben_writes(7);
    story.writes("cleo", 2);
    story.pass(5_000);
    assert_eq!((lines(&story), state(&story).unread), (vec![("cleo", 2, 2), ("ben", 7, 7)], 9));
    assert!(story.asked("list") <= 2, "{:?}", story.log);
}

#[test]
fn what_was_seen_is_told_at_once_and_then_once_a_second() {
    let mut story = inbox();
    story.ben_writes(40);
    story.pass(3_000);
    story.marks.clear();
    for seq in 1..=40 {
        story.feed(Input::Seen { thread: thread(), seq });
        story.pass(100);
    }
    story.pass(2_000);
    let told: Vec<_> = story.marks.iter().map(|body| body["_marks"][0]["read"].as_u64().expect("a seq")).collect();
    assert_eq!((told[0], told[told.len() - 1]), (1, 40), "at once, and the last one too");
    assert!((4..=6).contains(&told.len()), "{told:?}");
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 40, 0)], 0));
    assert!(story.seen.is_empty());
}

#[test]
fn what_comes_before_the_server_knows_what_was_seen_counts_alone() {
    let mut story = inbox();
    story.ben_writes(3);
    story.pass(3_000);
    story.feed(Input::Seen { thread: thread(), seq: 1 });
    story.pass(300);
    story.feed(Input::Seen { thread: thread(), seq: 3 });
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 3, 0)], 0));
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    assert_eq!(story.seen.get(&thread()), Some(&3), "it is told a second after the first one");
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 4, 1)], 1));
    story.pass(3_000);
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 4, 1)], 1));
}

#[test]
fn a_read_message_is_not_told_to_have_been_delivered() {
    let mut story = inbox();
    story.ben_writes(1);
    story.pass(500);
    story.feed(Input::Seen { thread: thread(), seq: 1 });
    story.pass(10_000);
    assert_eq!(story.marks, [json!({"_marks": [{"thread_id": "ana__ben", "read": 1}], "_receipts": true})]);
    story.ben_writes(3);
    story.pass(10_000);
    assert_eq!(story.marks[1..], [json!({"_marks": [{"thread_id": "ana__ben", "delivered": 4}], "_receipts": true})]);
}

#[test]
fn what_was_read_offline_is_counted_after_a_reload() {
    let mut story = inbox();
    story.ben_writes(5);
    story.pass(ROUND_TRIP);
    story.reachable = false;
    story.cut();
    story.feed(Input::Online(false));
    story.feed(Input::Seen { thread: thread(), seq: 5 });
    assert_eq!((lines(&story), state(&story).unread), (vec![("ben", 5, 0)], 0), "at once");
    story.pass(10_000);
    let kept = core::mem::take(&mut story.seen);
    assert_eq!(kept.get(&thread()), Some(&5));

    let mut reloaded = inbox();
    reloaded.server = core::mem::take(&mut story.server);
    reloaded.now = story.now;
    reloaded.feed(Input::Seen { thread: thread(), seq: 5 });
    reloaded.pass(1_000);
    assert_eq!(reloaded.server.unread("ana__ben", "ana"), 0);
    assert!(reloaded.seen.is_empty(), "and storage lets go of it");
}

#[test]
fn two_devices_agree_within_a_round_trip() {
    let mut story = inbox();
    story.ben_writes(5);
    story.writes("cleo", 1);
    story.pass(ROUND_TRIP);
    story.marked("ana", &thread(), 3, 3);
    story.pass(ROUND_TRIP);
    assert_eq!((lines(&story), state(&story).unread), (vec![("cleo", 1, 1), ("ben", 5, 2)], 3));
    story.marked("ana", &thread(), 5, 5);
    story.pass(ROUND_TRIP);
    assert_eq!((lines(&story), state(&story).unread), (vec![("cleo", 1, 1), ("ben", 5, 0)], 1));
    assert_eq!((story.asked("list"), story.asked("sync")), (0, 0), "{:?}", story.log);
}

#[test]
fn an_open_thread_and_its_line_show_the_same_ticks() {
    let mut story = inbox();
    story.open();
    story.pass(1_000);
    let id = MessageId(0x4000_8000 << 48 | 1);
    story.feed(Input::Send { thread: thread(), id, body: "hello".into(), reply_to: None });
    story.pass(1_000);
    for (read, delivered) in [(0, 1), (1, 1)] {
        story.marked("ben", &thread(), read, delivered);
        story.pass(ROUND_TRIP);
        let line = &story.lines[0];
        assert_eq!((line.read_by_other, line.delivered_to_other), (read, delivered));
        let shown = story.markers[&thread()];
        assert_eq!((shown.read_by_other, shown.delivered_to_other), (read, delivered));
    }
}

#[test]
fn a_chat_that_the_inbox_lists_is_there_and_live_after_one_round_trip() {
    let mut story = inbox();
    story.ben_writes(3);
    story.pass(3_000);
    story.log.clear();
    story.open();
    story.log.sort();
    assert_eq!(story.log, ["phx_join", "read"], "the backend is not asked whether it is there");
    story.pass(ROUND_TRIP);
    assert_eq!((story.status(), story.seqs()), (Status::Live, vec![1, 2, 3]));
}

#[test]
fn a_lone_thread_knows_its_markers_with_its_first_page() {
    let mut story = Story::closed();
    story.ben_writes(4);
    story.marked("ana", &thread(), 2, 2);
    story.marked("ben", &thread(), 3, 4);
    story.feed(Input::Receipts(true));
    story.open();
    story.pass(2 * ROUND_TRIP);
    assert_eq!(story.opened, [Ok(())]);
    let expected = Markers { seen_at_open: 2, all_read_at_open: false, read_by_other: 3, delivered_to_other: 4 };
    assert_eq!(story.markers.get(&thread()), Some(&expected));
    story.feed(Input::Seen { thread: thread(), seq: 4 });
    story.pass(2_000);
    assert_eq!(story.markers[&thread()].seen_at_open, 2, "the divider stays where it is");
}

#[test]
fn a_thread_that_is_opened_again_knows_what_another_device_has_read_meanwhile() {
    let mut story = Story::closed();
    story.ben_writes(4);
    story.feed(Input::Receipts(true));
    story.open();
    story.pass(2_000);
    assert!(!story.markers[&thread()].all_read_at_open);
    story.feed(Input::Close { thread: thread() });
    story.pass(1_000);
    story.marked("ana", &thread(), 4, 4);
    story.open();
    story.pass(2_000);
    let shown = story.markers[&thread()];
    assert_eq!((shown.seen_at_open, shown.all_read_at_open), (4, true));
}

#[test]
fn a_thread_that_is_not_there_yet_is_asked_about_once() {
    let mut story = Story::closed();
    story.server.threads.clear();
    story.proxy = |request| {
        let down = Answer::Http { status: 503, body: None, retry_after: None };
        matches!(request, Request::EnsureThread { .. }).then_some(down)
    };
    story.feed(Input::Receipts(true));
    story.open();
    story.pass(20_000);
    assert_eq!(story.asked("mark"), 1);
    assert_eq!(
        story.markers[&thread()],
        Markers { seen_at_open: 0, all_read_at_open: false, read_by_other: 0, delivered_to_other: 0 }
    );
}

#[test]
fn reading_privately_tells_nobody_and_shows_nothing() {
    let mut story = Story::closed();
    story.ben_writes(4);
    story.marked("ben", &thread(), 3, 4);
    story.feed(Input::Receipts(false));
    story.feed(Input::OpenInbox { limit: 30 });
    story.open();
    story.pass(2_000);
    assert_eq!((story.lines[0].read_by_other, story.markers[&thread()].read_by_other), (0, 0));
    story.feed(Input::Seen { thread: thread(), seq: 4 });
    story.pass(10_000);
    assert_eq!(state(&story).unread, 0);
    assert_eq!(story.server.others_marker("ana__ben", "ben").read, 0);
    assert!(story.marks.iter().all(|body| body["_receipts"] == false && body["_marks"][0]["delivered"].is_null()));
}

#[test]
fn a_page_that_uses_no_markers_asks_and_tells_nothing_of_them() {
    let mut story = Story::closed();
    story.open();
    story.ben_writes(3);
    story.pass(60_000);
    assert_eq!((story.asked("mark"), story.asked("list"), story.markers.len()), (0, 0, 0));
    assert!(!story.joined.iter().any(|topic| topic.contains("inbox")));
}

#[test]
fn on_an_older_sql_the_inbox_says_what_is_missing_and_the_chat_goes_on() {
    let mut story = Story::closed();
    story.server.no_inbox = true;
    story.feed(Input::Receipts(true));
    story.feed(Input::OpenInbox { limit: 30 });
    story.open();
    story.pass(5_000);
    let error = story.inbox_opened[0].as_ref().expect_err("no inbox");
    assert_eq!(error.code, Code::SetupMissing);
    assert!(error.detail.as_ref().is_some_and(|said| said.contains("chat_inbox.sql")));
    assert_eq!((state(&story).status, story.status()), (Status::Closed, Status::Live));
    story.ben_writes(1);
    story.feed(Input::Seen { thread: thread(), seq: 1 });
    story.log.clear();
    story.pass(60_000);
    assert_eq!((story.seqs(), story.asked("mark"), story.asked("list")), (vec![1], 0, 0));
}

#[test]
fn an_answer_or_a_hint_that_makes_no_sense_breaks_nothing() {
    let huge = 9_007_199_254_740_991_u64;
    let message = json!({"id": "00000000-0000-4000-8000-000000000001", "sender_mongo_id": "ben", "seq": huge, "body": "x",
        "created_at": "9"});
    let line = json!({"thread_id": "ana__ben", "last_message_at": "9", "message": message, "unread": huge, "read": huge,
        "delivered": 1, "other_read": huge, "other_delivered": "many", "last_seq": huge, "mongo_id": "ana"});
    let mut stranger = line.clone();
    stranger["thread_id"] = json!("cleo__dan");
    let odd = [
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!({"threads": 7}),
        json!({"threads": [1, null, {}]}),
        json!({"threads": [line, line, stranger], "unread": huge, "has_more": "yes", "digest": 3}),
    ];
    for answer in odd {
        for hint in ["THREAD", "MARK", "LATER"] {
            let mut story = inbox();
            story.open();
            story.ben_writes(2);
            story.feed(Input::Seen { thread: thread(), seq: huge });
            for payload in [&answer, &line, &stranger] {
                story.deliver("realtime:chat-inbox:uid-ana", hint, payload);
                story.deliver("realtime:chat:ana__ben", hint, payload);
            }
            story.odd_answers = Some(answer.clone());
            story.pass(60_000);
            story.odd_answers = None;
            story.cut();
            story.ben_writes(1);
            story.pass(120_000);
            let newest = story.lines.iter().find(|line| line.thread == thread()).map(|line| line.message.seq);
            assert_eq!((newest, state(&story).status), (Some(3), Status::Live), "{hint}, {answer}");
        }
    }
}

#[test]
fn a_long_inbox_comes_in_pages_and_a_new_message_moves_its_line_up() {
    let mut story = Story::closed();
    for n in 0..51 {
        let other = format!("p{n:02}");
        story.server.threads.insert(with(&other).as_str().into(), Default::default());
        story.writes(&other, 1);
        story.pass(1);
    }
    story.feed(Input::Receipts(true));
    story.feed(Input::OpenInbox { limit: 25 });
    story.pass(2_000);
    assert_eq!((story.lines.len(), state(&story).has_more, state(&story).unread), (25, true, 51));
    for expected in [50, 51] {
        story.feed(Input::LoadMore);
        assert!(state(&story).loading_more);
        story.pass(ROUND_TRIP);
        assert_eq!(story.lines.len(), expected);
    }
    assert!(!state(&story).has_more);
    story.log.clear();
    story.writes("p00", 1);
    story.pass(ROUND_TRIP);
    assert_eq!((lines(&story)[0], story.lines.len(), state(&story).unread), (("p00", 2, 2), 51, 52));
    assert_eq!(story.asked("list"), 0);
    // One that is not loaded is read about, as nobody knows how much of it is unread.
    let mut short = Story::closed();
    core::mem::swap(&mut short.server, &mut story.server);
    short.now = story.now;
    short.feed(Input::Receipts(true));
    short.feed(Input::OpenInbox { limit: 10 });
    short.pass(2_000);
    short.writes("p20", 1);
    short.pass(2 * ROUND_TRIP);
    assert_eq!((lines(&short)[0], state(&short).unread), (("p20", 2, 2), 53));
}

#[test]
fn what_a_new_line_moved_down_is_read_again_as_well() {
    let mut story = Story::closed();
    story.server.threads.insert("ana__cleo".into(), Default::default());
    story.ben_writes(1);
    story.feed(Input::Receipts(true));
    story.feed(Input::OpenInbox { limit: 1 });
    story.pass(5_000);
    assert_eq!(lines(&story), [("ben", 1, 1)]);
    story.cut();
    story.writes("cleo", 1);
    story.marked("ana", &thread(), 1, 1);
    story.pass(3_000);
    assert_eq!((lines(&story), state(&story).unread), (vec![("cleo", 1, 1), ("ben", 1, 0)], 1));
}

#[test]
fn signed_out_it_shows_why_and_comes_back() {
    let mut story = inbox();
    story.ben_writes(1);
    story.pass(ROUND_TRIP);
    story.server.signed_out.push("ana".into());
    story.pass(4_000_000);
    assert_eq!(state(&story).status, Status::AuthRequired);
    story.server.signed_out.clear();
    story.ben_writes(1);
    story.pass(120_000);
    assert_eq!((state(&story).status, lines(&story)), (Status::Live, vec![("ben", 2, 2)]));
}

#[test]
fn a_closed_inbox_asks_nothing_more() {
    let mut story = inbox();
    story.ben_writes(1);
    story.pass(5_000);
    story.feed(Input::CloseInbox);
    assert_eq!((state(&story).status, story.lines.len()), (Status::Closed, 0));
    story.pass(1_000);
    assert!(story.socket.is_none() && story.engine.is_idle());
    story.log.clear();
    story.pass(3_600_000);
    assert!(story.log.is_empty(), "{:?}", story.log);
}
