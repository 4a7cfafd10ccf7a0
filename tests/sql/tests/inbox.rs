//! The inbox: what it lists, what is unread, how far each has read, and who is told.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sql_tests::Person::{Ana, Ben, Cleo, Dan, Erin};
use sql_tests::catalog::text;
use sql_tests::volume::fill_hub;
use sql_tests::{Actor, Database, Person, file_name, migration_files, send, sqlstate};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const DOWN: &str = include_str!("../../../sql/down.sql");
const INBOX: &str = include_str!("../../../sql/20261127000001_chat_inbox.sql");
const SYNC: &str = include_str!("../../../sql/20261126000002_chat_sync.sql");

async fn ask(database: &Database, person: Person, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Value> {
    Ok(database.run(Actor::User(person), sql, parameters).await?[0].get(0))
}

async fn list(database: &Database, person: Person) -> Result<Value> {
    ask(database, person, "select public.list_chat_threads()", &[]).await
}

async fn list_again(database: &Database, person: Person, digest: &Value) -> Result<Value> {
    ask(database, person, "select public.list_chat_threads(30, null, $1)", &[&digest.as_str()]).await
}

async fn mark(database: &Database, person: Person, marks: Value, receipts: bool) -> Result<Value> {
    ask(database, person, "select public.mark_chat($1, $2)", &[&marks, &receipts]).await
}

async fn read(database: &Database, person: Person, thread: &str, seq: i64) -> Result<Value> {
    let answer = mark(database, person, json!([{"thread_id": thread, "read": seq}]), true).await?;
    Ok(answer["threads"][0].clone())
}

/// What one line says in numbers.
fn numbers(line: &Value) -> [i64; 5] {
    ["unread", "read", "delivered", "other_read", "other_delivered"].map(|name| line[name].as_i64().unwrap_or(-1))
}

fn line<'a>(list: &'a Value, thread: &str) -> Result<&'a Value> {
    lines(list).iter().find(|line| line["thread_id"] == thread).with_context(|| format!("no line {thread} in {list}"))
}

fn lines(list: &Value) -> &[Value] {
    list["threads"].as_array().map_or(&[], Vec::as_slice)
}

fn ids(list: &Value) -> Vec<&str> {
    lines(list).iter().filter_map(|line| line["thread_id"].as_str()).collect()
}

/// What inboxes and threads were told, but for the messages of threads.
const TOLD: &str = "select format('%s %s %s', event, topic, payload - 'id') from realtime.messages
                     where event in ('THREAD', 'MARK') and extension = 'broadcast' and private";

async fn told(database: &Database) -> Result<Vec<String>> {
    let told = text(&database.superuser().await?, TOLD).await?;
    let mut told: Vec<_> = told.lines().map(str::to_owned).collect();
    told.sort_unstable();
    Ok(told)
}

async fn forget(database: &Database) -> Result<()> {
    database.superuser().await?.batch_execute("delete from realtime.messages").await?;
    Ok(())
}

fn inbox(person: Person) -> String {
    format!("chat-inbox:{}", person.supabase_id())
}

#[tokio::test]
async fn a_line_says_what_an_app_shows() -> Result<()> {
    let database = Database::with_people().await?;
    let long = "Ж".repeat(300);
    send(&database, Ben, Ana, &long, None).await?;
    let answer = list(&database, Ana).await?;
    let newest = "select json_build_object('id', id, 'sender_mongo_id', sender_mongo_id, 'body', left(body, 200),
                         'created_at', created_at, 'seq', seq)
                    from public.chat_messages where thread_id = 'ana__ben' order by seq desc limit 1";
    let newest: Value = database.superuser().await?.query_one(newest, &[]).await?.get(0);
    assert_eq!(newest["body"].as_str().map(|body| body.chars().count()), Some(200));
    assert_eq!(
        answer["threads"][0],
        json!({
            "thread_id": "ana__ben", "other_mongo_id": "ben", "last_seq": 4, "last_rev": 0, "last_message_at": newest["created_at"],
            "message": newest, "unread": 2, "read": 0, "delivered": 0, "other_read": 0, "other_delivered": 0,
        })
    );
    // Whose account is gone is in it still; a thread without a message is not.
    database.ensure_thread(Ana, Dan).await?;
    assert_eq!(ids(&list(&database, Ana).await?), ["ana__ben", "ana__erin"]);
    assert_eq!([&answer["unread"], &answer["has_more"]], [&json!(3), &json!(false)]);
    let nobody = list(&database, Erin).await?;
    assert_eq!([&nobody["threads"], &nobody["unread"]], [&json!([]), &json!(0)]);
    Ok(())
}

