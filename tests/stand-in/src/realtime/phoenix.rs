//! Phoenix frames, vsn 1.0.0 (objects) and 2.0.0 (arrays, and the binary kinds 3 and 4). Layouts: protocol.md 1.4.

use std::sync::Arc;

use axum::extract::ws::Message;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vsn {
    V1,
    V2,
}

impl Vsn {
    /// Of the query parameter; its absence means 1.0.0.
    pub fn parse(vsn: Option<&str>) -> Option<Self> {
        match vsn {
            None | Some("1.0.0") => Some(Self::V1),
            Some("2.0.0") => Some(Self::V2),
            Some(_) => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "1.0.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// A frame from a client. A ref is any JSON scalar and comes back as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    pub join_ref: Value,
    pub reference: Value,
    pub topic: String,
    pub event: String,
    pub payload: Payload,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    Json(Value),
    /// Kind 3: a broadcast whose payload is not wrapped in JSON.
    User {
        event: String,
        json: bool,
        bytes: Bytes,
    },
}

impl Incoming {
    /// `None`: not a frame of this vsn. The real server logs such a thing and lives on.
    pub fn decode(vsn: Vsn, message: &Message) -> Option<Self> {
        match (vsn, message) {
            (Vsn::V1, Message::Text(text)) => Self::decode_object(text),
            (Vsn::V2, Message::Text(text)) => Self::decode_array(text),
            (Vsn::V2, Message::Binary(bytes)) => Self::decode_binary(bytes),
            _ => None,
        }
    }

    fn decode_object(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Object {
            topic: String,
            event: String,
            payload: Value,
            #[serde(rename = "ref", deserialize_with = "present")]
            reference: Value,
            #[serde(default)]
            join_ref: Value,
        }
        /// A plain `Value` would read an absent key as null; the real server drops such a frame.
        fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
            Value::deserialize(d)
        }
        // A derived struct would read an array as well.
        let object: serde_json::Map<String, Value> = serde_json::from_str(text).ok()?;
        let object = Object::deserialize(Value::Object(object)).ok()?;
        Some(Self {
            join_ref: object.join_ref,
            reference: object.reference,
            topic: object.topic,
            event: object.event,
            payload: Payload::Json(object.payload),
        })
    }

    fn decode_array(text: &str) -> Option<Self> {
        let array: Vec<Value> = serde_json::from_str(text).ok()?;
        let mut parts = array.into_iter();
        let (join_ref, reference) = (parts.next()?, parts.next()?);
        let (Value::String(topic), Value::String(event)) = (parts.next()?, parts.next()?) else {
            return None;
        };
        Some(Self { join_ref, reference, topic, event, payload: Payload::Json(parts.next()?) })
    }

    fn decode_binary(bytes: &Bytes) -> Option<Self> {
        let [3, join_ref, reference, topic, event, metadata, encoding] = *bytes.get(..7)? else {
            return None;
        };
        let mut at = 7;
        let mut take = |length: u8| {
            let part = bytes.get(at..at + usize::from(length))?;
            at += part.len();
            std::str::from_utf8(part).ok().map(str::to_owned)
        };
        let join_ref = reference_of(take(join_ref)?);
        let reference = reference_of(take(reference)?);
        let (topic, event) = (take(topic)?, take(event)?);
        take(metadata)?;
        Some(Self {
            join_ref,
            reference,
            topic,
            event: "broadcast".into(),
            payload: Payload::User { event, json: encoding != 0, bytes: bytes.slice(at..) },
        })
    }

    /// The event inside a broadcast, for faults to match.
    pub fn inner_event(&self) -> &str {
        match &self.payload {
            Payload::Json(value) => value.get("event").and_then(Value::as_str).unwrap_or(""),
            Payload::User { event, .. } => event,
        }
    }
}

fn reference_of(text: String) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// What a joined channel is sent because somebody spoke on its topic.
#[derive(Debug, PartialEq)]
pub struct Broadcast {
    pub private: bool,
    /// Without `realtime:`.
    pub topic: String,
    pub event: String,
    pub content: Content,
}

#[derive(Debug, PartialEq)]
pub enum Content {
    /// A row of `realtime.messages`; the payload is the text of its jsonb, verbatim.
    Row { id: String, payload: String },
    /// The same with `binary_payload`; vsn 1.0.0 never sees it.
    BinaryRow { id: String, bytes: Bytes },
    /// A client's text push, its whole payload.
    Text(Value),
    /// A client's kind 3 push.
    User { json: bool, bytes: Bytes },
}

/// A frame to a client, with what faults match.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub message: Message,
    pub topic: Arc<str>,
    pub event: &'static str,
    pub inner_event: String,
}

