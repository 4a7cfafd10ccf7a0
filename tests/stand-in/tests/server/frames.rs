//! Realtime: each situation gives the frames that the genuine server gave (tests/frames), in its order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use super::support::*;

/// What is alike in two frames of the same situation: names stay, values go.
fn shape(frame: &Value) -> String {
    let topic = frame[2].as_str().unwrap();
    let bare = topic.strip_prefix("realtime:").unwrap_or(topic);
    let topic = if topic == "phoenix" || bare.is_empty() { topic } else { "T" };
    let reference = if frame[1].is_null() { "null" } else { "ref" };
    format!("{reference} {topic} {} {}", frame[3], alike("", &frame[4], bare))
}

fn alike(name: &str, value: &Value, topic: &str) -> Value {
    match value {
        Value::Object(_) if matches!(name, "record" | "old_record") => json!("row"),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), alike(name, value, topic))).collect(),
        Value::String(text) => match name {
            "id" | "table" => json!(name),
            "channel" => json!("T"),
            // A message names its topic; a duration differs.
            "message" | "reason" => {
                let text = if topic.is_empty() { text.clone() } else { text.replace(topic, "T") };
                json!(
                    text.chars()
                        .map(|c| if c.is_ascii_digit() { 'N' } else { c })
                        .collect::<String>()
                        .replace("NN", "N")
                )
            }
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// The shapes of every frame that a genuine server sent.
fn genuine() -> BTreeSet<String> {
    let lines = include_str!("../../../../tests/frames/realtime-v2.122.0.txt").lines();
    let frames = lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        if let Some(text) = line.strip_prefix("BIN ") {
            let text: String = serde_json::from_str(text).unwrap();
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            return Some(unfold(&bytes));
        }
        let frame: Value = serde_json::from_str(line).ok()?;
        Some(match frame {
            Value::Array(_) => frame,
            _ => json!([null, frame["ref"], frame["topic"], frame["event"], frame["payload"]]),
        })
    });
    frames.map(|frame| shape(&frame)).collect()
}

/// For how long a token has been expired depends on how busy the machine is.
fn without_age(message: &str) -> String {
    match message.strip_prefix("Token has expired ").and_then(|age| age.split_once(' ')) {
        Some((_, rest)) => format!("Token has expired N {rest}"),
        None => message.to_owned(),
    }
}

/// Reads frames, holds each against the genuine ones, and gives `[join_ref, ref, event, message or inner event]`.
async fn expect(socket: &mut Socket, vsn: Vsn, expected: Value) {
    let known = genuine();
    for want in expected.as_array().unwrap() {
        let frame = socket.next().await;
        let shape = shape(&frame);
        assert!(known.contains(&shape), "no genuine server sent {shape}\nbut {known:#?}");
        let payload = &frame[4];
        let word = match frame[3].as_str().unwrap() {
            "phx_reply" => payload["status"].clone(),
            "system" => json!(payload["message"].as_str().map(without_age)),
            "broadcast" => payload["event"].clone(),
            _ => Value::Null,
        };
        let join_ref = if vsn == Vsn::V1 { &want[0] } else { &frame[0] };
        assert_eq!(&json!([join_ref, frame[1], frame[3], word]), want, "{frame}");
    }
}

#[test]
fn join_broadcast_heartbeat_leave() {
    run(async {
        for vsn in BOTH {
            let (person, room) = member("").await;
            let topic = format!("realtime:room:{room}");
            let mut socket = connect(vsn).await;
            socket.join("1", &topic, private(&person.token)).await;
            expect(&mut socket, vsn, json!([["1", "1", "phx_reply", "ok"]])).await;
            write(&room, "hello").await;
            expect(&mut socket, vsn, json!([[null, null, "broadcast", "INSERT"]])).await;
            socket.heartbeat("2").await;
            expect(&mut socket, vsn, json!([[null, "2", "phx_reply", "ok"]])).await;
            // A leave without the join's ref is ignored.
            socket.push(json!("9"), "3", &topic, "phx_leave", json!({})).await;
            write(&room, "still there").await;
            expect(&mut socket, vsn, json!([[null, null, "broadcast", "INSERT"]])).await;
            socket.push(json!("1"), "4", &topic, "phx_leave", json!({})).await;
            expect(&mut socket, vsn, json!([["1", "4", "phx_reply", "ok"], ["1", "1", "phx_close", null]])).await;
            socket.push(Value::Null, "5", &topic, "phx_leave", json!({})).await;
            socket.push(json!("1"), "6", &topic, "broadcast", json!({"event": "x"})).await;
            expect(&mut socket, vsn, json!([[null, "5", "phx_reply", "ok"], [null, "6", "phx_reply", "error"]])).await;
        }
    });
}

