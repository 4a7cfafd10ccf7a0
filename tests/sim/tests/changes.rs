//! What happens to messages that are there already, each in a small story on a network that just takes its time: 100 ms a round
//! trip.

use chopped_chat::change::Kind;
use chopped_chat::*;
use serde_json::{Value, json};
use sim::story::{ROUND_TRIP, Story, thread};

const ID: MessageId = MessageId(7);

/// Ana's chat, live, in which she has said one thing.
fn said() -> Story {
    let mut story = Story::live();
    story.say(7, "helo");
    story.pass(1_000);
    assert_eq!(story.texts(), ["helo"]);
    story.log.clear();
    story
}

fn change(story: &mut Story, change: Change) {
    story.feed(Input::Change { thread: thread(), id: ID, change });
}

fn row(story: &Story, seq: usize) -> &Value {
    &story.server.threads["ana__ben"].rows[seq - 1]
}

fn refused(story: &Story) -> Option<(Kind, Code)> {
    story.changing[&ID].refused.as_ref().map(|(kind, error)| (*kind, error.code))
}

#[test]
fn a_change_shows_at_once_and_outlives_the_page_until_the_server_has_it() {
    let mut story = said();
    change(&mut story, Change::Edit("hello".into()));
    assert_eq!((story.changing[&ID].edit.as_deref(), story.stored_changes.len()), (Some("hello"), 1));
    story.pass(ROUND_TRIP);
    assert_eq!((story.texts(), story.changing.len(), story.stored_changes.len()), (vec!["hello"], 0, 0));
    assert_eq!((story.asked("change"), story.asked("read")), (1, 0), "its own broadcast asks for nothing");
}

#[test]
fn what_is_refused_is_taken_back_and_its_text_kept() {
    let mut story = said();
    story.server.edit_window = 0;
    change(&mut story, Change::Edit("hello".into()));
    story.pass(ROUND_TRIP);
    assert_eq!(refused(&story), Some((Kind::Edit, Code::WindowOver)));
    assert_eq!((story.texts(), story.changing[&ID].edit.as_deref()), (vec!["helo"], Some("hello")));
    story.pass(60_000);
    assert_eq!(story.asked("change"), 1, "only a person asks again");
    story.server.edit_window = u64::MAX;
    story.feed(Input::Retry { thread: thread(), id: ID });
    story.pass(ROUND_TRIP);
    assert_eq!((story.texts(), story.changing.len()), (vec!["hello"], 0));

    story.server.unsend_window = 0;
    change(&mut story, Change::Unsend);
    story.pass(ROUND_TRIP);
    assert_eq!(refused(&story), Some((Kind::Unsend, Code::WindowOver)));
    story.feed(Input::Discard { thread: thread(), id: ID });
    assert_eq!((story.changing.len(), story.stored_changes.len()), (0, 0));
}

#[test]
fn an_unsent_draft_is_rewritten_and_no_change_is_asked_for() {
    let mut story = Story::live();
    story.feed(Input::Online(false));
    story.say(7, "helo");
    change(&mut story, Change::Edit("hello".into()));
    assert!(matches!(&story.shown[0], Message::Pending(pending) if &*pending.body == "hello"));
    story.feed(Input::Online(true));
    story.pass(3_000);
    assert_eq!((story.texts(), story.asked("send"), story.asked("change")), (vec!["hello"], 1, 0));
}

#[test]
fn an_unsent_draft_that_is_unsent_was_never_said() {
    let mut story = Story::live();
    story.feed(Input::Online(false));
    story.say(7, "helo");
    change(&mut story, Change::Unsend);
    story.feed(Input::Online(true));
    story.pass(3_000);
    assert_eq!((story.shown.len(), story.rows(), story.asked("send")), (0, 0, 0));
    assert!(story.stored_changes.is_empty());
}

#[test]
fn a_draft_that_may_be_in_the_table_is_edited_there() {
    let mut story = Story::live();
    story.say(7, "helo");
    change(&mut story, Change::Edit("hello".into()));
    assert_eq!((story.asked("send"), story.asked("change")), (1, 0), "it waits for its message");
    story.pass(3 * ROUND_TRIP);
    assert_eq!((story.texts(), story.asked("send"), story.asked("change")), (vec!["hello"], 1, 1));
}

#[test]
fn what_is_unsent_while_its_send_fails_never_appears() {
    let mut story = Story::live();
    story.proxy = |request| match request {
        Request::Rpc { url, .. } if url.ends_with("/insert_chat_message") => Some(Answer::Unreachable),
        _ => None,
    };
    story.say(7, "helo");
    story.pass(300);
    change(&mut story, Change::Unsend);
    assert_eq!(story.shown.len(), 0);
    story.proxy = |_| None;
    story.pass(20_000);
    assert_eq!((story.rows(), story.asked("change")), (0, 1), "the server is asked whether it came to be there");
    assert!(story.changing.is_empty() && story.stored_changes.is_empty());
}

#[test]
fn of_what_was_liked_unliked_and_liked_offline_the_last_is_asked_for() {
    let mut story = said();
    story.feed(Input::Online(false));
    for emoji in [Some("a"), None, Some("b")] {
        change(&mut story, Change::React(emoji.map(Into::into)));
    }
    story.feed(Input::Online(true));
    story.pass(3_000);
    assert_eq!((row(&story, 1)["reaction_a"].as_str(), story.asked("change")), (Some("b"), 1));
    assert_eq!(row(&story, 1)["rev"], 1);
}

