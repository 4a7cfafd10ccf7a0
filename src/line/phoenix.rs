//! Phoenix frames as Supabase Realtime speaks them, vsn 2.0.0.
//!
//! Text frames are arrays `[join_ref, ref, topic, event, payload]`; a broadcast from the database comes as a binary frame
//! of kind 4 (realtime `lib/realtime_web/socket/v2_serializer.ex`). What can't be understood is `None`, never an error:
//! a frame is input from outside.

use crate::io::Frame;
use crate::json::{Json, push_number, push_string, read_number};

/// What the server says.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming<V> {
    /// The topic in UTF-8, `realtime:` included. Compared only, so not checked.
    pub topic: Vec<u8>,
    /// The join that this frame belongs to; `None` if it says none. 0 is no join of ours.
    pub join_ref: Option<u32>,
    /// What it says.
    pub event: Event<V>,
}

/// The events that matter to a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<V> {
    /// The answer to the push `reference`.
    Reply {
        /// Its ref.
        reference: u32,
        /// `Err` holds the reason: `<Code>: <text>`.
        result: Result<(), String>,
    },
    /// The channel is closed.
    Close,
    /// The channel's process crashed.
    Error,
    /// Word from the server about the channel.
    System {
        /// Whether it is good news.
        ok: bool,
        /// What it says.
        message: String,
    },
    /// A broadcast.
    Broadcast {
        /// Its name in UTF-8, `INSERT` for a new row.
        event: Vec<u8>,
        /// Its payload.
        payload: V,
        /// Whether it bears the marks that only the server gives to a database broadcast: a binary frame with an id in
        /// its metadata, or a replay with our join_ref. Another client's push can't have them.
        from_database: bool,
    },
    /// Anything else: presence, events of later versions.
    Other,
}

/// Reads a frame.
pub fn decode<V: Json>(frame: Frame<V>) -> Option<Incoming<V>> {
    match frame {
        Frame::Text(value) => decode_text(
            value.at(2)?.as_str()?,
            &value.at(3)?.as_str()?,
            reference(value.at(0)),
            reference(value.at(1)),
            value.at(4)?,
        ),
        Frame::Binary(bytes) => decode_binary(&bytes),
    }
}

fn decode_text<V: Json>(
    topic: String,
    event: &str,
    join_ref: Option<u32>,
    reference: Option<u32>,
    payload: V,
) -> Option<Incoming<V>> {
    let event = match event {
        "phx_reply" => Event::Reply {
            reference: reference?,
            result: match payload.text("status")?.as_str() {
                "ok" => Ok(()),
                _ => {
                    let response = payload.get("response");
                    let reason = response.and_then(|r| r.text("reason").or_else(|| r.as_str()));
                    Err(reason.unwrap_or_default())
                }
            },
        },
        "phx_close" => Event::Close,
        "phx_error" => Event::Error,
        "system" => Event::System {
            ok: payload.text("status").as_deref() == Some("ok"),
            message: payload.text("message").unwrap_or_default(),
        },
        "broadcast" => Event::Broadcast {
            event: payload.text("event")?.into_bytes(),
            payload: payload.get("payload")?,
            from_database: join_ref.is_some_and(|r| r > 0),
        },
        _ => Event::Other,
    };
    Some(Incoming { topic: topic.into_bytes(), join_ref, event })
}

/// Ours are decimal numbers from 1; anything else is nobody's.
fn reference<V: Json>(value: Option<V>) -> Option<u32> {
    let text = value?.as_str();
    Some(text.and_then(|text| read_number(&text)).unwrap_or(0))
}

const KIND_USER_BROADCAST: u8 = 4;
const ENCODING_JSON: u8 = 1;

fn decode_binary<V: Json>(bytes: &[u8]) -> Option<Incoming<V>> {
    let [KIND_USER_BROADCAST, topic, event, meta, encoding, rest @ ..] = bytes else {
        return None;
    };
    let (topic, rest) = rest.split_at_checked(usize::from(*topic))?;
    let (event, rest) = rest.split_at_checked(usize::from(*event))?;
    let (meta, payload) = rest.split_at_checked(usize::from(*meta))?;
    if *encoding != ENCODING_JSON {
        return None;
    }
    Some(Incoming {
        topic: topic.to_vec(),
        join_ref: None,
        event: Event::Broadcast {
            event: event.to_vec(),
            payload: V::parse(payload)?,
            from_database: meta.windows(4).any(|part| part == br#""id""#),
        },
    })
}

/// Joins a private topic for database broadcasts. `replication_ready` asks for word once they can flow; servers that do
/// not know it ignore it.
pub fn join(reference: u32, topic: &str, token: &str) -> String {
    let mut out = push_head(Some(reference), reference, topic, "phx_join");
    out.push_str(concat!(
        r#"{"config":{"private":true,"broadcast":{"ack":false,"self":false,"replication_ready":true},"#,
        r#""presence":{"enabled":false,"key":""},"postgres_changes":[]},"access_token":"#
    ));
    push_string(&mut out, token);
    out.push_str("}]");
    out
}

/// Gives a joined topic a new token. The server answers only if it refuses.
pub fn access_token(join_ref: u32, reference: u32, topic: &str, token: &str) -> String {
    let mut out = push_head(Some(join_ref), reference, topic, "access_token");
    out.push_str(r#"{"access_token":"#);
    push_string(&mut out, token);
    out.push_str("}]");
    out
}

/// Leaves a topic.
pub fn leave(join_ref: u32, reference: u32, topic: &str) -> String {
    let mut out = push_head(Some(join_ref), reference, topic, "phx_leave");
    out.push_str("{}]");
    out
}

/// Keeps the socket alive: the server ends one that is silent for 60 s.
pub fn heartbeat(reference: u32) -> String {
    let mut out = push_head(None, reference, "phoenix", "heartbeat");
    out.push_str("{}]");
    out
}

/// The topic of heartbeats.
pub const HEARTBEAT_TOPIC: &str = "phoenix";

fn push_head(join_ref: Option<u32>, reference: u32, topic: &str, event: &str) -> String {
    let mut out = String::from("[");
    match join_ref {
        Some(join_ref) => push_ref(&mut out, join_ref),
        None => out.push_str("null"),
    }
    out.push(',');
    push_ref(&mut out, reference);
    out.push(',');
    push_string(&mut out, topic);
    out.push(',');
    push_string(&mut out, event);
    out.push(',');
    out
}

fn push_ref(out: &mut String, reference: u32) {
    out.push('"');
    push_number(out, reference.into());
    out.push('"');
}
