//! Replay at join: the newest rows of a topic since a time, oldest first (protocol.md 1.13).

use deadpool_postgres::Pool;
use serde_json::Value;

use super::phoenix::{Broadcast, Content};

const LIMIT: i64 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Unix milliseconds.
    since: i64,
    limit: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub struct NoReplay;

impl Replay {
    pub fn parse(wish: &Value, private: bool) -> Result<Self, NoReplay> {
        let since = wish["since"].as_i64().ok_or(NoReplay)?;
        let limit = match &wish["limit"] {
            Value::Null => LIMIT,
            limit => limit.as_i64().ok_or(NoReplay)?.clamp(1, LIMIT),
        };
        if private { Ok(Self { since, limit }) } else { Err(NoReplay) }
    }
}

pub async fn rows(pool: &Pool, topic: &str, wish: Replay) -> anyhow::Result<Vec<Broadcast>> {
    let client = pool.get().await?;
    #[allow(clippy::cast_precision_loss)]
    let since = wish.since as f64 / 1000.0;
    let rows = client
        .query(
            "select id::text, event, payload::text from realtime.messages
             where topic = $1 and private and extension = 'broadcast' and payload is not null
               and inserted_at >= to_timestamp($2)::timestamp
             order by inserted_at desc limit $3",
            &[&topic, &since, &wish.limit],
        )
        .await?;
    let broadcasts = rows.iter().rev().map(|row| Broadcast {
        private: true,
        topic: topic.to_owned(),
        event: row.get::<_, Option<String>>(1).unwrap_or_default(),
        content: Content::Row { id: row.get(0), payload: row.get(2) },
    });
    Ok(broadcasts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wish_needs_a_whole_since_and_a_private_channel() {
        let parse = |wish: Value| Replay::parse(&wish, true);
        let since = |limit| Replay { since: 5, limit };
        assert_eq!(parse(json!({"since": 5})), Ok(since(25)));
        assert_eq!(parse(json!({"since": 5, "limit": 99})), Ok(since(25)));
        assert_eq!(parse(json!({"since": 5, "limit": 0})), Ok(since(1)));
        assert_eq!(parse(json!({"since": "5"})), Err(NoReplay));
        assert_eq!(Replay::parse(&json!({"since": 5}), false), Err(NoReplay));
    }
}
