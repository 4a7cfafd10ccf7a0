//! Editing, unsending, reacting and replying: who may and until when, what everybody is told, and the number by which a page
//! knows that it missed something.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sql_tests::Person::{Ana, Ben, Cleo, Dan};
use sql_tests::catalog::{CATALOG, text};
use sql_tests::{Actor, Database, Person, file_name, migration_files, send, sqlstate, thread_id};
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const DOWN: &str = include_str!("../../../sql/down.sql");
const DOCTOR: &str = include_str!("../../../sql/doctor.sql");

async fn ask(database: &Database, person: Person, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Value> {
    Ok(database.run(Actor::User(person), sql, parameters).await?[0].get(0))
}

async fn edit(database: &Database, person: Person, id: Uuid, body: &str) -> Result<Value> {
    ask(database, person, "select public.edit_chat_message($1, $2)", &[&id, &body]).await
}

async fn unsend(database: &Database, person: Person, id: Uuid) -> Result<Value> {
    ask(database, person, "select public.unsend_chat_message($1)", &[&id]).await
}

async fn react(database: &Database, person: Person, id: Uuid, emoji: Option<&str>) -> Result<Value> {
    ask(database, person, "select public.react_chat_message($1, $2)", &[&id, &emoji]).await
}

/// All of ana__ben, and what has changed there since.
async fn page(database: &Database, person: Person, known: Option<i64>) -> Result<Value> {
    ask(database, person, "select public.list_chat_page('ana__ben', _known => $1)", &[&known]).await
}

async fn reply(database: &Database, from: Person, to: Person, body: &str, reply_to: i64) -> Result<Uuid> {
    let sent = "select (sent).id from public.insert_chat_message($1, $2, $3, $4, null, $5) sent";
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&thread_id(from, to), &from.mongo_id(), &to.mongo_id(), &body, &reply_to];
    Ok(database.run(Actor::User(from), sent, &parameters).await?[0].get(0))
}

async fn sent(database: &Database, from: Person, to: Person, body: &str) -> Result<Uuid> {
    Ok(send(database, from, to, body, None).await?.get("id"))
}

async fn refused(changed: impl Future<Output = Result<Value>>) -> String {
    match changed.await {
        Ok(row) => format!("allowed: {row}"),
        Err(error) => sqlstate(&error).to_owned(),
    }
}

/// As if the message had been sent so long ago.
async fn age(database: &Database, id: Uuid, by: &str) -> Result<()> {
    let older = format!("update public.chat_messages set created_at = created_at - interval '{by}' where id = $1");
    database.superuser().await?.execute(&older, &[&id]).await?;
    Ok(())
}

async fn told(database: &Database, event: &str) -> Result<Vec<Value>> {
    let told = "select jsonb_build_object('topic', topic) || payload from realtime.messages
                 where event = $1 and private and extension = 'broadcast' order by (payload ->> 'rev')::bigint, topic";
    Ok(database.superuser().await?.query(told, &[&event]).await?.iter().map(|row| row.get(0)).collect())
}

async fn last_rev(database: &Database) -> Result<i64> {
    let last = "select last_rev from public.chat_threads where thread_id = 'ana__ben'";
    Ok(database.superuser().await?.query_one(last, &[]).await?.get(0))
}

async fn doctor(database: &Database) -> Result<String> {
    let found = format!("select promise from ({}) doctor where not ok", DOCTOR.trim_end().trim_end_matches(';'));
    text(&database.owner().await?, &found).await
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().and_then(|members| members.remove(name));
    value
}

fn revs(rows: &Value) -> Vec<i64> {
    rows.as_array().into_iter().flatten().filter_map(|row| row["rev"].as_i64()).collect()
}

fn seqs(rows: &Value) -> Vec<i64> {
    rows.as_array().into_iter().flatten().filter_map(|row| row["seq"].as_i64()).collect()
}

