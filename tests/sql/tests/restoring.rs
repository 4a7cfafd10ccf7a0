//! A data-only restore: numbers and times are kept, nothing is broadcast, and the counters follow. Nobody who comes through
//! the API can have that.

use anyhow::{Context, Result};
use futures_util::{SinkExt, pin_mut};
use sql_tests::Person::{Ana, Ben};
use sql_tests::catalog::text;
use sql_tests::{Actor, Database, send};
use tokio_postgres::Client;

/// In the order in which `pg_dump --data-only` writes them.
const TABLES: &[(&str, &str)] = &[
    ("auth.users", "id, email, raw_app_meta_data"),
    ("public.chat_identities", "mongo_id, supabase_id"),
    (
        "public.chat_threads",
        "thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id, created_at, last_message_at, last_seq, last_rev",
    ),
    (
        "public.chat_messages",
        "id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq, rev, edited_at, deleted_at, reply_to, reaction_a, reaction_b",
    ),
    ("public.chat_markers", "thread_id, supabase_id, read_seq, delivered_seq, read_at, receipts"),
    ("chat_private.inboxes", "supabase_id, used_on"),
    ("chat_private.inbox_starts", "thread_id, seq"),
];

/// How a dump made by pg_dump begins.
const PREAMBLE: &str = "
    set statement_timeout = 0; set lock_timeout = 0; set client_encoding = 'UTF8'; set standard_conforming_strings = on;
    select pg_catalog.set_config('search_path', '', false);
    set check_function_bodies = false; set xmloption = content; set client_min_messages = warning; set row_security = off";

const EVERYTHING: &str = "
    select string_agg(line, E'\\n' order by line) from (
      select m::text as line from public.chat_messages m union all select t::text from public.chat_threads t
      union all select m::text from public.chat_markers m) lines";
const BROADCASTS: &str = "select count(*)::text from realtime.messages";
const DOCTOR: &str = include_str!("../../../sql/doctor.sql");

#[tokio::test]
async fn a_data_only_restore_gives_back_what_was_there_and_tells_nobody() -> Result<()> {
    let before = Database::with_people().await?;
    let used = "select public.list_chat_threads()::text, public.mark_chat('[{\"thread_id\": \"ana__ben\", \"read\": 2}]')::text";
    before.run(Actor::User(Ana), used, &[]).await?;
    let changed = "update public.chat_messages set reaction_a = 'x', reply_to = 1 where seq = 2;
                   update public.chat_messages set body = '', deleted_at = now() where seq = 3";
    before.owner().await?.batch_execute(changed).await?;
    let (source, expected) = (before.superuser().await?, text(&before.owner().await?, EVERYTHING).await?);
    let after = Database::installed().await?;
    let (superuser, owner) = (after.superuser().await?, after.owner().await?);
    owner.batch_execute(PREAMBLE).await?;
    for (table, columns) in TABLES {
        let dump = source.copy_out(&format!("copy {table} ({columns}) to stdout")).await?;
        // Accounts are restored by Supabase.
        let target = if table.starts_with("auth.") { &superuser } else { &owner };
        let restore = target.copy_in(&format!("copy {table} ({columns}) from stdin")).await?;
        pin_mut!(dump, restore);
        restore.send_all(&mut dump).await.with_context(|| (*table).to_owned())?;
        restore.finish().await?;
    }
    assert_eq!(text(&superuser, EVERYTHING).await?, expected);
    assert_eq!(text(&superuser, BROADCASTS).await?, "0");
    let found = text(
        &superuser,
        &format!("select promise from ({}) doctor where not ok", DOCTOR.trim_end().trim_end_matches(';')),
    )
    .await?;
    assert_eq!(found, "");

    let sent = send(&after, Ana, Ben, "after the restore", None).await?;
    assert_eq!(sent.get::<_, i64>("seq"), 4);
    let edit = "select (public.edit_chat_message($1, 'after it') ->> 'rev')::bigint";
    let rev: i64 = after.run(Actor::User(Ana), edit, &[&sent.get::<_, uuid::Uuid>("id")]).await?[0].get(0);
    assert_eq!(rev, 3);
    // The thread and her inbox, of either.
    assert_eq!(text(&superuser, BROADCASTS).await?, "4");
    Ok(())
}

