//! Many messages, made fast: the table's triggers are off and its indexes are built afterwards.

use anyhow::Result;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::Database;

/// Two people and their thread.
#[derive(Clone, Debug)]
pub struct Pair {
    pub thread_id: String,
    pub a: String,
    pub b: String,
    pub a_id: Uuid,
    pub b_id: Uuid,
    /// The number of its newest message.
    pub last_seq: i64,
}

/// Everybody has ten threads.
const THREADS_PER_PERSON: u32 = 5; // Each thread is also somebody else's.

/// So many that an inbox has 200 of them.
pub const MANY_THREADS_PER_PERSON: u32 = 100;

const PEOPLE: &str = "
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@example.com' from generate_series(1, $people) n;
insert into public.chat_identities (mongo_id, supabase_id)
select substr(md5('person ' || n), 1, 24), ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
  from generate_series(1, $people) n;
create unlogged table public.filler as
select row_number() over (order by i, j) - 1 as place, a.mongo_id || '__' || b.mongo_id as thread_id,
       a.mongo_id as a, b.mongo_id as b, a.supabase_id as a_id, b.supabase_id as b_id
  from generate_series(0, $people - 1) i,
       generate_series(1, $each) j,
       lateral (select substr(md5('person ' || i + 1), 1, 24) as one, substr(md5('person ' || (i + j) % $people + 1), 1, 24) as other) ids
  join public.chat_identities a on a.mongo_id = least(one collate \"C\", other collate \"C\")
  join public.chat_identities b on b.mongo_id = greatest(one collate \"C\", other collate \"C\");
create unique index on public.filler (place);
analyze public.filler;
insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id)
select thread_id, a, b, a_id, b_id from public.filler;
alter table public.chat_messages drop constraint chat_messages_pkey;
drop index public.chat_messages_thread_id_seq_key, public.chat_messages_thread_id_created_at_idx, public.chat_messages_thread_id_id_idx";

/// The tenth part is one thread's, the rest everybody's in turn, as time goes by.
const MESSAGES: &str = "
insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq)
select gen_random_uuid(), f.thread_id,
       case when n % 3 = 0 then f.a_id else f.b_id end,
       case when n % 3 = 0 then f.a else f.b end, case when n % 3 = 0 then f.b else f.a end,
       substr(repeat('What shall we chop today? ', 6), 1, 10 + (n % 120)::int),
       timestamptz '2025-01-01' + n * interval '1 second',
       case when n % 10 = 0 then n / 10 else (n - n / 10 - 1) / ($threads - 1) + 1 end
  from generate_series($from::bigint, $to) n
  join public.filler f on f.place = case when n % 10 = 0 then 0 else 1 + (n - n / 10 - 1) % ($threads - 1) end";

const INDEXES: &[&str] = &[
    "alter table public.chat_messages add constraint chat_messages_pkey primary key (id)",
    "create unique index chat_messages_thread_id_seq_key on public.chat_messages (thread_id, seq)",
    "create index chat_messages_thread_id_created_at_idx on public.chat_messages (thread_id, created_at)",
    "create index chat_messages_thread_id_id_idx on public.chat_messages (thread_id, id)",
    "update public.chat_threads t set last_seq = m.seq, last_message_at = m.created_at
       from public.filler f,
            lateral (select seq, created_at from public.chat_messages m where m.thread_id = f.thread_id order by seq desc limit 1) m
      where t.thread_id = f.thread_id",
    "drop table public.filler",
    "vacuum (analyze) public.chat_messages",
    "vacuum (full, analyze) public.chat_threads",
    "analyze public.chat_identities",
];

/// Fills an installed chat that is empty. `threads` is a multiple of 5, more than 50.
pub async fn fill(database: &Database, rows: u64, threads: u32) -> Result<()> {
    fill_for(database, rows, threads, THREADS_PER_PERSON).await
}

/// The same with twice `each` threads a person; `threads` is a multiple of it, and more than twice its square.
pub async fn fill_for(database: &Database, rows: u64, threads: u32, each: u32) -> Result<()> {
    let people = threads / each;
    let (one, other) = (superuser(database).await?, superuser(database).await?);
    let replace = |sql: &str| {
        sql.replace("$people", &people.to_string())
            .replace("$each", &each.to_string())
            .replace("$threads", &threads.to_string())
    };
    one.batch_execute(&replace(PEOPLE)).await?;
    let part =
        |from: u64, to: u64| replace(MESSAGES).replace("$from", &from.to_string()).replace("$to", &to.to_string());
    let (first, second) = (part(1, rows / 2), part(rows / 2 + 1, rows));
    tokio::try_join!(one.batch_execute(&first), other.batch_execute(&second))?;
    for statement in INDEXES {
        one.batch_execute(statement).await?;
    }
    Ok(())
}

/// A shop or a support desk: one account is a side of every thread. Its customers have no other.
const HUB: &str = "
insert into auth.users (id, email)
select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@example.com' from generate_series(0, $people) n;
insert into public.chat_identities (mongo_id, supabase_id)
select case n when 0 then 'hub' else substr(md5('person ' || n), 1, 24) end,
       ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
  from generate_series(0, $people) n;
insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id, last_seq, last_message_at)
select customer.mongo_id || '__hub', customer.mongo_id, 'hub', customer.supabase_id, hub.supabase_id, $each, '2025-01-02'
  from public.chat_identities customer, public.chat_identities hub
 where hub.mongo_id = 'hub' and customer.mongo_id <> 'hub';
insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq)
select thread_id, user_a_supabase_id, user_a_mongo_id, user_b_mongo_id, 'What shall we chop today?',
       timestamptz '2025-01-01' + n * interval '1 second', n
  from public.chat_threads, generate_series(1, $each) n;
vacuum (analyze) public.chat_messages, public.chat_threads, public.chat_identities";

/// Fills an installed chat that is empty with one account's threads with everybody else. It is `b` of each pair.
pub async fn fill_hub(database: &Database, threads: u32, messages_per_thread: u32) -> Result<()> {
    let client = superuser(database).await?;
    let sql = HUB.replace("$people", &threads.to_string()).replace("$each", &messages_per_thread.to_string());
    for statement in sql.split(";\n") {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

async fn superuser(database: &Database) -> Result<Client> {
    let client = database.superuser().await?;
    client
        .batch_execute(
            "set session_replication_role = replica; set maintenance_work_mem = '1GB'; set work_mem = '256MB';
             set enable_nestloop = off",
        )
        .await?;
    Ok(client)
}

/// The threads with the most messages, the one with a tenth of them all first.
pub async fn pairs(database: &Database, count: i64) -> Result<Vec<Pair>> {
    let rows = database
        .superuser()
        .await?
        .query(
            "select thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id, last_seq
               from public.chat_threads order by last_seq desc, thread_id limit $1",
            &[&count],
        )
        .await?;
    let pair = |row: &tokio_postgres::Row| Pair {
        thread_id: row.get(0),
        a: row.get(1),
        b: row.get(2),
        a_id: row.get(3),
        b_id: row.get(4),
        last_seq: row.get(5),
    };
    Ok(rows.iter().map(pair).collect())
}