#[tokio::test]
async fn each_change_is_numbered_answered_and_announced_as_the_row_is_then() -> Result<()> {
    let database = Database::with_people().await?;
    let id = reply(&database, Ana, Ben, "first", 2).await?;
    let row =
        "select to_jsonb(m) - 'sender_supabase_id' - 'recipient_mongo_id' from public.chat_messages m where id = $1";
    let mut answers = Vec::new();
    for change in ["edit", "react a", "react b", "react again", "take back", "unsend"] {
        let answer = match change {
            "edit" => edit(&database, Ana, id, "second").await?,
            "react a" => react(&database, Ana, id, Some("\u{1f602}")).await?,
            "react b" => react(&database, Ben, id, Some("\u{1f44d}")).await?,
            "react again" => react(&database, Ben, id, Some("\u{2764}\u{fe0f}")).await?,
            "take back" => react(&database, Ben, id, None).await?,
            _ => unsend(&database, Ana, id).await?,
        };
        // The row, but for what is null.
        let row: Value = database.superuser().await?.query_one(row, &[&id]).await?.get(0);
        let members = row.as_object().context("a row")?.iter().filter(|(_, value)| !value.is_null());
        assert_eq!(
            answer,
            Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect()),
            "{change}"
        );
        answers.push(answer);
    }
    assert_eq!(revs(&Value::from(answers.clone())), [1, 2, 3, 4, 5, 6]);
    let reactions: Vec<_> =
        answers.iter().map(|answer| (answer["reaction_a"].as_str(), answer["reaction_b"].as_str())).collect();
    let (a, b) = (Some("\u{1f602}"), Some("\u{1f44d}"));
    assert_eq!(reactions, [(None, None), (a, None), (a, b), (a, Some("\u{2764}\u{fe0f}")), (a, None), (None, None)]);
    assert!(answers[0]["edited_at"].is_string() && answers[0]["reply_to"] == 2 && answers[4]["body"] == "second");

    let tombstone = &answers[5];
    assert_eq!((&tombstone["body"], &tombstone["seq"]), (&json!(""), &json!(4)));
    assert!(tombstone["deleted_at"].is_string());
    for gone in ["edited_at", "reply_to", "reaction_a"] {
        assert!(tombstone.get(gone).is_none(), "{gone}");
    }
    let announced: Vec<_> =
        told(&database, "CHANGE").await?.into_iter().map(|payload| without(payload, "topic")).collect();
    assert_eq!(announced, answers);
    assert!(told(&database, "CHANGE").await?.iter().all(|payload| payload["topic"] == "chat:ana__ben"));
    assert_eq!(last_rev(&database).await?, 6);
    Ok(())
}

#[tokio::test]
async fn what_is_so_already_gets_no_number_and_is_not_announced() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    let edited = edit(&database, Ana, id, "second").await?;
    assert_eq!(edit(&database, Ana, id, "second").await?, edited);
    let reacted = react(&database, Ben, id, Some("x")).await?;
    assert_eq!(react(&database, Ben, id, Some("x")).await?, reacted);
    assert_eq!(react(&database, Ana, id, None).await?, reacted);
    // Somebody whose answer was lost may ask again when the time is over.
    age(&database, id, "1 day").await?;
    assert_eq!(edit(&database, Ana, id, "second").await?["rev"], 2);
    let unsent = unsend(&database, Ana, id).await?;
    age(&database, id, "3 days").await?;
    assert_eq!(unsend(&database, Ana, id).await?["deleted_at"], unsent["deleted_at"]);
    assert_eq!(react(&database, Ben, id, None).await?["rev"], 3);
    assert_eq!((told(&database, "CHANGE").await?.len(), last_rev(&database).await?), (3, 3));
    Ok(())
}

#[tokio::test]
async fn a_message_can_be_changed_for_as_long_as_the_backend_says() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    let windows = async |edit: &str, unsend: &str| {
        let set = format!("update public.chat_limits set edit_window = {edit}, unsend_window = {unsend}");
        database.run(Actor::ServiceRole, &set, &[]).await
    };
    age(&database, id, "14 minutes").await?;
    edit(&database, Ana, id, "second").await?;
    age(&database, id, "2 minutes").await?;
    assert_eq!(refused(edit(&database, Ana, id, "third")).await, "CH410");
    windows("interval '1 month'", "interval '48 hours'").await?;
    edit(&database, Ana, id, "third").await?;
    age(&database, id, "48 hours").await?;
    assert_eq!(refused(unsend(&database, Ana, id)).await, "CH410");
    react(&database, Ben, id, Some("x")).await?;
    let told = page(&database, Ana, None).await?;
    assert_eq!((&told["edit_within"], &told["unsend_within"]), (&json!(2_592_000), &json!(172_800)));
    windows("null", "null").await?;
    age(&database, id, "100 years").await?;
    edit(&database, Ana, id, "fourth").await?;
    let told = page(&database, Ana, None).await?;
    assert_eq!((&told["edit_within"], &told["unsend_within"]), (&Value::Null, &Value::Null));
    unsend(&database, Ana, id).await?;
    windows("interval '0'", "interval '0'").await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    assert_eq!(refused(edit(&database, Ana, id, "second")).await, "CH410");
    assert_eq!(sqlstate(&windows("interval '-1 second'", "null").await.unwrap_err()), "23514");
    Ok(())
}