#[tokio::test]
async fn pages_are_of_one_order_and_the_total_is_of_all() -> Result<()> {
    let database = Database::installed().await?;
    fill_hub(&database, 10, 3).await?;
    let superuser = database.superuser().await?;
    // Three times of the same microsecond, and in each several threads.
    superuser
        .batch_execute(
            "update public.chat_threads t set last_message_at = timestamptz '2025-01-02 00:00:00.123456' + place % 3 * interval '1 microsecond'
               from (select thread_id, row_number() over (order by thread_id) as place from public.chat_threads) p
              where p.thread_id = t.thread_id",
        )
        .await?;
    let expected = text(
        &superuser,
        "select thread_id from public.chat_threads order by last_message_at desc, thread_id collate \"C\" desc",
    )
    .await?;
    let hub: Uuid =
        superuser.query_one("select supabase_id from public.chat_identities where mongo_id = 'hub'", &[]).await?.get(0);
    let mut client = database.api().await?;
    let (mut before, mut pages) = (Value::Null, Vec::new());
    for _ in 0..3 {
        let transaction = client.transaction().await?;
        let claims = json!({"role": "authenticated", "sub": hub}).to_string();
        transaction
            .execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
                &[&claims],
            )
            .await?;
        let before_or_null = Some(&before).filter(|before| !before.is_null());
        let page: Value =
            transaction.query_one("select public.list_chat_threads(4, $1)", &[&before_or_null]).await?.get(0);
        transaction.commit().await?;
        let last = lines(&page).last().context("a line")?;
        before = json!({"at": last["last_message_at"], "thread_id": last["thread_id"]});
        pages.push(page);
    }
    let listed: Vec<_> = pages.iter().flat_map(ids).collect();
    assert_eq!(listed, expected.lines().collect::<Vec<_>>());
    assert_eq!(
        pages.iter().map(|page| page["has_more"].as_bool()).collect::<Vec<_>>(),
        [Some(true), Some(true), Some(false)]
    );
    for page in &pages {
        assert_eq!(page["unread"], 30);
    }
    Ok(())
}

