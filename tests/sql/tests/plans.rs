//! Each statement of the product, under row level security, is index scans that read no more rows than it needs, however
//! many there are. Held against the shape of the plan and the rows and buffers that it met, not against a clock.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sql_tests::Database;
use sql_tests::volume::{Pair, fill, fill_hub, pairs};
use tokio_postgres::Client;

struct Plan(Value);

impl Plan {
    fn nodes(&self) -> Vec<&Value> {
        fn walk<'a>(node: &'a Value, found: &mut Vec<&'a Value>) {
            found.push(node);
            for child in node["Plans"].as_array().into_iter().flatten() {
                walk(child, found);
            }
        }
        let mut found = Vec::new();
        walk(&self.0["Plan"], &mut found);
        found
    }

    fn buffers(&self) -> i64 {
        let top = &self.0["Plan"];
        ["Shared Hit Blocks", "Shared Read Blocks"].iter().filter_map(|name| top[name].as_i64()).sum()
    }

    /// Rows that a table gave or that were met and thrown away.
    fn rows_met(&self, table: &str) -> f64 {
        let number = |node: &Value, name: &str| node[name].as_f64().unwrap_or(0.0);
        self.nodes()
            .into_iter()
            .filter(|node| node["Relation Name"].as_str().is_some_and(|name| name.starts_with(table)))
            .map(|node| {
                let met = number(node, "Actual Rows")
                    + number(node, "Rows Removed by Filter")
                    + number(node, "Rows Removed by Index Recheck");
                met * number(node, "Actual Loops")
            })
            .sum()
    }

    fn indexes(&self) -> Vec<&str> {
        self.nodes().into_iter().filter_map(|node| node["Index Name"].as_str()).collect()
    }

    fn scans_whole(&self) -> bool {
        self.nodes().iter().any(|node| node["Node Type"] == "Seq Scan")
    }
}

/// As the user whom the claims name, taken back.
async fn explain(client: &mut Client, subject: &str, topic: &str, before: &str, sql: &str) -> Result<Plan> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(before).await?;
    let claims = json!({"sub": subject, "role": "authenticated"}).to_string();
    let enter = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true),
                        set_config('realtime.topic', $2, true)";
    transaction.execute(enter, &[&claims, &topic]).await?;
    let plan: Value = transaction
        .query_one(&format!("explain (analyze, buffers, format json) {sql}"), &[])
        .await
        .with_context(|| sql.to_owned())?
        .get(0);
    transaction.rollback().await?;
    Ok(Plan(plan[0].clone()))
}

fn page(pair: &Pair, condition: &str) -> String {
    format!(
        "select * from public.chat_messages where thread_id = '{}' {condition} order by seq desc limit 50",
        pair.thread_id
    )
}

/// The statement inside the function that the package reads by, with what it asks for, and its rows.
fn reads(pair: &Pair) -> Vec<(String, f64)> {
    let top = pair.last_seq;
    vec![
        (page(pair, ""), 50.0),
        (page(pair, &format!("and seq < {}", top / 2)), 50.0),
        (page(pair, &format!("and seq > {}", top - 20)), 20.0),
        (page(pair, &format!("and seq > {} and seq < {}", top - 30, top - 9)), 20.0),
    ]
}

/// The same, as the function's `_after` and `_before`.
fn ranges(pair: &Pair) -> Vec<(String, f64)> {
    let top = pair.last_seq;
    vec![
        ("0".into(), 50.0),
        (format!("0, {}", top / 2), 50.0),
        (format!("{}", top - 20), 20.0),
        (format!("{}, {}", top - 30, top - 9), 20.0),
    ]
}

/// What the package polls by: the newest message of each thread, which tells that the history is still the same.
fn sync(threads: &[Pair]) -> String {
    let asked: Vec<_> =
        threads.iter().map(|pair| json!({"thread_id": pair.thread_id, "after": pair.last_seq - 1})).collect();
    format!("select public.sync_chat('{}')", Value::from(asked))
}

const SEQ_INDEX: &str = "chat_messages_thread_id_seq_key";