#[tokio::test]
async fn a_tombstone_stays_one_and_can_be_answered() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    unsend(&database, Ana, id).await?;
    assert_eq!(refused(edit(&database, Ana, id, "second")).await, "CH409");
    for person in [Ana, Ben] {
        assert_eq!(refused(react(&database, person, id, Some("x"))).await, "CH409");
    }
    reply(&database, Ben, Ana, "what was that?", 4).await?;
    // One that its owner emptied, as the doctor advises, is gone as well.
    let emptied = sent(&database, Ana, Ben, "first").await?;
    database.owner().await?.execute("update public.chat_messages set body = '' where id = $1", &[&emptied]).await?;
    assert_eq!(refused(edit(&database, Ana, emptied, "second")).await, "CH409");
    assert_eq!(refused(react(&database, Ben, emptied, Some("x"))).await, "CH409");
    for forged in ["body = 'x'", "reaction_a = 'x'", "reply_to = 1", "edited_at = now()"] {
        let update = format!("update public.chat_messages set {forged} where id = $1");
        let refused = database.superuser().await?.execute(&update, &[&id]).await.map_err(anyhow::Error::new);
        assert_eq!(sqlstate(&refused.unwrap_err()), "23514", "{forged}");
    }
    Ok(())
}

/// Realtime keeps three days of what it broadcast. What tells of an unsend holds nothing of what was there; what told of the
/// text then goes on holding it.
#[tokio::test]
async fn the_old_text_is_where_it_was_announced_and_nowhere_else() -> Result<()> {
    let database = Database::with_people().await?;
    for person in [Ana, Ben] {
        ask(&database, person, "select public.list_chat_threads()", &[]).await?;
    }
    let id = sent(&database, Ana, Ben, "mistletoe").await?;
    let superuser = database.superuser().await?;
    let holding = async |word: &str| {
        let held = format!("select distinct event from realtime.messages m where m::text like '%{word}%' order by 1");
        text(&superuser, &held).await
    };
    react(&database, Ben, id, Some("x")).await?;
    edit(&database, Ana, id, "hemlock").await?;
    assert_eq!(holding("hemlock").await?, "CHANGE\nTHREAD");
    let before =
        text(&superuser, "select count(*)::text from realtime.messages where payload::text ~ 'mistletoe|hemlock'")
            .await?;
    unsend(&database, Ana, id).await?;
    sent(&database, Ben, Ana, "next").await?;
    assert_eq!(
        text(&superuser, "select count(*)::text from realtime.messages where payload::text ~ 'mistletoe|hemlock'")
            .await?,
        before
    );
    // The reaction told the text as it was then.
    assert_eq!(holding("mistletoe").await?, "CHANGE\nINSERT\nTHREAD");
    assert_eq!(
        text(&superuser, "select count(*)::text from public.chat_messages m where m::text ~ 'mistletoe|hemlock'")
            .await?,
        "0"
    );
    Ok(())
}

/// Callers who send and change at once, and now and then take it back or lose their backend.
#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_sixteen_callers_have_no_hole() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    let mut ids = Vec::new();
    for n in 0..8 {
        let (from, to) = if n % 2 == 0 { (Ana, Ben) } else { (Ben, Ana) };
        ids.push((from, sent(&database, from, to, "x").await?));
    }
    let ids = std::sync::Arc::new(ids);
    let mut callers = JoinSet::new();
    for caller in 0..16_usize {
        let (database, ids) = (database.clone(), ids.clone());
        callers.spawn(async move {
            let mut client = database.api().await?;
            let mut kept = 0;
            for n in 0..20_usize {
                let (person, id) = ids[(caller * 3 + n) % ids.len()];
                let other = if person == Ana { Ben } else { Ana };
                let transaction = client.transaction().await?;
                let body = format!("{caller} {n}");
                Actor::User(if n % 3 == 0 { other } else { person }).enter(&transaction).await?;
                match n % 3 {
                    0 => transaction.execute("select public.react_chat_message($1, $2)", &[&id, &body]).await?,
                    1 => transaction.execute("select public.edit_chat_message($1, $2)", &[&id, &body]).await?,
                    _ => {
                        let send = "select public.insert_chat_message('ana__ben', $1, $2, $3)";
                        transaction.execute(send, &[&person.mongo_id(), &other.mongo_id(), &body]).await?
                    }
                };
                match (caller + n) % 7 {
                    0 => transaction.rollback().await?,
                    1 => {
                        let end = "select pg_terminate_backend(pg_backend_pid())";
                        let _ = transaction.execute("set local role none", &[]).await;
                        let _ = transaction.execute(end, &[]).await;
                        drop(transaction);
                        client = database.api().await?;
                    }
                    _ => {
                        transaction.commit().await?;
                        kept += i64::from(n % 3 != 2);
                    }
                }
            }
            anyhow::Ok(kept)
        });
    }
    let mut kept = 0;
    while let Some(caller) = callers.join_next().await {
        kept += caller??;
    }
    assert!(kept > 100, "{kept}");
    assert_eq!(last_rev(&database).await?, kept);
    let announced: Vec<_> =
        told(&database, "CHANGE").await?.iter().filter_map(|payload| payload["rev"].as_i64()).collect();
    assert_eq!(announced, (1..=kept).collect::<Vec<_>>(), "each is announced once");
    let overtaking = "select count(*)::text from (
        select pg_xact_commit_timestamp(xmin) < lag(pg_xact_commit_timestamp(xmin)) over (order by rev) as overtakes
          from public.chat_messages where rev is not null) steps where overtakes";
    assert_eq!(text(&database.superuser().await?, overtaking).await?, "0", "rev is the order of commits");
    assert_eq!(doctor(&database).await?, "");
    Ok(())
}