#[tokio::test]
async fn a_page_is_asked_for_as_it_should_be() -> Result<()> {
    let database = Database::with_people().await?;
    for wrong in [
        "0",
        "251",
        "-1",
        "null",
        "30, '{}'",
        "30, '[]'",
        "30, '{\"at\": \"2025-01-01\"}'",
        "30, '{\"thread_id\": \"x\"}'",
    ] {
        let asked = ask(&database, Ana, &format!("select public.list_chat_threads({wrong})"), &[]).await;
        assert_eq!(sqlstate(&asked.unwrap_err()), "22023", "{wrong}");
    }
    assert_eq!(ids(&ask(&database, Ana, "select public.list_chat_threads(250)", &[]).await?).len(), 2);
    let marks = |count: usize| Value::from(vec![json!({"thread_id": "ana__ben", "read": 1}); count]);
    for wrong in [json!([]), json!({}), json!("ana__ben"), json!(null), marks(101)] {
        assert_eq!(sqlstate(&mark(&database, Ana, wrong.clone(), true).await.unwrap_err()), "22023", "{wrong}");
    }
    assert_eq!(mark(&database, Ana, marks(100), true).await?["threads"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn unread_is_what_the_other_wrote_and_is_there() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    let unread = async |expected: i64| -> Result<()> {
        let answer = list(&database, Ana).await?;
        assert_eq!(line(&answer, "ana__ben")?["unread"], expected);
        let marked = mark(&database, Ana, json!([{"thread_id": "ana__ben"}]), true).await?;
        assert_eq!(marked["threads"][0]["unread"], expected);
        Ok(())
    };
    let write = async |from: Person, to: Person, count: i64| -> Result<()> {
        let write = "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
                     select 'ana__ben', $1, $2, $3, 'more' from generate_series(1, $4::bigint)";
        superuser.execute(write, &[&from.supabase_id(), &from.mongo_id(), &to.mongo_id(), &count]).await?;
        Ok(())
    };
    unread(1).await?;
    write(Ana, Ben, 5).await?;
    unread(1).await?;
    write(Ben, Ana, 98).await?;
    unread(99).await?;
    write(Ben, Ana, 1).await?;
    unread(100).await?;
    write(Ben, Ana, 50).await?;
    unread(100).await?;
    // Erased ones do not count: 149 of 150 were the latest ones.
    superuser
        .batch_execute("update public.chat_messages set body = '' where thread_id = 'ana__ben' and seq > 20")
        .await?;
    unread(13).await?;
    let last = line(&list(&database, Ana).await?, "ana__ben")?["last_seq"].as_i64().context("last_seq")?;
    read(&database, Ana, "ana__ben", 19).await?;
    unread(1).await?;
    read(&database, Ana, "ana__ben", last).await?;
    unread(0).await?;
    Ok(())
}

#[tokio::test]
async fn a_marker_is_ones_own_and_goes_forward_as_far_as_there_is_something() -> Result<()> {
    let database = Database::with_people().await?;
    let stands =
        async |person: Person| -> Result<[i64; 5]> { Ok(numbers(line(&list(&database, person).await?, "ana__ben")?)) };
    let answer = read(&database, Ana, "ana__ben", 2).await?;
    assert_eq!(
        answer,
        json!({"thread_id": "ana__ben", "last_seq": 3, "last_rev": 0, "unread": 0, "read": 2, "delivered": 2,
        "other_read": 0, "other_delivered": 0})
    );
    for back in [json!(1), json!(0), json!(-5), json!(null)] {
        let asked = json!([{"thread_id": "ana__ben", "read": back, "delivered": back}]);
        let answer = mark(&database, Ana, asked, true).await?;
        assert_eq!([&answer["threads"][0]["read"], &answer["threads"][0]["delivered"]], [2, 2], "{back}");
    }
    // Whatever else is said, it is the caller's.
    let asked = json!([{"thread_id": "ana__ben", "delivered": 3, "supabase_id": Ana.supabase_id(), "mongo_id": "ana"}]);
    mark(&database, Ben, asked, true).await?;
    assert_eq!(stands(Ana).await?, [0, 2, 2, 0, 3]);
    assert_eq!(stands(Ben).await?, [2, 0, 3, 2, 2]);
    // Beyond the end there is nothing to have read; what was read was delivered.
    assert_eq!(read(&database, Ana, "ana__ben", i64::MAX).await?["read"], 3);
    send(&database, Ben, Ana, "four", None).await?;
    assert_eq!(stands(Ana).await?, [1, 3, 3, 0, 3]);
    let asked = json!([{"thread_id": "ana__ben", "delivered": i64::MAX, "read": 1}]);
    assert_eq!(mark(&database, Ana, asked, true).await?["threads"][0]["delivered"], 4);
    assert_eq!(stands(Ana).await?, [1, 3, 4, 0, 3]);

    let superuser = database.superuser().await?;
    let at = "select read_at::text from public.chat_markers where supabase_id = (select supabase_id from public.chat_identities where mongo_id = 'ana')";
    let first = text(&superuser, at).await?;
    read(&database, Ana, "ana__ben", 3).await?;
    assert_eq!(text(&superuser, at).await?, first, "nothing new was read");
    read(&database, Ana, "ana__ben", 4).await?;
    assert_ne!(text(&superuser, at).await?, first);
    let backwards = "update public.chat_markers set delivered_seq = read_seq - 1";
    assert!(superuser.batch_execute(backwards).await.is_err(), "what was read was delivered");
    Ok(())
}

#[tokio::test]
async fn many_threads_are_marked_at_once_and_foreign_ones_left_out() -> Result<()> {
    let database = Database::with_people().await?;
    let asked = json!([
        {"thread_id": "cleo__dan", "read": 1}, {"thread_id": "ana__erin", "read": 1}, null, 7, {},
        {"thread_id": "ana__ben", "read": 1}, {"thread_id": "ana__ben", "delivered": 2}, {"thread_id": "x__y", "read": 1},
    ]);
    let answer = mark(&database, Ana, asked.clone(), true).await?;
    let expected = json!({"threads": [
        {"thread_id": "ana__ben", "last_seq": 3, "last_rev": 0, "unread": 1, "read": 1, "delivered": 2, "other_read": 0, "other_delivered": 0},
        {"thread_id": "ana__erin", "last_seq": 1, "last_rev": 0, "unread": 0, "read": 1, "delivered": 1, "other_read": 0, "other_delivered": 0},
    ]});
    assert_eq!(answer, expected);
    assert_eq!(mark(&database, Erin, asked, true).await?, json!({"threads": []}));
    // One without numbers only asks, and writes nothing.
    let answer = mark(&database, Ben, json!([{"thread_id": "ana__ben"}]), true).await?;
    assert_eq!([&answer["threads"][0]["other_read"], &answer["threads"][0]["other_delivered"]], [1, 2]);
    let markers = "select count(*)::text from public.chat_markers";
    assert_eq!(text(&database.superuser().await?, markers).await?, "2");
    Ok(())
}

/// Two devices of one person, which name the same threads in another order.
#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_do_not_deadlock() -> Result<()> {
    let database = Database::with_people().await?;
    for n in 0..40 {
        send(&database, Ben, Ana, "more", None).await?;
        let one = json!([{"thread_id": "ana__ben", "read": n + 4}, {"thread_id": "ana__erin", "read": 1}]);
        let other = json!([{"thread_id": "ana__erin", "read": 1}, {"thread_id": "ana__ben", "read": n + 4}]);
        let (one, other) =
            tokio::try_join!(mark(&database, Ana, one, n % 2 == 0), mark(&database, Ana, other, n % 2 == 1))?;
        assert_eq!([&one["threads"][0]["read"], &other["threads"][0]["read"]], [n + 4, n + 4]);
    }
    Ok(())
}

#[tokio::test]
async fn who_reads_in_private_sees_nothing_of_the_other() -> Result<()> {
    let database = Database::with_people().await?;
    let others = async |person: Person| -> Result<[i64; 2]> {
        let answer = list(&database, person).await?;
        let line = numbers(line(&answer, "ana__ben")?);
        let asked = json!([{"thread_id": "ana__ben", "after": 3}]);
        let synced = ask(&database, person, "select public.sync_chat($1)", &[&asked]).await?;
        let synced = ["other_read", "other_delivered"].map(|name| synced["threads"][0][name].as_i64().unwrap_or(-1));
        assert_eq!(synced, [line[3], line[4]]);
        Ok(synced)
    };
    read(&database, Ana, "ana__ben", 3).await?;
    assert_eq!(others(Ben).await?, [3, 3], "who has no marker yet has said nothing against it");
    mark(&database, Ben, json!([{"thread_id": "ana__ben", "read": 2}]), false).await?;
    assert_eq!([others(Ana).await?, others(Ben).await?], [[0, 0], [0, 0]]);
    mark(&database, Ben, json!([{"thread_id": "ana__ben"}]), true).await?;
    assert_eq!([others(Ana).await?, others(Ben).await?], [[2, 2], [3, 3]]);
    Ok(())
}

#[tokio::test]
async fn the_digest_tells_whether_anything_changed() -> Result<()> {
    let database = Database::with_people().await?;
    let mut last = list(&database, Ana).await?["digest"].clone();
    let mut changed = async |what: &str, yes: bool| -> Result<()> {
        let answer = list_again(&database, Ana, &last).await?;
        if yes {
            assert_eq!(ids(&answer).len(), 2, "{what}: {answer}");
            last = answer["digest"].clone();
        } else {
            assert_eq!(answer, json!({"digest": last}), "{what}");
        }
        Ok(())
    };
    changed("nothing", false).await?;
    send(&database, Cleo, Dan, "not for her", None).await?;
    changed("a foreign thread", false).await?;
    send(&database, Ben, Ana, "for her", None).await?;
    changed("a message", true).await?;
    read(&database, Ana, "ana__ben", 2).await?;
    changed("her marker", true).await?;
    read(&database, Ben, "ana__ben", 2).await?;
    changed("his marker", true).await?;
    mark(&database, Ben, json!([{"thread_id": "ana__ben"}]), false).await?;
    changed("his receipts", true).await?;
    database.superuser().await?.batch_execute("update public.chat_messages set body = '' where seq = 4").await?;
    changed("an erased message", true).await?;
    changed("nothing", false).await?;
    Ok(())
}

#[tokio::test]
async fn who_may_only_read_has_a_list_and_no_note() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    let notes = "select string_agg(supabase_id::text || ' ' || (used_on = (now() at time zone 'utc')::date), ',') from chat_private.inboxes";
    let mut client = database.api().await?;
    let transaction = client.build_transaction().read_only(true).start().await?;
    Actor::User(Ana).enter(&transaction).await?;
    let answer: Value = transaction.query_one("select public.list_chat_threads()", &[]).await?.get(0);
    transaction.commit().await?;
    assert_eq!(ids(&answer).len(), 2);
    assert_eq!(text(&superuser, notes).await?, "");
    let sync = "select public.sync_chat(null, '{\"limit\": 30}')";
    ask(&database, Ana, sync, &[]).await?;
    assert_eq!(text(&superuser, notes).await?, "", "asking again and again writes nothing");
    for _ in 0..2 {
        list(&database, Ana).await?;
        assert_eq!(text(&superuser, notes).await?, format!("{} true", Ana.supabase_id()));
        superuser.batch_execute("update chat_private.inboxes set used_on = used_on - 40").await?;
    }
    // Who is not linked has none to note.
    list(&database, Erin).await?;
    assert_eq!(text(&superuser, "select count(*)::text from chat_private.inboxes").await?, "1");
    Ok(())
}