/// Writes frames of one vsn.
#[derive(Debug, Clone, Copy)]
pub struct Writer(pub Vsn);

impl Writer {
    pub fn reply(
        self,
        (join_ref, reference): (&Value, &Value),
        topic: &str,
        status: &str,
        response: &Value,
    ) -> Outgoing {
        let payload = json!({"status": status, "response": response}).to_string();
        self.text((join_ref, reference), topic, "phx_reply", &payload)
    }

    /// A close carries the ref of the join in both places.
    pub fn close(self, join_ref: &Value, topic: &str) -> Outgoing {
        self.text((join_ref, join_ref), topic, "phx_close", "{}")
    }

    pub fn push(self, join_ref: &Value, topic: &str, event: &'static str, payload: &Value) -> Outgoing {
        self.text((join_ref, &Value::Null), topic, event, &payload.to_string())
    }

    pub fn replayed(self, join_ref: &Value, topic: &str, row: &Broadcast) -> Option<Outgoing> {
        let Content::Row { id, payload } = &row.content else {
            return None;
        };
        let meta = json!({"id": id, "replayed": true});
        let body = wrapped(&row.event, Some(&meta), payload);
        let mut frame = self.text((join_ref, &Value::Null), topic, "broadcast", &body);
        frame.inner_event.clone_from(&row.event);
        Some(frame)
    }

    /// `None`: this vsn has no way to carry it, or a length does not fit its byte.
    pub fn broadcast(self, topic: &str, broadcast: &Broadcast) -> Option<Outgoing> {
        let null = (&Value::Null, &Value::Null);
        let event = &broadcast.event;
        let mut frame = match (self.0, &broadcast.content) {
            (_, Content::Text(payload)) => self.text(null, topic, "broadcast", &payload.to_string()),
            (Vsn::V1, Content::Row { id, payload }) => {
                let body = wrapped(event, Some(&json!({"id": id})), payload);
                self.text(null, topic, "broadcast", &body)
            }
            (Vsn::V1, Content::User { json: true, bytes }) => {
                let payload = std::str::from_utf8(bytes).ok()?;
                self.text(null, topic, "broadcast", &wrapped(event, None, payload))
            }
            (Vsn::V1, Content::User { json: false, .. } | Content::BinaryRow { .. }) => {
                return None;
            }
            (Vsn::V2, Content::BinaryRow { id, bytes }) => {
                let meta = json!({"id": id}).to_string();
                binary(topic, event, &meta, false, bytes)?
            }
            (Vsn::V2, Content::Row { id, payload }) => {
                let meta = json!({"id": id}).to_string();
                binary(topic, event, &meta, true, payload.as_bytes())?
            }
            (Vsn::V2, Content::User { json, bytes }) => binary(topic, event, "", *json, bytes)?,
        };
        frame.inner_event.clone_from(event);
        Some(frame)
    }