/// One begins while the other is not committed: it waits, sees what that one did, and has the next number.
#[tokio::test]
async fn of_two_at_once_each_keeps_what_the_other_did() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "x").await?;
    let other = sent(&database, Ben, Ana, "y").await?;
    let update = |id: Uuid| format!("update public.chat_messages set body = body || '!' where id = '{id}'");
    let react = |emoji: &str| format!("select public.react_chat_message('{id}', '{emoji}')");
    // As the two people, and as the owner past the functions.
    for (people, first, second) in
        [(true, react("a"), react("b")), (false, update(id), update(other)), (false, update(id), update(id))]
    {
        let mut clients = [database.superuser().await?, database.superuser().await?];
        let [one, two] = &mut clients;
        let (one, two) = (one.transaction().await?, two.transaction().await?);
        if people {
            Actor::User(Ana).enter(&one).await?;
            Actor::User(Ben).enter(&two).await?;
        }
        one.batch_execute(&first).await?;
        let superuser = database.superuser().await?;
        let both = async {
            tokio::try_join!(two.batch_execute(&second), async {
                let waiting = "select count(*)::text from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
                while text(&superuser, waiting).await.is_ok_and(|waiting| waiting == "0") {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                one.commit().await
            })
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), both).await.context("the second did not wait")??;
        two.commit().await?;
    }
    let row = edit(&database, Ana, id, "z").await?;
    assert_eq!((&row["reaction_a"], &row["reaction_b"], &row["rev"]), (&json!("a"), &json!("b"), &json!(7)));
    assert_eq!(last_rev(&database).await?, 7);
    Ok(())
}

/// What is changed past the functions is told as well, of one statement the newest.
#[tokio::test]
async fn a_change_in_the_dashboard_is_numbered_too() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    owner
        .batch_execute(
            "update public.chat_messages set body = body || '!' where thread_id in ('ana__ben', 'cleo__dan')",
        )
        .await?;
    assert_eq!(revs(&page(&database, Ana, Some(0)).await?["changes"]), [1, 2, 3]);
    let announced = told(&database, "CHANGE").await?;
    let announced: Vec<_> =
        announced.iter().map(|payload| (payload["topic"].as_str(), payload["rev"].as_i64())).collect();
    assert_eq!(announced, [(Some("chat:cleo__dan"), Some(1)), (Some("chat:ana__ben"), Some(3))]);
    // What nobody is told of has no number.
    owner.batch_execute("update public.chat_messages set recipient_mongo_id = recipient_mongo_id, created_at = created_at - interval '1 s'").await?;
    assert_eq!(last_rev(&database).await?, 3);
    // A number that is given is not believed.
    owner
        .batch_execute("update public.chat_messages set body = 'x', rev = 77 where thread_id = 'ana__ben' and seq = 1")
        .await?;
    assert_eq!(last_rev(&database).await?, 4);
    assert_eq!(doctor(&database).await?, "");
    Ok(())
}

/// The change is what counts; an announcement that fails costs a warning.
#[tokio::test]
async fn a_change_that_cannot_be_announced_is_made() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    database.superuser().await?.batch_execute("drop function realtime.send(jsonb, text, text, boolean)").await?;
    assert_eq!(edit(&database, Ana, id, "second").await?["rev"], 1);
    assert_eq!((told(&database, "CHANGE").await?.len(), last_rev(&database).await?), (0, 1));
    Ok(())
}

#[tokio::test]
async fn changes_count_as_sends_do() -> Result<()> {
    let database = Database::with_people().await?;
    let id = sent(&database, Ana, Ben, "first").await?;
    database.superuser().await?.batch_execute("delete from chat_private.send_buckets").await?;
    let limit = "update public.chat_limits set sends_per_second = 0.001, send_burst = 2";
    database.run(Actor::ServiceRole, limit, &[]).await?;
    edit(&database, Ana, id, "second").await?;
    react(&database, Ana, id, Some("x")).await?;
    assert_eq!(refused(react(&database, Ana, id, None)).await, "PGRST");
    assert_eq!(refused(unsend(&database, Ana, id)).await, "PGRST");
    // What changes nothing costs nothing; what was refused was not made, numbered or told.
    assert_eq!(edit(&database, Ana, id, "second").await?["rev"], 2);
    assert_eq!((told(&database, "CHANGE").await?.len(), last_rev(&database).await?), (2, 2));
    react(&database, Ben, id, Some("x")).await?;
    Ok(())
}

