//! The migrations on the tables of the plan's first version while people read and write them: how long anybody waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::{Actor, Database, Person, file_name, migration_files, sqlstate};

/// What sql/README.md says to run where the wait of the unique index is too long.
pub const CONCURRENT_INDEX: &str = "create unique index concurrently if not exists chat_messages_thread_id_seq_key on public.chat_messages (thread_id, seq)";

/// The same for the index of the changes.
pub const CONCURRENT_REV_INDEX: [&str; 2] = [
    "alter table public.chat_messages add column if not exists rev bigint",
    "create unique index concurrently if not exists chat_messages_thread_id_rev_key on public.chat_messages (thread_id, rev) where rev is not null",
];

/// How long one file took, and the longest that a statement of anybody lasted that was under way then.
#[derive(Debug)]
pub struct Step {
    pub file: String,
    pub took: Duration,
    pub writer: Duration,
    pub reader: Duration,
}

#[derive(Debug)]
pub struct Upgrade {
    pub steps: Vec<Step>,
    /// Messages that were sent meanwhile, all of which are there and numbered.
    pub sent: u64,
    pub read: u64,
}

#[derive(Default)]
struct Watch {
    ended: AtomicBool,
    sent: AtomicU64,
    read: AtomicU64,
    writer: AtomicU64,
    reader: AtomicU64,
}