#[test]
fn what_an_earlier_page_did_not_get_done_is_done() {
    let mut story = said();
    let change = PendingChange { edit: Some("hello".into()), ..PendingChange::of(ID) };
    story.feed(Input::Restoring(true));
    story.feed(Input::RestoreChanges { thread: thread(), changes: vec![change] });
    story.pass(1_000);
    assert_eq!(story.asked("change"), 0, "its message may be among what storage still finds");
    story.feed(Input::Restoring(false));
    story.pass(ROUND_TRIP);
    assert_eq!((story.texts(), story.changing.len()), (vec!["hello"], 0));
}

#[test]
fn a_change_that_was_lost_is_missed_by_the_next_one() {
    let mut story = said();
    story.ben_writes(1);
    story.pass(1_000);
    story.silent = true;
    story.changes("ben", "edit_chat_message", 2, json!("lost"));
    story.silent = false;
    story.changes("ben", "react_chat_message", 1, json!("a"));
    story.pass(ROUND_TRIP);
    assert_eq!(story.asked("read"), 0, "it may be on its way");
    story.pass(500);
    assert_eq!((story.texts(), story.asked("read")), (vec!["helo", "lost"], 1));
}

#[test]
fn a_change_that_was_lost_for_good_is_told_by_the_poll() {
    let mut story = said();
    story.silent = true;
    story.changes("ben", "react_chat_message", 1, json!("a"));
    story.pass(60_000);
    assert!(matches!(&story.shown[0], Message::Sent(row) if row.value["reaction_b"] == "a"));
}

#[test]
fn a_page_from_before_a_change_has_it_read() {
    let mut story = Story::closed();
    for _ in 0..120 {
        story.ben_writes(1);
    }
    story.open();
    story.pass(2_000);
    assert_eq!(story.seqs()[0], 71);
    // On its way to the page while the message is not there yet.
    story.feed(Input::LoadOlder { thread: thread() });
    story.changes("ben", "edit_chat_message", 40, json!("edited"));
    story.pass(1_000);
    assert_eq!((story.seqs()[0], story.texts()[19]), (21, "edited"));
}

#[test]
fn after_too_many_changes_the_newest_page_is_read_whole() {
    let mut story = said();
    story.server.most_changes = 2;
    story.silent = true;
    for text in ["one", "two"] {
        story.ben_writes(1);
        let seq = story.rows();
        story.changes("ben", "edit_chat_message", seq, json!(text));
    }
    story.changes("ben", "react_chat_message", 1, json!("a"));
    story.silent = false;
    story.cut();
    story.pass(10_000);
    assert_eq!(story.texts(), ["helo", "one", "two"]);
    assert!(matches!(&story.shown[0], Message::Sent(row) if row.value["reaction_b"] == "a"));
    let reads = story.asked("read");
    assert!(reads <= 4, "{reads} reads");
}

#[test]
fn what_a_message_replies_to_is_read_by_its_number_and_follows_its_changes() {
    let mut story = Story::closed();
    for _ in 0..120 {
        story.ben_writes(1);
    }
    story.open();
    story.pass(2_000);
    story.log.clear();
    story.feed(Input::Send { thread: thread(), id: ID, body: "this one".into(), reply_to: Some(3) });
    story.pass(1_000);
    assert_eq!((story.quoted[&3]["seq"].as_u64(), story.asked("read")), (Some(3), 1));
    story.changes("ben", "unsend_chat_message", 3, Value::Null);
    story.pass(ROUND_TRIP);
    assert!(story.quoted[&3]["deleted_at"].is_string() && story.quoted[&3]["body"] == "");
}

#[test]
fn a_jump_reads_down_to_its_message() {
    let mut story = Story::closed();
    for _ in 0..900 {
        story.ben_writes(1);
    }
    story.open();
    story.pass(2_000);
    story.log.clear();
    story.feed(Input::JumpTo { thread: thread(), seq: 100 });
    story.pass(5_000);
    assert_eq!((story.jumped.as_slice(), story.asked("read")), (&[Ok(())][..], 4), "200 at once");
    assert!(story.seqs()[0] < 100 && story.seqs().len() as u64 == 901 - story.seqs()[0]);
    story.feed(Input::JumpTo { thread: thread(), seq: 200 });
    assert_eq!(story.jumped.len(), 2, "it is there");
}

#[test]
fn an_older_database_goes_on_and_says_what_is_missing() {
    let mut story = Story::closed();
    story.server.no_changes = true;
    story.open();
    story.pass(2_000);
    story.say(7, "helo");
    story.pass(1_000);
    story.log.clear();
    change(&mut story, Change::Edit("hello".into()));
    story.pass(ROUND_TRIP);
    let error = story.changing[&ID].refused.clone().expect("it is refused").1;
    assert_eq!(
        (error.code, error.detail.as_deref()),
        (Code::SetupMissing, Some("apply 20261128000001_chat_changes.sql"))
    );
    assert_eq!((story.texts(), story.status()), (vec!["helo"], Status::Live));
    story.cut();
    story.pass(5_000);
    assert_eq!(story.asked("read"), 1, "it is not asked for changes again");
}