/// The answer of a send is lost; before it is sent again, another device changes the message.
#[tokio::test]
async fn a_send_again_of_what_was_changed_since_is_no_other_message() -> Result<()> {
    let database = Database::with_people().await?;
    let ids = [Uuid::new_v4(), Uuid::new_v4()];
    for id in ids {
        send(&database, Ana, Ben, "first", Some(id)).await?;
    }
    edit(&database, Ana, ids[0], "second").await?;
    unsend(&database, Ana, ids[1]).await?;
    let batch = json!(ids.map(|id| json!({"id": id, "body": "first"})));
    let again = database
        .run(
            Actor::User(Ana),
            "select body, seq from public.insert_chat_messages('ana__ben', 'ana', 'ben', $1)",
            &[&batch],
        )
        .await?;
    let again: Vec<(String, i64)> = again.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(again, [("second".into(), 4), (String::new(), 5)]);
    assert_eq!(send(&database, Ana, Ben, "first", Some(ids[0])).await?.get::<_, String>("body"), "second");
    assert_eq!(send(&database, Ana, Ben, "first", Some(ids[1])).await?.get::<_, String>("body"), "");
    // The other person's is not one's own; nor is one that never changed and says something else.
    assert_eq!(sqlstate(&send(&database, Ben, Ana, "first", Some(ids[0])).await.unwrap_err()), "23505");
    let fresh = sent(&database, Ana, Ben, "first").await?;
    assert_eq!(sqlstate(&send(&database, Ana, Ben, "second", Some(fresh)).await.unwrap_err()), "23505");
    Ok(())
}

#[tokio::test]
async fn a_reply_names_a_message_before_it() -> Result<()> {
    let database = Database::with_people().await?;
    reply(&database, Ben, Ana, "to the third", 3).await?;
    for number in [0, -1, 5, 6, i64::MAX] {
        assert_eq!(sqlstate(&reply(&database, Ben, Ana, "x", number).await.unwrap_err()), "23514", "{number}");
    }
    // In one request the second may answer the first.
    let [one, two] = [Uuid::new_v4(), Uuid::new_v4()];
    let batch = json!([{"id": one, "body": "one"}, {"id": two, "body": "two", "reply_to": 5}]);
    let batched = "select string_agg(concat(seq, ' ', reply_to), ', ' order by seq) from public.insert_chat_messages('ana__ben', 'ana', 'ben', $1)";
    let answered: String = database.run(Actor::User(Ana), batched, &[&batch]).await?[0].get(0);
    assert_eq!(answered, "5 , 6 5");
    // Everybody is told with the message.
    let announced: Vec<_> =
        told(&database, "INSERT").await?.iter().map(|payload| payload["record"]["reply_to"].clone()).collect();
    assert!(announced.contains(&json!(3)) && announced.contains(&json!(5)), "{announced:?}");
    Ok(())
}

#[tokio::test]
async fn a_page_is_told_all_that_it_needs() -> Result<()> {
    let database = Database::with_people().await?;
    for original in [2, 4, 2, 1] {
        reply(&database, Ana, Ben, "x", original).await?; // 4, 5, 6, 7
    }
    let list = "select public.list_chat_page('ana__ben', $1, $2, $3, $4)";
    let ask = async |after: i64, before: i64, limit: i32, known: Option<i64>| {
        ask(&database, Ben, list, &[&after, &before, &limit, &known]).await
    };
    let all = ask(0, i64::MAX, 50, None).await?;
    assert_eq!(
        (seqs(&all["messages"]), &all["quoted"], all.get("changes")),
        (vec![7, 6, 5, 4, 3, 2, 1], &json!([]), None)
    );
    assert_eq!((&all["last_seq"], &all["last_rev"]), (&json!(7), &json!(0)));
    assert!(all["now"].as_str().is_some_and(|now| now.starts_with("20") && now.contains('T')), "{all}");
    // Originals that are not there, each once.
    let some = ask(0, i64::MAX, 3, None).await?;
    assert_eq!((seqs(&some["messages"]), seqs(&some["quoted"])), (vec![7, 6, 5], vec![1, 2, 4]));
    let some = ask(3, 7, 50, None).await?;
    assert_eq!((seqs(&some["messages"]), seqs(&some["quoted"])), (vec![6, 5, 4], vec![2]));
    assert_eq!(some["quoted"][0], all["messages"][5]);

    // Changes in their order, whichever page is asked for; each row once, with its last.
    for (seq, body) in [(1, "a"), (6, "b"), (1, "c"), (3, "d")] {
        let change = "update public.chat_messages set body = $2 where thread_id = 'ana__ben' and seq = $1";
        database.superuser().await?.execute(change, &[&i64::from(seq), &body]).await?;
    }
    for (known, expected) in [(0, vec![2, 3, 4]), (1, vec![2, 3, 4]), (3, vec![4]), (4, vec![]), (99, vec![])] {
        let some = ask(4, 6, 1, Some(known)).await?;
        assert_eq!((revs(&some["changes"]), &some["last_rev"]), (expected, &json!(4)), "{known}");
    }
    let foreign = page(&database, Cleo, Some(0)).await?;
    let nothing = json!({"last_seq": 0, "last_rev": 0, "messages": [], "quoted": [], "edit_within": 900, "unsend_within": 172_800});
    assert_eq!(without(foreign, "now"), nothing);
    Ok(())
}