/// The messages alone, as `--inserts` writes them, in no order, one of them erased: the threads are there and count none.
#[tokio::test]
async fn the_counters_follow_what_is_restored() -> Result<()> {
    let database = Database::installed().await?;
    for person in [Ana, Ben] {
        database.add_person(person).await?;
    }
    database.ensure_thread(Ana, Ben).await?;
    let owner = database.owner().await?;
    let insert = |seq: i64, body: &str, time: &str| {
        format!(
            "insert into public.chat_messages values (gen_random_uuid(), 'ana__ben', '{}', 'ana', 'ben', '{body}', {time}, {seq}, {});",
            Ana.supabase_id(),
            10 - seq
        )
    };
    owner
        .batch_execute(
            &[insert(3, "three", "'2026-03-03'"), insert(1, "one", "'2026-03-01'"), insert(2, "", "'2026-03-02'")]
                .concat(),
        )
        .await?;
    let counters = "select format('%s %s %s', last_seq, last_rev, last_message_at::date) from public.chat_threads";
    assert_eq!(text(&owner, counters).await?, "3 9 2026-03-03");
    let kept = "select string_agg(format('%s %s', seq, created_at::date), ', ' order by seq) from public.chat_messages";
    assert_eq!(text(&owner, kept).await?, "1 2026-03-01, 2 2026-03-02, 3 2026-03-03");
    assert_eq!(text(&database.superuser().await?, BROADCASTS).await?, "0");

    // The backend's own insert gives no number: in the same transaction, too, it is numbered, timed and announced.
    owner
        .batch_execute(&format!(
            "begin; {} insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at)
               values ('ana__ben', '{}', 'ana', 'ben', 'five', '2000-01-01'); commit",
            insert(4, "four", "'2026-03-04'"),
            Ana.supabase_id()
        ))
        .await?;
    assert_eq!(
        text(&owner, "select seq::text from public.chat_messages where body = 'five' and created_at > '2026-03-04'")
            .await?,
        "5"
    );
    assert_eq!(
        text(&database.superuser().await?, "select payload -> 'record' ->> 'body' from realtime.messages").await?,
        "five"
    );
    Ok(())
}

/// Were they allowed to name a number at all, which they are not (the attack matrix tries it), it would not be believed.
#[tokio::test]
async fn a_number_given_through_the_api_is_the_servers_all_the_same() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    superuser.batch_execute("grant insert on public.chat_messages to authenticated, service_role").await?;
    let insert = format!(
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, seq, created_at)
         values ('ana__ben', '{}', 'ana', 'ben', 'x', 77, '2000-01-01')",
        Ana.supabase_id()
    );
    // As PostgREST.
    for actor in [Actor::User(Ana), Actor::ServiceRole] {
        database.run(actor, &insert, &[]).await?;
    }
    // As Realtime, or another server that logs in as it likes and sets the claims.
    for actor in [Actor::User(Ana), Actor::ServiceRole] {
        let mut client = database.superuser().await?;
        let transaction = client.transaction().await?;
        actor.enter(&transaction).await?;
        transaction.execute(&insert, &[]).await?;
        transaction.commit().await?;
    }
    // As PostgREST before it has said for whom.
    let api: Client = database.api().await?;
    api.batch_execute(&format!("set role service_role; {insert}")).await?;
    let numbers = "select string_agg(seq::text, ' ' order by seq) from public.chat_messages where body = 'x' and created_at > '2001-01-01'";
    assert_eq!(text(&superuser, numbers).await?, "4 5 6 7 8");
    let announced = "select count(*)::text from realtime.messages where payload -> 'record' ->> 'body' = 'x'";
    assert_eq!(text(&superuser, announced).await?, "5");
    Ok(())
}