#[tokio::test]
async fn what_the_product_asks_costs_the_same_on_any_table() -> Result<()> {
    let (small, big) = (Database::installed().await?, Database::installed().await?);
    fill(&small, 6_000, 60).await?;
    fill(&big, 120_000, 1_200).await?;
    let mut buffers = Vec::new();
    // To find one thread, the small table of them is read whole: fewer pages than an index and it.
    for (database, met) in [(&small, 60.0), (&big, 1.0)] {
        let pair = &pairs(database, 1).await?[0];
        let mut client = database.superuser().await?;
        let (me, topic) = (pair.a_id.to_string(), format!("chat:{}", pair.thread_id));
        let mut spent = Vec::new();
        for (range, rows) in ranges(pair) {
            // Its plan is made without the arguments; that of the bare statement, below, with them.
            let call = format!("select * from public.list_chat_messages('{}', {range})", pair.thread_id);
            explain(&mut client, &me, &topic, "", &call).await?;
            let plan = explain(&mut client, &me, &topic, "", &call).await?;
            assert_eq!(plan.0["Plan"]["Actual Rows"], rows, "{call}");
            spent.push(plan.buffers());
        }
        let sync = sync(std::slice::from_ref(pair));
        explain(&mut client, &me, &topic, "", &sync).await?;
        spent.push(explain(&mut client, &me, &topic, "", &sync).await?.buffers());
        for (sql, rows) in reads(pair) {
            let plan = explain(&mut client, &me, &topic, "", &sql).await?;
            assert!(plan.indexes().contains(&SEQ_INDEX), "{sql}: {:?}", plan.indexes());
            assert_eq!(plan.rows_met("chat_messages"), rows, "{sql}");
            assert!(
                plan.rows_met("chat_threads") <= (rows + 1.0) * met,
                "{sql}: each row's thread, and no others: {}",
                plan.0
            );
            spent.push(plan.buffers());
        }

        // Realtime's question at a join: the policy that lets people in looks at the thread, and the fence does.
        let probe = "insert into realtime.messages (id, topic, extension)
                     values ('00000000-0000-0000-0000-00000000000a', $topic$, 'broadcast')"
            .replace("$topic$", &format!("'{topic}'"));
        let join = "select id from realtime.messages where id = '00000000-0000-0000-0000-00000000000a'";
        let plan = explain(&mut client, &me, &topic, &probe, join).await?;
        assert!(plan.rows_met("chat_threads") <= 2.0 * met, "{}", plan.0);
        assert!(met > 1.0 || plan.indexes().contains(&"chat_threads_pkey"), "{:?}", plan.indexes());
        spent.push(plan.buffers());

        // A send, and the statements inside it.
        let Pair { thread_id, a, b, .. } = pair;
        let send = format!("select * from public.insert_chat_message('{thread_id}', '{a}', '{b}', 'x')");
        explain(&mut client, &me, &topic, "", &send).await?;
        spent.push(explain(&mut client, &me, &topic, "", &send).await?.buffers());
        let insert = format!(
            "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
             values ('{thread_id}', '{me}', '{a}', '{b}', 'x') returning *"
        );
        let plan = explain(&mut client, &me, &topic, "", &insert).await?;
        assert!(plan.rows_met("chat_threads") <= 3.0 * met, "{}", plan.0);
        buffers.push(spent);
    }
    for (place, (small, big)) in buffers[0].iter().zip(&buffers[1]).enumerate() {
        // An index more or a level of one; not twenty times as many.
        assert!(*big <= small + 20, "statement {place}: {small} buffers became {big}");
    }
    Ok(())
}