#[tokio::test]
async fn more_changes_than_two_hundred_are_not_told() -> Result<()> {
    let database = Database::with_people().await?;
    for _ in 0..5 {
        let send = "select public.insert_chat_messages('ana__ben', 'ana', 'ben', $1)";
        let batch = Value::from((0..50).map(|_| json!({"id": Uuid::new_v4(), "body": "x"})).collect::<Vec<_>>());
        database.run(Actor::User(Ana), send, &[&batch]).await?;
    }
    database
        .owner()
        .await?
        .batch_execute("update public.chat_messages set reaction_b = 'x' where thread_id = 'ana__ben' and seq <= 250")
        .await?;
    assert_eq!(revs(&page(&database, Ana, Some(50)).await?["changes"]), (51..=250).collect::<Vec<_>>());
    assert_eq!(page(&database, Ana, Some(49)).await?["changes"], Value::Null);
    // In several threads they share the room with the messages.
    let sync = async |asked: Value| ask(&database, Ana, "select public.sync_chat($1)", &[&asked]).await;
    let asked = vec![json!({"thread_id": "ana__ben", "after": 203, "known": 50}); 4];
    let answer = sync(Value::from(asked)).await?;
    let told: Vec<_> = answer["threads"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|thread| (seqs(&thread["messages"]).len(), thread["changes"].as_array().map(Vec::len)))
        .collect();
    assert_eq!(told, [(50, Some(200)), (50, Some(200)), (0, None), (0, None)]);
    let quiet = sync(json!([{"thread_id": "ana__ben", "after": 253, "known": 250}])).await?;
    assert_eq!(
        without(without(quiet["threads"][0].clone(), "read"), "delivered"),
        json!({
            "thread_id": "ana__ben", "last_seq": 253, "last_rev": 250, "messages": [], "quoted": [], "changes": [],
            "other_read": 0, "other_delivered": 0,
        })
    );
    Ok(())
}

/// An edit that is committed while a page is read is in all of the answer or in none: its last_rev says which.
#[tokio::test]
async fn a_page_is_of_one_moment() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    database
        .owner()
        .await?
        .batch_execute("update public.chat_messages set body = 'old' where thread_id = 'ana__ben' and seq = 1")
        .await?;
    for sql in [
        "select public.list_chat_page('ana__ben', _known => 0)::jsonb",
        "select public.sync_chat('[{\"thread_id\": \"ana__ben\", \"after\": 0, \"known\": 0}]') #> '{threads,0}'",
    ] {
        let mut superuser = database.superuser().await?;
        // Whoever has begun and comes to the messages waits there, the thread's row already read.
        let gate = superuser.transaction().await?;
        let before = last_rev(&database).await?;
        gate.batch_execute("lock table public.chat_messages in access exclusive mode").await?;
        let reading = tokio::spawn({
            let database = database.clone();
            async move { ask(&database, Ben, sql, &[]).await }
        });
        let waiting = "select count(*) from pg_locks where locktype = 'relation' and not granted
                          and database = (select oid from pg_database where datname = current_database())";
        for tries in 0.. {
            ensure!(tries < 500 && !reading.is_finished(), "it did not come to the gate");
            if gate.query_one(waiting, &[]).await?.get::<_, i64>(0) > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        gate.batch_execute(
            "update public.chat_messages set body = body || 'er' where thread_id = 'ana__ben' and seq = 1",
        )
        .await?;
        gate.commit().await?;
        let answer = reading.await??;
        assert_eq!((&answer["last_rev"], revs(&answer["changes"])), (&json!(before), vec![before]), "{sql}");
        assert_eq!(answer["messages"][2]["rev"], before, "{sql}");
    }
    Ok(())
}

