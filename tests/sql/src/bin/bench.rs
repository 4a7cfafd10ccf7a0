//! What the product's statements cost on a big table: beside a small one, and beside the bare statement with row level
//! security off. Prints each goal as held or missed and writes target/bench/sql.json.
//!
//! `cargo run --release -p sql-tests --bin bench [-- --rows N] [--sends N] [--upgrade-rows N]`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sql_tests::upgrade::{Upgrade, changes_in_use, upgrade_in_use};
use sql_tests::volume::{MANY_THREADS_PER_PERSON, Pair, fill, fill_for, fill_hub, pairs};
use sql_tests::{Database, Person, Server, send};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

const SMALL_ROWS: u64 = 10_000;
const SMALL_THREADS: u32 = 60;
const MESSAGES_PER_THREAD: u64 = 200;
const ROUNDS: usize = 300;
const WRITERS: usize = 16;
const BUFFERS_GOAL: f64 = 1.3;
const SEND_GOAL: f64 = 2.5;
const PAGE_GOAL: f64 = 1.5;
/// Threads of one account, a shop's, and what the most of them may cost beside the fewest.
const HUBS: [u32; 3] = [100, 10_000, 100_000];
const HUB_GOAL: f64 = 2.0;
/// The first page of an inbox beside one of a thread's history, a mark beside a send, a send with inboxes beside one without.
const INBOX_GOAL: f64 = 3.0;
const MARK_GOAL: f64 = 0.5;
const TOLD_GOAL: f64 = 1.5;
/// A send with a limit to what one person sends, beside one without.
const LIMIT_GOAL: f64 = 1.1;
/// A change of a message beside a send of one.
const CHANGE_GOAL: f64 = 1.2;

struct Options {
    rows: u64,
    sends: usize,
    upgrade_rows: u64,
}

/// What a read asks for: `after < seq < before`.
type Range = (i64, i64);

#[derive(Clone, Copy)]
enum Kind {
    Read(fn(&Pair) -> Range),
    /// From the table, not by the function that the package calls.
    Table,
    Join,
    Send,
    Inbox,
}

struct Query {
    name: &'static str,
    kind: Kind,
}

impl Query {
    /// As the signed-in user, or bare.
    fn sql(&self, pair: &Pair, user: bool) -> String {
        match self.kind {
            Kind::Read(range) if user => list(pair, range(pair)),
            Kind::Read(range) => bare_page(pair, range(pair)),
            Kind::Table => bare_page(pair, first(pair)),
            Kind::Join => "select id from realtime.messages where id = current_setting('bench.probe')::uuid".into(),
            Kind::Send if user => rpc(pair),
            Kind::Inbox => INBOX.into(),
            Kind::Send => bare_insert(pair),
        }
    }
}

const COLUMNS: &str = "id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq";

const INBOX: &str = "select public.list_chat_threads()";

/// As the package reads.
fn list(pair: &Pair, (after, before): Range) -> String {
    format!("select {COLUMNS} from public.list_chat_messages('{}', {after}, {before}, 50)", pair.thread_id)
}

fn bare_page(pair: &Pair, (after, before): Range) -> String {
    let thread = &pair.thread_id;
    format!(
        "select {COLUMNS} from public.chat_messages
          where thread_id = '{thread}' and seq > {after} and seq < {before} order by seq desc limit 50"
    )
}

fn first(_: &Pair) -> Range {
    (0, i64::MAX)
}

fn deep(pair: &Pair) -> Range {
    (0, (pair.last_seq - 50 * 999).max(pair.last_seq / 2))
}

fn catch_up(pair: &Pair) -> Range {
    (pair.last_seq - 50, i64::MAX)
}

fn hole(pair: &Pair) -> Range {
    (pair.last_seq - 30, pair.last_seq - 9)
}

fn rpc(pair: &Pair) -> String {
    let Pair { thread_id, a, b, .. } = pair;
    format!(
        "select {COLUMNS} from public.insert_chat_message('{thread_id}', '{a}', '{b}', 'What shall we chop today?', gen_random_uuid())"
    )
}

fn bare_insert(pair: &Pair) -> String {
    let Pair { thread_id, a, b, a_id, .. } = pair;
    format!(
        "insert into public.chat_messages ({COLUMNS}) values (gen_random_uuid(), '{thread_id}', '{a_id}', '{a}', '{b}',
         'What shall we chop today?', clock_timestamp(), {}) returning {COLUMNS}",
        pair.last_seq + 1
    )
}

const HUB_QUERIES: &[Query] = &[
    Query { name: "first page", kind: Kind::Read(first) },
    Query { name: "page from the table", kind: Kind::Table },
    Query { name: "join check", kind: Kind::Join },
    Query { name: "RPC send", kind: Kind::Send },
    Query { name: "inbox", kind: Kind::Inbox },
];

