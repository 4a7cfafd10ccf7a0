//! The codec against frames of a genuine Realtime server, and against frames that no server ever sent.
#![cfg(not(target_arch = "wasm32"))]

use chopped_chat::line::phoenix::{Event, Incoming, decode};
use chopped_chat::{Frame, Json};
use proptest::prelude::*;
use serde_json::Value;

/// The lines of the capture.
fn golden() -> impl Iterator<Item = (&'static str, Frame<Value>)> {
    include_str!("realtime-v2.122.0.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        let frame = match line.strip_prefix("BIN ") {
            Some(text) => {
                let text: String = serde_json::from_str(text).unwrap();
                Frame::Binary(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect())
            }
            None => Frame::Text(match serde_json::from_str(line).unwrap() {
                // Captured on a socket of vsn 1.0.0: as 2.0.0 says the same.
                Value::Object(frame) => {
                    let [reference, topic, event, payload] =
                        ["ref", "topic", "event", "payload"].map(|key| frame.get(key).cloned().unwrap_or_default());
                    Value::from(vec![Value::Null, reference, topic, event, payload])
                }
                frame => frame,
            }),
        };
        (line, frame)
    })
}

#[test]
fn every_frame_of_a_genuine_server_decodes() {
    let (mut replies, mut refusals, mut closes, mut system, mut live, mut foreign) = (0, 0, 0, 0, 0, 0);
    for (line, frame) in golden() {
        let Incoming { topic, event, .. } = decode(frame).unwrap_or_else(|| panic!("{line}"));
        assert!(!topic.is_empty(), "{line}");
        match event {
            Event::Reply { result: Ok(()), .. } => replies += 1,
            Event::Reply { result: Err(_), .. } => refusals += 1,
            Event::Close | Event::Error => closes += 1,
            Event::System { message, .. } => {
                assert!(!message.is_empty(), "{line}");
                system += 1;
            }
            Event::Broadcast { from_database: true, payload, event } => {
                assert!(payload.get("id").is_some(), "{line}");
                if event == b"INSERT" {
                    assert!(payload["record"]["body"].is_string(), "{line}");
                }
                live += 1;
            }
            Event::Broadcast { from_database: false, .. } => foreign += 1,
            Event::Other => {}
        }
    }
    // Each kind is in the capture: a codec that calls everything `Other` would pass otherwise.
    for (count, kind) in
        [(replies, "ok"), (refusals, "error"), (closes, "close"), (system, "system"), (live, "live"), (foreign, "push")]
    {
        assert!(count > 0, "no {kind} frame decoded as such");
    }
}

#[test]
fn another_clients_push_is_not_the_databases_word() {
    let text = serde_json::json!([null, null, "realtime:chat:a__b", "broadcast",
        {"type": "broadcast", "event": "INSERT", "meta": {"id": "x"}, "payload": {"record": {}}}]);
    let binary = b"\x04\x12\x06\x00\x01realtime:chat:a__bINSERT{\"record\":{}}".to_vec();
    for frame in [Frame::Text(text), Frame::Binary(binary)] {
        let incoming = decode::<Value>(frame).unwrap();
        assert!(matches!(incoming.event, Event::Broadcast { from_database: false, .. }), "{incoming:?}");
    }
}

#[test]
fn frames_of_other_kinds_and_opaque_payloads_are_ignored() {
    for bytes in
        [&b""[..], b"\x04", b"\x01\x01\x01\x01\x01abcd{}", b"\x02\x01\x01ab{}", b"\x04\x01\x01\x00\x00ab\xff\xfe"]
    {
        assert_eq!(decode::<Value>(Frame::Binary(bytes.to_vec())), None);
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["phx_reply", "phx_close", "broadcast", "system", "INSERT", "ok", "error", "1"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let keys =
            prop::sample::select(vec!["status", "response", "reason", "event", "payload", "topic", "ref", "meta"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..7).prop_map(Value::from),
            prop::collection::hash_map(keys, inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode::<Value>(Frame::Binary(bytes));
    }

    #[test]
    fn no_bytes_of_the_right_kind_panic(head in any::<[u8; 4]>(), bytes in prop::collection::vec(any::<u8>(), 0..900)) {
        let _ = decode::<Value>(Frame::Binary([&[4], &head[..], &bytes].concat()));
    }

    #[test]
    fn no_json_panics(value in json()) {
        let _ = decode(Frame::Text(value));
    }

    /// A genuine frame with one byte changed or its end cut off.
    #[test]
    fn no_damaged_frame_panics(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let frames: Vec<_> = golden().collect();
        match frames[which.index(frames.len())].1.clone() {
            Frame::Binary(mut bytes) => {
                let at = at.index(bytes.len());
                if cut { bytes.truncate(at) } else { bytes[at] = byte }
                let _ = decode::<Value>(Frame::Binary(bytes));
            }
            Frame::Text(value) => {
                let mut bytes = value.to_string().into_bytes();
                let at = at.index(bytes.len());
                if cut { bytes.truncate(at) } else { bytes[at] = byte }
                if let Some(value) = <Value as Json>::parse(&bytes) {
                    let _ = decode(Frame::Text(value));
                }
            }
        }
    }
}
