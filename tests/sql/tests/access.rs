//! The attack matrix: every kind of caller at every door. What each cell must come to is written down here; a cell that
//! nobody wrote down fails the test.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use sql_tests::Person::{Ana, Ben, Cleo, Erin};
use sql_tests::doors::{ACTORS, DOORS, NO, TUTORIAL, attempt, fill, prepare};
use sql_tests::tally::Tally;
use sql_tests::{Actor, Database};

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
    ("chat_messages", "rev",                [NO, NO, NO, NO]),
    ("chat_messages", "edited_at",          [NO, NO, NO, NO]),
    ("chat_messages", "deleted_at",         [NO, NO, NO, NO]),
    ("chat_messages", "reply_to",           ["23514", NO, NO, NO]), // There are no 77.
    ("chat_messages", "reaction_a",         [NO, NO, NO, NO]),
    ("chat_messages", "reaction_b",         [NO, NO, NO, NO]),
    ("chat_messages", "attachments",        [NO, NO, NO, NO]),
    ("chat_threads", "thread_id",           [NO, "1", NO, NO]),
    ("chat_threads", "user_a_mongo_id",     [NO, "1", NO, NO]),
    ("chat_threads", "user_b_mongo_id",     [NO, "1", NO, NO]),
    ("chat_threads", "user_a_supabase_id",  [NO, "1", NO, "3"]),
    ("chat_threads", "user_b_supabase_id",  [NO, "1", NO, "3"]),
    ("chat_threads", "created_at",          [NO, NO, NO, NO]),
    ("chat_threads", "last_message_at",     [NO, NO, NO, NO]),
    ("chat_threads", "last_seq",            [NO, NO, NO, NO]),
    ("chat_threads", "last_rev",            [NO, NO, NO, NO]),
    ("chat_identities", "mongo_id",         [NO, "1", NO, NO]),
    ("chat_identities", "supabase_id",      [NO, "1", NO, NO]),
    ("chat_limits", "id",                   [NO, NO, NO, NO]),
    ("chat_limits", "sends_per_second",     [NO, NO, NO, "1"]),
    ("chat_limits", "send_burst",           [NO, NO, NO, "1"]),
    ("chat_limits", "edit_window",          [NO, NO, NO, "1"]),
    ("chat_limits", "unsend_window",        [NO, NO, NO, "1"]),
    ("chat_markers", "thread_id",           [NO, NO, NO, NO]),
    ("chat_markers", "supabase_id",         [NO, NO, NO, NO]),
    ("chat_markers", "read_seq",            [NO, NO, NO, NO]),
    ("chat_markers", "delivered_seq",       [NO, NO, NO, NO]),
    ("chat_markers", "read_at",             [NO, NO, NO, NO]),
    ("chat_markers", "receipts",            [NO, NO, NO, NO]),
];

/// The caller's own inbox; Ana's for a caller that has none.
const OWN_INBOX: &str = "chat-inbox:{me}";

/// The topics that Ana may try to join, and whether she may. `~` stands for 300 letters, `{me}` and `{dan}` for an account.
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
    (OWN_INBOX, true),
    ("chat-inbox:{dan}", false),
    ("chat-inbox:", false),
    ("chat-inbox:%", false),
    ("chat-inbox:*", false),
    ("chat-inbox:00000000-0000-0000-0000-%", false),
    ("chat-inbox:00000000-0000-0000-0000-00000000A000", false),
    ("chat-inbox:dan", false),
    ("chat-inbox:{me} ", false),
    ("chat-inbox:{me}0", false),
    ("chat-inbox:{me},chat-inbox:{dan}", false),
    ("Chat-Inbox:{me}", false),
    ("chat-inbox:~", false),
    ("xchat-inbox:{me}", false),
    ("chat:{me}", false),
    ("chat_inbox:{me}", false),
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
        for actor in ACTORS {
            let long = fill(&topic.replace('~', &"x".repeat(300)), actor);
            for extension in ["broadcast", "presence"] {
                let expected = actor == Actor::ServiceRole || hears(topic, *anas, actor) && extension == "broadcast";
                let got = database.may_join(actor, &long, extension).await?;
                tally.cell(&format!("join {topic} {extension}"), actor, &expected.to_string(), &got.to_string());
            }
        }
    }
    tally.report("Realtime's topics")
}

/// Whose account is gone may go on hearing their inbox, of which nobody is told any more.
fn hears(topic: &str, anas: bool, actor: Actor) -> bool {
    match actor {
        Actor::User(Ana) => anas,
        Actor::User(Ben) => [OWN_INBOX, "chat:ana__ben"].contains(&topic),
        Actor::User(Cleo) => [OWN_INBOX, "chat:cleo__dan"].contains(&topic),
        Actor::User(_) => topic == OWN_INBOX,
        _ => false,
    }
}

