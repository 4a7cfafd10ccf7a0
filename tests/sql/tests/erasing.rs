//! Erasing a person: what they wrote goes, the numbers stay, open pages are told, and the account can be deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use sql_tests::Person::{Ana, Ben};
use sql_tests::catalog::text;
use sql_tests::{Actor, Database, Person, send, sqlstate};

const DOCTOR: &str = include_str!("../../../sql/doctor.sql");

async fn erase(database: &Database, mongo_id: &str) -> Result<i64> {
    Ok(database.run(Actor::ServiceRole, "select public.erase_chat_person($1)", &[&mongo_id]).await?[0].get(0))
}

#[tokio::test]
async fn what_a_person_wrote_goes_and_the_numbers_stay() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    let messages = "select string_agg(format('%s %s %s <%s>', thread_id, seq, sender_mongo_id, body), ', ' order by thread_id, seq)
                      from public.chat_messages";
    let times = "select string_agg(created_at::text, ',' order by id) from public.chat_messages";
    let times_before = text(&superuser, times).await?;
    for person in [Ana, Ben] {
        let used = "select public.list_chat_threads()::text, public.mark_chat('[{\"thread_id\": \"ana__ben\", \"read\": 2}]')::text";
        database.run(Actor::User(person), used, &[]).await?;
    }
    assert_eq!(erase(&database, "ana").await?, 2);
    assert_eq!(
        text(&superuser, messages).await?,
        "ana__ben 1 ana <>, ana__ben 2 ben <hello>, ana__ben 3 ana <>, ana__erin 1 erin <hello>, cleo__dan 1 cleo <hello>"
    );
    assert_eq!(text(&superuser, times).await?, times_before);
    // Nothing says which account it was.
    for table in [
        "public.chat_identities",
        "public.chat_threads",
        "public.chat_messages",
        "public.chat_markers",
        "chat_private.send_buckets",
        "chat_private.inboxes",
    ] {
        let left = format!("select count(*)::text from {table} t where t::text like '%{}%'", Ana.supabase_id());
        assert_eq!(text(&superuser, &left).await?, "0", "{table}");
    }
    for table in ["public.chat_markers", "chat_private.inboxes"] {
        assert_eq!(
            text(&superuser, &format!("select count(*)::text from {table}")).await?,
            "1",
            "the other's: {table}"
        );
    }
    let found = format!("select promise from ({}) doctor where not ok", DOCTOR.trim_end().trim_end_matches(';'));
    assert_eq!(text(&superuser, &found).await?, "");

    assert_eq!(erase(&database, "ana").await?, 0, "again");
    assert_eq!(erase(&database, "nobody").await?, 0);
    superuser.execute("delete from auth.users where id = $1", &[&Ana.supabase_id()]).await?;
    assert_eq!(text(&superuser, &found).await?, "");
    Ok(())
}

/// What Realtime keeps for three days, and would replay, is emptied; what it is told now holds nothing that was written.
#[tokio::test]
async fn open_pages_are_told_and_realtime_keeps_nothing() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    erase(&database, "ana").await?;
    let told = "select format('%s %s', topic, payload - 'id') from realtime.messages where event = 'CHANGE' and private order by 1";
    assert_eq!(
        text(&superuser, told).await?,
        "chat:ana__ben {\"erased\": \"ana\", \"last_rev\": 2, \"last_seq\": 3, \"thread_id\": \"ana__ben\"}"
    );
    let kept = "select format('%s %s <%s>', topic, payload -> 'record' ->> 'seq', payload -> 'record' ->> 'body')
                  from realtime.messages where event = 'INSERT' order by 1";
    assert_eq!(
        text(&superuser, kept).await?,
        "chat:ana__ben 1 <>\nchat:ana__ben 2 <hello>\nchat:ana__ben 3 <>\nchat:ana__erin 1 <hello>\nchat:cleo__dan 1 <hello>"
    );
    let account =
        format!("select count(*)::text from realtime.messages where payload::text like '%{}%'", Ana.supabase_id());
    assert_eq!(text(&superuser, &account).await?, "0");
    erase(&database, "ana").await?;
    assert_eq!(text(&superuser, "select count(*)::text from realtime.messages where event = 'CHANGE'").await?, "1");
    Ok(())
}