/// Where an inbox shows it: the newest message, and what is unread.
#[tokio::test]
async fn an_inbox_is_told_of_what_it_shows() -> Result<()> {
    let database = Database::with_people().await?;
    let list = async |person: Person| ask(&database, person, "select public.list_chat_threads()", &[]).await;
    let first = list(Ana).await?;
    let old = sent(&database, Ben, Ana, "old").await?;
    let new = sent(&database, Ben, Ana, "new").await?;
    let threads = async || -> Result<Vec<Value>> {
        let told = told(&database, "THREAD").await?.into_iter().filter(|told| told.get("rev").is_some());
        Ok(told.map(|told| without(told, "id")).collect())
    };
    react(&database, Ana, old, Some("x")).await?;
    edit(&database, Ben, old, "older").await?;
    assert_eq!(threads().await?, Vec::<Value>::new(), "none of it is shown there");
    edit(&database, Ben, new, "newer").await?;
    let unread = async || -> Result<Value> { Ok(list(Ana).await?["threads"][0]["unread"].clone()) };
    assert_eq!(unread().await?, 3);
    unsend(&database, Ben, old).await?;
    assert_eq!(unread().await?, 2);
    unsend(&database, Ben, new).await?;
    assert_eq!(unread().await?, 1, "a tombstone is not unread");
    let told = threads().await?;
    assert_eq!(told.iter().map(|told| told["rev"].as_i64()).collect::<Vec<_>>(), [Some(3), Some(4), Some(5)]);
    let topic = format!("chat-inbox:{}", Ana.supabase_id());
    assert!(
        told.iter().all(|told| told["topic"] == topic.as_str() && told["last_seq"] == 5),
        "Ben has no inbox: {told:?}"
    );
    assert_eq!((&told[0]["message"]["body"], &told[1]["message"]["body"]), (&json!("newer"), &json!("newer")));
    // As a line tells it.
    let line = list(Ana).await?["threads"][0].clone();
    assert_eq!((&line["last_rev"], &line["message"]), (&json!(5), &told[2]["message"]));
    assert_eq!((&line["message"]["body"], &line["message"]["deleted"]), (&json!(""), &json!(true)));
    // What was erased is no tombstone of its author's.
    database
        .owner()
        .await?
        .batch_execute("update public.chat_messages set body = '', deleted_at = null where seq = 5")
        .await?;
    let line = list(Ana).await?["threads"][0].clone();
    assert!(line["message"]["body"] == "" && line["message"].get("deleted").is_none(), "{line}");
    // A reaction far up changes the digest: the thread has a change that a page does not know of.
    let again = async |digest: &Value| {
        ask(&database, Ana, "select public.list_chat_threads(30, null, $1)", &[&digest.as_str()]).await
    };
    let digest = list(Ana).await?["digest"].clone();
    assert_ne!(digest, first["digest"]);
    assert_eq!(again(&digest).await?, json!({"digest": digest}));
    let third: Uuid = database
        .superuser()
        .await?
        .query_one("select id from public.chat_messages where thread_id = 'ana__ben' and seq = 3", &[])
        .await?
        .get(0);
    react(&database, Ben, third, Some("x")).await?;
    assert!(again(&digest).await?.get("threads").is_some());
    Ok(())
}

/// Who was erased is gone from what they reacted to and edited as well; each row has its number, and pages are told once.
#[tokio::test]
async fn erasing_is_a_change_of_each_row_and_one_announcement() -> Result<()> {
    let database = Database::with_people().await?;
    let edited = sent(&database, Ana, Ben, "mistletoe").await?;
    edit(&database, Ana, edited, "hemlock").await?;
    let bens = sent(&database, Ben, Ana, "x").await?;
    react(&database, Ana, bens, Some("\u{1f602}")).await?;
    react(&database, Ben, bens, Some("\u{1f44d}")).await?;
    let unsent = sent(&database, Ana, Ben, "y").await?;
    unsend(&database, Ana, unsent).await?;
    assert_eq!(last_rev(&database).await?, 4);
    let erased: i64 = database.run(Actor::ServiceRole, "select public.erase_chat_person('ana')", &[]).await?[0].get(0);
    assert_eq!(erased, 4);
    // Three bodies and a reaction; what was unsent says nothing new.
    assert_eq!(last_rev(&database).await?, 8);
    let announced = told(&database, "CHANGE").await?;
    assert_eq!(announced.iter().filter(|told| told["rev"].as_i64().is_some_and(|rev| rev > 4)).count(), 0);
    let erasures: Vec<_> = announced.iter().filter(|told| told.get("erased").is_some()).collect();
    assert_eq!(erasures.len(), 1);
    assert_eq!((&erasures[0]["last_seq"], &erasures[0]["last_rev"]), (&json!(6), &json!(8)));
    let changes = page(&database, Ben, Some(4)).await?["changes"].clone();
    assert_eq!(revs(&changes), [5, 6, 7, 8]);
    let reacted: Vec<_> = changes.as_array().into_iter().flatten().filter(|row| row["seq"] == 5).collect();
    assert_eq!((reacted[0].get("reaction_a"), &reacted[0]["reaction_b"]), (None, &json!("\u{1f44d}")));
    let superuser = database.superuser().await?;
    let left = "select count(*)::text from realtime.messages where payload::text ~ 'mistletoe|hemlock'";
    assert_eq!(text(&superuser, left).await?, "0");
    // Announced again from here on.
    let bens = sent(&database, Ben, Ana, "z").await?;
    assert_eq!(edit(&database, Ben, bens, "zz").await?["rev"], 9);
    assert!(told(&database, "CHANGE").await?.iter().any(|told| told["rev"] == 9));
    assert_eq!(doctor(&database).await?, "");
    Ok(())
}