/// The fence: whatever another policy lets people do, a thread's topic is for its two people to hear and for nobody to send
/// on. It says nothing about other topics.
#[tokio::test]
async fn a_tutorials_policies_open_no_thread() -> Result<()> {
    let database = Database::with_people().await?;
    database.superuser().await?.batch_execute(TUTORIAL).await?;
    let mut tally = Tally::default();
    for (topic, anas) in TOPICS {
        let ours = topic.starts_with("chat:") || topic.starts_with("chat-inbox:");
        for actor in ACTORS {
            let long = fill(&topic.replace('~', &"x".repeat(300)), actor);
            for extension in ["broadcast", "presence"] {
                let backend = actor == Actor::ServiceRole;
                let expected = backend || !ours || hears(topic, *anas, actor) && extension == "broadcast";
                let got = database.may_join(actor, &long, extension).await?;
                tally.cell(&format!("join {topic} {extension}"), actor, &expected.to_string(), &got.to_string());
                let got = database.may_send(actor, &long, extension).await?;
                tally.cell(
                    &format!("send on {topic} {extension}"),
                    actor,
                    &(backend || !ours).to_string(),
                    &got.to_string(),
                );
            }
        }
    }
    // Straight to the table, which no API exposes: what was broadcast can't be read or changed either.
    let mut api = database.api().await?;
    for actor in ACTORS.into_iter().filter(|actor| *actor != Actor::ServiceRole) {
        let anas = matches!(actor, Actor::User(Ana | Ben));
        for (statement, expected) in [
            ("select * from realtime.messages", if anas { "3" } else { "0" }),
            ("update realtime.messages set payload = '{}'", if anas { NO } else { "0" }),
            (
                "insert into realtime.messages (topic, extension) select topic, extension from realtime.messages",
                if anas { NO } else { "0" },
            ),
        ] {
            let got = attempt(&mut api, actor, statement).await?;
            tally.cell(statement, actor, expected, &got);
        }
    }
    tally.report("Realtime's topics with a tutorial's policies")
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
        "select public.sync_chat('[{\"thread_id\": \"{thread}\"}]')::text",
        "select public.mark_chat('[{\"thread_id\": \"{thread}\", \"read\": 1}]')::text",
        "select (public.list_chat_page('{thread}', _known => 0)::jsonb - 'now')::text",
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

/// Nor whether a message exists; nor does who may read it learn more than that it is not theirs.
#[tokio::test]
async fn nobody_learns_whether_a_foreign_message_exists() -> Result<()> {
    let database = Database::with_people().await?;
    prepare(&database).await?;
    let refusal = async |statement: &str| -> Result<String> {
        let statement = fill(statement, Actor::User(Ana));
        let refused = database.run(Actor::User(Ana), &statement, &[]).await;
        let error = refused.err().context("it was allowed")?;
        let error = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
        let error = error.context("not the database's word")?;
        Ok(format!("{:?} {} {:?} {:?}", error.code(), error.message(), error.detail(), error.hint()))
    };
    for way in ["edit_chat_message('{id}', 'x')", "unsend_chat_message('{id}')", "react_chat_message('{id}', 'x')"] {
        let way = format!("select public.{way}");
        let missing = refusal(&way.replace("{id}", "{zoe}")).await?;
        assert_eq!(refusal(&way.replace("{id}", "{taken}")).await?, missing, "{way}");
        if !way.contains("react") {
            assert_eq!(refusal(&way.replace("{id}", "{second}")).await?, missing, "{way}");
        }
    }
    Ok(())
}

/// A stranger cannot hold up a thread by keeping a refused insert's transaction open.
#[tokio::test]
async fn a_stranger_locks_no_row_of_a_foreign_thread() -> Result<()> {
    let database = Database::with_people().await?;
    prepare(&database).await?;
    let mut api = database.api().await?;
    let transaction = api.transaction().await?;
    Actor::User(Cleo).enter(&transaction).await?;
    transaction.batch_execute("savepoint s").await?;
    let refused = transaction.query("select public.insert_chat_message('ana__ben', 'ana', 'ben', 'x')", &[]).await;
    assert!(refused.is_err());
    transaction.batch_execute("rollback to savepoint s").await?;
    for change in
        ["edit_chat_message('{first}', 'x')", "unsend_chat_message('{first}')", "react_chat_message('{first}', 'x')"]
    {
        let change = fill(&format!("select public.{change}"), Actor::User(Cleo));
        assert!(transaction.query(&change, &[]).await.is_err());
        transaction.batch_execute("rollback to savepoint s").await?;
    }
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
            "select realtime.send('{\"id\":1}', 'THREAD', 'chat-inbox:{me}')",
            "select realtime.send('{\"id\":1}', 'MARK', 'chat-inbox:{dan}')",
            "select realtime.send_binary('x', 'INSERT', 'chat:ana__ben')",
            "select realtime.broadcast_changes('chat:ana__ben', 'INSERT', 'INSERT', 'chat_messages', 'public', row(1), null)",
        ] {
            // It answers, and says in a warning that it did nothing.
            database.run(actor, &fill(forgery, actor), &[]).await?;
        }
    }
    assert_eq!(owner.query_one(count, &[]).await?.get::<_, i64>(0), before);
    Ok(())
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
        "chat_limits" => BTreeMap::new(),
        "chat_markers" => [("thread_id", "'ana__ben'"), ("supabase_id", "'{ana}'")].into(),
        _ => bail!("no cell says who may write {table}"),
    };
    if !row.contains_key(column) {
        let value = match kind {
            "uuid" if column == "id" => "gen_random_uuid()",
            "uuid" => "null",
            "bigint" | "integer" | "double precision" => "77",
            "boolean" => "true",
            "timestamp with time zone" => "now()",
            "interval" => "'1 year'",
            "text" => "'x'",
            "jsonb" => "'{}'",
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