#[tokio::test]
async fn the_other_person_goes_on_and_the_erased_one_is_out() -> Result<()> {
    let database = Database::with_people().await?;
    erase(&database, "ana").await?;
    let read = "select seq, body from public.chat_messages order by seq";
    let seen = database.run(Actor::User(Ben), read, &[]).await?;
    let seen: Vec<(i64, String)> = seen.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(seen, [(1, String::new()), (2, "hello".into()), (3, String::new())]);
    assert_eq!(send(&database, Ben, Ana, "are you there?", None).await?.get::<_, i64>("seq"), 4);

    assert!(database.run(Actor::User(Ana), read, &[]).await?.is_empty());
    assert_eq!(sqlstate(&send(&database, Ana, Ben, "still here", None).await.unwrap_err()), "42501");
    assert!(!database.may_join(Actor::User(Ana), "chat:ana__ben", "broadcast").await?);
    // An empty message is still nobody's to send.
    assert_eq!(sqlstate(&send(&database, Ben, Ana, "", None).await.unwrap_err()), "23514");
    Ok(())
}

/// Rows from before this version fit no constraint, and belong to threads of nobody. They say as much about a person.
#[tokio::test]
async fn what_an_earlier_version_kept_goes_too() -> Result<()> {
    let database = Database::of_the_plan().await?;
    database.install().await?;
    let superuser = database.superuser().await?;
    database.link("cleo", Person::Cleo.supabase_id()).await?;
    let account = format!(
        "select count(*)::text from public.chat_messages
          where sender_supabase_id = '{}' or sender_mongo_id = 'cleo' and body <> ''",
        Person::Cleo.supabase_id()
    );
    let before: i64 = text(&superuser, &account).await?.parse()?;
    assert!(before > 5, "{before}");
    assert_eq!(erase(&database, "cleo").await?, before, "among them what her account wrote in another's name");
    assert_eq!(text(&superuser, &account).await?, "0");
    Ok(())
}

/// The same of what inboxes were told, the other person's as well.
#[tokio::test]
async fn inboxes_keep_nothing_of_what_was_written() -> Result<()> {
    let database = Database::with_people().await?;
    for person in [Ana, Ben] {
        database.run(Actor::User(person), "select public.list_chat_threads()", &[]).await?;
    }
    send(&database, Ana, Ben, "secret", None).await?;
    send(&database, Ben, Ana, "not hers", None).await?;
    let superuser = database.superuser().await?;
    let kept = "select format('%s <%s>', payload -> 'message' ->> 'sender_mongo_id', payload -> 'message' ->> 'body')
                  from realtime.messages where event = 'THREAD' order by payload -> 'message' ->> 'seq'";
    assert_eq!(text(&superuser, kept).await?, "ana <secret>\nana <secret>\nben <not hers>\nben <not hers>");
    erase(&database, "ana").await?;
    assert_eq!(text(&superuser, kept).await?, "ana <>\nana <>\nben <not hers>\nben <not hers>");
    Ok(())
}

/// Realtime out of order costs no erasure.
#[tokio::test]
async fn a_broadcast_that_fails_keeps_nothing() -> Result<()> {
    for breakage in [
        "revoke execute on function realtime.send(jsonb, text, text, boolean) from public",
        "drop table realtime.messages cascade",
    ] {
        let database = Database::with_people().await?;
        database.superuser().await?.batch_execute(breakage).await?;
        assert_eq!(erase(&database, "ana").await?, 2, "{breakage}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_goes_on_writing_meanwhile_leaves_nothing() -> Result<()> {
    let database = Arc::new(Database::with_people().await?);
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = [(Ana, Ben), (Ben, Ana), (Ana, Ben)]
        .into_iter()
        .map(|(from, to)| {
            let (database, ended) = (database.clone(), ended.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                while !ended.load(Ordering::Relaxed) {
                    match send(&database, from, to, "quick", None).await {
                        Ok(_) => sent += 1,
                        Err(error) => anyhow::ensure!(from == Ana && sqlstate(&error) == "42501", "{error:?}"),
                    }
                }
                Ok(sent)
            })
        })
        .collect();
    let superuser = database.superuser().await?;
    while text(&superuser, "select count(*)::text from public.chat_messages").await?.parse::<u32>()? < 30 {
        tokio::task::yield_now().await;
    }
    erase(&database, "ana").await?;
    ended.store(true, Ordering::Relaxed);
    for writer in writers {
        let _: u32 = writer.await??;
    }
    let left = "select count(*)::text from public.chat_messages where sender_mongo_id = 'ana' and body <> ''";
    assert_eq!(text(&superuser, left).await?, "0");
    let gapless = "select (count(*) = max(seq) and count(*) = (select last_seq from public.chat_threads where thread_id = 'ana__ben'))::text
                     from public.chat_messages where thread_id = 'ana__ben'";
    assert_eq!(text(&superuser, gapless).await?, "true");
    Ok(())
}
