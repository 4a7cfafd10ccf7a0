//! The attack matrix: every kind of caller at every door. What each cell must come to is written down here; a cell that
//! nobody wrote down fails the test.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use sql_tests::Person::{Ana, Ben, Cleo, Erin};
use sql_tests::tally::Tally;
use sql_tests::{Actor, Database, sqlstate};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Nobody; somebody else; the two people of ana__ben; one whose account is gone, with a token that still lives; the
/// backend.
const ACTORS: [Actor; 6] =
    [Actor::Anon, Actor::User(Cleo), Actor::User(Ana), Actor::User(Ben), Actor::User(Erin), Actor::ServiceRole];

/// Refused: no privilege, or row level security.
const NO: &str = "42501";
const NOBODY: [&str; 6] = [NO; 6];
const BACKEND: [&str; 6] = [NO, NO, NO, NO, NO, "1"];

/// A statement and what it comes to for each of `ACTORS`: the number of rows that it returns or changes, or the SQLSTATE
/// that refuses it. `{me}` and `{my_mongo}` are the caller's ids, Ana's for a caller that has none; `{other}` is whom they
/// would write to in ana__ben.
type Door = (&'static str, [&'static str; 6]);

const DOORS: &[Door] = &[
    // Reading.
    ("select * from public.chat_messages", [NO, "1", "4", "3", "0", "5"]),
    ("select * from public.chat_messages where thread_id = 'ana__ben'", [NO, "0", "3", "3", "0", "3"]),
    ("select * from public.chat_messages where thread_id = 'cleo__dan'", [NO, "1", "0", "0", "0", "1"]),
    ("select * from public.chat_messages where thread_id = 'ana__erin'", [NO, "0", "1", "0", "0", "1"]),
    ("select * from public.list_chat_messages('ana__ben')", [NO, "0", "3", "3", "0", NO]),
    ("select * from public.list_chat_messages('cleo__dan')", [NO, "1", "0", "0", "0", NO]),
    ("select * from public.list_chat_messages('ana__erin', 0, 9223372036854775807, 2147483647)", [NO, "0", "1", "0", "0", NO]),
    ("select * from public.list_chat_messages('%')", [NO, "0", "0", "0", "0", NO]),
    ("select * from public.list_chat_messages(null, null, null, null)", [NO, "0", "0", "0", "0", NO]),
    ("select * from public.chat_messages where thread_id like '%'", [NO, "1", "4", "3", "0", "5"]),
    ("select * from public.chat_threads", [NO, "1", "2", "1", "0", "3"]),
    ("select * from public.chat_threads where thread_id = 'ana__ben'", [NO, "0", "1", "1", "0", "1"]),
    ("select * from public.chat_identities", [NO, NO, NO, NO, NO, "4"]),
    ("select 1 from public.chat_messages for update", NOBODY),
    ("select 1 from public.chat_threads for update", [NO, NO, NO, NO, NO, "3"]),
    // Sending, by the table.
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', 'x')",
        [NO, NO, "1", "1", NO, NO],
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', 'x') returning *",
        [NO, NO, "1", "1", NO, NO],
    ),
    (
        // The sender forged.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{ana}', 'ana', 'ben', 'x')",
        [NO, NO, "1", NO, NO, NO],
    ),
    (
        // Another's Mongo id.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', 'ana', 'ben', 'x')",
        [NO, NO, "1", NO, NO, NO],
    ),
    (
        // Sender and recipient swapped.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{other}', '{my_mongo}', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', 'dan', 'x')",
        NOBODY,
    ),
    (
        // A thread of two strangers.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('cleo__dan', '{me}', '{my_mongo}', 'dan', 'x')",
        [NO, "1", NO, NO, NO, NO],
    ),
    (
        // A thread with oneself, and one that does not exist.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{my_mongo}__{my_mongo}', '{me}', '{my_mongo}', '{my_mongo}', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{my_mongo}__zoe', '{me}', '{my_mongo}', 'zoe', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', ' ')",
        [NO, "23514", "23514", "23514", "23514", NO],
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', null, '{my_mongo}', '{other}', 'x')",
        NOBODY,
    ),
    // Upserts.
    (
        "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         select id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, 'changed' from public.chat_messages
         on conflict (id) do update set body = excluded.body",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         select id, 'ana__ben', '{me}', '{my_mongo}', '{other}', 'changed' from public.chat_messages where thread_id = 'ana__ben'
         on conflict (id) do nothing",
        [NO, "0", "0", "0", "0", NO],
    ),
    // Changing and removing.
    ("update public.chat_messages set body = 'changed'", NOBODY),
    ("update public.chat_threads set last_seq = 0", NOBODY),
    ("update public.chat_identities set mongo_id = 'ana'", NOBODY),
    ("delete from public.chat_messages", NOBODY),
    ("delete from public.chat_threads", NOBODY),
    ("delete from public.chat_identities", NOBODY),
    ("truncate public.chat_messages", NOBODY),
    ("truncate public.chat_threads cascade", NOBODY),
    ("truncate public.chat_identities cascade", NOBODY),
    ("insert into public.chat_identities (mongo_id, supabase_id) values ('zoe', '{dan}')", [NO, NO, NO, NO, NO, "23505"]),
    (
        "insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id)
         values ('ana__zoe', 'ana', 'zoe', '{me}')",
        BACKEND,
    ),
    (
        // Taking a side of a foreign thread.
        "update public.chat_threads set user_b_supabase_id = '{me}' where thread_id = 'cleo__dan'",
        BACKEND,
    ),
    ("alter table public.chat_messages disable row level security", NOBODY),
    ("drop policy chat_messages_select on public.chat_messages", NOBODY),
    ("create trigger mine before insert on public.chat_messages for each row execute function chat_private.count_message()", NOBODY),
    // The functions of the API.
    ("select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x')", [NO, NO, "1", "1", NO, NO]),
    ("select * from public.insert_chat_message('ana__ben', 'ana', 'ben', 'x')", [NO, NO, "1", NO, NO, NO]),
    ("select * from public.insert_chat_message('ana__ben', '{other}', '{my_mongo}', 'x')", NOBODY),
    ("select * from public.insert_chat_message('ben__ana', 'ana', 'ben', 'x')", NOBODY),
    ("select * from public.insert_chat_message('cleo__dan', '{my_mongo}', 'dan', 'x')", [NO, "1", NO, NO, NO, NO]),
    ("select * from public.insert_chat_message('{my_mongo}__{my_mongo}', '{my_mongo}', '{my_mongo}', 'x')", NOBODY),
    ("select * from public.insert_chat_message('{my_mongo}__zoe', '{my_mongo}', 'zoe', 'x')", NOBODY),
    ("select * from public.insert_chat_message('ana__erin', 'erin', 'ana', 'x')", NOBODY),
    ("select * from public.insert_chat_message(null, null, null, 'x')", NOBODY),
    ("select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', null)", [NO, "23514", "23514", "23514", "23514", NO]),
    (
        // The id of a message that is there, somebody else's for most.
        "select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x', '{taken}')",
        [NO, NO, "23505", "23505", NO, NO],
    ),
    ("select public.link_chat_identity('zoe', '{zoe}')", BACKEND),
    ("select public.link_chat_identity('ana', '{me}')", BACKEND),
    ("select public.ensure_chat_thread('ana', 'zoe')", BACKEND),
    ("select public.ensure_chat_thread('cleo', 'dan')", BACKEND),
    // The private schema.
    ("select chat_private.number_message()", NOBODY),
    ("select chat_private.count_message()", NOBODY),
    ("select chat_private.broadcast_message()", NOBODY),
    ("create function chat_private.mine() returns int language sql as 'select 1'", NOBODY),
    ("create function public.mine() returns int language sql as 'select 1'", NOBODY),
    // Realtime's schema, with the topic of ana__ben set as at a join.
    ("select * from realtime.messages", ["0", "0", "3", "3", "0", "5"]),
    ("select * from realtime.messages where topic = 'chat:cleo__dan'", ["0", "0", "0", "0", "0", "1"]),
    ("insert into realtime.messages (topic, extension) values ('chat:ana__ben', 'broadcast')", BACKEND),
    ("insert into realtime.messages (topic, extension) values ('chat:ana__ben', 'presence')", BACKEND),
    ("update realtime.messages set payload = '{}'", ["0", "0", "0", "0", "0", "5"]),
    ("delete from realtime.messages", NOBODY),
    ("select realtime.keep_message_partitions()", NOBODY),
    (
        // It swallows its refusal, so it is asked what it left.
        "with sent as materialized (select realtime.send('{}', 'INSERT', 'chat:ana__ben')) select * from sent",
        ["1"; 6],
    ),
    // Auth's schema.
    ("select * from auth.users", NOBODY),
    ("select * from auth.refresh_tokens", NOBODY),
];