const QUERIES: &[Query] = &[
    Query { name: "first page", kind: Kind::Read(first) },
    Query { name: "page 1,000 deep", kind: Kind::Read(deep) },
    Query { name: "catch-up of 50", kind: Kind::Read(catch_up) },
    Query { name: "hole of 20", kind: Kind::Read(hole) },
    Query { name: "join check", kind: Kind::Join },
    Query { name: "RPC send", kind: Kind::Send },
];

#[derive(Default)]
struct Cost {
    micros: Vec<f64>,
    buffers: i64,
}

impl Cost {
    fn median(&mut self) -> f64 {
        self.micros.sort_by(f64::total_cmp);
        self.micros.get(self.micros.len() / 2).copied().unwrap_or_default()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = options()?;
    let start = Instant::now();
    let server = Server::start(&[
        "shared_buffers=3GB",
        "max_wal_size=20GB",
        "wal_level=minimal",
        "max_wal_senders=0",
        "checkpoint_timeout=1h",
    ])
    .await?;
    let threads = u32::try_from(options.rows / MESSAGES_PER_THREAD)?.div_ceil(5) * 5;
    anyhow::ensure!(threads > 50, "--rows must be more than {}", 50 * MESSAGES_PER_THREAD);
    println!(
        "{} messages in {threads} threads, one of them with a tenth; beside {SMALL_ROWS} in {SMALL_THREADS}",
        options.rows
    );
    let big = server.database("chat").await?;
    let small = server.database("chat").await?;
    fill(&small, SMALL_ROWS, SMALL_THREADS).await?;
    let each = MANY_THREADS_PER_PERSON;
    if threads > 2 * each * each && threads.is_multiple_of(each) {
        fill_for(&big, options.rows, threads, each).await?;
    } else {
        fill(&big, options.rows, threads).await?;
    }
    println!("  made in {:.0} s\n", start.elapsed().as_secs_f64());

    let mut goals = Goals::default();
    let costs = costs(&small, &big, &mut goals).await?;
    let profile = profile(&big).await?;
    let inbox = inbox(&big, &mut goals).await?;
    let changes = changes(&big, &mut goals).await?;
    let limit = limit(&server, &mut goals).await?;
    let hubs = hubs(&server, &mut goals).await?;
    let stranger = stranger(&big).await?;
    let mut concurrency = Vec::new();
    for count in [100, 1] {
        concurrency.push(writers(&big, count, options.sends, &mut goals).await?);
    }
    for count in [100, 1] {
        concurrency.push(changers(&big, count, options.sends, &mut goals).await?);
    }
    let mut upgrades = changes_upgrades(big, options.rows).await?;
    for concurrent_index in [false, true] {
        let upgrade = upgrade_in_use(server.database("project").await?, options.upgrade_rows, concurrent_index).await?;
        upgrades.push(told(&upgrade, options.upgrade_rows, concurrent_index));
    }

    println!("goals");
    for (goal, held) in &goals.0 {
        println!("  {}  {goal}", if *held { "held  " } else { "missed" });
    }
    println!("\n{:.0} s in all", start.elapsed().as_secs_f64());
    let report = json!({
        "rows": options.rows, "threads": threads, "costs": costs, "send_profile_us": profile, "inbox": inbox, "changes": changes, "limit": limit,
        "hubs": hubs, "stranger": stranger,
        "concurrency": concurrency, "upgrade": upgrades,
        "goals": goals.0.iter().map(|(goal, held)| json!({"goal": goal, "held": held})).collect::<Vec<_>>(),
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("sql.json"), serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options { rows: 10_000_000, sends: 100_000, upgrade_rows: 1_000_000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a number"))?;
        let number: u64 = value.replace('_', "").parse().with_context(|| format!("{name}: {value} is no number"))?;
        match name.as_str() {
            "--rows" => options.rows = number,
            "--sends" => options.sends = usize::try_from(number)?,
            "--upgrade-rows" => options.upgrade_rows = number,
            _ => bail!("unknown option {name}: there are --rows, --sends and --upgrade-rows"),
        }
    }
    Ok(options)
}

#[derive(Default)]
struct Goals(Vec<(String, bool)>);

impl Goals {
    fn ratio(&mut self, what: &str, ratio: f64, goal: f64) {
        self.0.push((format!("{what}: {ratio:.2}, at most {goal}"), ratio <= goal));
    }
}

/// A transaction as PostgREST's, or as nobody's: no row level security, no trigger, no foreign key.
async fn begin<'a>(client: &'a mut Client, pair: &Pair, user: bool, kind: Kind) -> Result<Transaction<'a>> {
    let transaction = client.transaction().await?;
    let topic = format!("chat:{}", pair.thread_id);
    let claims = json!({"sub": pair.a_id, "role": "authenticated"}).to_string();
    transaction
        .execute(
            "select set_config('request.jwt.claims', $1, true), set_config('realtime.topic', $2, true)",
            &[&claims, &topic],
        )
        .await?;
    if matches!(kind, Kind::Join) {
        let probe =
            "with probe as (insert into realtime.messages (topic, extension) values ($1, 'broadcast') returning id)
                     select set_config('bench.probe', id::text, true) from probe";
        transaction.execute(probe, &[&topic]).await?;
    }
    let session = if user { "set local role authenticated" } else { "set local session_replication_role = replica" };
    transaction.batch_execute(session).await?;
    Ok(transaction)
}

/// Time of a prepared statement, and the buffers that it touches. What it does is taken back.
async fn measure(
    client: &mut Client,
    pair: &Pair,
    user: bool,
    query: &Query,
    cost: &mut Cost,
    explain: bool,
) -> Result<()> {
    let sql = &query.sql(pair, user);
    let statement = client.prepare(sql).await?;
    for _ in 0..3 {
        let transaction = begin(client, pair, user, query.kind).await?;
        let start = Instant::now();
        let rows = transaction.query(&statement, &[]).await?;
        cost.micros.push(start.elapsed().as_secs_f64() * 1e6);
        anyhow::ensure!(!rows.is_empty(), "{sql} found nothing");
        transaction.rollback().await?;
    }
    if explain {
        let transaction = begin(client, pair, user, query.kind).await?;
        let plan: Value =
            transaction.query_one(&format!("explain (analyze, buffers, format json) {sql}"), &[]).await?.get(0);
        let top = &plan[0]["Plan"];
        cost.buffers = ["Shared Hit Blocks", "Shared Read Blocks"].iter().filter_map(|name| top[name].as_i64()).sum();
        transaction.rollback().await?;
    }
    Ok(())
}

async fn costs(small: &Database, big: &Database, goals: &mut Goals) -> Result<Vec<Value>> {
    let mut sides = Vec::new();
    for database in [small, big] {
        let pair = pairs(database, 1).await?.into_iter().next().context("a thread")?;
        sides.push((pair, database.superuser().await?));
    }
    println!("{:<18}{:>34}{:>34}", "", "median us", "buffers");
    println!("{:<18}{:>10}{:>12}{:>12}{:>10}{:>12}{:>12}", "", "small", "big", "big bare", "small", "big", "big bare");
    let mut report = Vec::new();
    for query in QUERIES {
        // Small as the user, big as the user, big bare: in turn, so that what else the machine does hits all alike.
        let mut costs = [Cost::default(), Cost::default(), Cost::default()];
        let rounds = ROUNDS / 3;
        for round in 0..rounds {
            for (place, (side, user)) in [(0, true), (1, true), (1, false)].into_iter().enumerate() {
                let (pair, client) = &mut sides[side];
                measure(client, pair, user, query, &mut costs[place], round + 1 == rounds).await?;
            }
        }
        let buffers = costs.each_ref().map(|cost| cost.buffers);
        let [small, big, bare] = costs.each_mut().map(Cost::median);
        println!(
            "{:<18}{small:>10.0}{big:>12.0}{bare:>12.0}{:>10}{:>12}{:>12}",
            query.name, buffers[0], buffers[1], buffers[2]
        );
        goals.ratio(
            &format!("{}: buffers, big beside small", query.name),
            buffers[1] as f64 / buffers[0] as f64,
            BUFFERS_GOAL,
        );
        match query.kind {
            Kind::Read(_) => {
                goals.ratio(&format!("{}: time, beside no row level security", query.name), big / bare, PAGE_GOAL)
            }
            Kind::Send => goals.ratio("RPC send: time, beside a bare insert", big / bare, SEND_GOAL),
            Kind::Join | Kind::Table | Kind::Inbox => {}
        }
        report.push(json!({
            "query": query.name,
            "median_us": {"small": small, "big": big, "big_bare": bare},
            "buffers": {"small": buffers[0], "big": buffers[1], "big_bare": buffers[2]},
        }));
    }
    println!();
    Ok(report)
}

/// What a send is made of: the same with one part more each time.
async fn profile(database: &Database) -> Result<Vec<Value>> {
    let pair = pairs(database, 1).await?.into_iter().next().context("a thread")?;
    let mut client = database.superuser().await?;
    let insert = format!(
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{}', '{}', '{}', '{}', 'What shall we chop today?') returning {COLUMNS}",
        pair.thread_id, pair.a_id, pair.a, pair.b
    );
    // Name, what the session is set to, and the triggers that are off.
    const REPLICA: &str = "set local session_replication_role = replica";
    const USER: &str = "set local role authenticated";
    let steps = [
        ("bare insert", REPLICA, "", bare_insert(&pair)),
        ("and the foreign key", "", "user", bare_insert(&pair)),
        (
            "and number and count",
            "",
            "chat_messages_inbox, chat_messages_broadcast, chat_messages_allow",
            insert.clone(),
        ),
        ("and the policies", USER, "chat_messages_inbox, chat_messages_broadcast, chat_messages_allow", insert),
        ("and the function", USER, "chat_messages_inbox, chat_messages_broadcast, chat_messages_allow", rpc(&pair)),
        ("and the limit", USER, "chat_messages_inbox, chat_messages_broadcast", rpc(&pair)),
        ("and the broadcast", USER, "chat_messages_inbox", rpc(&pair)),
        ("and no inbox to tell", USER, "", rpc(&pair)),
    ];
    let mut times: Vec<Cost> = steps.iter().map(|_| Cost::default()).collect();
    for _ in 0..ROUNDS / 3 {
        for ((_, session, off, sql), cost) in steps.iter().zip(&mut times) {
            let transaction = client.transaction().await?;
            for off in off.split(", ").filter(|off| !off.is_empty()) {
                transaction.batch_execute(&format!("alter table public.chat_messages disable trigger {off}")).await?;
            }
            let claims = json!({"sub": pair.a_id}).to_string();
            transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
            transaction.batch_execute(session).await?;
            // The first one plans what the functions keep.
            for run in 1..=3 {
                let sql = sql.replace(&format!(", {})", pair.last_seq + 1), &format!(", {})", pair.last_seq + run));
                let start = Instant::now();
                transaction.simple_query(&sql).await?;
                if run > 1 {
                    cost.micros.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            transaction.rollback().await?;
        }
    }
    println!("what a send is made of (median us, planned anew each time)");
    let mut report = Vec::new();
    for ((name, ..), cost) in steps.iter().zip(&mut times) {
        let median = cost.median();
        println!("  {name:<24}{median:>8.0}");
        report.push(json!({"with": name, "us": median}));
    }
    println!();
    Ok(report)
}

/// What an inbox costs: its first page, a mark, and a send whose two people have one.
async fn inbox(database: &Database, goals: &mut Goals) -> Result<Value> {
    let mut client = database.superuser().await?;
    // Most has been read; in every tenth thread something is new, for either.
    client
        .batch_execute(
            "insert into public.chat_markers (thread_id, supabase_id, read_seq, delivered_seq)
             select thread_id, supabase_id, seq, seq
               from chat_private.sides,
                    lateral (select greatest(0, last_seq - case when hashtext(thread_id) % 10 = 0 then 5 else 0 end) as seq) read
              where supabase_id is not null;
             insert into chat_private.inboxes (supabase_id, used_on)
             select supabase_id, (now() at time zone 'utc')::date from public.chat_identities",
        )
        .await?;
    client.batch_execute("vacuum (analyze) public.chat_markers, chat_private.inboxes").await?;
    // Not the big one: a person like everybody.
    let pair = pairs(database, 2).await?.pop().context("a thread")?;
    let threads: i64 =
        client.query_one("select count(*) from chat_private.sides where supabase_id = $1", &[&pair.a_id]).await?.get(0);
    let digest: String = {
        let transaction = begin(&mut client, &pair, true, Kind::Inbox).await?;
        transaction.query_one("select public.list_chat_threads() ->> 'digest'", &[]).await?.get(0)
    };
    let mark =
        |seq: &str| format!("select public.mark_chat('[{{\"thread_id\": \"{}\", \"read\": {seq}}}]')", pair.thread_id);
    const QUIET: &str = "delete from chat_private.inboxes";
    const WITHOUT: &str = "alter table public.chat_messages disable trigger chat_messages_inbox";
    // Name, what is done before, the statement; `{run}` counts up.
    let back = format!(
        "update public.chat_markers set read_seq = {0}, delivered_seq = {0} where supabase_id = '{1}' and thread_id = '{2}'",
        pair.last_seq - 20,
        pair.a_id,
        pair.thread_id
    );
    let steps = [
        ("page of history", String::new(), list(&pair, first(&pair))),
        ("first page of the inbox", String::new(), INBOX.into()),
        ("the same, unchanged", String::new(), format!("select public.list_chat_threads(30, null, '{digest}')")),
        ("send, without the inbox", WITHOUT.into(), rpc(&pair)),
        ("send, no inbox in use", QUIET.into(), rpc(&pair)),
        ("send, two inboxes told", String::new(), rpc(&pair)),
        ("mark, no inbox in use", format!("{QUIET}; {back}"), mark("{run}")),
        ("mark, two inboxes told", back, mark("{run}")),
    ];
    let mut times: Vec<Cost> = steps.iter().map(|_| Cost::default()).collect();
    for _ in 0..ROUNDS / 3 {
        for ((_, before, sql), cost) in steps.iter().zip(&mut times) {
            let transaction = client.transaction().await?;
            transaction.batch_execute(before).await?;
            let claims = json!({"sub": pair.a_id, "role": "authenticated"}).to_string();
            transaction.execute("select set_config('request.jwt.claims', $1, true)", &[&claims]).await?;
            transaction.batch_execute("set local role authenticated").await?;
            // The first one plans what the functions keep.
            for run in 1..=3 {
                let sql = sql.replace("{run}", &(pair.last_seq - 10 + run).to_string());
                let start = Instant::now();
                transaction.simple_query(&sql).await?;
                if run > 1 {
                    cost.micros.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            transaction.rollback().await?;
        }
    }
    println!("an inbox of {threads} threads (median us, planned anew each time)");
    let medians: Vec<f64> = times.iter_mut().map(Cost::median).collect();
    let mut report = Vec::new();
    for ((name, ..), median) in steps.iter().zip(&medians) {
        println!("  {name:<24}{median:>8.0}");
        report.push(json!({"what": name, "us": median}));
    }
    println!();
    goals.ratio("first page of an inbox: time, beside a page of history", medians[1] / medians[0], INBOX_GOAL);
    goals.ratio("mark: time, beside a send, inboxes told by both", medians[7] / medians[5], MARK_GOAL);
    goals.ratio("send: time, with two inboxes told beside without", medians[5] / medians[3], TOLD_GOAL);
    client.batch_execute("truncate chat_private.inboxes, public.chat_markers").await?;
    Ok(json!({"threads": threads, "median_us": report}))
}

/// What a change costs beside a send, and a page with what else a page needs beside one without.
async fn changes(database: &Database, goals: &mut Goals) -> Result<Value> {
    let mut client = database.superuser().await?;
    client.batch_execute("update public.chat_limits set edit_window = null, unsend_window = null").await?;
    let pair = pairs(database, 1).await?.into_iter().next().context("a thread")?;
    let thread = &pair.thread_id;
    // So many that a page is told no more of them.
    client
        .batch_execute(&format!(
            "update public.chat_messages set reaction_b = 'x' where thread_id = '{thread}' and seq > {}",
            pair.last_seq - 200
        ))
        .await?;
    client.batch_execute("vacuum (analyze) public.chat_messages").await?;
    let own = "select id::text from public.chat_messages where thread_id = $1 and sender_mongo_id = $2 order by seq desc limit 4";
    let own: Vec<String> = client.query(own, &[thread, &pair.a]).await?.iter().map(|row| row.get(0)).collect();
    let last_rev: i64 =
        client.query_one("select last_rev from public.chat_threads where thread_id = $1", &[thread]).await?.get(0);
    let page = |known: i64| format!("select public.list_chat_page('{thread}', 0, 9223372036854775807, 50, {known})");
    // `{id}` is another message each time.
    let steps = [
        ("send", rpc(&pair)),
        ("edit", "select public.edit_chat_message('{id}', 'What shall we chop tomorrow?')".to_owned()),
        ("reaction", "select public.react_chat_message('{id}', 'y')".to_owned()),
        ("unsend", "select public.unsend_chat_message('{id}')".to_owned()),
        // As PostgREST makes JSON of it.
        ("page, by list_chat_messages", format!("select json_agg(p) from ({}) p", list(&pair, first(&pair)))),
        ("page, by list_chat_page", page(last_rev)),
        ("the same with 200 changes", page(last_rev - 200)),
    ];
    let mut times: Vec<Cost> = steps.iter().map(|_| Cost::default()).collect();
    for _ in 0..ROUNDS / 2 {
        for ((_, sql), cost) in steps.iter().zip(&mut times) {
            let transaction = begin(&mut client, &pair, true, Kind::Send).await?;
            // The first one plans what the functions keep.
            for (run, id) in own.iter().enumerate() {
                let sql = sql.replace("{id}", id);
                let start = Instant::now();
                transaction.simple_query(&sql).await?;
                if run > 0 {
                    cost.micros.push(start.elapsed().as_secs_f64() * 1e6);
                }
            }
            transaction.rollback().await?;
        }
    }
    println!("changes (median us, planned anew each time)");
    let medians: Vec<f64> = times.iter_mut().map(Cost::median).collect();
    let mut report = Vec::new();
    for ((name, _), median) in steps.iter().zip(&medians) {
        println!("  {name:<28}{median:>8.0}");
        report.push(json!({"what": name, "us": median}));
    }
    println!();
    for (name, median) in steps.iter().zip(&medians).skip(1).take(3).map(|((name, _), median)| (name, median)) {
        goals.ratio(&format!("{name}: time, beside a send"), median / medians[0], CHANGE_GOAL);
    }
    Ok(json!(report))
}

/// A send with the limit to what one person sends and without it, in turn.
async fn limit(server: &Server, goals: &mut Goals) -> Result<Value> {
    let send = Query { name: "RPC send", kind: Kind::Send };
    let mut sides = Vec::new();
    for limited in [false, true] {
        let database = server.database("chat").await?;
        fill(&database, SMALL_ROWS, SMALL_THREADS).await?;
        let mut client = database.superuser().await?;
        if !limited {
            client.batch_execute("drop trigger chat_messages_allow on public.chat_messages").await?;
        }
        let pair = pairs(&database, 1).await?.into_iter().next().context("a thread")?;
        // Who has sent before has a row to lock and to write.
        let transaction = begin(&mut client, &pair, true, send.kind).await?;
        transaction.batch_execute(&rpc(&pair)).await?;
        transaction.commit().await?;
        sides.push((pair, client, Cost::default()));
    }
    for _ in 0..ROUNDS {
        for (pair, client, cost) in &mut sides {
            measure(client, pair, true, &send, cost, false).await?;
        }
    }
    let [without, with] = [0, 1].map(|side: usize| sides[side].2.median());
    println!("RPC send: {without:.0} us without a limit to what one person sends, {with:.0} with\n");
    goals.ratio("RPC send: time, with the limit beside without", with / without, LIMIT_GOAL);
    Ok(json!({"without_us": without, "with_us": with}))
}

/// A shop's account and one of its customers, however many others there are.
async fn hubs(server: &Server, goals: &mut Goals) -> Result<Vec<Value>> {
    let mut sides = Vec::new();
    for threads in HUBS {
        let database = server.database("chat").await?;
        fill_hub(&database, threads, 5).await?;
        let mut pair = pairs(&database, 1).await?.into_iter().next().context("a thread")?;
        pair.last_seq = 205;
        let client = database.superuser().await?;
        client
            .batch_execute(&format!(
                "set session_replication_role = replica;
                 insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at, seq)
                 select '{0}', '{1}', '{2}', '{3}', 'What shall we chop today?', '2025-01-01'::timestamptz + n * interval '1 second', n
                   from generate_series(6, {4}) n;
                 update public.chat_threads set last_seq = {4} where thread_id = '{0}';
                 reset session_replication_role",
                pair.thread_id, pair.a_id, pair.a, pair.b, pair.last_seq
            ))
            .await?;
        client.batch_execute("vacuum (analyze) public.chat_messages").await?;
        sides.push((pair, client));
    }
    println!("one account in every thread, median us{:>11}{:>12}{:>12} threads", HUBS[0], HUBS[1], HUBS[2]);
    let mut report = Vec::new();
    for hub in [true, false] {
        let who = if hub { "the account" } else { "a customer" };
        for query in HUB_QUERIES {
            let mut costs = HUBS.map(|_| Cost::default());
            // An inbox of 100,000 threads takes a while.
            let rounds = if matches!(query.kind, Kind::Inbox) { 3 } else { ROUNDS / 3 };
            for _ in 0..rounds {
                for ((pair, client), cost) in sides.iter_mut().zip(&mut costs) {
                    let Pair { thread_id, a, b, a_id, b_id, last_seq } = pair.clone();
                    let swapped = Pair { thread_id, a: b, b: a, a_id: b_id, b_id: a_id, last_seq };
                    measure(client, if hub { &swapped } else { pair }, true, query, cost, false).await?;
                }
            }
            let medians = costs.each_mut().map(Cost::median);
            println!(
                "  {:<34}{:>12.0}{:>12.0}{:>12.0}",
                format!("{who}: {}", query.name),
                medians[0],
                medians[1],
                medians[2]
            );
            report.push(json!({"who": who, "query": query.name, "threads": HUBS, "median_us": medians}));
            if matches!(query.kind, Kind::Inbox) && hub {
                continue; // Costs what its threads do.
            }
            let ratio = medians[1..].iter().fold(0.0, |most: f64, median| most.max(median / medians[0]));
            goals.ratio(&format!("{who}, {}: time, up to 100,000 threads beside 100", query.name), ratio, HUB_GOAL);
        }
    }
    println!();
    Ok(report)
}

/// Somebody without a thread asks for everything.
async fn stranger(database: &Database) -> Result<Vec<Value>> {
    let mut client = database.superuser().await?;
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("select set_config('request.jwt.claims', '{\"sub\":\"00000000-0000-0000-0000-00000000ffff\"}', true); set local role authenticated")
        .await?;
    let mut report = Vec::new();
    for (what, sql) in [
        ("the whole table", "select * from public.chat_messages"),
        ("one row of it", "select * from public.chat_messages limit 1"),
    ] {
        let sql = &format!("explain (analyze, buffers, format json) {sql}");
        // The first one plans what the functions keep.
        transaction.query_one(sql, &[]).await?;
        let plan: Value = transaction.query_one(sql, &[]).await?.get(0);
        let buffers = plan[0]["Plan"]["Shared Hit Blocks"].as_i64().unwrap_or(-1);
        let micros = plan[0]["Execution Time"].as_f64().unwrap_or(-1.0) * 1e3;
        println!("a stranger reads {what}: {micros:.0} us, {buffers} buffers");
        report.push(json!({"reads": what, "execution_us": micros, "buffers": buffers}));
    }
    println!();
    Ok(report)
}

async fn writers(database: &Database, threads: i64, sends: usize, goals: &mut Goals) -> Result<Value> {
    // So much that nobody is refused, and each send is still asked about.
    let limits = "update public.chat_limits set sends_per_second = 1000000, send_burst = 1000000";
    database.superuser().await?.batch_execute(limits).await?;
    // The one thread is not the big one, so that its rows are soon counted.
    let pairs = Arc::new(pairs(database, threads + 1).await?.split_off(1));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (pairs, client) = (pairs.clone(), database.api().await?);
        let share = sends / WRITERS + usize::from(writer < sends % WRITERS);
        tasks.spawn(async move {
            let enter = client
                .prepare("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
                .await?;
            let send =
                client.prepare("select seq from public.insert_chat_message($1, $2, $3, $4, gen_random_uuid())").await?;
            let mut slowest = Duration::ZERO;
            for n in 0..share {
                let pair = &pairs[(writer + n * 7) % pairs.len()];
                let (from, to, id) =
                    if n % 2 == 0 { (&pair.a, &pair.b, pair.a_id) } else { (&pair.b, &pair.a, pair.b_id) };
                let claims = json!({"sub": id, "role": "authenticated"}).to_string();
                let message: [&(dyn ToSql + Sync); 4] = [&pair.thread_id, from, to, &"What shall we chop today?"];
                let claims: [&(dyn ToSql + Sync); 1] = [&claims];
                let start = Instant::now();
                // Sent at once, as PostgREST pipelines them.
                tokio::try_join!(
                    client.batch_execute("begin"),
                    client.execute(&enter, &claims),
                    client.query_one(&send, &message),
                    client.batch_execute("commit"),
                )?;
                slowest = slowest.max(start.elapsed());
            }
            Ok::<_, tokio_postgres::Error>(slowest)
        });
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = tasks.join_next().await {
        slowest = slowest.max(done??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let ids: Vec<&str> = pairs.iter().map(|pair| pair.thread_id.as_str()).collect();
    let before: i64 = pairs.iter().map(|pair| pair.last_seq).sum();
    let row = database
        .superuser()
        .await?
        .query_one(
            "select sum(t.last_seq)::bigint, sum(t.last_seq - m.numbers)::bigint, sum(m.messages - m.numbers)::bigint, sum(m.messages)::bigint
               from public.chat_threads t,
                    lateral (select count(*) as messages, count(distinct seq) as numbers from public.chat_messages m
                              where m.thread_id = t.thread_id and m.seq between 1 and t.last_seq) m
              where t.thread_id = any ($1)",
            &[&ids],
        )
        .await?;
    let (counted, holes, duplicates, messages): (i64, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    let lost = before + i64::try_from(sends)? - messages;
    let per_second = sends as f64 / seconds;
    println!(
        "{WRITERS} writers, {sends} sends over {threads} threads: {per_second:.0} a second, slowest {:.0} ms; {holes} holes, {duplicates} duplicates, {lost} lost\n",
        slowest.as_secs_f64() * 1e3
    );
    goals.0.push((
        format!("{sends} sends over {threads} threads: {holes} holes, {duplicates} duplicates, {lost} lost"),
        holes == 0 && duplicates == 0 && lost == 0 && counted == messages,
    ));
    Ok(json!({
        "threads": threads, "sends": sends, "per_second": per_second, "slowest_ms": slowest.as_secs_f64() * 1e3,
        "holes": holes, "duplicates": duplicates, "lost": lost,
    }))
}

/// Each call has an emoji of its own, so that each is a change. Nobody is in an inbox then.
async fn changers(database: &Database, threads: i64, changes: usize, goals: &mut Goals) -> Result<Value> {
    let superuser = database.superuser().await?;
    let pairs = Arc::new(pairs(database, threads + 1).await?.split_off(1));
    let mut messages = Vec::new();
    let mut before = 0;
    for pair in pairs.iter() {
        let newest = "select array_agg(id) from (select id from public.chat_messages where thread_id = $1 order by seq desc limit 20) m";
        messages.push(superuser.query_one(newest, &[&pair.thread_id]).await?.get::<_, Vec<uuid::Uuid>>(0));
        let last = "select last_rev from public.chat_threads where thread_id = $1";
        before += superuser.query_one(last, &[&pair.thread_id]).await?.get::<_, i64>(0);
    }
    let messages = Arc::new(messages);
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..WRITERS {
        let (pairs, messages, client) = (pairs.clone(), messages.clone(), database.api().await?);
        let share = changes / WRITERS + usize::from(caller < changes % WRITERS);
        tasks.spawn(async move {
            let enter = client
                .prepare("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
                .await?;
            let react = client.prepare("select (public.react_chat_message($1, $2) ->> 'rev')::bigint").await?;
            let mut slowest = Duration::ZERO;
            let mut revs = Vec::new();
            for n in 0..share {
                let place = (caller + n * 7) % pairs.len();
                let id = if n % 2 == 0 { pairs[place].a_id } else { pairs[place].b_id };
                let claims = json!({"sub": id, "role": "authenticated"}).to_string();
                let emoji = format!("{threads} {caller} {n}");
                let change: [&(dyn ToSql + Sync); 2] = [&messages[place][n % messages[place].len()], &emoji];
                let claims: [&(dyn ToSql + Sync); 1] = [&claims];
                let start = Instant::now();
                let (_, _, row, _) = tokio::try_join!(
                    client.batch_execute("begin"),
                    client.execute(&enter, &claims),
                    client.query_one(&react, &change),
                    client.batch_execute("commit"),
                )?;
                slowest = slowest.max(start.elapsed());
                revs.push((place, row.get::<_, i64>(0)));
            }
            Ok::<_, tokio_postgres::Error>((slowest, revs))
        });
    }
    let mut slowest = Duration::ZERO;
    let mut revs = std::collections::BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        let (longest, given) = done??;
        slowest = slowest.max(longest);
        revs.extend(given);
    }
    let seconds = start.elapsed().as_secs_f64();
    let ids: Vec<&str> = pairs.iter().map(|pair| pair.thread_id.as_str()).collect();
    let after = "select sum(last_rev)::bigint from public.chat_threads where thread_id = any ($1)";
    let counted = superuser.query_one(after, &[&ids]).await?.get::<_, i64>(0) - before;
    let changes_made = i64::try_from(changes)?;
    let (duplicates, holes) = (changes_made - i64::try_from(revs.len())?, counted - i64::try_from(revs.len())?);
    let per_second = changes as f64 / seconds;
    println!(
        "{WRITERS} callers, {changes} changes over {threads} threads: {per_second:.0} a second, slowest {:.0} ms; last_rev {counted}, {holes} holes, {duplicates} duplicates\n",
        slowest.as_secs_f64() * 1e3
    );
    goals.0.push((
        format!("{changes} changes over {threads} threads: last_rev {counted}, {holes} holes, {duplicates} duplicates"),
        counted == changes_made && holes == 0 && duplicates == 0,
    ));
    Ok(json!({
        "threads": threads, "changes": changes, "per_second": per_second, "slowest_ms": slowest.as_secs_f64() * 1e3,
        "holes": holes, "duplicates": duplicates,
    }))
}

/// The changes' file on the big table, whose other files are applied.
async fn changes_upgrades(database: Database, rows: u64) -> Result<Vec<Value>> {
    let database = Arc::new(database);
    for person in [Person::Ana, Person::Ben] {
        database.add_person(person).await?;
    }
    database.ensure_thread(Person::Ana, Person::Ben).await?;
    for _ in 0..50 {
        send(&database, Person::Ana, Person::Ben, "before", None).await?;
    }
    let mut upgrades = Vec::new();
    for concurrent_index in [false, true] {
        upgrades.push(told(&changes_in_use(&database, concurrent_index).await?, rows, concurrent_index));
    }
    Ok(upgrades)
}

fn told(upgrade: &Upgrade, rows: u64, concurrent_index: bool) -> Value {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "upgrade of {rows} messages in use{}",
        if concurrent_index { ", its index built concurrently" } else { "" }
    );
    println!("  {:<40}{:>10}{:>16}{:>16}", "ms", "took", "writer waited", "reader waited");
    for step in &upgrade.steps {
        println!("  {:<40}{:>10.0}{:>16.0}{:>16.0}", step.file, ms(step.took), ms(step.writer), ms(step.reader));
    }
    println!("  {} sent and {} pages read meanwhile, nothing lost\n", upgrade.sent, upgrade.read);
    let steps = upgrade.steps.iter().map(|step| {
        json!({"file": step.file, "took_ms": ms(step.took), "writer_ms": ms(step.writer), "reader_ms": ms(step.reader)})
    });
    json!({"rows": rows, "concurrent_index": concurrent_index, "steps": steps.collect::<Vec<_>>(), "sent": upgrade.sent, "read": upgrade.read})
}
