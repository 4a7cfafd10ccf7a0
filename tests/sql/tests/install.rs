//! The migrations on an empty project, on their own result, and on the tables of the plan's first version.

use anyhow::{Context, Result};
use sql_tests::Person::{Ana, Ben, Cleo, Dan};
use sql_tests::upgrade::upgrade_in_use;
use sql_tests::{Actor, Database, send, sqlstate};
use tokio_postgres::Client;

const PLAN: &str = include_str!("../fixtures/plan.sql");

/// Everything about the chat that the catalog knows, as text.
const CATALOG: &str = "
select string_agg(line, E'\\n' order by line) from (
  select format('column %s.%s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull, attacl) as line
    from pg_attribute where attrelid::regclass::text ~ '^chat_' and attnum > 0 and not attisdropped
     and exists (select from pg_class where oid = attrelid and relkind = 'r')
  union all select format('table %s %s %s', oid::regclass, relrowsecurity, relacl) from pg_class where relname ~ '^chat_' and relkind = 'r'
  union all select format('index %s', indexdef) from pg_indexes where tablename ~ '^chat_'
  union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid, true)) from pg_constraint where conrelid::regclass::text ~ '^chat_'
  union all select format('policy %s %s %s %s', polrelid::regclass, polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy
  union all select format('trigger %s', pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal and tgrelid::regclass::text ~ '^chat_'
  union all select format('function %s %s %s', oid::regprocedure, proacl, md5(pg_get_functiondef(oid))) from pg_proc where pronamespace in ('public'::regnamespace, to_regnamespace('chat_private'))
  union all select format('schema %s %s', nspname, nspacl) from pg_namespace where nspname = 'chat_private'
) lines";

const CONTENTS: &str = "
select md5(string_agg(row(id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)::text, ',' order by id))
  from public.chat_messages";

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

/// `psql -f` and the CLI from 2.115 on send a file statement by statement, in no transaction but those that it begins.
#[tokio::test]
async fn the_files_apply_statement_by_statement() -> Result<()> {
    let database = Database::new_project().await?;
    let owner = database.owner().await?;
    for _ in 0..2 {
        for file in files()? {
            for statement in statements(&file) {
                owner.execute(&statement, &[]).await.with_context(|| statement.clone())?;
            }
        }
    }
    let at_once = Database::installed().await?;
    assert_eq!(text(&owner, CATALOG).await?, text(&at_once.owner().await?, CATALOG).await?);
    Ok(())
}

/// Also where there is no transaction around the file, a lock that can't be had is given up, and nothing half done stays.
#[tokio::test]
async fn a_lock_that_cannot_be_had_changes_nothing() -> Result<()> {
    let database = Database::installed().await?;
    let owner = database.owner().await?;
    let before = text(&owner, CATALOG).await?;
    let mut other = database.owner().await?;
    let reading = other.transaction().await?;
    reading.execute("select from public.chat_messages", &[]).await?;
    let file =
        files()?.into_iter().find(|file| file.contains("in access exclusive mode")).context("a file that locks")?;
    let mut refused = None;
    for statement in statements(&file) {
        if let Err(error) = owner.execute(&statement, &[]).await {
            refused = refused.or(error.code().map(|code| code.code().to_owned()));
        }
    }
    assert_eq!(refused.as_deref(), Some("55P03"), "lock_not_available");
    reading.rollback().await?;
    assert_eq!(text(&owner, CATALOG).await?, before);
    Ok(())
}

/// A push that stops between two files leaves no door open, whatever the project grants on new tables.
#[tokio::test]
async fn between_the_files_nobody_gets_in() -> Result<()> {
    let database = Database::new_project().await?;
    let owner = database.owner().await?;
    owner
        .batch_execute(
            "alter default privileges in schema public grant all on tables to anon, authenticated, service_role",
        )
        .await?;
    for file in files()? {
        owner.batch_execute(&file).await?;
        for role in ["anon", "authenticated"] {
            let open = "select coalesce(string_agg(format('%s %s', relname, privilege), ', '), '')
                from pg_class, unnest(array['insert', 'update', 'delete', 'truncate']) privilege
               where relname ~ '^chat_' and relkind = 'r' and has_table_privilege($1, oid, privilege)";
            let open: String = owner.query_one(open, &[&role]).await?.get(0);
            assert_eq!(open, "", "{role}");
            let unsecured =
                "select count(*) from pg_class where relname ~ '^chat_' and relkind = 'r' and not relrowsecurity";
            let unsecured: i64 = owner.query_one(unsecured, &[]).await?.get(0);
            assert_eq!(unsecured, 0);
        }
    }
    Ok(())
}

/// The migrations, in their order.
fn files() -> Result<Vec<String>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(sql_tests::migrations())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("2")));
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read_to_string(path)?)).collect()
}

/// Its statements. Good for our files alone: a line's end behind a semicolon ends one, outside of `$$`.
fn statements(file: &str) -> Vec<String> {
    let (mut statements, mut current) = (Vec::new(), String::new());
    for line in file.lines() {
        if current.is_empty() && (line.is_empty() || line.starts_with("--")) {
            continue;
        }
        current.push_str(line);
        current.push('\n');
        if line.trim_end().ends_with(';') && current.matches("$$").count().is_multiple_of(2) {
            statements.push(core::mem::take(&mut current));
        }
    }
    statements
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
    let database = plan().await?;
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
    let database = plan().await?;
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
    let database = plan().await?;
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
    let upgraded = plan().await?;
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

async fn plan() -> Result<Database> {
    let database = Database::new_project().await?;
    database.owner().await?.batch_execute(PLAN).await?;
    let superuser = database.superuser().await?;
    for person in sql_tests::Person::ALL {
        superuser
            .execute("insert into auth.users (id, email) values ($1, $2)", &[&person.supabase_id(), &person.mongo_id()])
            .await?;
    }
    Ok(database)
}

async fn text(client: &Client, query: &str) -> Result<String> {
    let rows = client.query(query, &[]).await?;
    Ok(rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect::<Vec<_>>().join("\n"))
}

fn diff(one: &str, other: &str) -> Vec<String> {
    let only_in = |a: &str, b: &str| -> Vec<String> {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    [only_in(one, other), only_in(other, one)].concat()
}
