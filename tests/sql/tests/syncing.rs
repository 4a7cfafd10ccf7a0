//! What a page is told by `sync_chat`: all that is new in the threads it asks for, as of one moment.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sql_tests::Person::{Ana, Ben, Cleo, Erin};
use sql_tests::volume::{fill_hub, pairs};
use sql_tests::{Actor, Database, Person, send, sqlstate};
use std::time::Duration;

async fn sync(database: &Database, person: Person, threads: Value) -> Result<Value> {
    let rows = database.run(Actor::User(person), "select public.sync_chat($1)", &[&threads]).await?;
    Ok(rows[0].get(0))
}

fn seqs(thread: &Value) -> Vec<u64> {
    thread["messages"].as_array().into_iter().flatten().filter_map(|row| row["seq"].as_u64()).collect()
}

#[tokio::test]
async fn it_tells_what_is_newer_newest_first_and_as_a_page_does() -> Result<()> {
    let database = Database::with_people().await?;
    send(&database, Ana, Ben, "four", None).await?;
    let asked = json!([{"thread_id": "ana__ben", "after": 1}, {"thread_id": "ana__erin", "after": 1}, {"thread_id": "ana__ben", "after": 9}]);
    let answer = sync(&database, Ana, asked).await?;
    let threads = answer["threads"].as_array().expect("threads");
    assert_eq!(
        threads.iter().map(|thread| &thread["thread_id"]).collect::<Vec<_>>(),
        ["ana__ben", "ana__erin", "ana__ben"]
    );
    assert_eq!(threads.iter().map(seqs).collect::<Vec<_>>(), [vec![4, 3, 2], vec![], vec![]]);
    assert_eq!(
        threads.iter().map(|thread| thread["last_seq"].as_u64()).collect::<Vec<_>>(),
        [Some(4), Some(1), Some(4)]
    );
    // As PostgREST makes JSON of rows, times included.
    let page = "select json_agg(m) from (select id, thread_id, sender_mongo_id, body, created_at, seq
                  from public.list_chat_messages('ana__ben', 1)) m";
    let page: Value = database.run(Actor::User(Ana), page, &[]).await?[0].get(0);
    assert_eq!(threads[0]["messages"], page);
    Ok(())
}

#[tokio::test]
async fn it_tells_nothing_of_a_thread_that_is_not_ones_own() -> Result<()> {
    let database = Database::with_people().await?;
    let all = json!([{"thread_id": "ana__ben"}, {"thread_id": "cleo__dan"}, {"thread_id": "x__y"}, {"thread_id": null}, 7, {}]);
    for (person, theirs) in [(Ana, vec!["ana__ben"]), (Cleo, vec!["cleo__dan"]), (Erin, vec![])] {
        let answer = sync(&database, person, all.clone()).await?;
        let threads = answer["threads"].as_array().expect("threads");
        assert_eq!(threads.iter().map(|thread| &thread["thread_id"]).collect::<Vec<_>>(), theirs, "{person:?}");
    }
    Ok(())
}

#[tokio::test]
async fn it_is_asked_for_a_hundred_threads_at_most() -> Result<()> {
    let database = Database::with_people().await?;
    let many = |count: usize| Value::from(vec![json!({"thread_id": "ana__ben", "after": 2}); count]);
    assert_eq!(sync(&database, Ana, many(100)).await?["threads"].as_array().map(Vec::len), Some(100));
    for wrong in [many(101), json!({}), json!("ana__ben"), json!(7)] {
        assert_eq!(sqlstate(&sync(&database, Ana, wrong.clone()).await.unwrap_err()), "22023", "{wrong}");
    }
    let none = database.run(Actor::User(Ana), "select public.sync_chat()", &[]).await?;
    assert_eq!(none[0].get::<_, Value>(0), json!({"threads": []}));
    Ok(())
}

#[tokio::test]
async fn it_answers_with_fifty_a_thread_and_five_hundred_in_all() -> Result<()> {
    let database = Database::installed().await?;
    fill_hub(&database, 12, 60).await?;
    let threads = pairs(&database, 12).await?;
    let hub = [threads[0].a_id, threads[0].b_id].into_iter().find(|id| [threads[1].a_id, threads[1].b_id].contains(id));
    let asked: Vec<_> = threads.iter().map(|pair| json!({"thread_id": pair.thread_id, "after": 0})).collect();
    let mut client = database.api().await?;
    let transaction = client.transaction().await?;
    let claims = json!({"role": "authenticated", "sub": hub}).to_string();
    transaction
        .execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            &[&claims],
        )
        .await?;
    let answer: Value = transaction.query_one("select public.sync_chat($1)", &[&Value::from(asked)]).await?.get(0);
    let answered = answer["threads"].as_array().expect("threads");
    assert_eq!(answered.len(), 12, "those without room are there as well");
    for (at, (thread, pair)) in answered.iter().zip(&threads).enumerate() {
        let last = pair.last_seq as u64;
        assert_eq!(thread["last_seq"], last);
        let expected: Vec<_> = if at < 10 { (last - 49..=last).rev().collect() } else { vec![] };
        assert_eq!(seqs(thread), expected, "{at}");
    }
    Ok(())
}

#[tokio::test]
async fn it_is_of_one_moment() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    let mut superuser = database.superuser().await?;
    // Whoever has begun and comes to the messages, or to the markers, waits there.
    let gate = superuser.transaction().await?;
    gate.batch_execute("lock table public.chat_messages, public.chat_markers in access exclusive mode").await?;
    let asked = json!([{"thread_id": "ana__ben", "after": 0}, {"thread_id": "ana__erin", "after": 0}]);
    let syncing = tokio::spawn({
        let database = database.clone();
        async move {
            let sync = "select public.sync_chat($1, '{\"limit\": 30}')";
            let rows = database.run(Actor::User(Ana), sync, &[&asked]).await?;
            anyhow::Ok(rows[0].get::<_, Value>(0))
        }
    });
    let waiting = "select count(*) from pg_locks where locktype = 'relation' and not granted
                      and database = (select oid from pg_database where datname = current_database())";
    for tries in 0.. {
        ensure!(tries < 500 && !syncing.is_finished(), "it did not come to the gate");
        if gate.query_one(waiting, &[]).await?.get::<_, i64>(0) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.execute(
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
             values ('ana__ben', $1, 'ana', 'ben', 'late'), ('ana__erin', $1, 'ana', 'erin', 'late')",
        &[&Ana.supabase_id()],
    )
    .await?;
    gate.commit().await?;
    let answer = syncing.await??;
    assert_eq!([seqs(&answer["threads"][0]), seqs(&answer["threads"][1])], [vec![3, 2, 1], vec![1]]);
    assert_eq!(answer["threads"][1]["last_seq"], 1);
    let inbox: Vec<_> =
        answer["inbox"]["threads"].as_array().into_iter().flatten().map(|line| &line["last_seq"]).collect();
    assert_eq!(inbox, [1, 3]);
    Ok(())
}
