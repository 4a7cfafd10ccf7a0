//! A draft as storage keeps it: what an earlier page wrote, an older version, or anybody with the browser's tools.

use crate::error::{ChatError, Code};
use crate::json::Json;
use crate::message::{MessageId, check_body};
use crate::outbox::Draft;
use crate::thread_id::{ThreadId, split};

/// The last moment that a JavaScript `Date` can hold, in ms since 1970 (ECMAScript, "Time Values and Time Range").
const LAST_DATE: u64 = 8_640_000_000_000_000;
/// No outbox comes near it, and numbers that follow one stay whole in JavaScript.
const LAST_ORDER: u64 = 1 << 52;

/// Reads a record of `my_id`'s drafts: the members `id`, `thread`, `order`, `writtenAt`, `body` and, of a refused one,
/// `code` and `detail`. `None` if it is not one that could be sent.
pub fn read<V: Json>(record: &V, my_id: &str) -> Option<(ThreadId, Draft)> {
    let stored = record.text("thread")?;
    let (low, high) = split(&stored)?;
    let thread = ThreadId::new(low, high).ok().filter(|thread| thread.as_str() == stored)?;
    thread.other(my_id)?;
    let body = record.text("body").filter(|body| check_body(body).is_ok())?;
    // A code that only a later version knows is still a refusal.
    let error = record
        .text("code")
        .map(|code| ChatError::with(Code::parse(&code).unwrap_or(Code::Refused), record.text("detail")));
    let draft = Draft {
        id: MessageId::parse(&record.text("id")?)?,
        body: body.into(),
        written_at: record.number("writtenAt").unwrap_or(0).min(LAST_DATE),
        order: record.number("order")?.min(LAST_ORDER),
        error,
    };
    Some((thread, draft))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::json::arbitrary::anything;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn record() -> Value {
        json!({"id": "00000000-0000-4000-8000-00000000000a", "thread": "ana__ben", "order": 3, "writtenAt": 1000,
            "body": "hello", "owner": "x", "project": "p", "person": "ana"})
    }

    #[test]
    fn a_draft_comes_back_as_it_went() {
        let (thread, draft) = read(&record(), "ana").unwrap();
        assert_eq!((thread.as_str(), thread.other("ana")), ("ana__ben", Some("ben")));
        assert_eq!(
            (draft.id, &*draft.body, draft.written_at, draft.order),
            (MessageId(0x4000_8000 << 48 | 10), "hello", 1000, 3)
        );
        assert_eq!(draft.error, None);

        let mut refused = record();
        refused["code"] = json!("not-a-participant");
        refused["detail"] = json!("row-level security");
        let error = read(&refused, "ben").unwrap().1.error.unwrap();
        assert_eq!(error, ChatError::with(Code::NotAParticipant, Some("row-level security".into())));
        refused["code"] = json!("of-the-future");
        assert_eq!(read(&refused, "ben").unwrap().1.error.unwrap().code, Code::Refused);
    }

    #[test]
    fn what_could_not_be_sent_is_no_draft() {
        for (key, value) in [
            ("id", json!("no uuid")),
            ("thread", json!("ben__ana")),
            ("thread", json!("ana__ben__cleo")),
            ("thread", json!("ana")),
            ("order", json!(-1)),
            ("order", json!("3")),
            ("body", json!(" ")),
            ("body", json!("x".repeat(4001))),
            ("body", json!(7)),
        ] {
            let mut broken = record();
            broken[key] = value;
            assert_eq!(read(&broken, "ana"), None, "{key}");
        }
        assert_eq!(read(&record(), "cleo"), None, "of two other people");
    }

    #[test]
    fn its_time_is_one_that_can_be_shown() {
        let mut record = record();
        record["writtenAt"] = json!(crate::json::MAX_SAFE_INTEGER);
        assert_eq!(read(&record, "ana").unwrap().1.written_at, LAST_DATE);
        record["writtenAt"] = json!("yesterday");
        assert_eq!(read(&record, "ana").unwrap().1.written_at, 0);
    }

    proptest! {
        #[test]
        fn no_record_panics_and_what_is_read_can_be_sent(
            members in prop::collection::vec((0..8usize, anything()), 0..4)
        ) {
            const KEYS: [&str; 8] = ["id", "thread", "order", "writtenAt", "body", "code", "detail", "owner"];
            let mut record = record();
            for (key, value) in members {
                record[KEYS[key]] = value;
            }
            if let Some((thread, draft)) = read(&record, "ana") {
                prop_assert!(thread.other("ana").is_some());
                prop_assert!(check_body(&draft.body).is_ok());
                prop_assert!(draft.order <= LAST_ORDER && draft.written_at <= LAST_DATE);
            }
        }

        #[test]
        fn no_value_panics(value in anything()) {
            read(&value, "ana");
        }
    }
}