/// What naming a column explicitly comes to: an INSERT of an otherwise allowed row by Ana and by the backend, and an UPDATE
/// by either. Nobody else may write a table at all.
#[rustfmt::skip]
const COLUMNS: &[(&str, &str, [&str; 4])] = &[
    // table, column, INSERT as [Ana, backend], UPDATE as [Ana, backend]
    ("chat_messages", "id",                 ["1", NO, NO, NO]),
    ("chat_messages", "thread_id",          ["1", NO, NO, NO]),
    ("chat_messages", "sender_supabase_id", ["1", NO, NO, NO]),
    ("chat_messages", "sender_mongo_id",    ["1", NO, NO, NO]),
    ("chat_messages", "recipient_mongo_id", ["1", NO, NO, NO]),
    ("chat_messages", "body",               ["1", NO, NO, NO]),
    ("chat_messages", "created_at",         [NO, NO, NO, NO]),
    ("chat_messages", "seq",                [NO, NO, NO, NO]),
    ("chat_threads", "thread_id",           [NO, "1", NO, NO]),
    ("chat_threads", "user_a_mongo_id",     [NO, "1", NO, NO]),
    ("chat_threads", "user_b_mongo_id",     [NO, "1", NO, NO]),
    ("chat_threads", "user_a_supabase_id",  [NO, "1", NO, "3"]),
    ("chat_threads", "user_b_supabase_id",  [NO, "1", NO, "3"]),
    ("chat_threads", "created_at",          [NO, NO, NO, NO]),
    ("chat_threads", "last_message_at",     [NO, NO, NO, NO]),
    ("chat_threads", "last_seq",            [NO, NO, NO, NO]),
    ("chat_identities", "mongo_id",         [NO, "1", NO, NO]),
    ("chat_identities", "supabase_id",      [NO, "1", NO, NO]),
];