#[test]
fn a_refused_join_stalls_the_whole_socket() {
    run(async {
        for vsn in BOTH {
            let (person, room) = member("").await;
            let (_, foreign) = member("").await;
            let mut socket = connect(vsn).await;
            socket.join("1", &format!("realtime:room:{room}"), private(&person.token)).await;
            expect(&mut socket, vsn, json!([["1", "1", "phx_reply", "ok"]])).await;
            socket.join("2", &format!("realtime:room:{foreign}"), private(&person.token)).await;
            socket.heartbeat("3").await;
            write(&room, "meanwhile").await;
            let expected = json!([
                ["2", "2", "phx_reply", "error"],
                [null, "3", "phx_reply", "ok"],
                [null, null, "broadcast", "INSERT"],
            ]);
            let ((), stalled) = timed(expect(&mut socket, vsn, expected)).await;
            assert!(stalled > REFUSED_JOIN / 2, "{stalled:?}");
        }
    });
}

#[test]
fn refusals_have_their_reasons() {
    run(async {
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let expired = token(&person, json!({"expires_in": -30})).await;
        let roleless = token(&person, json!({"claims": {"role": null}})).await;
        let unknown = token(&person, json!({"claims": {"role": "nobody_knows"}})).await;
        let broken = token(&person, json!({"claims": {"sub": "no uuid"}})).await;
        let forged = format!("{}A", &person.token[..person.token.len() - 3]);
        let cases = [
            (&topic, expired.as_str(), "InvalidJWTToken: Token has expired 3N seconds ago"),
            (&topic, "not-a-jwt", "MalformedJWT: The token provided is not a valid JWT"),
            (&topic, &forged, "JwtSignatureError: Failed to validate JWT signature"),
            (&topic, &roleless, "InvalidJWTToken: Fields `role` and `exp` are required in JWT"),
            (&topic, &unknown, "Unauthorized: You do not have permissions to read from this Channel topic: T"),
            (&topic, &broken, "Unauthorized: You do not have permissions to read from this Channel topic: T"),
            (&"realtime:".to_owned(), &person.token, "TopicNameRequired: You must provide a topic name"),
        ];
        let known = genuine();
        for (topic, token, reason) in cases {
            let mut socket = connect(Vsn::V2).await;
            socket.join("1", topic, private(token)).await;
            let frame = socket.next().await;
            assert!(known.contains(&shape(&frame)), "{frame}");
            let bare = topic.strip_prefix("realtime:").unwrap();
            let told = frame[4]["response"]["reason"].as_str().unwrap();
            let told = if bare.is_empty() { told.to_owned() } else { told.replace(bare, "T") };
            let told = told.replace("30 seconds", "3N seconds").replace("31 seconds", "3N seconds");
            assert_eq!(told, reason);
        }
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", "room", private(&person.token)).await;
        let frame = socket.next().await;
        assert_eq!(frame[4]["response"]["reason"], "unmatched topic");
    });
}

#[test]
fn a_second_join_ends_the_first_after_its_answer() {
    run(async {
        for vsn in BOTH {
            let (person, room) = member("").await;
            let topic = format!("realtime:room:{room}");
            let mut socket = connect(vsn).await;
            socket.join("1", &topic, private(&person.token)).await;
            socket.join("2", &topic, private(&person.token)).await;
            let expected =
                json!([["1", "1", "phx_reply", "ok"], ["2", "2", "phx_reply", "ok"], ["1", "1", "phx_close", null],]);
            expect(&mut socket, vsn, expected).await;
            write(&room, "once").await;
            expect(&mut socket, vsn, json!([[null, null, "broadcast", "INSERT"]])).await;
            // A refused one ends it as well.
            socket.join("3", &topic, private("not-a-jwt")).await;
            expect(&mut socket, vsn, json!([["3", "3", "phx_reply", "error"], ["2", "2", "phx_close", null]])).await;
            write(&room, "to nobody").await;
            assert!(socket.quiet(Duration::from_millis(200)).await);
        }
    });
}