/// One account in every thread: neither it nor its customers pay for the number of them. Realtime's question at a join and
/// a send are among what is asked.
#[tokio::test]
async fn a_hub_with_ten_thousand_threads_costs_what_one_with_a_hundred_does() -> Result<()> {
    let mut buffers = Vec::new();
    for threads in [100, 10_000] {
        let database = Database::installed().await?;
        fill_hub(&database, threads, 60).await?;
        let mut client = database.superuser().await?;
        let threads = pairs(&database, 20).await?;
        let thread = &threads[0];
        let topic = format!("chat:{}", thread.thread_id);
        let mut spent = Vec::new();
        for (me, id, other) in [(&thread.a, thread.a_id, &thread.b), (&thread.b, thread.b_id, &thread.a)] {
            let me_id = id.to_string();
            let thread_id = &thread.thread_id;
            let insert = format!(
                "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                 values ('{thread_id}', '{me_id}', '{me}', '{other}', 'x')"
            );
            let probe = format!(
                "insert into realtime.messages (id, topic, extension)
                 values ('00000000-0000-0000-0000-00000000000a', '{topic}', 'broadcast')"
            );
            for (before, sql) in [
                ("", format!("select * from public.list_chat_messages('{thread_id}')")),
                ("", sync(&threads[..1])),
                ("", sync(&threads)),
                ("", page(thread, "")),
                (
                    "",
                    format!(
                        "select * from public.chat_messages where thread_id = '{thread_id}' order by created_at desc limit 50"
                    ),
                ),
                ("", format!("select * from public.chat_threads where thread_id = '{thread_id}'")),
                ("", format!("select * from public.insert_chat_message('{thread_id}', '{me}', '{other}', 'x')")),
                ("", insert.clone()),
                ("", format!("{insert} returning *")),
                (&probe, "select id from realtime.messages where id = '00000000-0000-0000-0000-00000000000a'".into()),
            ] {
                // The first one plans what the functions keep.
                explain(&mut client, &me_id, &topic, before, &sql).await?;
                spent.push((explain(&mut client, &me_id, &topic, before, &sql).await?.buffers(), sql));
            }
        }
        buffers.push(spent);
    }
    for ((few, sql), (many, _)) in buffers[0].iter().zip(&buffers[1]) {
        assert!(*many <= 2 * few, "{sql}: {few} buffers became {many}");
    }
    Ok(())
}

/// The inner statements of the triggers, as their owner.
#[tokio::test]
async fn the_triggers_own_statements_are_index_scans() -> Result<()> {
    let database = Database::installed().await?;
    fill(&database, 60_000, 600).await?;
    let pair = pairs(&database, 1).await?.remove(0);
    let mut client = database.superuser().await?;
    let thread = &pair.thread_id;
    client.batch_execute(&change(&pair, 200)).await?;
    for sql in [
        format!(
            "select seq, created_at from public.chat_messages where thread_id = '{thread}' order by seq desc limit 1"
        ),
        format!("select last_seq from public.chat_threads where thread_id = '{thread}' for no key update"),
        format!("update public.chat_threads set last_seq = last_seq where thread_id = '{thread}'"),
        format!("select max(rev) from public.chat_messages where thread_id = '{thread}'"),
        format!("select from public.chat_messages where thread_id = '{thread}' and rev > 199"),
    ] {
        let explain = format!("explain (analyze, buffers, format json) {sql}");
        let transaction = client.transaction().await?;
        // The first one compiles what the constraints call.
        transaction.query_one(&explain, &[]).await?;
        let plan: Value = transaction.query_one(&explain, &[]).await?.get(0);
        let plan = Plan(plan[0].clone());
        transaction.rollback().await?;
        assert!(!plan.scans_whole(), "{sql}: {}", plan.0);
        assert!(plan.rows_met("chat_") <= 2.0, "{sql}: {}", plan.0);
        assert!(plan.buffers() <= 60, "{sql}: {}", plan.buffers());
    }
    Ok(())
}

/// Who has no thread cannot make the server read other people's messages in search of one.
#[tokio::test]
async fn a_stranger_who_asks_for_everything_has_nothing_read() -> Result<()> {
    let (peers, hub, pair) = (Database::installed().await?, Database::installed().await?, Database::installed().await?);
    fill(&peers, 60_000, 600).await?;
    fill_hub(&hub, 2_000, 20).await?;
    // The planner takes one thread of one for a good guess.
    fill_hub(&pair, 1, 20_000).await?;
    for database in [&peers, &hub, &pair] {
        let mut client = database.superuser().await?;
        for sql in [
            "select * from public.chat_messages",
            "select * from public.chat_messages limit 1",
            "select * from public.chat_messages order by created_at desc limit 1",
            "select count(*) from public.chat_messages where body like '%chop%'",
        ] {
            let stranger = "00000000-0000-0000-0000-00000000ffff";
            explain(&mut client, stranger, "", "", sql).await?;
            let plan = explain(&mut client, stranger, "", "", sql).await?;
            assert_eq!(plan.rows_met("chat_messages"), 0.0, "{sql}: {}", plan.0);
            assert!(plan.buffers() <= 20, "{sql}: {} buffers", plan.buffers());
        }
    }
    Ok(())
}

