//! The engine and the database agree on every thread id, whatever the people are called: on the order of the two, and on
//! who cannot be called so. The database sorts by a language here; ids it has to sort by bytes.

use anyhow::Result;
use chopped_chat::ThreadId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sql_tests::{Database, sqlstate};

const CASES: usize = 400;

/// Any unicode that PostgreSQL can hold, and more often what sorts, splits or folds in a surprising way.
fn mongo_id() -> impl Strategy<Value = String> {
    let tricky = prop::sample::select(vec![
        "_",
        "__",
        "a",
        "A",
        "b",
        "Z",
        "é",
        "e\u{301}",
        "ß",
        "ss",
        "ı",
        "I",
        "i",
        "ﬀ",
        "\u{e000}",
        "\u{ffff}",
        "😀",
        "\u{10ffff}",
        "\u{1}",
        "\u{7f}",
        "\u{85}",
        "\u{9f}",
        "\u{a0}",
        "\u{200b}",
        "\u{202e}",
        " ",
        "-",
        "~",
        "0",
        "9",
        "\u{d7ff}",
        "\u{10000}",
    ]);
    prop_oneof![
        "[0-9a-f]{24}",
        prop::collection::vec(tricky, 0..6).prop_map(|parts| parts.concat()),
        "[^\u{0}]{0,12}",
        "[a-zA-Zé😀_]{110,122}",
    ]
}

#[tokio::test]
async fn rust_and_sql_make_the_same_thread_of_any_two_ids() -> Result<()> {
    let database = Database::installed().await?;
    let collation = "select datlocprovider = 'i' from pg_database where datname = current_database()";
    let by_language: bool = database.owner().await?.query_one(collation, &[]).await?.get(0);
    assert!(by_language, "the default collation is not the one that sorts by bytes");
    let owner = database.superuser().await?;
    let ensure = owner.prepare("select thread_id from public.ensure_chat_thread($1, $2)").await?;
    let mut runner = TestRunner::deterministic();
    let strategy = (mongo_id(), mongo_id());
    let (mut made, mut refused) = (0, 0);
    for _ in 0..CASES {
        let (one, other) = strategy.new_tree(&mut runner).map_err(|reason| anyhow::anyhow!("{reason}"))?.current();
        let rust = ThreadId::new(&one, &other).ok().map(|id| id.as_str().to_owned());
        for (one, other) in [(&one, &other), (&other, &one)] {
            let sql = match owner.query_one(&ensure, &[one, other]).await {
                Ok(row) => Some(row.get::<_, String>(0)),
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    assert_eq!(sqlstate(&error), "22023", "{one:?} {other:?}: {error:?}");
                    None
                }
            };
            assert_eq!(sql, rust, "{one:?} {other:?}");
        }
        *(if rust.is_some() { &mut made } else { &mut refused }) += 1;
    }
    assert!(made > CASES / 4 && refused > CASES / 10, "{made} made, {refused} refused: too one-sided to tell");
    Ok(())
}

/// The table itself keeps what the function checks.
#[tokio::test]
async fn a_thread_whose_id_is_not_its_peoples_is_refused() -> Result<()> {
    let database = Database::installed().await?;
    let owner = database.superuser().await?;
    for (thread_id, a, b) in [
        ("b__a", "b", "a"),
        ("a__b", "b", "a"),
        ("a__c", "a", "b"),
        ("a__b ", "a", "b"),
        ("é__z", "é", "z"), // by bytes z comes first
        ("a__a", "a", "a"),
        ("__b", "", "b"),
        ("a_b", "a", "b"),
    ] {
        let insert =
            "insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id) values ($1, $2, $3)";
        let refused = owner.execute(insert, &[&thread_id, &a, &b]).await;
        assert_eq!(sqlstate(&anyhow::Error::new(refused.unwrap_err())), "23514", "{thread_id:?}");
    }
    Ok(())
}