#[test]
fn a_token_ends_is_renewed_and_is_refused() {
    run(async {
        for vsn in BOTH {
            let (person, room) = member("").await;
            let topic = format!("realtime:room:{room}");
            let short = token(&person, json!({"expires_in": 5})).await;
            let mut socket = connect(vsn).await;
            socket.join("1", &topic, private(&short)).await;
            let ended = json!([
                ["1", "1", "phx_reply", "ok"],
                ["1", null, "system", "Token has expired N seconds ago"],
                ["1", "1", "phx_close", null],
            ]);
            expect(&mut socket, vsn, ended).await;
            socket.heartbeat("2").await;
            expect(&mut socket, vsn, json!([[null, "2", "phx_reply", "ok"]])).await;

            let short = token(&person, json!({"expires_in": 5})).await;
            socket.join("3", &topic, private(&short)).await;
            let fresh = json!({"access_token": person.token});
            socket.push(json!("3"), "4", &topic, "access_token", fresh).await;
            expect(&mut socket, vsn, json!([["3", "3", "phx_reply", "ok"]])).await;
            assert!(socket.quiet(Duration::from_millis(5500)).await, "a valid token has no answer, and it counts");
            for nothing in [json!(null), json!("sb_publishable_x"), json!(person.token)] {
                socket.push(json!("3"), "5", &topic, "access_token", json!({"access_token": nothing})).await;
            }
            socket.push(json!("3"), "6", &topic, "access_token", json!({"access_token": "not-a-jwt"})).await;
            let refused =
                json!([["3", null, "system", "The token provided is not a valid JWT"], ["3", "3", "phx_close", null],]);
            expect(&mut socket, vsn, refused).await;
        }
    });
}

#[test]
fn who_leaves_the_room_hears_on_until_the_next_token() {
    run(async {
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &topic, private(&person.token)).await;
        expect(&mut socket, Vsn::V2, json!([["1", "1", "phx_reply", "ok"]])).await;
        let gone = format!("/rest/v1/members?room=eq.{room}");
        assert_eq!(ask("DELETE", &gone).service().answer().await.status, 204);
        write(&room, "still heard").await;
        expect(&mut socket, Vsn::V2, json!([[null, null, "broadcast", "INSERT"]])).await;
        let fresh = token(&person, json!({"expires_in": 100})).await;
        socket.push(json!("1"), "2", &topic, "access_token", json!({"access_token": fresh})).await;
        let message = format!("You do not have permissions to read from this Channel topic: room:{room}");
        expect(&mut socket, Vsn::V2, json!([["1", null, "system", message], ["1", "1", "phx_close", null]])).await;
    });
}

#[test]
fn replay_and_replication_ready_come_after_the_answer() {
    run(async {
        for vsn in BOTH {
            let (person, room) = member("").await;
            for body in ["one", "two", "three"] {
                write(&room, body).await;
            }
            let mut join = private(&person.token);
            join["config"]["broadcast"] = json!({"replication_ready": true, "replay": {"since": 0, "limit": 2}});
            join["config"]["presence"]["enabled"] = json!(true);
            let mut socket = connect(vsn).await;
            socket.join("1", &format!("realtime:room:{room}"), join).await;
            let expected = json!([
                ["1", "1", "phx_reply", "ok"],
                ["1", null, "broadcast", "INSERT"],
                ["1", null, "broadcast", "INSERT"],
                ["1", null, "presence_state", null],
                ["1", null, "system", "Replication connection established"],
            ]);
            expect(&mut socket, vsn, expected).await;
        }
    });
}

