//! A pending message as storage keeps it: what an earlier page wrote, an older version, or anybody with the browser's tools.

#[cfg(feature = "changes")]
use crate::change::{Kind, PendingChange};
use crate::error::{ChatError, Code};
use crate::json::Json;
use crate::message::{MessageId, PendingMessage, check_body};
use crate::thread_id::ThreadId;

/// The last moment that a JavaScript `Date` can hold, in ms since 1970 (ECMAScript, "Time Values and Time Range").
const LAST_DATE: u64 = 8_640_000_000_000_000;
/// No outbox comes near it, and numbers that follow one stay whole in JavaScript.
const LAST_ORDER: u64 = 1 << 52;

/// Reads a record of `my_id`'s pending messages: the members `id`, `thread`, `order`, `writtenAt`, `body`, of a reply `replyTo` and, of
/// a refused one, `code` and `detail`. `None` if there is nothing in it that could be shown: no text, or no thread of `my_id`. A text
/// that can't be sent as it stands comes back refused, under `fresh_id` where its own id is none.
pub fn read<V: Json>(
    record: &V,
    my_id: &str,
    fresh_id: impl FnOnce() -> MessageId,
) -> Option<(ThreadId, PendingMessage)> {
    let thread = ThreadId::read(&record.text("thread")?, my_id)?;
    let body = record.text("body")?;
    let refused = match check_body(&body) {
        Ok(()) => record.text("code").and_then(|code| refusal(&code, record.text("detail"))),
        Err(Code::MessageEmpty) => return None,
        Err(code) => Some(code.into()),
    };
    let id = record.text("id").and_then(|id| MessageId::parse(&id));
    let message = PendingMessage {
        id: id.unwrap_or_else(fresh_id),
        body: body.into(),
        reply_to: record.number("replyTo").filter(|seq| *seq > 0),
        written_at: record.number("writtenAt").unwrap_or(0).min(LAST_DATE),
        order: record.number("order").unwrap_or(0).min(LAST_ORDER),
        error: match id {
            Some(_) => refused,
            None => Some(ChatError::with(Code::Refused, Some("it was stored without its id".into()))),
        },
    };
    Some((thread, message))
}

/// What is wrong with a message, as opposed to the page that stored it: another page may well send what one with wrong
/// options, with another account's cookies or without its endpoints could not.
fn refusal(code: &str, detail: Option<String>) -> Option<ChatError> {
    match Code::parse(code) {
        Some(Code::InvalidOptions | Code::AuthRequired | Code::IdentityUnlinked | Code::SetupMissing) => None,
        // One that only a later version knows is still a refusal.
        code => Some(ChatError::with(code.unwrap_or(Code::Refused), detail)),
    }
}

