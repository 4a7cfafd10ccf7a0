//! Faults do what they say, once each.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::support::*;

/// A set of rules replaces the one before it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

async fn set(rules: Value) -> Value {
    let answer = ask_admin("POST", "/faults").json(&rules).answer().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn notes(person: &Person, room: &str) -> usize {
    let path = format!("/rest/v1/notes?room=eq.{room}");
    ask("GET", &path).bearer(&person.token).answer().await.body.as_array().unwrap().len()
}

#[test]
fn requests_fail_get_lost_and_lose_their_answer() {
    run(async {
        let _guard = ONE_AT_A_TIME.lock().await;
        let (person, room) = member("").await;
        let body = json!({"_room": room, "_body": "x"});
        let send = || ask("POST", "/rest/v1/rpc/note").bearer(&person.token).json(&body).send();
        let rule = |effect: Value| json!([{"on": "request", "match": {"method": "POST", "path": "/rest/v1/rpc/note"}, "do": effect, "times": 1}]);

        set(rule(json!({"status": 503, "body": {"message": "down"}}))).await;
        let failed = send().await.unwrap();
        assert_eq!((failed.status, failed.body.clone()), (503, json!({"message": "down"})));
        assert_eq!(failed.header("access-control-allow-origin"), "*");
        assert_eq!((notes(&person, &room).await, send().await.unwrap().status), (0, 200));

        set(rule(json!({"drop": true}))).await;
        assert!(send().await.is_err());
        assert_eq!(notes(&person, &room).await, 1, "dropped before it ran");

        set(rule(json!({"lose_answer": true}))).await;
        assert!(send().await.is_err());
        assert_eq!(notes(&person, &room).await, 2, "ran, and nobody was told");

        set(rule(json!({"delay_ms": 150}))).await;
        let (sent, time) = timed(send()).await;
        assert!(sent.is_ok() && time >= Duration::from_millis(150));

        set(rule(json!({"expire": true}))).await;
        assert_eq!(send().await.unwrap().code(), (401, "PGRST303"));

        let bad = ask_admin("POST", "/faults").json(&json!([{"on": "request", "do": {"silent": true}}])).answer().await;
        assert_eq!(bad.code(), (400, "bad-faults"));
        let state = ask_admin("GET", "/state").answer().await.body;
        assert_eq!(state["faults"]["rules"][0]["done"], 1, "a refused set changes nothing");
        assert!(state["requests"]["POST /rest/v1/rpc/note"].as_u64().unwrap() >= 6);
        set(json!([])).await;
    });
}

#[test]
fn broadcasts_vanish_double_and_come_late() {
    run(async {
        let _guard = ONE_AT_A_TIME.lock().await;
        let (person, room) = member("").await;
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &format!("realtime:room:{room}"), private(&person.token)).await;
        socket.next().await;
        let rule = |effect: Value, times: Value| json!([{"on": "broadcast", "match": {"event": "INSERT", "topic": format!("room:{room}")}, "do": effect, "times": times}]);
        let body = |frame: &Value| frame[4]["payload"]["record"]["body"].as_str().unwrap().to_owned();

        set(rule(json!({"drop": true}), json!(1))).await;
        write(&room, "dropped").await;
        write(&room, "next").await;
        assert_eq!(body(&socket.next().await), "next");

        set(rule(json!({"duplicate": true}), json!(1))).await;
        write(&room, "twice").await;
        assert_eq!([body(&socket.next().await), body(&socket.next().await)], ["twice", "twice"]);

        set(rule(json!({"delay_ms": 600}), json!(1))).await;
        write(&room, "late").await;
        write(&room, "early").await;
        assert_eq!([body(&socket.next().await), body(&socket.next().await)], ["early", "late"]);

        set(rule(json!({"silent": true}), Value::Null)).await;
        write(&room, "unheard").await;
        socket.heartbeat("2").await;
        assert_eq!(socket.next().await[3], "phx_reply");
        assert!(socket.quiet(Duration::from_millis(200)).await);
        set(json!([])).await;
    });
}

#[test]
fn sockets_are_cut_frames_get_lost_and_tokens_end() {
    run(async {
        let _guard = ONE_AT_A_TIME.lock().await;
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &topic, private(&person.token)).await;
        socket.next().await;

        let hit = set(json!([{"match": {"topic": topic}, "do": {"expire": true}}])).await;
        assert_eq!(hit["hit_at_once"], 1);
        assert_eq!(socket.next().await[4]["message"], "Token has expired 0 seconds ago");
        assert_eq!(socket.next().await[3], "phx_close");

        set(json!([{"on": "frame-out", "match": {"topic": topic, "event": "phx_reply"}, "do": {"drop": true}, "times": 1}])).await;
        socket.join("2", &topic, private(&person.token)).await;
        assert!(socket.quiet(Duration::from_millis(300)).await, "the answer was dropped");
        let state = ask_admin("GET", "/state").answer().await.body;
        let sockets = state["sockets"].as_array().unwrap();
        let joined = sockets.iter().flat_map(|s| s["channels"].as_array().unwrap());
        let joined = joined.into_iter().find(|c| c["topic"] == format!("room:{room}")).expect("joined all the same");
        assert_eq!((&joined["user_id"], &joined["private"]), (&json!(person.id), &json!(true)));

        set(json!([{"match": {"topic": topic}, "do": {"cut": true}}])).await;
        assert_eq!(socket.closed().await, 1006);

        set(json!([{"on": "connect", "do": {"drop": true}, "times": 1}])).await;
        let key = &stack().endpoints.anon_key;
        assert!(handshake(&format!("?apikey={key}")).await.is_err());
        assert!(handshake(&format!("?apikey={key}")).await.is_ok());
        set(json!([])).await;
    });
}

#[test]
fn latency_is_a_round_trip_for_all() {
    run(async {
        let _guard = ONE_AT_A_TIME.lock().await;
        let mut socket = connect(Vsn::V2).await;
        let set_latency = |ms: u64| ask_admin("POST", "/latency").json(&json!({"ms": ms})).answer();
        assert_eq!(set_latency(200).await.status, 200);
        let (_, request) = timed(ask("GET", "/auth/v1/health").answer()).await;
        let (_, preflight) = timed(ask("OPTIONS", "/rest/v1/notes").answer()).await;
        socket.heartbeat("1").await;
        let (_, frame) = timed(socket.next()).await;
        let (handshaken, connected) = timed(connect(Vsn::V2)).await;
        drop(handshaken);
        set_latency(0).await;
        for time in [request, preflight, frame, connected] {
            assert!((180..1000).contains(&time.as_millis()), "{time:?}");
        }
    });
}
