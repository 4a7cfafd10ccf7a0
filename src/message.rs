//! A message: a row of `chat_messages`, or one that is on its way there.

use crate::error::{ChatError, Code};
use crate::json::Json;
use crate::uuid;
use std::rc::Rc;

/// The longest body, in Unicode code points; the database holds the same limit.
pub const MAX_BODY_CHARS: usize = 4000;

/// A message's UUID, made by the sender and the same from the first bubble to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl MessageId {
    /// Reads the hyphenated form, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::parse(text).map(MessageId)
    }

    /// The canonical form: lower case with hyphens, as PostgreSQL prints it.
    pub fn text(self) -> String {
        uuid::text(self.0)
    }
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The person whose session this is.
    Me,
    /// The other one.
    Them,
}

/// A message that is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingMessage {
    /// Its id for good.
    pub id: MessageId,
    /// The text.
    pub body: Rc<str>,
    /// The number of the message that it replies to.
    pub reply_to: Option<u64>,
    /// The wall clock when it was written, in ms; for display only.
    pub written_at: u64,
    /// Its place in the outbox: what was to be sent before it has a smaller one. It is the wall clock in ms, so that the
    /// messages of several tabs can be put in order, and one more than the last one's where the clock says less, as it may be
    /// set back.
    pub order: u64,
    /// Why the server refused it, if it did. It waits for [`retry`](crate::io::Input::Retry) or
    /// [`discard`](crate::io::Input::Discard) then, and lets the others pass.
    pub error: Option<ChatError>,
}

/// A message as the page sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<V> {
    /// In the database.
    Sent(Row<V>),
    /// On its way, waiting for the network, or refused.
    Pending(PendingMessage),
}

impl<V> Message<V> {
    /// Its id: the same from the first bubble to the row.
    pub fn id(&self) -> MessageId {
        match self {
            Message::Sent(row) => row.id,
            Message::Pending(pending) => pending.id,
        }
    }

    /// Its number in the thread, once it is in the database.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Message::Sent(row) => Some(row.seq),
            Message::Pending(_) => None,
        }
    }
}

/// A row of `chat_messages` with what the engine needs read out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<V> {
    /// The primary key.
    pub id: MessageId,
    /// Its number in the thread, from 1.
    pub seq: u64,
    /// The number of its last change in the thread; 0 where it never changed.
    pub rev: u64,
    /// Who wrote it.
    pub sender: Sender,
    /// The row itself.
    pub value: V,
}

impl<V: Json> Row<V> {
    /// Reads a row of the thread `thread_id`, seen by `my_id`. What is none comes back.
    pub fn read(value: V, thread_id: &str, my_id: &str) -> Result<Self, V> {
        match value.as_row(thread_id, my_id) {
            Some((id, seq, rev, mine)) => {
                let sender = if mine { Sender::Me } else { Sender::Them };
                Ok(Row { id: MessageId(id), seq, rev, sender, value })
            }
            None => Err(value),
        }
    }
}

/// Checks a body before it becomes a bubble. The database decides in the end; this spares the round trip.
pub fn check_body(body: &str) -> Result<(), Code> {
    if body.bytes().all(|byte| byte.is_ascii_whitespace() || byte == b'\x0b') {
        return Err(Code::MessageEmpty);
    }
    if body.chars().count() > MAX_BODY_CHARS {
        return Err(Code::MessageTooLong);
    }
    Ok(())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn no_row_panics_and_what_is_read_has_a_number(
            value in crate::json::arbitrary::object(&["id", "thread_id", "seq", "sender_mongo_id", "body", "created_at"])
        ) {
            if let Ok(row) = Row::read(value, "a__b", "a") {
                prop_assert!(row.seq > 0);
            }
        }
    }

    #[test]
    fn a_row_of_another_thread_or_without_a_number_is_no_row() {
        let row = json!({"id": "00000000-0000-0000-0000-000000000001", "thread_id": "a__b", "seq": 1,
            "sender_mongo_id": "a", "body": "hi", "created_at": "2026-01-01T00:00:00+00:00"});
        assert_eq!(Row::read(row.clone(), "a__b", "a").unwrap().sender, Sender::Me);
        assert_eq!(Row::read(row.clone(), "a__b", "b").unwrap().sender, Sender::Them);
        assert!(Row::read(row.clone(), "a__c", "a").is_err());
        for key in ["id", "seq", "sender_mongo_id", "body", "created_at", "thread_id"] {
            let mut broken = row.clone();
            broken[key] = json!(null);
            assert!(Row::read(broken, "a__b", "a").is_err(), "{key}");
        }
        for seq in [json!(0), json!(-1), json!(1.5), json!("1"), json!(1u64 << 53)] {
            let mut broken = row.clone();
            broken["seq"] = seq;
            assert!(Row::read(broken, "a__b", "a").is_err());
        }
    }

    /// What react.js says while there is no engine is held to the same table.
    #[test]
    fn bodies_are_checked_as_the_table_says() {
        let table: serde_json::Value = serde_json::from_str(include_str!("../tests/message-bodies.json")).unwrap();
        for (code, bodies) in table.as_object().unwrap() {
            for body in bodies.as_array().unwrap() {
                let text = body[0].as_str().unwrap().repeat(body[1].as_u64().unwrap() as usize);
                let said = check_body(&text).err().map_or("good", Code::as_str);
                assert_eq!(said, code, "{body}");
            }
        }
    }
}