/// Makes the plan's tables in a new project with `rows` messages in 1,000 threads more, and upgrades them in use.
///
/// # Errors
/// Where a migration fails, a message is refused or lost, or a thread's numbers are not gapless afterwards.
pub async fn upgrade_in_use(database: Database, rows: u64, concurrent_index: bool) -> Result<Upgrade> {
    let database = Arc::new(database);
    database.make_plan().await?;
    let superuser = database.superuser().await?;
    superuser.batch_execute(&format!("
        set session_replication_role = replica;
        insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at)
        select 'one' || n % 1000 || '__two', '00000000-0000-0000-0000-00000000a000', 'one' || n % 1000, 'two',
               substr(repeat('What shall we chop today? ', 6), 1, 10 + n % 120), timestamptz '2025-01-01' + n / 2 * interval '1 second'
          from generate_series(1, {rows}) n;
        analyze public.chat_messages")).await?;
    let before: i64 = superuser.query_one("select count(*) from public.chat_messages", &[]).await?.get(0);

    let (steps, sent, read) = apply_in_use(&database, &migration_files()?, concurrent_index).await?;

    let after: i64 = superuser.query_one("select count(*) from public.chat_messages", &[]).await?.get(0);
    anyhow::ensure!(after == before + i64::try_from(sent)?, "{before} messages and {sent} sent became {after}");
    let broken: i64 = superuser
        .query_one(
            "select count(*) from public.chat_threads t
               left join lateral (select count(*) as messages, max(seq) as newest, min(seq) as oldest, count(distinct seq) as numbers
                                    from public.chat_messages m where m.thread_id = t.thread_id) m on true
              where (t.last_seq, t.last_seq, t.last_seq) is distinct from (m.messages, coalesce(m.newest, 0), m.numbers)",
            &[],
        )
        .await?
        .get(0);
    anyhow::ensure!(broken == 0, "{broken} threads are not numbered without a hole");
    Ok(Upgrade { steps, sent, read })
}

/// Takes the changes out of an installed project, and applies their file to it in use. Its people are those of the tests.
///
/// # Errors
/// Where the file fails, or a message is refused.
pub async fn changes_in_use(database: &Arc<Database>, concurrent_index: bool) -> Result<Upgrade> {
    database.owner().await?.batch_execute(WITHOUT_CHANGES).await?;
    let files: Vec<_> = migration_files()?.into_iter().filter(|path| file_name(path).contains("changes")).collect();
    let (steps, sent, read) = apply_in_use(database, &files, concurrent_index).await?;
    Ok(Upgrade { steps, sent, read })
}

/// How a project was before there were changes: a column that is dropped takes its indexes and constraints along.
const WITHOUT_CHANGES: &str = "
    drop trigger chat_messages_number_change on public.chat_messages;
    drop trigger chat_messages_allow_change on public.chat_messages;
    drop trigger chat_messages_broadcast_change on public.chat_messages;
    drop trigger chat_messages_count_change on public.chat_messages;
    drop view chat_private.public_messages;
    alter table public.chat_messages drop column rev, drop column edited_at, drop column deleted_at, drop column reply_to,
      drop column reaction_a, drop column reaction_b, drop column attachments;
    update public.chat_threads set last_rev = 0 where last_rev > 0";

/// Applies files while people write to ana__ben, which has fifty messages, and read it.
async fn apply_in_use(
    database: &Arc<Database>,
    files: &[PathBuf],
    concurrent_index: bool,
) -> Result<(Vec<Step>, u64, u64)> {
    let watch = Arc::new(Watch::default());
    let mut people = JoinSet::new();
    for person in [Person::Ana, Person::Ben] {
        people.spawn(write(database.clone(), watch.clone(), person));
    }
    for _ in 0..2 {
        people.spawn(read(database.clone(), watch.clone()));
    }

    let owner = database.owner().await?;
    let mut steps = Vec::new();
    for path in files {
        let file = file_name(path).to_owned();
        if concurrent_index && file.contains("integrity") {
            steps.push(step(&owner, &watch, "the index, concurrently", CONCURRENT_INDEX).await?);
        }
        if concurrent_index && file.contains("changes") {
            for sql in CONCURRENT_REV_INDEX {
                steps.push(step(&owner, &watch, sql.split(" if").next().unwrap_or(sql), sql).await?);
            }
        }
        let sql = std::fs::read_to_string(path)?;
        steps.push(step(&owner, &watch, &file, &sql).await?);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    watch.ended.store(true, Ordering::Relaxed);
    while let Some(person) = people.join_next().await {
        person??;
    }
    Ok((steps, watch.sent.load(Ordering::Relaxed), watch.read.load(Ordering::Relaxed)))
}

async fn step(owner: &Client, watch: &Watch, file: &str, sql: &str) -> Result<Step> {
    watch.writer.store(0, Ordering::Relaxed);
    watch.reader.store(0, Ordering::Relaxed);
    let start = Instant::now();
    owner.batch_execute(sql).await.with_context(|| format!("cannot apply {file}"))?;
    let took = start.elapsed();
    // Who was still waiting gets to say so.
    tokio::time::sleep(Duration::from_millis(30)).await;
    let longest = |of: &AtomicU64| Duration::from_micros(of.load(Ordering::Relaxed));
    Ok(Step { file: file.to_owned(), took, writer: longest(&watch.writer), reader: longest(&watch.reader) })
}

/// Sends through the plan's function, which the upgrade replaces on the way.
async fn write(database: Arc<Database>, watch: Arc<Watch>, person: Person) -> Result<()> {
    let other = if person == Person::Ana { "ben" } else { "ana" };
    let send = format!(
        "select seen.* from public.insert_chat_message('ana__ben', '{}', '{other}', 'meanwhile') seen",
        person.mongo_id()
    );
    let mut client = database.api().await?;
    let mut start = Instant::now();
    while !watch.ended.load(Ordering::Relaxed) {
        let transaction = client.transaction().await?;
        Actor::User(person).enter(&transaction).await?;
        match transaction.batch_execute(&send).await {
            Ok(()) => {
                transaction.commit().await?;
                watch.sent.fetch_add(1, Ordering::Relaxed);
                watch.writer.fetch_max(micros(start), Ordering::Relaxed);
                start = Instant::now();
            }
            // A call that was waiting while the table gained a column or the function was replaced finds them changed; it is
            // sent again, as the client does. Its wait goes on until then.
            Err(error) => {
                let error = anyhow::Error::new(error);
                let changed = ["42804", "42883", "0A000", "XX000"].contains(&sqlstate(&error));
                anyhow::ensure!(changed && start.elapsed() < Duration::from_secs(60), "{error:?}");
                transaction.rollback().await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn read(database: Arc<Database>, watch: Arc<Watch>) -> Result<()> {
    let mut client = database.api().await?;
    while !watch.ended.load(Ordering::Relaxed) {
        let start = Instant::now();
        let transaction = client.transaction().await?;
        Actor::User(Person::Ben).enter(&transaction).await?;
        let page = "select * from public.chat_messages where thread_id = 'ana__ben' order by created_at desc limit 50";
        let rows = transaction.query(page, &[]).await?;
        anyhow::ensure!(rows.len() == 50, "a page was short: {}", rows.len());
        transaction.commit().await?;
        watch.read.fetch_add(1, Ordering::Relaxed);
        watch.reader.fetch_max(micros(start), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}
