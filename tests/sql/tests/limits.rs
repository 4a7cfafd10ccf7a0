//! How much one person may send (chat_limits): a burst passes, then it is refused as HTTP 429 until time has passed.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sql_tests::Person::{Ana, Ben, Cleo, Dan};
use sql_tests::{Actor, Database, send, sqlstate};
use uuid::Uuid;

/// Refused by a limit: PostgREST's own SQLSTATE for an error that brings its status and headers.
const LIMITED: &str = "PGRST";

/// A burst of `burst`, and then one in 1,000 s: too slow for any machine that the test runs on.
async fn with_people_limited_to(burst: i32) -> Result<Database> {
    let database = Database::with_people().await?;
    // What was sent to make the people does not count.
    database.superuser().await?.batch_execute("delete from chat_private.send_buckets").await?;
    let limit = "update public.chat_limits set sends_per_second = 0.001, send_burst = $1";
    database.run(Actor::ServiceRole, limit, &[&burst]).await?;
    Ok(database)
}

/// As if everybody had waited.
async fn pass(database: &Database, seconds: f64) -> Result<()> {
    let earlier = "update chat_private.send_buckets set full_at = full_at - $1 * interval '1 second'";
    database.superuser().await?.execute(earlier, &[&seconds]).await?;
    Ok(())
}

async fn limited<T: std::fmt::Debug>(sent: impl Future<Output = Result<T>>) {
    let error = sent.await.unwrap_err();
    assert_eq!(sqlstate(&error), LIMITED, "{error:?}");
}