/// Reads a record of what is still to become of a message of `my_id`: the members `id`, `thread`, `edit`, `unsend`, `reacts`,
/// `reaction` and, of a refused one, `refused`, `code` and `detail`. `None` if there is nothing in it that could be done.
#[cfg(feature = "changes")]
pub fn read_change<V: Json>(record: &V, my_id: &str) -> Option<(ThreadId, PendingChange)> {
    let thread = ThreadId::read(&record.text("thread")?, my_id)?;
    let refused = record.text("refused").and_then(|kind| Kind::parse(&kind));
    let change = PendingChange {
        id: MessageId::parse(&record.text("id")?)?,
        edit: record.text("edit").filter(|body| check_body(body).is_ok()).map(Into::into),
        unsend: record.flag("unsend"),
        reaction: record.flag("reacts").then(|| record.text("reaction").map(Into::into)),
        refused: refused.zip(record.text("code").and_then(|code| refusal(&code, record.text("detail")))),
    };
    (!change.is_empty()).then_some((thread, change))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::json::arbitrary::anything;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn fresh() -> MessageId {
        MessageId(7)
    }

    fn record() -> Value {
        json!({"id": "00000000-0000-4000-8000-00000000000a", "thread": "ana__ben", "order": 3, "writtenAt": 1000,
            "body": "hello", "owner": "x", "project": "p", "person": "ana"})
    }

    #[test]
    fn a_message_comes_back_as_it_went() {
        let (thread, message) = read(&record(), "ana", fresh).unwrap();
        assert_eq!((thread.as_str(), thread.other("ana")), ("ana__ben", Some("ben")));
        assert_eq!(
            (message.id, &*message.body, message.written_at, message.order),
            (MessageId(0x4000_8000 << 48 | 10), "hello", 1000, 3)
        );
        assert_eq!(message.error, None);

        let mut refused = record();
        refused["code"] = json!("not-a-participant");
        refused["detail"] = json!("row-level security");
        let error = read(&refused, "ben", fresh).unwrap().1.error.unwrap();
        assert_eq!(error, ChatError::with(Code::NotAParticipant, Some("row-level security".into())));
        refused["code"] = json!("of-the-future");
        assert_eq!(read(&refused, "ben", fresh).unwrap().1.error.unwrap().code, Code::Refused);
    }

    #[test]
    fn what_could_not_be_shown_is_no_message() {
        for (key, value) in [
            ("thread", json!("ben__ana")),
            ("thread", json!("ana__ben__cleo")),
            ("thread", json!("ana")),
            ("body", json!(" ")),
            ("body", json!(7)),
        ] {
            let mut broken = record();
            broken[key] = value;
            assert_eq!(read(&broken, "ana", fresh), None, "{key}");
        }
        assert_eq!(read(&record(), "cleo", fresh), None, "of two other people");
    }

    #[test]
    fn a_text_that_could_be_shown_is_never_dropped() {
        let with = |key: &str, value: Value| {
            let mut broken = record();
            broken[key] = value;
            read(&broken, "ana", fresh).unwrap().1
        };
        let nameless = with("id", json!("no uuid"));
        assert_eq!((nameless.id, nameless.error.unwrap().code), (MessageId(7), Code::Refused));
        let long = with("body", json!("x".repeat(4001)));
        assert_eq!((long.body.len(), long.error.unwrap().code), (4001, Code::MessageTooLong));
        for order in [json!(-1), json!("3"), json!(null)] {
            assert_eq!(with("order", order), PendingMessage { order: 0, ..with("order", json!(0)) });
        }
    }

    #[test]
    fn what_was_wrong_with_a_page_is_not_wrong_with_its_messages() {
        for code in ["invalid-options", "auth-required", "identity-unlinked", "setup-missing"] {
            let mut condemned = record();
            condemned["code"] = json!(code);
            assert_eq!(read(&condemned, "ana", fresh).unwrap().1.error, None, "{code}");
        }
    }

    #[test]
    fn its_time_is_one_that_can_be_shown() {
        let mut record = record();
        record["writtenAt"] = json!(crate::json::MAX_SAFE_INTEGER);
        assert_eq!(read(&record, "ana", fresh).unwrap().1.written_at, LAST_DATE);
        record["writtenAt"] = json!("yesterday");
        assert_eq!(read(&record, "ana", fresh).unwrap().1.written_at, 0);
    }

    proptest! {
        #[test]
        fn no_record_panics_and_what_is_read_can_be_sent_or_says_why_not(
            members in prop::collection::vec((0..8usize, anything()), 0..4)
        ) {
            const KEYS: [&str; 8] = ["id", "thread", "order", "writtenAt", "body", "code", "detail", "owner"];
            let mut record = record();
            for (key, value) in members {
                record[KEYS[key]] = value;
            }
            if let Some((thread, message)) = read(&record, "ana", fresh) {
                prop_assert!(thread.other("ana").is_some());
                prop_assert!(check_body(&message.body).is_ok() || message.error.is_some());
                prop_assert!(message.order <= LAST_ORDER && message.written_at <= LAST_DATE);
            }
        }

        #[test]
        fn no_value_panics(value in anything()) {
            read(&value, "ana", fresh);
        }
    }
}