/// The topics that Ana may try to join, and whether she may. `~` stands for 300 letters.
const TOPICS: &[(&str, bool)] = &[
    ("chat:ana__ben", true),
    ("chat:ana__erin", true),
    ("chat:cleo__dan", false),
    ("chat:ben__ana", false),
    ("chat:ana__zoe", false),
    ("chat:ana__ana", false),
    ("ana__ben", false),
    ("chat:", false),
    ("chat", false),
    ("", false),
    ("*", false),
    ("%", false),
    ("chat:%", false),
    ("chat:ana__%", false),
    ("chat:ana__b_n", false),
    ("chat:ana__be", false),
    ("chat:ana__benn", false),
    ("chat:ana__ben ", false),
    (" chat:ana__ben", false),
    ("Chat:ana__ben", false),
    ("CHAT:ANA__BEN", false),
    ("chat:Ana__Ben", false),
    ("chat:ana__bén", false),
    ("chat:ana__ben\u{200b}", false),
    ("chat:a\u{0301}na__ben", false),
    ("chat\u{ff1a}ana__ben", false),
    ("realtime:chat:ana__ben", false),
    ("xchat:ana__ben", false),
    ("tchat:ana__ben", false),
    ("chat:ana__ben\n", false),
    ("chat:ana__ben' or '1'='1", false),
    ("chat:'||(select thread_id from public.chat_threads limit 1)||'", false),
    ("chat:ana__ben;drop table public.chat_messages", false),
    ("chat:ana__ben,chat:cleo__dan", false),
    ("chat:~", false),
    ("~", false),
];

#[tokio::test]
async fn every_caller_at_every_door() -> Result<()> {
    let database = Database::with_people().await?;
    prepare(&database).await?;
    let mut api = database.api().await?;
    let mut tally = Tally::default();
    for (statement, expected) in DOORS {
        for (actor, expected) in ACTORS.into_iter().zip(expected) {
            let got = attempt(&mut api, actor, &fill(statement, actor)).await?;
            tally.cell(statement, actor, expected, &got);
        }
    }

    let columns = columns(&database).await?;
    for (table, column, kind) in &columns {
        let (_, _, expected) = COLUMNS
            .iter()
            .find(|(t, c, _)| t == table && c == column)
            .with_context(|| format!("no cell says who may write {table}.{column}"))?;
        let insert = insert_naming(table, column, kind)?;
        let update = format!("update public.{table} set {column} = {column}");
        for (actor, insert_expected, update_expected) in
            [(Actor::User(Ana), expected[0], expected[2]), (Actor::ServiceRole, expected[1], expected[3])]
        {
            for (statement, expected) in [(&insert, insert_expected), (&update, update_expected)] {
                let got = attempt(&mut api, actor, &fill(statement, actor)).await?;
                tally.cell(statement, actor, expected, &got);
            }
        }
        for actor in [Actor::Anon, Actor::User(Cleo), Actor::User(Ben), Actor::User(Erin)] {
            let got = attempt(&mut api, actor, &fill(&update, actor)).await?;
            tally.cell(&update, actor, NO, &got);
        }
    }
    assert_eq!(COLUMNS.len(), columns.len(), "every cell is of a column that exists");

    for relation in exposed_relations(&database).await? {
        assert!(columns.iter().any(|(table, ..)| *table == relation), "no cell tries {relation}");
    }
    for function in exposed_functions(&database).await? {
        assert!(
            DOORS.iter().any(|(statement, _)| statement.contains(&format!("{function}("))),
            "no cell calls {function}"
        );
    }
    tally.report("the database's doors")
}

