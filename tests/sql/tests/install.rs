//! The migrations on an empty project, on their own result, and on the tables of the plan's first version.

use anyhow::Result;
use sql_tests::Person::{Ana, Ben, Cleo, Dan};
use sql_tests::catalog::{CATALOG, CONTENTS, text};
use sql_tests::upgrade::upgrade_in_use;
use sql_tests::{Actor, Database, send, sqlstate};

#[tokio::test]
async fn applied_again_nothing_changes() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    let everything = format!("{CATALOG} union all {CONTENTS}");
    let before = text(&owner, &everything).await?;
    assert!(before.contains("chat_messages_thread_id_seq_key"));
    for _ in 0..2 {
        database.install().await?;
        assert_eq!(text(&owner, &everything).await?, before);
    }
    send(&database, Ana, Ben, "still here", None).await?;
    Ok(())
}

/// What the first published version left where this one differs: no fence, no erasing, and a constraint with no place for a
/// message that was erased.
const FIRST_VERSION: &str = "
    drop policy chat_topics_fence on realtime.messages;
    drop policy chat_topics_fence_people on realtime.messages;
    drop function public.erase_chat_person(text);
    alter table public.chat_messages drop constraint chat_messages_people_check;
    alter table public.chat_messages add constraint chat_messages_people_check
      check (thread_id in (sender_mongo_id || '__' || recipient_mongo_id, recipient_mongo_id || '__' || sender_mongo_id));
    alter table public.chat_messages drop constraint chat_messages_body_check;
    alter table public.chat_messages add constraint chat_messages_body_check
      check (btrim(body, E' \\t\\n\\x0b\\f\\r') <> '' and char_length(body) <= 4000);
    create or replace function chat_private.count_message() returns trigger
      language plpgsql security definer set search_path = '' as $$ begin return null; end $$";

#[tokio::test]
async fn the_first_version_becomes_this_one() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    let everything = format!("{CATALOG} union all {CONTENTS}");
    let expected = text(&owner, &everything).await?;
    owner.batch_execute(FIRST_VERSION).await?;
    assert_ne!(text(&owner, &everything).await?, expected);
    database.install().await?;
    assert_eq!(text(&owner, &everything).await?, expected);
    send(&database, Ana, Ben, "goes on", None).await?;
    Ok(())
}

/// Before 2026-10-30 a Supabase project granted everything on a new table or function of `public` to everyone.
#[tokio::test]
async fn an_older_projects_default_privileges_let_nobody_in() -> Result<()> {
    let older = Database::new_project().await?;
    older
        .owner()
        .await?
        .batch_execute(
            "alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
             alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
             alter default privileges grant execute on functions to public",
        )
        .await?;
    older.install().await?;
    let newer = Database::installed().await?;
    assert_eq!(text(&older.owner().await?, CATALOG).await?, text(&newer.owner().await?, CATALOG).await?);
    Ok(())
}

#[tokio::test]
async fn the_plans_tables_become_the_same_and_lose_nothing() -> Result<()> {
    let database = Database::of_the_plan().await?;
    let owner = database.owner().await?;
    let contents = text(&owner, CONTENTS).await?;
    let times = "select string_agg(created_at::text, ',' order by id) from chat_messages where id = any
                   (select id from known)";
    owner
        .batch_execute(
            "create temporary table known as select id from public.chat_messages where created_at is not null",
        )
        .await?;
    let before = text(&owner, times).await?;
    database.install().await?;
    assert_eq!(text(&owner, CONTENTS).await?, contents);
    assert_eq!(text(&owner, times).await?, before);

    let fresh = text(&Database::installed().await?.owner().await?, CATALOG).await?;
    let upgraded = text(&owner, CATALOG).await?;
    let differences: Vec<_> = diff(&fresh, &upgraded);
    assert!(
        differences.iter().all(|line| {
            line.contains("Somebody else's")
                || line.contains("NOT VALID")
                || line.contains("function chat_messages_changes()")
                || upgraded.contains(&format!("{line} NOT VALID"))
        }),
        "{differences:#?}"
    );
    database.install().await?;
    assert_eq!(text(&owner, CATALOG).await?, upgraded);
    assert_eq!(text(&owner, CONTENTS).await?, contents);
    Ok(())
}

#[tokio::test]
async fn the_plans_messages_are_numbered_in_their_order() -> Result<()> {
    let database = Database::of_the_plan().await?;
    database.install().await?;
    let owner = database.owner().await?;
    let broken: i64 = owner
        .query_one(
            "select count(*) from (
               select seq is distinct from row_number() over w as hole, created_at < lag(created_at) over w as back
                 from chat_messages window w as (partition by thread_id order by seq)) rows where hole or back",
            &[],
        )
        .await?
        .get(0);
    assert_eq!(broken, 0);
    let uncounted: i64 = owner
        .query_one(
            "select count(*) from chat_threads t
              where (last_seq, last_message_at) is distinct from
                    (select row(count(*), max(created_at)) from chat_messages m where m.thread_id = t.thread_id)",
            &[],
        )
        .await?
        .get(0);
    assert_eq!(uncounted, 0);
    let threads = text(
        &owner,
        "select string_agg(thread_id || ':' || last_seq, ' ' order by thread_id collate \"C\") from chat_threads",
    )
    .await?;
    assert_eq!(threads, "ana__ben:200 cleo__dan:6 dan__cleo:1 empty__thread:0 lobby:1 nobody knows:0 only nulls:1");
    Ok(())
}

