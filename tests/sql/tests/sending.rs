//! What is sent is kept, once, numbered without a hole, whatever goes wrong beside it.

use anyhow::Result;
use sql_tests::Person::{Ana, Ben, Cleo, Dan};
use sql_tests::{Actor, Database, Person, send, sqlstate, thread_id};
use tokio_postgres::Row;
use uuid::Uuid;

#[tokio::test]
async fn a_message_is_numbered_and_stamped_by_the_database() -> Result<()> {
    let database = Database::with_people().await?;
    let row = send(&database, Ben, Ana, "  four\n", None).await?;
    assert_eq!(row.get::<_, i64>("seq"), 4);
    assert_eq!(row.get::<_, String>("body"), "  four\n");
    assert_eq!(row.get::<_, Uuid>("sender_supabase_id"), Ben.supabase_id());
    let thread = database
        .owner()
        .await?
        .query_one(
            "select last_seq, last_message_at = (select max(created_at) from chat_messages where thread_id = 'ana__ben') as latest,
                    (select count(*) from chat_messages where thread_id = 'ana__ben') as messages
               from chat_threads where thread_id = 'ana__ben'",
            &[],
        )
        .await?;
    assert_eq!(thread.get::<_, i64>("last_seq"), 4);
    assert_eq!(thread.get::<_, i64>("messages"), 4);
    assert!(thread.get::<_, bool>("latest"));
    Ok(())
}

#[tokio::test]
async fn sending_again_returns_the_row_that_is_there() -> Result<()> {
    let database = Database::with_people().await?;
    let id = Some(Uuid::new_v4());
    let first = send(&database, Ana, Ben, "once", id).await?;
    let again = send(&database, Ana, Ben, "once", id).await?;
    assert_eq!(first.get::<_, i64>("seq"), again.get::<_, i64>("seq"));
    assert_eq!(seqs(&database, "ana__ben").await?, [1, 2, 3, 4], "no number is burnt");
    assert_eq!(send(&database, Ana, Ben, "next", None).await?.get::<_, i64>("seq"), 5);
    Ok(())
}

#[tokio::test]
async fn the_same_send_from_eight_connections_at_once_is_one_message() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    let id = Some(Uuid::new_v4());
    let sends = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { send(&database, Ana, Ben, "once", id).await.map(|row| row.get::<_, i64>("seq")) })
    });
    for sent in sends.collect::<Vec<_>>() {
        assert_eq!(sent.await??, 4);
    }
    assert_eq!(seqs(&database, "ana__ben").await?, [1, 2, 3, 4]);
    Ok(())
}