#[tokio::test]
async fn every_caller_at_every_topic() -> Result<()> {
    let database = Database::with_people().await?;
    let mut tally = Tally::default();
    for (topic, anas) in TOPICS {
        let long = topic.replace('~', &"x".repeat(300));
        for actor in ACTORS {
            for extension in ["broadcast", "presence"] {
                let expected = match actor {
                    Actor::ServiceRole => true,
                    Actor::User(Ana) => *anas && extension == "broadcast",
                    Actor::User(Ben) => *topic == "chat:ana__ben" && extension == "broadcast",
                    Actor::User(Cleo) => *topic == "chat:cleo__dan" && extension == "broadcast",
                    _ => false,
                };
                let got = database.may_join(actor, &long, extension).await?;
                tally.cell(&format!("join {topic} {extension}"), actor, &expected.to_string(), &got.to_string());
            }
        }
    }
    tally.report("Realtime's topics")
}

/// The text of a refusal is all that a stranger gets, so it may not differ.
#[tokio::test]
async fn nobody_learns_whether_a_foreign_thread_exists() -> Result<()> {
    let database = Database::with_people().await?;
    let ways = [
        "select * from public.insert_chat_message('{thread}', 'ana', 'dan', 'x')",
        "select * from public.insert_chat_message('{thread}', 'cleo', 'dan', 'x')",
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{thread}', '{ana}', 'ana', 'dan', 'x')",
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{thread}', '{cleo}', 'cleo', 'dan', 'x')",
        "select count(*) from public.chat_messages where thread_id = '{thread}'",
        "select count(*) from public.chat_threads where thread_id = '{thread}'",
    ];
    for way in ways {
        let mut answers = Vec::new();
        for thread in ["cleo__dan", "cleo__zoe"] {
            let statement = fill(&way.replace("{thread}", thread), Actor::User(Ana));
            let answer = match database.run(Actor::User(Ana), &statement, &[]).await {
                Ok(rows) => format!("{rows:?}"),
                Err(error) => {
                    let error = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
                    let error = error.context("not the database's word")?;
                    format!("{:?} {} {:?} {:?}", error.code(), error.message(), error.detail(), error.hint())
                }
            };
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "{way}");
    }
    Ok(())
}

/// A stranger cannot hold up a thread by keeping a refused insert's transaction open.
#[tokio::test]
async fn a_stranger_locks_no_row_of_a_foreign_thread() -> Result<()> {
    let database = Database::with_people().await?;
    let mut api = database.api().await?;
    let transaction = api.transaction().await?;
    Actor::User(Cleo).enter(&transaction).await?;
    transaction.batch_execute("savepoint s").await?;
    let refused = transaction.query("select public.insert_chat_message('ana__ben', 'ana', 'ben', 'x')", &[]).await;
    assert!(refused.is_err());
    transaction.batch_execute("rollback to savepoint s").await?;
    let ana = database.run(
        Actor::User(Ana),
        "select public.insert_chat_message('ana__ben', 'ana', 'ben', 'x') from set_config('lock_timeout', '2s', true)",
        &[],
    );
    ana.await?;
    Ok(())
}

#[tokio::test]
async fn nobody_but_the_database_can_broadcast_on_a_thread() -> Result<()> {
    let database = Database::with_people().await?;
    let count = "select count(*) from realtime.messages";
    let owner = database.superuser().await?;
    let before: i64 = owner.query_one(count, &[]).await?.get(0);
    for actor in ACTORS.into_iter().filter(|actor| *actor != Actor::ServiceRole) {
        for forgery in [
            "select realtime.send('{\"id\":1}', 'INSERT', 'chat:ana__ben')",
            "select realtime.send('{\"id\":1}', 'INSERT', 'chat:ana__ben', false)",
            "select realtime.send_binary('x', 'INSERT', 'chat:ana__ben')",
            "select realtime.broadcast_changes('chat:ana__ben', 'INSERT', 'INSERT', 'chat_messages', 'public', row(1), null)",
        ] {
            // It answers, and says in a warning that it did nothing.
            database.run(actor, forgery, &[]).await?;
        }
    }
    assert_eq!(owner.query_one(count, &[]).await?.get::<_, i64>(0), before);
    Ok(())
}