async fn number(database: &Database, sql: &str) -> Result<i64> {
    Ok(database.superuser().await?.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn a_burst_passes_then_one_at_a_time() -> Result<()> {
    let database = with_people_limited_to(3).await?;
    for _ in 0..3 {
        send(&database, Ana, Ben, "x", None).await?;
    }
    limited(send(&database, Ana, Ben, "x", None)).await;
    pass(&database, 900.0).await?;
    limited(send(&database, Ana, Ben, "x", None)).await;
    pass(&database, 100.0).await?;
    assert_eq!(send(&database, Ana, Ben, "x", None).await?.get::<_, i64>("seq"), 7, "no number is burnt");
    limited(send(&database, Ana, Ben, "x", None)).await;
    // However long the pause, a burst is a burst.
    pass(&database, 1e6).await?;
    for _ in 0..3 {
        send(&database, Ana, Ben, "x", None).await?;
    }
    limited(send(&database, Ana, Ben, "x", None)).await;
    Ok(())
}

#[tokio::test]
async fn twenty_a_second_and_a_thousand_at_once_unless_the_backend_says_otherwise() -> Result<()> {
    let database = Database::with_people().await?;
    let limits =
        database.run(Actor::ServiceRole, "select sends_per_second, send_burst from public.chat_limits", &[]).await?;
    assert_eq!((limits[0].get::<_, f64>(0), limits[0].get::<_, i32>(1)), (20.0, 1000));

    database.superuser().await?.batch_execute("delete from chat_private.send_buckets").await?;
    let many =
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                select 'ana__ben', $1, 'ana', 'ben', n::text from generate_series(1, $2) n";
    database.run(Actor::User(Ana), many, &[&Ana.supabase_id(), &1000]).await?;
    // By the time that this one ends a few have become free, and never so many.
    limited(database.run(Actor::User(Ana), many, &[&Ana.supabase_id(), &1000])).await;
    // Changed limits count at once, also for somebody whose bucket the old ones have emptied.
    database.run(Actor::ServiceRole, "update public.chat_limits set send_burst = 1", &[]).await?;
    send(&database, Ana, Ben, "x", None).await?;
    database.run(Actor::ServiceRole, "update public.chat_limits set sends_per_second = null", &[]).await?;
    database.run(Actor::User(Ana), many, &[&Ana.supabase_id(), &3000]).await?;

    for nonsense in ["sends_per_second = 0", "sends_per_second = -1", "sends_per_second = 'NaN'", "send_burst = 0"] {
        let error = database
            .run(Actor::ServiceRole, &format!("update public.chat_limits set {nonsense}"), &[])
            .await
            .unwrap_err();
        assert_eq!(sqlstate(&error), "23514", "{nonsense}");
    }
    Ok(())
}

#[tokio::test]
async fn one_persons_limit_is_nobody_elses_and_counts_in_all_their_threads() -> Result<()> {
    let database = with_people_limited_to(2).await?;
    database.ensure(Some("ana"), Some("dan")).await?;
    send(&database, Ana, Ben, "x", None).await?;
    send(&database, Ana, Dan, "x", None).await?;
    limited(send(&database, Ana, Ben, "x", None)).await;
    limited(send(&database, Ana, Dan, "x", None)).await;
    send(&database, Ben, Ana, "x", None).await?;
    send(&database, Cleo, Dan, "x", None).await?;
    Ok(())
}

/// While a send of somebody's is not committed, others go on; the two in its thread wait for the thread, as ever.
#[tokio::test]
async fn nobody_waits_for_somebody_elses_limit() -> Result<()> {
    let database = with_people_limited_to(5).await?;
    database.ensure(Some("ben"), Some("dan")).await?;
    let mut api = database.api().await?;
    let transaction = api.transaction().await?;
    Actor::User(Ana).enter(&transaction).await?;
    transaction.batch_execute("select public.insert_chat_message('ana__ben', 'ana', 'ben', 'x')").await?;
    for (from, thread, sender, recipient) in [(Ben, "ben__dan", "ben", "dan"), (Cleo, "cleo__dan", "cleo", "dan")] {
        let send = "select public.insert_chat_message($1, $2, $3, 'x') from set_config('lock_timeout', '5s', true)";
        database.run(Actor::User(from), send, &[&thread, &sender, &recipient]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[tokio::test]
async fn the_table_is_no_way_around_it() -> Result<()> {
    let database = with_people_limited_to(3).await?;
    let insert =
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                  select 'ana__ben', $1, 'ana', 'ben', 'x' from generate_series(1, $2)";
    let me = Ana.supabase_id();
    limited(database.run(Actor::User(Ana), insert, &[&me, &4])).await;
    assert_eq!(number(&database, "select count(*) from public.chat_messages where thread_id = 'ana__ben'").await?, 3);
    database.run(Actor::User(Ana), insert, &[&me, &3]).await?;
    limited(database.run(Actor::User(Ana), insert, &[&me, &1])).await;
    limited(send(&database, Ana, Ben, "x", None)).await;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_there_is_not_refused_nor_counted_again() -> Result<()> {
    let database = with_people_limited_to(2).await?;
    let id = Some(Uuid::new_v4());
    send(&database, Ana, Ben, "once", id).await?;
    for _ in 0..5 {
        send(&database, Ana, Ben, "once", id).await?;
    }
    let again = "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                 values ($1, 'ana__ben', $2, 'ana', 'ben', 'once') on conflict (id) do nothing";
    database.run(Actor::User(Ana), again, &[&id, &Ana.supabase_id()]).await?;
    send(&database, Ana, Ben, "another", None).await?;
    limited(send(&database, Ana, Ben, "a third", None)).await;
    assert_eq!(send(&database, Ana, Ben, "once", id).await?.get::<_, i64>("seq"), 4);
    database.run(Actor::User(Ana), again, &[&id, &Ana.supabase_id()]).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() -> Result<()> {
    let database = with_people_limited_to(1).await?;
    send(&database, Ana, Ben, "x", None).await?;
    let left = "select (select count(*) from public.chat_messages) + (select count(*) from realtime.messages)
                     + (select sum(last_seq) from public.chat_threads)::bigint";
    let before = number(&database, left).await?;
    limited(send(&database, Ana, Ben, "x", None)).await;
    assert_eq!(number(&database, left).await?, before);
    Ok(())
}

/// The backend sends for people that it vouches for, and a restore puts back what was sent.
#[tokio::test]
async fn who_is_no_user_is_not_limited() -> Result<()> {
    let database = with_people_limited_to(1).await?;
    let insert =
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                  select 'ana__ben', $1, 'ana', 'ben', 'x' from generate_series(1, 10)";
    for claims in ["", r#"{"role":"service_role"}"#] {
        let mut client = database.superuser().await?;
        let transaction = client.transaction().await?;
        transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
        transaction.execute(insert, &[&Ana.supabase_id()]).await?;
        transaction.commit().await?;
    }
    send(&database, Ana, Ben, "her own", None).await?;
    limited(send(&database, Ana, Ben, "her second", None)).await;
    Ok(())
}

/// PostgREST takes status and headers from the error: https://docs.postgrest.org/en/v12/references/errors.html
#[tokio::test]
async fn it_is_refused_as_http_429_with_retry_after() -> Result<()> {
    let database = with_people_limited_to(1).await?;
    for (rate, wait) in [(20.0, "1"), (0.9, "2"), (0.01, "100")] {
        database.superuser().await?.batch_execute("delete from chat_private.send_buckets").await?;
        database.run(Actor::ServiceRole, "update public.chat_limits set sends_per_second = $1", &[&rate]).await?;
        let two = "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                   select 'ana__ben', $1, 'ana', 'ben', 'x' from generate_series(1, 2)";
        let error = database.run(Actor::User(Ana), two, &[&Ana.supabase_id()]).await.unwrap_err();
        let error = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
        let error = error.context("not the database's word")?;
        assert_eq!(error.code().code(), LIMITED);
        let body: Value = serde_json::from_str(error.message())?;
        assert_eq!(body["code"], "53400");
        assert_eq!(body["message"], "You are sending too many messages. Wait a moment.");
        assert_eq!(body["details"], format!("At most 1 at once, and {rate} a second."));
        assert_eq!(body["hint"], format!("Send it again in {wait} s."));
        let answer: Value = serde_json::from_str(error.detail().context("no detail")?)?;
        let headers = json!({"Retry-After": wait, "Access-Control-Expose-Headers": "Retry-After"});
        assert_eq!(answer, json!({"status": 429, "headers": headers}));
    }
    Ok(())
}

/// One person in many threads at once, also as the first that they ever send: as many as a burst get in, no more, no
/// fewer, and no two of them are a deadlock.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_in_many_threads_a_burst_is_a_burst() -> Result<()> {
    let database = Arc::new(with_people_limited_to(25).await?);
    for n in 0..8 {
        database.ensure(Some("ana"), Some(&format!("p{n}"))).await?;
    }
    let sends = (0..60).map(|n| {
        let database = database.clone();
        tokio::spawn(async move {
            let other = format!("p{}", n % 8);
            let send = "select public.insert_chat_message($1, 'ana', $2, 'x')";
            match database.run(Actor::User(Ana), send, &[&format!("ana__{other}"), &other]).await {
                Ok(_) => "sent".to_owned(),
                Err(error) => sqlstate(&error).to_owned(),
            }
        })
    });
    let mut sent = 0;
    for outcome in sends.collect::<Vec<_>>() {
        match outcome.await?.as_str() {
            "sent" => sent += 1,
            refusal => assert_eq!(refusal, LIMITED),
        }
    }
    assert_eq!(sent, 25);
    Ok(())
}