#[tokio::test]
async fn an_insert_that_does_nothing_uses_no_number_up_and_rows_of_one_statement_are_numbered() -> Result<()> {
    let database = Database::with_people().await?;
    let insert = "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
        select id, 'ana__ben', $1, 'ana', 'ben', 'many' from unnest($2::uuid[]) id on conflict (id) do nothing";
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
    for repeated in [ids.clone(), ids.clone(), vec![ids[2], Uuid::new_v4(), ids[0], Uuid::new_v4()]] {
        database.run(Actor::User(Ana), insert, &[&Ana.supabase_id(), &repeated]).await?;
    }
    assert_eq!(seqs(&database, "ana__ben").await?, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(send(&database, Ana, Ben, "next", None).await?.get::<_, i64>("seq"), 9);
    Ok(())
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused_without_a_word_about_the_message() -> Result<()> {
    let database = Database::with_people().await?;
    let id = Some(Uuid::new_v4());
    send(&database, Cleo, Dan, "secret", id).await?;
    send(&database, Ana, Ben, "x", Some(Uuid::from_u128(7))).await?;
    for (from, to, body, id) in [
        (Ana, Ben, "secret", id),
        (Ana, Ben, "another body", Some(Uuid::from_u128(7))),
        (Ben, Ana, "x", Some(Uuid::from_u128(7))),
    ] {
        let error = send(&database, from, to, body, id).await.unwrap_err();
        assert_eq!(sqlstate(&error), "23505");
        let words = format!("{error:?}");
        assert!(words.contains("This message id is taken by another message."), "{words}");
        assert!(!words.contains("cleo") && !words.contains("secret"), "{words}");
    }
    assert_eq!(seqs(&database, "ana__ben").await?, [1, 2, 3, 4]);
    Ok(())
}

#[tokio::test]
async fn a_batch_is_sent_in_its_order_once_and_told_of_once() -> Result<()> {
    let database = Database::with_people().await?;
    let told = broadcasts(&database).await?;
    let ids: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    let rows = send_batch(&database, &ids[..49], "batch").await?;
    assert_eq!(rows, (4..53).collect::<Vec<_>>());
    assert_eq!(broadcasts(&database).await?, told + 1, "the newest");
    // Its answer was lost, and one more was written.
    assert_eq!(send_batch(&database, &ids, "batch").await?, (4..54).collect::<Vec<_>>());
    assert_eq!(broadcasts(&database).await?, told + 2);
    assert_eq!(send_batch(&database, &ids, "batch").await?.len(), 50);
    assert_eq!(broadcasts(&database).await?, told + 2, "nothing new");
    // New ones before and between what is there: the newest that is new is told of.
    let mixed = [Uuid::new_v4(), ids[3], Uuid::new_v4(), ids[7]];
    assert_eq!(send_batch(&database, &mixed, "batch").await?, [54, 7, 55, 11]);
    assert_eq!(broadcasts(&database).await?, told + 3);
    assert_eq!(seqs(&database, "ana__ben").await?, (1..56).collect::<Vec<_>>());
    let last: i64 = database
        .superuser()
        .await?
        .query_one(
            "select (payload -> 'record' ->> 'seq')::bigint from realtime.messages order by inserted_at desc limit 1",
            &[],
        )
        .await?
        .get(0);
    assert_eq!(last, 55);
    Ok(())
}

#[tokio::test]
async fn a_batch_is_all_or_nothing() -> Result<()> {
    let database = Database::with_people().await?;
    let (told, good) = (broadcasts(&database).await?, Uuid::new_v4());
    let taken = send(&database, Ben, Ana, "mine", None).await?.get::<_, Uuid>("id");
    for (second, body, refused) in
        [(taken, "x", "23505"), (Uuid::new_v4(), "  ", "23514"), (Uuid::new_v4(), &"x".repeat(4001), "23514")]
    {
        let messages = serde_json::json!([{"id": good, "body": "good"}, {"id": second, "body": body}]);
        assert_eq!(sqlstate(&batch(&database, &messages).await.unwrap_err()), refused);
    }
    for messages in
        [serde_json::json!([{"body": "no id"}]), serde_json::json!([7]), serde_json::json!({"id": good, "body": "x"})]
    {
        batch(&database, &messages).await.unwrap_err();
    }
    let many: Vec<Uuid> = (0..51).map(|_| Uuid::new_v4()).collect();
    assert_eq!(sqlstate(&send_batch(&database, &many, "x").await.unwrap_err()), "22023");
    assert_eq!(seqs(&database, "ana__ben").await?, [1, 2, 3, 4]);
    assert_eq!(broadcasts(&database).await?, told + 1);
    Ok(())
}

#[tokio::test]
async fn the_same_batch_from_eight_connections_at_once_is_sent_once() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    let ids: std::sync::Arc<Vec<Uuid>> = std::sync::Arc::new((0..20).map(|_| Uuid::new_v4()).collect());
    let sends = (0..8).map(|_| {
        let (database, ids) = (database.clone(), ids.clone());
        tokio::spawn(async move { send_batch(&database, &ids, "batch").await })
    });
    for sent in sends.collect::<Vec<_>>() {
        assert_eq!(sent.await??, (4..24).collect::<Vec<_>>());
    }
    assert_eq!(seqs(&database, "ana__ben").await?, (1..24).collect::<Vec<_>>());
    Ok(())
}

/// The API's functions name a thread to the read policy, for what they themselves ask.
#[tokio::test]
async fn after_a_call_everything_of_ones_own_can_be_read_as_before() -> Result<()> {
    let database = Database::with_people().await?;
    let taken = send(&database, Ana, Ben, "once", None).await?.get::<_, Uuid>("id");
    let mut api = database.api().await?;
    let transaction = api.transaction().await?;
    Actor::User(Ana).enter(&transaction).await?;
    for call in [
        "select * from public.list_chat_messages('ana__erin')",
        "select * from public.list_chat_messages('cleo__dan')",
        &format!("select * from public.insert_chat_message('ana__ben', 'ana', 'ben', 'once', '{taken}')"),
        "select * from public.insert_chat_message('ana__erin', 'ana', 'erin', 'x')",
        "select * from public.insert_chat_message('cleo__dan', 'cleo', 'dan', 'x')",
        r#"select * from public.insert_chat_messages('ana__erin', 'ana', 'erin', '[{"id": "00000000-0000-4000-8000-00000000f00d", "body": "x"}]')"#,
    ] {
        transaction.batch_execute("savepoint before").await?;
        if transaction.batch_execute(call).await.is_err() {
            transaction.batch_execute("rollback to before").await?;
        }
        let seen: i64 = transaction
            .query_one("select count(*) from public.chat_messages where body in ('hello', 'once')", &[])
            .await?
            .get(0);
        assert_eq!(seen, 5, "{call}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_says_nothing_or_too_much_is_refused_readably() -> Result<()> {
    let database = Database::with_people().await?;
    for (body, expected) in [
        ("", "must not be empty"),
        (" \t\n\x0b\x0c\r", "must not be empty"),
        (&"é".repeat(4001), "at most 4000 characters; this one has 4001"),
    ] {
        let error = send(&database, Ana, Ben, body, None).await.unwrap_err();
        assert_eq!(sqlstate(&error), "23514");
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
    for body in ["é".repeat(4000), "😀".repeat(4000), "\u{a0}".into(), "%s'; drop table".into()] {
        assert_eq!(send(&database, Ana, Ben, &body, None).await?.get::<_, String>("body"), body);
    }
    Ok(())
}

#[tokio::test]
async fn a_person_can_be_written_to_before_they_sign_in_and_then_finds_it() -> Result<()> {
    let database = Database::installed().await?;
    database.add_person(Ana).await?;
    database.ensure_thread(Ben, Ana).await?;
    send(&database, Ana, Ben, "welcome", None).await?;
    database.add_person(Ben).await?;
    let seen = database.run(Actor::User(Ben), "select body from public.chat_messages", &[]).await?;
    assert_eq!(seen.len(), 1);
    assert!(database.may_join(Actor::User(Ben), "chat:ana__ben", "broadcast").await?);
    send(&database, Ben, Ana, "thanks", None).await?;
    Ok(())
}

#[tokio::test]
async fn every_message_is_broadcast_once_as_its_row() -> Result<()> {
    let database = Database::with_people().await?;
    let sent = send(&database, Ana, Ben, "live", None).await?;
    let client = database.superuser().await?;
    let broadcasts = client
        .query(
            "select event, private, payload from realtime.messages where topic = 'chat:ana__ben' order by inserted_at",
            &[],
        )
        .await?;
    assert_eq!(broadcasts.len(), 4);
    let last = &broadcasts[3];
    assert_eq!(last.get::<_, String>("event"), "INSERT");
    assert!(last.get::<_, bool>("private"));
    let payload: serde_json::Value = last.get("payload");
    assert_eq!(payload["operation"], "INSERT");
    assert_eq!(payload["schema"], "public");
    assert_eq!(payload["table"], "chat_messages");
    assert_eq!(payload["old_record"], serde_json::Value::Null);
    assert_eq!(payload["record"]["id"], sent.get::<_, Uuid>("id").to_string());
    assert_eq!(payload["record"]["seq"], 4);
    assert_eq!(payload["record"]["body"], "live");
    Ok(())
}

#[tokio::test]
async fn a_broadcast_that_fails_costs_no_message() -> Result<()> {
    for breakage in [
        "do $$ declare p regclass; begin for p in select inhrelid::regclass from pg_inherits where inhparent = 'realtime.messages'::regclass
           loop execute 'drop table ' || p; end loop; end $$",
        "revoke execute on function realtime.send(jsonb, text, text, boolean) from public",
        "create or replace function realtime.broadcast_changes(topic_name text, event_name text, operation text, table_name text,
           table_schema text, new record, old record, level text default 'ROW') returns void language plpgsql
           as $$ begin raise exception 'down'; end $$",
        "drop function realtime.broadcast_changes(text, text, text, text, text, record, record, text)",
        "alter table realtime.messages add constraint nothing_fits check (false) not valid",
    ] {
        let database = Database::with_people().await?;
        database.superuser().await?.batch_execute(breakage).await?;
        let before = broadcasts(&database).await?;
        let sent = send(&database, Ana, Ben, "kept", None).await;
        assert_eq!(sent?.get::<_, i64>("seq"), 4, "{breakage}");
        assert_eq!(broadcasts(&database).await?, before, "the test breaks something: {breakage}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_leave_no_hole_whatever_becomes_of_them() -> Result<()> {
    let database = std::sync::Arc::new(Database::with_people().await?);
    const WRITERS: u32 = 16;
    const SENDS: u32 = 60;
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(database.clone(), writer, SENDS)));
    let mut kept = 0;
    for writer in writers.collect::<Vec<_>>() {
        kept += writer.await??;
    }
    let seqs = seqs(&database, "ana__ben").await?;
    assert_eq!(seqs.len() as i64, 3 + kept);
    assert_eq!(seqs, (1..=3 + kept).collect::<Vec<_>>());

    let client = database.owner().await?;
    let last: i64 =
        client.query_one("select last_seq from chat_threads where thread_id = 'ana__ben'", &[]).await?.get(0);
    assert_eq!(last, 3 + kept);
    let out_of_order: i64 = client
        .query_one(
            "select count(*) from (
               select created_at <= lag(created_at) over w as stands_still,
                      pg_xact_commit_timestamp(xmin) < lag(pg_xact_commit_timestamp(xmin)) over w as overtakes
                 from chat_messages where thread_id = 'ana__ben' window w as (order by seq)) steps
              where stands_still or overtakes",
            &[],
        )
        .await?
        .get(0);
    assert_eq!(out_of_order, 0, "seq is the order of created_at and of commits");
    Ok(())
}

/// Sends, and now and then rolls back, runs into its time limit or loses its backend after the insert. Returns how many
/// sends were committed.
async fn write(database: std::sync::Arc<Database>, writer: u32, sends: u32) -> Result<i64> {
    let (from, to) = if writer.is_multiple_of(2) { (Ana, Ben) } else { (Ben, Ana) };
    let mut kept = 0;
    let mut client = database.api().await?;
    for n in 0..sends {
        let transaction = client.transaction().await?;
        Actor::User(from).enter(&transaction).await?;
        let body = format!("{writer} {n}");
        let inserted = transaction
            .query_one(
                "select * from public.insert_chat_message($1, $2, $3, $4)",
                &[&thread_id(from, to), &from.mongo_id(), &to.mongo_id(), &body],
            )
            .await?;
        assert_eq!(inserted.get::<_, String>("body"), body);
        match (writer + n) % 8 {
            0 => transaction.rollback().await?,
            1 => {
                let late = transaction.batch_execute("set local statement_timeout = 1; select pg_sleep(1)").await;
                assert!(late.is_err());
                transaction.rollback().await?;
            }
            2 if n % 10 == 0 => {
                let pid: i32 = transaction.query_one("select pg_backend_pid()", &[]).await?.get(0);
                database.superuser().await?.execute("select pg_terminate_backend($1, 5000)", &[&pid]).await?;
                assert!(transaction.commit().await.is_err());
                client = database.api().await?;
            }
            _ => {
                transaction.commit().await?;
                kept += 1;
            }
        }
    }
    Ok(kept)
}

#[tokio::test]
async fn links_and_threads_are_made_once_and_refused_readably() -> Result<()> {
    let database = Database::with_people().await?;
    database.link("ana", Ana.supabase_id()).await?;
    let row = database.ensure(Some("ben"), Some("ana")).await?;
    assert_eq!(row[0].get::<_, String>("thread_id"), "ana__ben");
    assert_eq!(row[0].get::<_, Option<Uuid>>("user_b_supabase_id"), Some(Ben.supabase_id()));

    let unknown = Uuid::from_u128(99);
    for (mongo_id, supabase_id, code) in [
        ("ana", Ben.supabase_id(), "23505"),
        ("newcomer", Ben.supabase_id(), "23505"),
        ("newcomer", unknown, "23503"),
        ("", unknown, "22023"),
        ("a__b", unknown, "22023"),
        ("_a", unknown, "22023"),
        ("a_", unknown, "22023"),
        ("a\u{85}", unknown, "22023"),
        (&"é".repeat(60), unknown, "22023"),
    ] {
        assert_eq!(sqlstate(&database.link(mongo_id, supabase_id).await.unwrap_err()), code, "{mongo_id:?}");
    }
    for (one, other) in [("ana", "ana"), ("", "ana"), ("a__b", "ana"), ("ana", "_b"), ("ana", "b\n")] {
        let error = database.ensure(Some(one), Some(other)).await.unwrap_err();
        assert_eq!(sqlstate(&error), "22023", "{one:?} {other:?}");
    }
    assert_eq!(sqlstate(&database.ensure(None, Some("ana")).await.unwrap_err()), "22023");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_made_while_its_person_is_being_linked_is_theirs() -> Result<()> {
    for _ in 0..6 {
        let database = Database::installed().await?;
        database.add_person(Ana).await?;
        database
            .superuser()
            .await?
            .execute("insert into auth.users (id, email) values ($1, 'ben@example.com')", &[&Ben.supabase_id()])
            .await?;
        let (ensured, linked) = tokio::join!(database.ensure_thread(Ana, Ben), database.link("ben", Ben.supabase_id()));
        ensured?;
        linked?;
        send(&database, Ben, Ana, "mine", None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_account_leaves_its_messages_and_a_new_one_gets_them_back() -> Result<()> {
    let database = Database::with_people().await?;
    let error = send(&database, Person::Erin, Ana, "still here?", None).await.unwrap_err();
    assert_eq!(sqlstate(&error), "42501");
    assert_eq!(seqs(&database, "ana__erin").await?, [1]);
    database.add_person(Person::Erin).await?;
    assert_eq!(send(&database, Person::Erin, Ana, "back", None).await?.get::<_, i64>("seq"), 2);
    Ok(())
}

/// Ana's messages to Ben. Returns their numbers.
async fn send_batch(database: &Database, ids: &[Uuid], body: &str) -> Result<Vec<i64>> {
    batch(database, &ids.iter().map(|id| serde_json::json!({"id": id, "body": body})).collect()).await
}

async fn batch(database: &Database, messages: &serde_json::Value) -> Result<Vec<i64>> {
    let call = format!("select seq from public.insert_chat_messages('ana__ben', 'ana', 'ben', '{messages}')");
    Ok(database.run(Actor::User(Ana), &call, &[]).await?.iter().map(|row| row.get(0)).collect())
}

async fn seqs(database: &Database, thread: &str) -> Result<Vec<i64>> {
    let rows: Vec<Row> = database
        .owner()
        .await?
        .query("select seq from chat_messages where thread_id = $1 order by seq", &[&thread])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn broadcasts(database: &Database) -> Result<i64> {
    Ok(database.superuser().await?.query_one("select count(*) from realtime.messages", &[]).await?.get(0))
}