#[test]
fn clients_speak_where_they_may() {
    run(async {
        let (person, room) = member("-open").await;
        let topic = format!("realtime:room:{room}");
        let (mut one, mut two) = (connect(Vsn::V1).await, connect(Vsn::V2).await);
        one.join("1", &topic, private(&person.token)).await;
        two.join("1", &topic, private(&person.token)).await;
        let joined = json!([["1", "1", "phx_reply", "ok"]]);
        expect(&mut one, Vsn::V1, joined.clone()).await;
        expect(&mut two, Vsn::V2, joined).await;

        let typing = json!({"type": "broadcast", "event": "typing", "payload": {"who": "u1"}});
        one.push(json!("1"), "2", &topic, "broadcast", typing).await;
        let told = json!([[null, null, "broadcast", "typing"]]);
        let acknowledged = json!([[null, null, "broadcast", "typing"], ["1", "2", "phx_reply", "ok"]]);
        expect(&mut one, Vsn::V1, acknowledged).await;
        expect(&mut two, Vsn::V2, told).await;

        let mut binary = vec![3, 1, 1, u8::try_from(topic.len()).unwrap(), 11, 0, 1];
        binary.extend_from_slice(format!("13{topic}from-v2-bin{{\"n\":3}}").as_bytes());
        two.raw(Message::binary(binary)).await;
        let told = json!([[null, null, "broadcast", "from-v2-bin"]]);
        expect(&mut one, Vsn::V1, told.clone()).await;
        expect(&mut two, Vsn::V2, json!([told[0], ["1", "3", "phx_reply", "ok"]])).await;

        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        two.join("4", &topic, private(&person.token)).await;
        expect(&mut two, Vsn::V2, json!([["4", "4", "phx_reply", "ok"]])).await;
        two.push(json!("4"), "5", &topic, "broadcast", json!({"event": "x", "payload": {}})).await;
        assert!(two.quiet(Duration::from_millis(300)).await, "a denied broadcast has no answer");
    });
}

#[test]
fn garbage_is_ignored_and_silence_ends_the_socket() {
    run(async {
        let (start, mut idle) = (Instant::now(), Vec::new());
        for (vsn, foreign) in [
            (Vsn::V1, r#"["1","1","phoenix","heartbeat",{}]"#),
            (Vsn::V2, r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#),
        ] {
            let mut socket = connect(vsn).await;
            for message in [Message::text("hello"), Message::text(foreign), Message::binary(vec![3, 200])] {
                socket.raw(message).await;
            }
            socket.heartbeat("2").await;
            expect(&mut socket, vsn, json!([[null, "2", "phx_reply", "ok"]])).await;
            idle.push(socket);
        }
        for mut socket in idle {
            assert_eq!(socket.closed().await, 1000);
            assert!(start.elapsed() >= IDLE, "{:?}", start.elapsed());
        }
    });
}

#[test]
fn a_bad_handshake_is_refused_late() {
    run(async {
        let (person, _) = member("").await;
        let at = &stack().endpoints;
        let expired = token(&person, json!({"expires_in": -30})).await;
        let roleless = token(&person, json!({"claims": {"role": null}})).await;
        let cases = [
            (String::new(), 401, json!({"error": "API key is missing"})),
            ("?apikey=x".into(), 401, json!({"error": "The token provided is not a valid JWT"})),
            (format!("?apikey={expired}"), 401, json!({"error": "Token has expired"})),
            (format!("?apikey={roleless}"), 401, json!({"error": "Fields `role` and `exp` are required in JWT"})),
            (format!("?apikey={}&vsn=3.0.0", at.anon_key), 403, Value::Null),
        ];
        for (query, status, body) in cases {
            let (answer, time) = timed(handshake(&query)).await;
            let Err(tungstenite::Error::Http(answer)) = answer else {
                panic!("{query} was let in");
            };
            assert_eq!(answer.status(), status);
            let told = answer.body().as_deref().unwrap_or_default();
            assert_eq!(serde_json::from_slice::<Value>(told).unwrap_or(Value::Null), body);
            assert!(status == 403 || time > Duration::from_millis(190), "{time:?}");
        }
        assert!(handshake(&format!("?apikey={}", at.publishable_key)).await.is_ok());
    });
}

#[test]
fn a_burst_arrives_in_order() {
    run(async {
        let (person, room) = member("").await;
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &format!("realtime:room:{room}"), private(&person.token)).await;
        socket.next().await;
        let rows: Vec<Value> = (0..1_000).map(|n| json!({"room": room, "body": n.to_string()})).collect();
        let sent = ask("POST", "/rest/v1/notes").service().json(&json!(rows)).answer().await;
        assert_eq!(sent.status, 201);
        for n in 0..1_000 {
            let frame = socket.next().await;
            assert_eq!(frame[4]["payload"]["record"]["body"], n.to_string());
        }
    });
}