/// An inbox costs as much as its person has threads, and nothing for the size of the tables.
#[tokio::test]
async fn an_inbox_is_index_scans_of_ones_own_threads() -> Result<()> {
    let (small, big) = (Database::installed().await?, Database::installed().await?);
    fill(&small, 6_000, 60).await?;
    fill(&big, 120_000, 1_200).await?;
    let mut buffers = Vec::new();
    for database in [&small, &big] {
        let pair = &pairs(database, 2).await?[1];
        let mut client = database.superuser().await?;
        // Everybody has read all but the last three.
        client
            .batch_execute(
                "insert into public.chat_markers (thread_id, supabase_id, read_seq, delivered_seq)
                 select thread_id, supabase_id, last_seq - 3, last_seq - 3 from chat_private.sides",
            )
            .await?;
        client.batch_execute("vacuum (analyze) public.chat_markers").await?;
        let me = pair.a_id.to_string();
        let mark = format!(
            "select public.mark_chat('[{{\"thread_id\": \"{}\", \"read\": {}}}]')",
            pair.thread_id, pair.last_seq
        );
        let mut spent = Vec::new();
        for sql in ["select public.list_chat_threads()", "select public.list_chat_threads(3)", mark.as_str()] {
            explain(&mut client, &me, "", "", sql).await?;
            spent.push((explain(&mut client, &me, "", "", sql).await?.buffers(), sql.to_owned()));
        }
        buffers.push(spent);

        // A connection that has counted nothing yet.
        let mut client = database.superuser().await?;
        let transaction = client.transaction().await?;
        let claims = json!({"sub": me, "role": "authenticated"}).to_string();
        transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
        let listed: Value = transaction.query_one("select public.list_chat_threads()", &[]).await?.get(0);
        assert_eq!(listed["threads"].as_array().map(Vec::len), Some(10));
        let scans = "select sum(seq_scan)::bigint, sum(idx_tup_fetch)::bigint, string_agg(format('%s %s', relname, seq_scan), ', ') from pg_stat_xact_user_tables
                      where relname in ('chat_threads', 'chat_markers', 'chat_messages')";
        let scans = transaction.query_one(scans, &[]).await?;
        if buffers.len() == 2 {
            assert_eq!(scans.get::<_, Option<i64>>(0), Some(0), "read whole: {:?}", scans.get::<_, Option<String>>(2));
            // Ten threads and markers; of each thread three messages and its last; the others' markers.
            let rows = scans.get::<_, Option<i64>>(1).unwrap_or(-1);
            assert!((50..=80).contains(&rows), "{rows} rows");
        }
        transaction.rollback().await?;
    }
    for ((few, sql), (many, _)) in buffers[0].iter().zip(&buffers[1]) {
        assert!(*many <= 2 * few && *many <= 400, "{sql}: {few} buffers became {many}");
    }
    Ok(())
}

/// Nor can a customer of a hub, who has one thread, make the server read the others'.
#[tokio::test]
async fn a_customer_who_asks_for_everything_has_only_their_own_read() -> Result<()> {
    let database = Database::installed().await?;
    fill_hub(&database, 2_000, 20).await?;
    let mut client = database.superuser().await?;
    for pair in pairs(&database, 3).await? {
        for (sql, rows) in [
            ("select * from public.chat_messages", 20.0),
            ("select * from public.chat_messages limit 1", 1.0),
            ("select * from public.chat_messages order by created_at desc limit 5", 20.0),
            ("select count(*) from public.chat_messages where body like '%chop%'", 20.0),
        ] {
            let customer = pair.a_id.to_string();
            explain(&mut client, &customer, "", "", sql).await?;
            let plan = explain(&mut client, &customer, "", "", sql).await?;
            assert_eq!(plan.rows_met("chat_messages"), rows, "{sql}: {}", plan.0);
            assert!(plan.buffers() <= 120, "{sql}: {} buffers", plan.buffers());
        }
    }
    Ok(())
}

const REV_INDEX: &str = "chat_messages_thread_id_rev_key";