#[tokio::test]
async fn the_plans_people_go_on_and_its_loopholes_are_closed() -> Result<()> {
    let database = Database::of_the_plan().await?;
    database.install().await?;
    let sent = send(&database, Ana, Ben, "goes on", None).await?;
    assert_eq!(sent.get::<_, i64>("seq"), 201);
    let broadcasts = text(&database.superuser().await?, "select count(*)::text from realtime.messages").await?;
    assert_eq!(broadcasts, "1", "the old trigger does not broadcast beside the new one");

    assert!(!database.may_join(Actor::User(Cleo), "chat:ana__ben", "broadcast").await?);
    let all = database.run(Actor::User(Cleo), "select * from public.chat_messages", &[]).await?;
    assert_eq!(all.len(), 0, "using (true) is gone; her own thread waits for the backend's link");
    let forged = database
        .run(
            Actor::User(Ana),
            "insert into realtime.messages (topic, extension) values ('chat:ana__ben', 'broadcast')",
            &[],
        )
        .await;
    assert_eq!(sqlstate(&forged.unwrap_err()), "42501");

    for person in [Cleo, Dan] {
        database.link(person.mongo_id(), person.supabase_id()).await?;
    }
    let all = database.run(Actor::User(Cleo), "select * from public.chat_messages", &[]).await?;
    assert_eq!(all.len(), 6);
    assert_eq!(send(&database, Dan, Cleo, "found it", None).await?.get::<_, i64>("seq"), 7);
    // A message from the future does not turn time back.
    let order = text(&database.owner().await?, "select string_agg(body, ',' order by created_at desc) from chat_messages where thread_id = 'cleo__dan' and seq > 5").await?;
    assert_eq!(order, "found it,from the future");
    Ok(())
}

/// How long anybody waits meanwhile is for the bench to say, which does the same with a million.
#[tokio::test(flavor = "multi_thread")]
async fn upgraded_while_in_use_nothing_is_lost() -> Result<()> {
    for concurrent_index in [false, true] {
        let upgrade = upgrade_in_use(Database::new_project().await?, 50_000, concurrent_index).await?;
        assert!(upgrade.sent > 0 && upgrade.read > 0, "{upgrade:?}");
    }
    Ok(())
}

const DOWN: &str = include_str!("../../../sql/down.sql");

#[tokio::test]
async fn taken_out_the_messages_stay_and_nobody_reaches_them() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    let threads =
        "select string_agg(row(thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id,
                     created_at, last_message_at)::text, ',' order by thread_id) from public.chat_threads";
    let numbered = format!(
        "{CONTENTS} union all select string_agg(row(id, seq, created_at)::text, ',' order by id) from public.chat_messages union all {threads} union all select string_agg(thread_id || last_seq, ',' order by thread_id) from public.chat_threads"
    );
    let kept = format!("{CONTENTS} union all {threads}");
    let (numbers_before, before) = (text(&owner, &numbered).await?, text(&owner, &kept).await?);
    let catalog = text(&owner, CATALOG).await?;
    for _ in 0..2 {
        owner.batch_execute(DOWN).await?;
        assert_eq!(text(&owner, &kept).await?, before);
    }
    let down = text(&owner, CATALOG).await?;
    for left in ["policy", "trigger", "function", "schema", "chat_identities", "seq", "_fkey", "_check"] {
        assert!(!down.lines().any(|line| line.contains(left)), "{left} in\n{down}");
    }
    for (actor, table) in
        [(Actor::User(Ana), "chat_messages"), (Actor::Anon, "chat_messages"), (Actor::ServiceRole, "chat_threads")]
    {
        let read = database.run(actor, &format!("select from public.{table}"), &[]).await;
        assert_eq!(sqlstate(&read.unwrap_err()), "42501", "{actor:?}");
    }

    database.install().await?;
    assert_eq!(text(&owner, &numbered).await?, numbers_before, "every message has its number again");
    for person in [Ana, Ben, Cleo, Dan] {
        database.link(person.mongo_id(), person.supabase_id()).await?;
    }
    // With the people linked the threads' foreign keys hold for old rows, too.
    database.install().await?;
    assert_eq!(text(&owner, CATALOG).await?, catalog);
    assert_eq!(send(&database, Ana, Ben, "back again", None).await?.get::<_, i64>("seq"), 4);
    Ok(())
}

#[tokio::test]
async fn taken_out_of_an_upgraded_project_or_one_that_never_had_it() -> Result<()> {
    let upgraded = Database::of_the_plan().await?;
    upgraded.install().await?;
    let owner = upgraded.owner().await?;
    let before = text(&owner, CONTENTS).await?;
    owner.batch_execute(DOWN).await?;
    assert_eq!(text(&owner, CONTENTS).await?, before);
    upgraded.install().await?;
    assert_eq!(text(&owner, CONTENTS).await?, before);
    Database::new_project().await?.owner().await?.batch_execute(DOWN).await?;
    Ok(())
}

fn diff(one: &str, other: &str) -> Vec<String> {
    let only_in = |a: &str, b: &str| -> Vec<String> {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    [only_in(one, other), only_in(other, one)].concat()
}