/// Without its file all goes on as before, and each of the two optional files may come first.
#[tokio::test]
async fn without_its_file_there_are_no_changes_and_both_orders_come_to_the_same() -> Result<()> {
    let files: Vec<_> = migration_files()?;
    let named = |word: &str| files.iter().filter(|file| file_name(file).contains(word)).cloned().collect::<Vec<_>>();
    let rest: Vec<_> = files
        .iter()
        .filter(|file| !file_name(file).contains("changes") && !file_name(file).contains("inbox"))
        .cloned()
        .collect();
    let apply = async |database: &Database, files: &[std::path::PathBuf]| -> Result<()> {
        let owner = database.owner().await?;
        for file in files {
            owner.batch_execute(&std::fs::read_to_string(file)?).await.with_context(|| file.display().to_string())?;
        }
        Ok(())
    };
    let expected: BTreeSet<String> =
        text(&Database::installed().await?.owner().await?, CATALOG).await?.lines().map(str::to_owned).collect();
    for order in [["changes", "inbox"], ["inbox", "changes"]] {
        let database = Database::with_people().await?;
        database.owner().await?.batch_execute(DOWN).await?;
        apply(&database, &rest).await?;
        for person in [Ana, Ben, Cleo, Dan] {
            database.link(person.mongo_id(), person.supabase_id()).await?;
        }
        let error = reply(&database, Ana, Ben, "x", 1).await.unwrap_err();
        assert_eq!(sqlstate(&error), "42883");
        assert!(format!("{error:?}").contains("Apply 20261128000001_chat_changes.sql: "), "{error:?}");
        let batch = json!([{"id": Uuid::new_v4(), "body": "x", "reply_to": 1}]);
        let batched = database
            .run(Actor::User(Ana), "select public.insert_chat_messages('ana__ben', 'ana', 'ben', $1)", &[&batch])
            .await;
        assert_eq!(sqlstate(&batched.unwrap_err()), "42883");
        let id = Uuid::new_v4();
        for _ in 0..2 {
            send(&database, Ana, Ben, "x", Some(id)).await?;
        }
        let sync =
            "select public.sync_chat('[{\"thread_id\": \"ana__ben\", \"after\": 4, \"known\": 0}]') #> '{threads,0}'";
        assert_eq!(
            ask(&database, Ana, sync, &[]).await?,
            json!({"thread_id": "ana__ben", "last_seq": 4, "messages": []})
        );

        for word in order {
            apply(&database, &named(word)).await?;
            send(&database, Ana, Ben, "goes on", None).await?;
            if word == "changes" {
                assert_eq!(edit(&database, Ana, id, "xx").await?["rev"], 1);
                assert_eq!(ask(&database, Ana, sync, &[]).await?["last_rev"], 1);
            }
        }
        ask(&database, Ben, "select public.list_chat_threads()", &[]).await?;
        unsend(&database, Ana, id).await?;
        assert_eq!(told(&database, "THREAD").await?.iter().filter(|told| told["rev"] == 2).count(), 1, "{order:?}");
        // Any file again, in any order.
        let mut again = files.clone();
        again.reverse();
        apply(&database, &again).await?;
        apply(&database, &named("access")).await?;
        reply(&database, Ana, Ben, "x", 1).await?;
        database.install().await?;
        let found: BTreeSet<String> =
            text(&database.owner().await?, CATALOG).await?.lines().map(str::to_owned).collect();
        assert_eq!(found.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "{order:?}");
    }
    Ok(())
}

/// The older files of a project that has not been brought up to date.
#[tokio::test]
async fn its_file_says_what_it_needs() -> Result<()> {
    let database = Database::new_project().await?;
    let owner = database.owner().await?;
    for file in migration_files()?
        .iter()
        .filter(|file| !file_name(file).contains("limits") && !file_name(file).contains("changes"))
    {
        owner.batch_execute(&std::fs::read_to_string(file)?).await?;
    }
    let changes = std::fs::read_to_string(migration_files()?.pop().context("no files")?)?;
    let refused = owner.batch_execute(&changes).await.map_err(anyhow::Error::new).unwrap_err();
    assert!(format!("{refused:?}").contains("The files before this one are not applied yet"), "{refused:?}");
    Ok(())
}
