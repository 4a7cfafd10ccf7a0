//! Installing stops at whichever statement: nobody may do then what they may not do at the end. Whatever the project
//! grants on new tables and functions.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use sql_tests::Person::{Ana, Ben, Cleo, Dan, Erin};
use sql_tests::catalog::{CATALOG, text};
use sql_tests::doors::{ACTORS, DOORS, fill, outcome};
use sql_tests::tally::Tally;
use sql_tests::{Actor, Database, Person, file_name, migration_files};
use tokio_postgres::{Client, Transaction};

/// Before 2026-10-30 a Supabase project granted everything on a new table or function of `public` to everyone.
const OLDER: &str = "
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
    alter default privileges grant execute on functions to public";
const NEWER: &str = "alter default privileges revoke execute on functions from public";

/// What a statement came to for somebody: a count of rows, or the SQLSTATE that refused it.
type Cells = BTreeMap<(&'static str, usize), String>;

#[tokio::test]
async fn in_an_older_project_no_stop_leaves_a_door_open() -> Result<()> {
    let database = Database::new_project().await?;
    database.owner().await?.batch_execute(OLDER).await?;
    stop_everywhere(database, "older default privileges").await
}

#[tokio::test]
async fn in_a_newer_project_no_stop_leaves_a_door_open() -> Result<()> {
    let database = Database::new_project().await?;
    database.owner().await?.batch_execute(NEWER).await?;
    stop_everywhere(database, "newer default privileges").await
}

/// Here doors are open before, which the last file but one closes; none opens on the way.
#[tokio::test]
async fn on_the_plans_tables_no_stop_opens_a_door() -> Result<()> {
    let database = Database::of_the_plan().await?;
    database.owner().await?.batch_execute(OLDER).await?;
    stop_everywhere(database, "the plan's tables").await
}

async fn stop_everywhere(database: Database, world: &str) -> Result<()> {
    let at_first = knock(&database).await?;
    let mut stops = Vec::new();
    let mut undone = 0;
    for file in migration_files()? {
        let name = file_name(&file).to_owned();
        let mut open = Vec::new();
        for statement in statements(&std::fs::read_to_string(&file)?) {
            open.push(statement);
            // The connection ends here.
            let ends = open.last().is_some_and(|last| last.starts_with("commit")) || open[0].trim() != "begin;";
            let before = text(&database.superuser().await?, CATALOG).await?;
            let owner = database.owner().await?;
            for statement in &open {
                owner.batch_execute(statement).await.with_context(|| format!("{name}: {statement}"))?;
            }
            drop(owner);
            settle(&database).await?;
            // Where nothing stays the doors are as they were.
            if !ends {
                ensure!(text(&database.superuser().await?, CATALOG).await? == before, "{name}: something stays");
                undone += 1;
                continue;
            }
            let stop = format!("{name}, after {:?}", open.last().and_then(|last| last.lines().next()));
            stops.push((stop, knock(&database).await?));
            open.clear();
        }
        ensure!(open.is_empty(), "{name} leaves a transaction open");
    }
    let at_last = stops.last().map(|(_, cells)| cells.clone()).context("no statement")?;
    let mut tally = Tally::default();
    for (stop, cells) in &stops {
        for (cell @ (door, actor), got) in cells {
            let most = rows(&at_last[cell]).max(rows(&at_first[cell]));
            let held = if rows(got) <= most { got.as_str() } else { "no more than at the end" };
            tally.cell(&format!("{stop}: {door}"), ACTORS[*actor], held, got);
        }
    }
    tally.report(&format!("{world}: {} stops, and {undone} that leave nothing: the doors", stops.len()))
}

/// How many rows a statement reached; a refusal reached none.
fn rows(outcome: &str) -> u64 {
    // A SQLSTATE has five characters, and no test this many rows.
    if outcome.len() == 5 { 0 } else { outcome.parse().unwrap_or(0) }
}

/// Waits until nothing of a connection that was closed is left.
async fn settle(database: &Database) -> Result<()> {
    let superuser = database.superuser().await?;
    let left = "select count(*) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and usename = 'postgres'";
    while superuser.query_one(left, &[]).await?.get::<_, i64>(0) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Tries every door for everybody but the backend, on rows that are there for as long as it takes.
async fn knock(database: &Database) -> Result<Cells> {
    let mut superuser: Client = database.superuser().await?;
    let mut transaction = superuser.transaction().await?;
    seed(&transaction).await?;
    let mut cells = Cells::new();
    for (door, _) in DOORS {
        for (index, actor) in ACTORS.into_iter().enumerate().filter(|(_, actor)| *actor != Actor::ServiceRole) {
            let got = outcome(transaction.transaction().await?, actor, &fill(door, actor)).await?;
            cells.insert((door, index), got);
        }
    }
    Ok(cells)
}

/// The people, threads and messages of `Database::with_people`, in whatever is there of the tables.
async fn seed(transaction: &Transaction<'_>) -> Result<()> {
    transaction.batch_execute("set local session_replication_role = replica").await?;
    let add = "insert into auth.users (id, email) values ($1, $2) on conflict do nothing";
    for person in Person::ALL {
        transaction.execute(add, &[&person.supabase_id(), &person.mongo_id()]).await?;
    }
    let zoe = fill("insert into auth.users (id, email) values ('{zoe}', 'zoe') on conflict do nothing", Actor::Anon);
    transaction.batch_execute(&zoe).await?;
    let has = async |column: &str| -> Result<bool> {
        let (table, column) = column.split_once('.').context("a table's column")?;
        let found = "select from pg_attribute where attrelid = to_regclass('public.' || $1) and attname = $2";
        Ok(!transaction.query(found, &[&table, &column]).await?.is_empty())
    };
    if has("chat_identities.mongo_id").await? {
        let link = "insert into public.chat_identities values ($1, $2) on conflict do nothing";
        for person in [Ana, Ben, Cleo, Dan] {
            transaction.execute(link, &[&person.mongo_id(), &person.supabase_id()]).await?;
        }
    }
    let numbered = has("chat_messages.seq").await?;
    for (one, other, messages) in [(Ana, Ben, 3), (Cleo, Dan, 1), (Ana, Erin, 1)] {
        let thread = sql_tests::thread_id(one, other);
        let ids = (one.supabase_id(), Some(other.supabase_id()).filter(|_| other != Erin));
        if has("chat_threads.thread_id").await? {
            let last_seq =
                if has("chat_threads.last_seq").await? { ("last_seq", "3") } else { ("last_message_at", "now()") };
            let add = format!(
                "insert into public.chat_threads
                   (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id, {})
                 values ($1, $2, $3, $4, $5, {}) on conflict do nothing",
                last_seq.0, last_seq.1
            );
            transaction.execute(&add, &[&thread, &one.mongo_id(), &other.mongo_id(), &ids.0, &ids.1]).await?;
        }
        if has("chat_messages.id").await? {
            let (column, value) = if numbered { ("seq", "1000 + n") } else { ("body", "'hello'") };
            let body = if numbered { (", body", ", 'hello'") } else { ("", "") };
            let first = if one == Cleo {
                "{taken}"
            } else if other == Erin {
                "{erins}"
            } else {
                "{first}"
            };
            let id = fill(first, Actor::Anon).trim_end_matches('1').to_owned();
            let add = format!(
                "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, {column}{})
                 select ('{id}' || n)::uuid, $1, $2, $3, $4, {value}{} from generate_series(1, {messages}) n",
                body.0, body.1
            );
            transaction.execute(&add, &[&thread, &ids.0, &one.mongo_id(), &other.mongo_id()]).await?;
        }
        transaction
            .execute(
                "insert into realtime.messages (topic, extension, payload, event, private)
                 select 'chat:' || $1, 'broadcast', '{}', 'INSERT', true from generate_series(1, $2)",
                &[&thread, &messages],
            )
            .await?;
    }
    transaction.batch_execute("set local session_replication_role = origin").await?;
    Ok(())
}

/// The statements of a migration. Good for our files alone: a line's end behind a semicolon ends one, outside of `$$`.
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
