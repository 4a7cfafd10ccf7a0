//! sql/doctor.sql finds each promise broken, says nothing where none is, and changes nothing.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use sql_tests::Person::{Ana, Ben};
use sql_tests::{Database, file_name, migration_files};

const DOCTOR: &str = include_str!("../../../sql/doctor.sql");

/// A promise, and what breaks it, as the superuser.
const BREAKS: &[(&str, &str)] = &[
    ("the tables are there", "drop table public.chat_identities cascade"),
    ("every message and thread has its numbers", "alter table public.chat_messages alter column seq drop not null"),
    ("every message and thread has its numbers", "alter table public.chat_threads alter column last_seq drop not null"),
    ("row level security is on", "alter table public.chat_threads disable row level security"),
    ("row level security is on", "alter table realtime.messages disable row level security"),
    ("the policies are the chat's", "drop policy chat_messages_select on public.chat_messages"),
    ("the policies are the chat's", "alter policy chat_messages_select on public.chat_messages using (true)"),
    ("the policies are the chat's", "alter policy chat_threads_select on public.chat_threads to anon, authenticated"),
    ("the policies are the chat's", "alter policy chat_messages_receive on realtime.messages using (extension = 'broadcast')"),
    (
        "the policies are the chat's",
        "alter policy chat_messages_insert on public.chat_messages with check (sender_supabase_id = (select auth.uid()))",
    ),
    (
        "no other policy lets people into the tables",
        "create policy \"Everyone reads\" on public.chat_messages for select using (true)",
    ),
    (
        "no other policy lets people into the tables",
        "create policy mine on public.chat_threads for update to authenticated using (user_a_supabase_id = auth.uid())",
    ),
    ("the tables are there", "drop table public.chat_markers"),
    ("row level security is on", "alter table public.chat_markers disable row level security"),
    ("the policies are the chat's", "drop policy chat_inbox_receive on realtime.messages"),
    (
        "the policies are the chat's",
        "alter policy chat_inbox_receive on realtime.messages using (extension = 'broadcast' and topic = (select realtime.topic()))",
    ),
    ("no other policy opens a topic of the chat", "drop policy chat_inbox_fence on realtime.messages"),
    ("no other policy opens a topic of the chat", "alter policy chat_inbox_fence on realtime.messages using (true)"),
    ("no other policy opens a topic of the chat", "alter policy chat_inbox_fence on realtime.messages with check (true)"),
    ("no other policy opens a topic of the chat", "alter policy chat_inbox_fence on realtime.messages to authenticated"),
    ("no other policy opens a topic of the chat", "drop policy chat_topics_fence on realtime.messages"),
    ("no other policy opens a topic of the chat", "drop policy chat_topics_fence_people on realtime.messages"),
    ("no other policy opens a topic of the chat", "alter policy chat_topics_fence on realtime.messages to authenticated"),
    ("no other policy opens a topic of the chat", "alter policy chat_topics_fence on realtime.messages with check (true)"),
    ("no other policy opens a topic of the chat", "alter policy chat_topics_fence_people on realtime.messages using (true)"),
    ("each role may do what it needs and no more", "grant select on public.chat_messages to anon"),
    ("each role may do what it needs and no more", "grant update (body) on public.chat_messages to authenticated"),
    ("each role may do what it needs and no more", "grant insert (seq) on public.chat_messages to authenticated"),
    ("each role may do what it needs and no more", "grant delete on public.chat_threads to public"),
    ("each role may do what it needs and no more", "revoke select on public.chat_threads from authenticated"),
    ("the API's functions are there, for whom they are", "drop function public.ensure_chat_thread(text, text)"),
    ("the API's functions are there, for whom they are", "drop function public.insert_chat_messages(text, text, text, jsonb)"),
    ("the API's functions are there, for whom they are", "drop function public.sync_chat(jsonb, jsonb)"),
    ("the API's functions are there, for whom they are", "drop function public.mark_chat(jsonb, boolean)"),
    (
        "the API's functions are there, for whom they are",
        "grant execute on function public.list_chat_threads(integer, jsonb, text) to anon",
    ),
    (
        "the API's functions are there, for whom they are",
        "alter function chat_private.mark_chat(jsonb, boolean) security invoker",
    ),
    (
        "the API's functions are there, for whom they are",
        "revoke execute on function chat_private.sync_chat(jsonb, jsonb) from authenticated",
    ),
    ("each role may do what it needs and no more", "grant select on public.chat_markers to authenticated"),
    ("no other policy lets people into the tables", "create policy mine on public.chat_markers for select to authenticated using (supabase_id = (select auth.uid()))"),
    ("the private schema is private", "grant execute on function chat_private.inbox_page(uuid, integer, jsonb, text) to authenticated"),
    ("the triggers number, limit, count and broadcast each message", "drop trigger chat_messages_inbox on public.chat_messages"),
    ("the constraints hold for new rows", "alter table public.chat_markers drop constraint chat_markers_delivered_seq_check"),
    ("the indexes are there and whole", "drop index public.chat_markers_supabase_id_thread_id_idx"),
    (
        "the API's functions are there, for whom they are",
        "grant execute on function public.link_chat_identity(text, uuid) to authenticated",
    ),
    (
        "the API's functions are there, for whom they are",
        "revoke execute on function public.insert_chat_message(text, text, text, text, uuid, bigint) from authenticated",
    ),
    (
        "the API's functions are there, for whom they are",
        "alter function public.insert_chat_message(text, text, text, text, uuid, bigint) security definer",
    ),
    (
        "the API's functions are there, for whom they are",
        "grant execute on function public.erase_chat_person(text) to authenticated",
    ),
    ("the API's functions are there, for whom they are", "alter function public.erase_chat_person(text) security invoker"),
    (
        "the functions see no schema but those that they name",
        "alter function chat_private.number_message() reset search_path",
    ),
    ("the private schema is private", "grant usage on schema chat_private to authenticated"),
    ("the private schema is private", "grant execute on function chat_private.count_message() to public"),
    (
        "the private schema is private",
        "alter role authenticator set pgrst.db_schemas = 'public, chat_private'",
    ),
    (
        "the triggers number, limit, count and broadcast each message",
        "alter table public.chat_messages disable trigger chat_messages_broadcast",
    ),
    ("the triggers number, limit, count and broadcast each message", "drop trigger chat_messages_number on public.chat_messages"),
    (
        "the triggers number, limit, count and broadcast each message",
        "alter function chat_private.count_message() security invoker",
    ),
    (
        "what runs with its owner's rights may write what it has to",
        "alter function public.erase_chat_person(text) owner to authenticator",
    ),
    ("what runs with its owner's rights may write what it has to", "alter function chat_private.broadcast_message() owner to authenticator"),
    (
        "the constraints hold for new rows",
        "alter table public.chat_messages drop constraint chat_messages_body_check",
    ),
    (
        "and for old rows",
        "alter table public.chat_messages drop constraint chat_messages_seq_check;
         alter table public.chat_messages add constraint chat_messages_seq_check check (seq > 0) not valid",
    ),
    ("the indexes are there and whole", "drop index public.chat_messages_thread_id_seq_key"),
    (
        "the indexes are there and whole",
        "update pg_index set indisvalid = false where indexrelid = 'public.chat_threads_user_a_supabase_id_thread_id_idx'::regclass",
    ),
    (
        "Realtime can be told",
        "drop function realtime.broadcast_changes(text, text, text, text, text, record, record, text)",
    ),
    ("Realtime can be told", "drop function realtime.send(jsonb, text, text, boolean)"),
    (
        "Realtime has a place for today's broadcasts",
        "do $$ declare p regclass; begin for p in select inhrelid::regclass from pg_inherits where inhparent = 'realtime.messages'::regclass
           loop execute 'drop table ' || p; end loop; end $$",
    ),
    (
        "the newest messages are numbered without a hole",
        "delete from public.chat_messages where thread_id = 'ana__ben' and seq = 2",
    ),
    (
        "the newest messages are numbered without a hole",
        "update public.chat_threads set last_seq = 9 where thread_id = 'ana__ben'",
    ),
    (
        "the threads belong to whom the backend linked",
        "update public.chat_threads set user_b_supabase_id = user_a_supabase_id where thread_id = 'ana__ben'",
    ),
    ("the triggers number, limit, count and broadcast each message", "drop trigger chat_messages_allow on public.chat_messages"),
    ("the newest changes are counted", "update public.chat_threads set last_rev = 9 where thread_id = 'ana__ben'"),
    ("every message and thread has its numbers", "alter table public.chat_threads alter column last_rev drop not null"),
    ("each role may do what it needs and no more", "grant update (reaction_a) on public.chat_messages to authenticated"),
    ("each role may do what it needs and no more", "grant insert (rev) on public.chat_messages to authenticated"),
    ("each role may do what it needs and no more", "revoke insert (reply_to) on public.chat_messages from authenticated"),
    ("each role may do what it needs and no more", "revoke update (edit_window) on public.chat_limits from service_role"),
    ("the API's functions are there, for whom they are", "drop function public.list_chat_page(text, bigint, bigint, integer, bigint)"),
    ("the API's functions are there, for whom they are", "grant execute on function public.unsend_chat_message(uuid) to anon"),
    ("the API's functions are there, for whom they are", "alter function public.edit_chat_message(uuid, text) security definer"),
    (
        "the API's functions are there, for whom they are",
        "revoke execute on function chat_private.change_message(uuid, text, text) from authenticated",
    ),
    (
        "the private schema is private",
        "grant execute on function chat_private.thread_page(uuid, text, bigint, bigint, integer, bigint, integer) to authenticated",
    ),
    ("the triggers number, limit, count and broadcast each message", "drop trigger chat_messages_allow_change on public.chat_messages"),
    (
        // It leaves reactions out.
        "the triggers number, limit, count and broadcast each message",
        "create or replace trigger chat_messages_number_change before update on public.chat_messages for each row
         when (old.body is distinct from new.body) execute function chat_private.number_change()",
    ),
    (
        "the triggers number, limit, count and broadcast each message",
        "create or replace trigger chat_messages_count_change after update on public.chat_messages for each row
         when (new.rev is not null) execute function chat_private.count_change()",
    ),
    ("the constraints hold for new rows", "alter table public.chat_messages drop constraint chat_messages_deleted_check"),
    ("the constraints hold for new rows", "alter table public.chat_limits drop constraint chat_limits_edit_window_check"),
    ("the indexes are there and whole", "drop index public.chat_messages_thread_id_rev_key"),
    ("there is a limit to what one person sends", "delete from public.chat_limits"),
    ("each role may do what it needs and no more", "grant update on public.chat_limits to authenticated"),
    (
        "the links are what the accounts say",
        "update auth.users set raw_app_meta_data = '{}' where email = 'ana@example.com'",
    ),
    (
        "the links are what the accounts say",
        "insert into auth.users (id, raw_app_meta_data) values (gen_random_uuid(), '{\"mongoUserId\": \"zoe\"}');
         insert into public.chat_identities select 'yves', id from auth.users where raw_app_meta_data ->> 'mongoUserId' = 'zoe'",
    ),
    ("nothing of an earlier version is left", LEFTOVER_FUNCTION),
    ("nothing of an earlier version is left", LEFTOVER_TRIGGER),
    (
        "nothing of an earlier version is left",
        "create function public.insert_chat_message(_thread_id text, _body text) returns void language sql as ''",
    ),
];