    fn text(
        self,
        (join_ref, reference): (&Value, &Value),
        topic: &str,
        event: &'static str,
        payload: &str,
    ) -> Outgoing {
        let name = Value::from(topic);
        let text = match self.0 {
            Vsn::V1 => format!(r#"{{"ref":{reference},"event":"{event}","payload":{payload},"topic":{name}}}"#),
            Vsn::V2 => format!(r#"[{join_ref},{reference},{name},"{event}",{payload}]"#),
        };
        Outgoing { message: Message::Text(text.into()), topic: topic.into(), event, inner_event: String::new() }
    }
}

fn wrapped(event: &str, meta: Option<&Value>, payload: &str) -> String {
    let event = Value::from(event);
    let meta = meta.map_or(String::new(), |m| format!(r#""meta":{m},"#));
    format!(r#"{{"event":{event},{meta}"payload":{payload},"type":"broadcast"}}"#)
}

fn binary(topic: &str, event: &str, meta: &str, json: bool, payload: &[u8]) -> Option<Outgoing> {
    let length = |part: &str| u8::try_from(part.len()).ok();
    let mut frame = vec![4, length(topic)?, length(event)?, length(meta)?, u8::from(json)];
    for part in [topic.as_bytes(), event.as_bytes(), meta.as_bytes(), payload] {
        frame.extend_from_slice(part);
    }
    Some(Outgoing {
        message: Message::Binary(frame.into()),
        topic: topic.into(),
        event: "broadcast",
        inner_event: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &Outgoing) -> &str {
        match &message.message {
            Message::Text(text) => text,
            other => panic!("not a text frame: {other:?}"),
        }
    }

    #[test]
    fn frames_in_are_read_by_vsn() {
        let object = Message::Text(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":5}"#.into());
        let array = Message::Text(r#"[null,"2","phoenix","heartbeat",{},"more"]"#.into());
        assert_eq!(Incoming::decode(Vsn::V1, &object).unwrap().reference, json!(5));
        assert_eq!(Incoming::decode(Vsn::V2, &array).unwrap().reference, json!("2"));
        assert_eq!(Incoming::decode(Vsn::V2, &object), None);
        assert_eq!(Incoming::decode(Vsn::V1, &array), None);
        assert_eq!(Incoming::decode(Vsn::V1, &Message::Text(r#"["1","1","t","e",{}]"#.into())), None);
        let no_ref = r#"{"topic":"phoenix","event":"heartbeat","payload":{}}"#;
        assert_eq!(Incoming::decode(Vsn::V1, &Message::Text(no_ref.into())), None);
    }

    #[test]
    fn kind_3_is_read_and_a_short_one_is_not() {
        let frame = b"\x03\x01\x02\x0a\x02\x00\x01112realtime:tev{\"n\":3}";
        let read = Incoming::decode(Vsn::V2, &Message::Binary(Bytes::from_static(frame))).unwrap();
        assert_eq!((read.join_ref, read.reference, read.topic.as_str()), (json!("1"), json!("12"), "realtime:t"));
        for length in 0..frame.len() - 8 {
            let short = Bytes::copy_from_slice(&frame[..length]);
            assert_eq!(Incoming::decode(Vsn::V2, &Message::Binary(short)), None);
        }
    }

    #[test]
    fn a_row_is_kind_4_in_v2_and_text_in_v1() {
        let row = Broadcast {
            private: true,
            topic: "t".into(),
            event: "INSERT".into(),
            content: Content::Row { id: "i".into(), payload: r#"{"a": 1}"#.into() },
        };
        let v2 = Writer(Vsn::V2).broadcast("realtime:t", &row).unwrap();
        assert_eq!(
            v2.message,
            Message::Binary(b"\x04\x0a\x06\x0a\x01realtime:tINSERT{\"id\":\"i\"}{\"a\": 1}"[..].into())
        );
        assert_eq!(
            text(&Writer(Vsn::V1).broadcast("realtime:t", &row).unwrap()),
            r#"{"ref":null,"event":"broadcast","payload":{"event":"INSERT","meta":{"id":"i"},"payload":{"a": 1},"type":"broadcast"},"topic":"realtime:t"}"#
        );
        let long = "t".repeat(300);
        assert!(Writer(Vsn::V2).broadcast(&long, &row).is_none());
    }

    #[test]
    fn a_close_carries_the_join_ref_twice() {
        let close = Writer(Vsn::V2).close(&json!("6"), "realtime:t");
        assert_eq!(text(&close), r#"["6","6","realtime:t","phx_close",{}]"#);
    }
}