#[tokio::test]
async fn old_talk_counts_as_read_where_the_inbox_is_new() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    owner.batch_execute(DOWN).await?;
    database.install().await?;
    for person in [Ana, Ben, Cleo, Dan] {
        database.link(person.mongo_id(), person.supabase_id()).await?;
    }
    let stands = async |thread: &str| -> Result<[i64; 5]> { Ok(numbers(line(&list(&database, Ana).await?, thread)?)) };
    assert_eq!(stands("ana__ben").await?, [0, 3, 3, 3, 3]);
    assert_eq!(list(&database, Ana).await?["unread"], 0);
    send(&database, Ben, Ana, "new", None).await?;
    for _ in 0..2 {
        assert_eq!(stands("ana__ben").await?, [1, 3, 3, 3, 3]);
        database.install().await?;
    }
    // A marker begins there too, and never goes back behind it.
    let answer = read(&database, Ana, "ana__ben", 1).await?;
    assert_eq!([&answer["read"], &answer["unread"]], [3, 1]);
    mark(&database, Ben, json!([{"thread_id": "ana__ben", "delivered": 4}]), true).await?;
    assert_eq!(stands("ana__ben").await?, [1, 3, 3, 3, 4]);
    assert_eq!(stands("ana__erin").await?, [0, 1, 1, 1, 1]);
    Ok(())
}