const LEFTOVER_FUNCTION: &str = "create function public.chat_messages_changes() returns trigger language plpgsql as $$ begin
    perform realtime.broadcast_changes('chat:' || new.thread_id, tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
    return null; end $$";
const LEFTOVER_TRIGGER: &str = "create schema other;
    create function other.shout() returns trigger language plpgsql as $$ begin
    perform realtime.send(to_jsonb(new), 'INSERT', 'chat:' || new.thread_id); return null; end $$;
    create trigger shout after insert on public.chat_messages for each row execute function other.shout()";

struct Row {
    promise: String,
    ok: bool,
    advice: Option<String>,
}

/// As `postgres`, like the SQL editor, and unable to change anything.
async fn ask(database: &Database) -> Result<Vec<Row>> {
    let mut owner = database.owner().await?;
    let transaction = owner.build_transaction().read_only(true).start().await?;
    let rows = transaction.query(DOCTOR, &[]).await.context("the doctor fell ill")?;
    Ok(rows.iter().map(|row| Row { promise: row.get(0), ok: row.get(1), advice: row.get(2) }).collect())
}

#[tokio::test]
async fn a_healthy_project_has_nothing() -> Result<()> {
    for database in [Database::with_people().await?, Database::installed().await?] {
        let rows = ask(&database).await?;
        for row in &rows {
            assert!(row.ok && row.advice.is_none(), "{}: {:?}", row.promise, row.advice);
        }
        let named: BTreeSet<_> = rows.iter().map(|row| row.promise.as_str()).collect();
        let broken: BTreeSet<_> = BREAKS.iter().map(|(promise, _)| *promise).collect();
        assert_eq!(named, broken, "every promise is broken once below");
    }
    Ok(())
}

/// Two files are optional.
#[tokio::test]
async fn a_project_without_an_inbox_or_changes_has_nothing_either() -> Result<()> {
    for without in [&["inbox"][..], &["changes"], &["inbox", "changes"]] {
        let database = Database::new_project().await?;
        let owner = database.owner().await?;
        for file in migration_files()?.iter().filter(|file| !without.iter().any(|word| file_name(file).contains(word))) {
            owner.batch_execute(&std::fs::read_to_string(file)?).await?;
        }
        for row in ask(&database).await? {
            assert!(row.ok, "without {without:?}: {}: {:?}", row.promise, row.advice);
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_promise_broken_is_found() -> Result<()> {
    let mut missed = Vec::new();
    for (promise, breakage) in BREAKS {
        let database = Database::with_people().await?;
        database.superuser().await?.batch_execute(breakage).await.with_context(|| (*breakage).to_owned())?;
        let rows = ask(&database).await?;
        // A role's settings are the whole cluster's.
        database.superuser().await?.batch_execute("alter role authenticator reset pgrst.db_schemas").await?;
        let row = rows.iter().find(|row| row.promise == *promise).with_context(|| format!("no row {promise}"))?;
        if row.ok || row.advice.as_ref().is_none_or(|advice| !advice.contains(": ")) {
            missed.push(format!("{promise}: {breakage}"));
        }
        let all_else = ["drop table", "drop function realtime", "drop index", "authenticated using (true)"];
        let others = rows.iter().filter(|row| !row.ok && row.promise != *promise).count();
        if others > 0
            && !all_else.iter().any(|wide| breakage.contains(wide))
            && !breakage.contains("chat_threads t where")
        {
            missed.push(format!("{promise}: {breakage}: and {others} that it did not break"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    Ok(())
}

/// What is said about a link that its account does not vouch for, and about a deletion, is true and names them.
#[tokio::test]
async fn a_planted_link_and_a_deleted_message_are_called_what_they_are() -> Result<()> {
    let database = Database::with_people().await?;
    database
        .superuser()
        .await?
        .batch_execute(
            "update auth.users set raw_app_meta_data = '{\"mongoUserId\": \"mallory\"}' where email = 'ana@example.com';
             delete from public.chat_messages where thread_id = 'ana__ben' and seq = 2",
        )
        .await?;
    let rows = ask(&database).await?;
    let word = |promise: &str| {
        let row = rows.iter().find(|row| row.promise == promise);
        row.and_then(|row| row.advice.clone()).unwrap_or_default()
    };
    let links = word("the links are what the accounts say");
    assert!(links.starts_with(&format!("ana (account {}: mallory): ", Ana.supabase_id())), "{links}");
    let numbers = word("the newest messages are numbered without a hole");
    assert!(numbers.starts_with("ana__ben: ") && numbers.contains("If you deleted some"), "{numbers}");
    assert!(!numbers.contains("must not happen"), "{numbers}");
    Ok(())
}

#[tokio::test]
async fn a_tutorials_policies_are_no_finding_behind_the_fence() -> Result<()> {
    let database = Database::with_people().await?;
    database.superuser().await?.batch_execute(sql_tests::doors::TUTORIAL).await?;
    let found: Vec<_> = ask(&database).await?.into_iter().filter(|row| !row.ok).map(|row| row.promise).collect();
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

#[tokio::test]
async fn the_plans_own_tables_are_called_what_they_are() -> Result<()> {
    let database = Database::of_the_plan().await?;
    let before: Vec<_> = ask(&database).await?.into_iter().filter(|row| !row.ok).collect();
    let word = |promise: &str| {
        let row = before.iter().find(|row| row.promise == promise);
        row.and_then(|row| row.advice.clone()).unwrap_or_default()
    };
    assert!(
        word("no other policy lets people into the tables")
            .contains("\"Everyone reads\" on chat_messages (true: everybody)")
    );
    assert!(word("no other policy opens a topic of the chat").contains("Read and write chat topics"));
    assert!(word("nothing of an earlier version is left").contains("chat_messages_changes()"));
    assert!(word("nothing of an earlier version is left").contains("insert_chat_message(text,text,text,text)"));

    database.install().await?;
    for person in [Ana, Ben] {
        database.link(person.mongo_id(), person.supabase_id()).await?;
    }
    let after: Vec<_> = ask(&database).await?.into_iter().filter(|row| !row.ok).map(|row| row.promise).collect();
    assert_eq!(after, ["and for old rows", "nothing of an earlier version is left"]);
    Ok(())
}