/// Has the newest messages of a thread changed, a number each.
fn change(pair: &Pair, count: i64) -> String {
    format!(
        "update public.chat_messages set reaction_a = 'x' where thread_id = '{}' and seq > {};
         analyze public.chat_messages",
        pair.thread_id,
        pair.last_seq - count
    )
}

/// Who comes back reads what has changed, by one index, and each of its rows once; a page and a change cost the same on any
/// table.
#[tokio::test]
async fn catching_up_is_one_index_scan() -> Result<()> {
    let (small, big) = (Database::installed().await?, Database::installed().await?);
    fill(&small, 6_000, 60).await?;
    fill(&big, 120_000, 1_200).await?;
    let mut buffers = Vec::new();
    for database in [&small, &big] {
        let pair = &pairs(database, 1).await?[0];
        let mut client = database.superuser().await?;
        client.batch_execute("update public.chat_limits set edit_window = null, unsend_window = null").await?;
        client.batch_execute(&change(pair, 200)).await?;
        client.batch_execute("set enable_bitmapscan = off").await?; // As the function does.
        client.batch_execute("vacuum public.chat_messages").await?;
        let (me, thread) = (pair.a_id.to_string(), &pair.thread_id);

        // The statement inside of it.
        let changes = format!(
            "select * from chat_private.public_messages p where p.thread_id = '{thread}' and p.rev > 0 order by p.rev limit 201"
        );
        let explain_owner = format!("explain (analyze, buffers, format json) {changes}");
        let plan: Value = client.query_one(&explain_owner, &[]).await?.get(0);
        let plan = Plan(plan[0].clone());
        assert_eq!((plan.indexes(), plan.rows_met("chat_messages")), (vec![REV_INDEX], 200.0), "{}", plan.0);
        assert!(!plan.nodes().iter().any(|node| node["Node Type"] == "Sort"), "{}", plan.0);

        let id = "select id::text from public.chat_messages where thread_id = $1 and sender_supabase_id = $2 order by seq desc limit 1";
        let id: String = client.query_one(id, &[thread, &pair.a_id]).await?.get(0);
        let mut spent = Vec::new();
        for sql in [
            format!("select public.list_chat_page('{thread}', 0, 9223372036854775807, 50, 0)"),
            format!("select public.list_chat_page('{thread}', {}, 9223372036854775807, 50, 190)", pair.last_seq),
            format!("select public.edit_chat_message('{id}', 'x')"),
            format!("select public.react_chat_message('{id}', 'y')"),
            format!("select public.unsend_chat_message('{id}')"),
        ] {
            explain(&mut client, &me, "", "", &sql).await?;
            spent.push((explain(&mut client, &me, "", "", &sql).await?.buffers(), sql));
        }
        buffers.push(spent);

        // All of the function, in a connection that has counted nothing yet: its 50 messages and 200 changes, and no others.
        let mut client = database.superuser().await?;
        let transaction = client.transaction().await?;
        let claims = json!({"sub": me, "role": "authenticated"}).to_string();
        transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
        let page: Value =
            transaction.query_one("select public.list_chat_page($1, _known => 0)", &[thread]).await?.get(0);
        assert_eq!(page["changes"].as_array().map(Vec::len), Some(200));
        let scans = "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'chat_messages'";
        let scans = transaction.query_one(scans, &[]).await?;
        assert_eq!((scans.get::<_, i64>(0), scans.get::<_, i64>(1)), (0, 250));
        transaction.rollback().await?;

        // However many there are, no more than that are too many.
        client.batch_execute(&change(pair, 500).replace("'x'", "'y'")).await?;
        client.batch_execute("vacuum public.chat_messages").await?;
        let mut client = database.superuser().await?;
        let transaction = client.transaction().await?;
        transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
        let page: Value =
            transaction.query_one("select public.list_chat_page($1, _known => 0)", &[thread]).await?.get(0);
        assert_eq!(page["changes"], Value::Null);
        let fetched = "select idx_tup_fetch from pg_stat_xact_user_tables where relname = 'chat_messages'";
        assert_eq!(transaction.query_one(fetched, &[]).await?.get::<_, i64>(0), 251);
        transaction.rollback().await?;
    }
    for ((few, sql), (many, _)) in buffers[0].iter().zip(&buffers[1]) {
        assert!(*many <= few + 40, "{sql}: {few} buffers became {many}");
    }
    Ok(())
}