/// People of the plan's first version are linked at their next visit, after the installation.
#[tokio::test]
async fn who_is_linked_later_has_read_the_old_talk_too() -> Result<()> {
    let database = Database::of_the_plan().await?;
    database.install().await?;
    assert_eq!(
        mark(&database, Ana, json!([{"thread_id": "ana__ben", "read": 9}]), true).await?,
        json!({"threads": []})
    );
    database.link("ana", Ana.supabase_id()).await?;
    let answer = list(&database, Ana).await?;
    assert!(!lines(&answer).is_empty());
    assert_eq!(answer["unread"], 0, "{answer}");
    Ok(())
}

#[tokio::test]
async fn an_inbox_is_told_of_each_message_if_it_is_used() -> Result<()> {
    let database = Database::with_people().await?;
    let superuser = database.superuser().await?;
    send(&database, Ana, Ben, "nobody has an inbox", None).await?;
    read(&database, Ben, "ana__ben", 4).await?;
    assert_eq!(told(&database).await?.iter().filter(|told| told.contains("chat-inbox")).count(), 0);
    forget(&database).await?;

    list(&database, Ben).await?;
    let sent = send(&database, Ana, Ben, &"x".repeat(300), None).await?;
    let said = |seq: i64, id: Uuid, at: &str, body: &str| {
        json!({"thread_id": "ana__ben", "last_seq": seq, "message":
               {"id": id, "sender_mongo_id": "ana", "body": body, "created_at": at, "seq": seq}})
    };
    let at = text(
        &superuser,
        "select to_json(created_at) #>> '{}' from public.chat_messages where thread_id = 'ana__ben' and seq = 5",
    )
    .await?;
    let payload = "select payload - 'id' from realtime.messages where event = 'THREAD'";
    let heard: Value = superuser.query_one(payload, &[]).await?.get(0);
    assert_eq!(heard, said(5, sent.get("id"), &at, &"x".repeat(200)));
    let topics = "select topic from realtime.messages where event = 'THREAD' order by (topic = $1) desc";
    let topics = async || -> Result<Vec<String>> {
        let rows = superuser.query(topics, &[&inbox(Ana)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    assert_eq!(topics().await?, [inbox(Ben)]);

    // One's own devices as well; of several messages sent at once the newest.
    list(&database, Ana).await?;
    forget(&database).await?;
    let batch = json!([1, 2, 3].map(|n| json!({"id": Uuid::from_u128(n), "body": "quick"})));
    let insert = "select * from public.insert_chat_messages('ana__ben', 'ana', 'ben', $1)";
    database.run(Actor::User(Ana), insert, &[&batch]).await?;
    assert_eq!(topics().await?, [inbox(Ana), inbox(Ben)]);
    assert_eq!(told(&database).await?.iter().filter(|told| told.contains("\"last_seq\": 8")).count(), 2);

    // Thirty days, and no longer.
    for (days, expected) in [(29, vec![inbox(Ana), inbox(Ben)]), (30, vec![])] {
        let used = format!("update chat_private.inboxes set used_on = (now() at time zone 'utc')::date - {days}");
        superuser.batch_execute(&used).await?;
        forget(&database).await?;
        send(&database, Ben, Ana, "later", None).await?;
        assert_eq!(topics().await?, expected, "{days}");
    }
    // What a restore brings is announced to nobody.
    list(&database, Ana).await?;
    forget(&database).await?;
    let restore = "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, seq)
                   values ('ana__ben', $1, 'ana', 'ben', 'old', 1000)";
    superuser.execute(restore, &[&Ana.supabase_id()]).await?;
    assert_eq!(told(&database).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_strangers_first_message_comes_into_the_inbox() -> Result<()> {
    let database = Database::with_people().await?;
    list(&database, Ana).await?;
    database.ensure_thread(Cleo, Ana).await?;
    forget(&database).await?;
    send(&database, Cleo, Ana, "we have not met", None).await?;
    let told = told(&database).await?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(&format!("THREAD {} ", inbox(Ana))) && told[0].contains("we have not met"), "{told:?}");
    let answer = list(&database, Ana).await?;
    assert_eq!([&answer["threads"][0]["thread_id"], &answer["threads"][0]["unread"]], [&json!("ana__cleo"), &json!(1)]);
    Ok(())
}

#[tokio::test]
async fn a_marker_that_moved_is_told_to_who_may_know() -> Result<()> {
    let database = Database::with_people().await?;
    let own = |unread: i64, seq: i64| {
        format!(
            "MARK {} {{\"read\": {seq}, \"unread\": {unread}, \"last_rev\": 0, \"last_seq\": 3, \"mongo_id\": \"ana\", \"delivered\": {seq}, \"thread_id\": \"ana__ben\"}}",
            inbox(Ana)
        )
    };
    let others = |topic: &str, seq: i64| {
        format!(
            "MARK {topic} {{\"read\": {seq}, \"mongo_id\": \"ana\", \"delivered\": {seq}, \"thread_id\": \"ana__ben\"}}"
        )
    };
    read(&database, Ana, "ana__ben", 1).await?;
    assert_eq!(told(&database).await?, [others("chat:ana__ben", 1)], "nobody has an inbox");
    list(&database, Ana).await?;
    list(&database, Ben).await?;
    forget(&database).await?;
    for _ in 0..2 {
        read(&database, Ana, "ana__ben", 2).await?;
        // Once: the second time it did not move.
        assert_eq!(told(&database).await?, [own(0, 2), others(&inbox(Ben), 2), others("chat:ana__ben", 2)]);
    }
    forget(&database).await?;
    let private = json!([{"thread_id": "ana__ben", "read": 3}, {"thread_id": "ana__erin", "delivered": 1}]);
    mark(&database, Ana, private, false).await?;
    let heard = told(&database).await?;
    assert_eq!(heard.len(), 2, "one of each thread: {heard:?}");
    assert!(heard.contains(&own(0, 3)) && heard.iter().all(|told| told.contains(&inbox(Ana))), "{heard:?}");

    // Nor is one told who reads in private.
    forget(&database).await?;
    read(&database, Ben, "ana__ben", 3).await?;
    assert_eq!(told(&database).await?.len(), 1, "his own inbox alone");
    Ok(())
}

/// Realtime out of order costs neither the message nor the mark.
#[tokio::test]
async fn an_inbox_that_cannot_be_told_keeps_nothing_back() -> Result<()> {
    for breakage in [
        "revoke execute on function realtime.send(jsonb, text, text, boolean) from public",
        "drop function realtime.send(jsonb, text, text, boolean)",
        "drop table realtime.messages cascade",
        "drop table chat_private.inboxes cascade",
    ] {
        let database = Database::with_people().await?;
        for person in [Ana, Ben] {
            list(&database, person).await?;
        }
        database.superuser().await?.batch_execute(breakage).await?;
        assert_eq!(send(&database, Ana, Ben, "still", None).await?.get::<_, i64>("seq"), 4, "{breakage}");
        assert_eq!(read(&database, Ben, "ana__ben", 4).await?["read"], 4, "{breakage}");
    }
    Ok(())
}

#[tokio::test]
async fn sync_tells_the_inbox_too() -> Result<()> {
    let database = Database::with_people().await?;
    read(&database, Ana, "ana__ben", 2).await?;
    read(&database, Ben, "ana__ben", 1).await?;
    let listed = list(&database, Ana).await?;
    let sync = "select public.sync_chat($1, $2)";
    let threads = json!([{"thread_id": "ana__ben", "after": 2}]);
    let answer = ask(&database, Ana, sync, &[&threads, &json!({"limit": 30, "digest": null})]).await?;
    assert_eq!(answer["inbox"], listed);
    let thread = &answer["threads"][0];
    assert_eq!(["read", "delivered", "other_read", "other_delivered"].map(|name| &thread[name]), [2, 2, 1, 1]);
    let same = json!({"limit": 30, "digest": listed["digest"]});
    let answer = ask(&database, Ana, sync, &[&threads, &same]).await?;
    assert_eq!(answer["inbox"], json!({"digest": listed["digest"]}));
    let one = ask(&database, Ana, "select public.sync_chat(null, '{\"limit\": 1}')", &[]).await?;
    assert_eq!(
        [&one["inbox"]["has_more"], &one["inbox"]["unread"], &one["threads"]],
        [&json!(true), &json!(1), &json!([])]
    );
    let asked = ask(&database, Ana, "select public.sync_chat(null, '{}')", &[]).await;
    assert_eq!(sqlstate(&asked.unwrap_err()), "22023");
    assert!(ask(&database, Ana, "select public.sync_chat($1)", &[&threads]).await?.get("inbox").is_none());
    Ok(())
}

/// The file is optional, and what came before goes on without it and with it, in whatever order they are applied again.
#[tokio::test]
async fn without_its_file_there_is_no_inbox_and_all_else_goes_on() -> Result<()> {
    let database = Database::with_people().await?;
    let owner = database.owner().await?;
    owner.batch_execute(DOWN).await?;
    for file in migration_files()?.iter().filter(|file| !file_name(file).contains("inbox")) {
        owner.batch_execute(&std::fs::read_to_string(file)?).await?;
    }
    for person in [Ana, Ben] {
        database.link(person.mongo_id(), person.supabase_id()).await?;
    }
    let sync = "select public.sync_chat($1)";
    let asked = json!([{"thread_id": "ana__ben", "after": 3}]);
    let without = ask(&database, Ana, sync, &[&asked]).await?;
    assert_eq!(without, json!({"threads": [{"thread_id": "ana__ben", "last_seq": 3, "messages": []}]}));
    let error = ask(&database, Ana, "select public.sync_chat(null, '{\"limit\": 30}')", &[]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "42883");
    assert!(format!("{error:?}").contains("Apply 20261127000001_chat_inbox.sql: "), "{error:?}");
    send(&database, Ana, Ben, "goes on", None).await?;
    database.run(Actor::ServiceRole, "select public.erase_chat_person('dan')", &[]).await?;

    owner.batch_execute(INBOX).await?;
    let with = ask(&database, Ana, sync, &[&asked]).await?;
    assert_eq!(with["threads"][0]["read"], 4);
    owner.batch_execute(SYNC).await?;
    assert_eq!(ask(&database, Ana, sync, &[&asked]).await?, with);
    assert_eq!(ids(&list(&database, Ana).await?), ["ana__ben", "ana__erin"]);
    Ok(())
}