/// An account of its own for what the doors ask for, and a message id to fight over.
async fn prepare(database: &Database) -> Result<()> {
    database
        .superuser()
        .await?
        .batch_execute(&fill(
            "insert into auth.users (id, email) values ('{zoe}', 'zoe@example.com');
             update public.chat_messages set id = '{taken}' where thread_id = 'cleo__dan'",
            Actor::Anon,
        ))
        .await?;
    Ok(())
}

fn fill(statement: &str, actor: Actor) -> String {
    let me = match actor {
        Actor::User(person) => person,
        _ => Ana,
    };
    let id = |person: sql_tests::Person| person.supabase_id().to_string();
    statement
        .replace("{me}", &id(me))
        .replace("{my_mongo}", me.mongo_id())
        .replace("{other}", if me == Ben { "ana" } else { "ben" })
        .replace("{ana}", &id(Ana))
        .replace("{cleo}", &id(Cleo))
        .replace("{dan}", &id(sql_tests::Person::Dan))
        .replace("{zoe}", "00000000-0000-0000-0000-00000000beef")
        .replace("{taken}", "00000000-0000-0000-0000-000000007777")
}

/// Runs a statement as the actor and takes it back.
async fn attempt(api: &mut Client, actor: Actor, statement: &str) -> Result<String> {
    let transaction = api.transaction().await?;
    transaction.batch_execute("set local realtime.topic = 'chat:ana__ben'").await?;
    actor.enter(&transaction).await?;
    let outcome = match transaction.simple_query(statement).await {
        Ok(messages) => messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::CommandComplete(rows) => Some(rows.to_string()),
                _ => None,
            })
            .context("the statement did not complete")?,
        Err(error) => sqlstate(&anyhow::Error::new(error)).to_owned(),
    };
    transaction.rollback().await?;
    Ok(outcome)
}

/// An INSERT that its writer is allowed, naming one column more where it does not anyway.
fn insert_naming(table: &str, column: &str, kind: &str) -> Result<String> {
    let mut row: BTreeMap<&str, &str> = match table {
        "chat_messages" => [
            ("thread_id", "'ana__ben'"),
            ("sender_supabase_id", "'{ana}'"),
            ("sender_mongo_id", "'ana'"),
            ("recipient_mongo_id", "'ben'"),
            ("body", "'x'"),
        ]
        .into(),
        "chat_threads" => {
            [("thread_id", "'ana__zoe'"), ("user_a_mongo_id", "'ana'"), ("user_b_mongo_id", "'zoe'")].into()
        }
        "chat_identities" => [("mongo_id", "'zoe'"), ("supabase_id", "'{zoe}'")].into(),
        _ => bail!("no cell says who may write {table}"),
    };
    if !row.contains_key(column) {
        let value = match kind {
            "uuid" if column == "id" => "gen_random_uuid()",
            "uuid" => "null",
            "bigint" => "77",
            "timestamp with time zone" => "now()",
            _ => bail!("{table}.{column} is of a kind that no cell knows"),
        };
        row.insert(column, value);
    }
    let names: Vec<_> = row.keys().copied().collect();
    let values: Vec<_> = row.values().copied().collect();
    Ok(format!("insert into public.{table} ({}) values ({})", names.join(", "), values.join(", ")))
}

async fn columns(database: &Database) -> Result<Vec<(String, String, String)>> {
    let rows = database
        .owner()
        .await?
        .query(
            "select table_name::text, column_name::text, data_type::text from information_schema.columns
              where table_schema = 'public'",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

async fn exposed_relations(database: &Database) -> Result<Vec<String>> {
    let rows = database
        .owner()
        .await?
        .query(
            "select relname::text from pg_class
              where relnamespace = 'public'::regnamespace and relkind not in ('i', 'c')",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn exposed_functions(database: &Database) -> Result<Vec<String>> {
    let rows = database
        .owner()
        .await?
        .query(
            "select pronamespace::regnamespace || '.' || proname from pg_proc
              where pronamespace in ('public'::regnamespace, 'chat_private'::regnamespace)",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
