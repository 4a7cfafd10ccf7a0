//! Faults do what they say, once each.

use std::time::Duration;

use super::support::*;
use serde_json::{Value, json};

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
    run_alone(async {
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
    run_alone(async {
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

        set(rule(json!({"delay_ms": 2500}), json!(1))).await;
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
    run_alone(async {
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
    run_alone(async {
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
            assert!(time >= Duration::from_millis(180), "{time:?}");
        }
    });
}

#[test]
fn a_new_connection_waits_for_its_round_trips() {
    run_alone(async {
        let set_latency = |distance: Value| ask_admin("POST", "/latency").json(&distance).answer();
        let set = set_latency(json!({"ms": 50, "connect_round_trips": 10})).await;
        assert_eq!(set.body, json!({"ms": 50, "connect_round_trips": 10}));
        assert_eq!(ask_admin("GET", "/state").answer().await.body["latency"], set.body);
        let (_, first) = timed(ask("GET", "/auth/v1/health").answer()).await;
        let (handshaken, socket) = timed(connect(Vsn::V2)).await;
        drop(handshaken);
        set_latency(json!({"ms": 0})).await;
        for time in [first, socket] {
            assert!(time >= Duration::from_millis(540), "{time:?}");
        }
        assert_eq!(set_latency(json!({"connect_round_trips": 2})).await.code(), (400, "bad-latency"));
    });
}

#[test]
fn a_policy_that_cannot_be_evaluated_is_told_as_a_refusal() {
    run_alone(async {
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let refusal = format!("You do not have permissions to read from this Channel topic: room:{room}");
        let mut socket = connect(Vsn::V2).await;
        set(json!([{"on": "join", "match": {"topic": topic}, "do": {"raise": true}, "for_ms": 60_000}])).await;
        socket.join("1", &topic, private(&person.token)).await;
        let (frame, held_back) = timed(socket.next()).await;
        assert_eq!(frame[4]["response"]["reason"], format!("Unauthorized: {refusal}"));
        assert!(held_back > REFUSED_JOIN / 2, "{held_back:?}");

        set(json!([{"on": "join", "match": {"event": "phx_join"}, "do": {"refuse": "TenantNotFound: x"}, "times": 1}]))
            .await;
        socket.join("2", &topic, private(&person.token)).await;
        assert_eq!(socket.next().await[4]["response"]["reason"], "TenantNotFound: x");

        socket.join("3", &topic, private(&person.token)).await;
        assert_eq!(socket.next().await[4]["status"], "ok");
        set(json!([{"on": "join", "match": {"event": "access_token"}, "do": {"raise": true}}])).await;
        let fresh = token(&person, json!({"expires_in": 100})).await;
        socket.push(json!("3"), "4", &topic, "access_token", json!({"access_token": fresh})).await;
        let told = socket.next().await;
        assert_eq!((&told[3], &told[4]["message"]), (&json!("system"), &json!(refusal)));
        assert_eq!(socket.next().await[3], "phx_close");
        set(json!([])).await;
    });
}

/// As hosted Supabase does it where the disk is full: everything can be read.
#[test]
fn a_read_only_database_refuses_writes_and_joins() {
    run_alone(async {
        let (person, room) = member("").await;
        let note = json!({"_room": room, "_body": "x"});
        let send = || ask("POST", "/rest/v1/rpc/note").bearer(&person.token).json(&note).answer();
        set(json!([{"on": "database", "do": {"read_only": true}}])).await;
        let refused = send().await;
        assert_eq!(
            (refused.code(), &refused.body["message"]),
            ((405, "25006"), &json!("cannot execute INSERT in a read-only transaction"))
        );
        let row = json!({"room": room, "body": "x"});
        let direct = ask("POST", "/rest/v1/notes").bearer(&person.token).json(&row).answer().await;
        assert_eq!(direct.code(), (405, "25006"));
        assert_eq!(notes(&person, &room).await, 0, "and reads go on");
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &format!("realtime:room:{room}"), private(&person.token)).await;
        let reason = socket.next().await[4]["response"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with("Unauthorized: You do not have permissions"), "{reason}");
        set(json!([])).await;
        assert_eq!(send().await.status, 200);
        socket.join("2", &format!("realtime:room:{room}"), private(&person.token)).await;
        assert_eq!(socket.next().await[4]["status"], "ok");
    });
}

#[test]
fn replication_is_established_late_or_not_in_time() {
    run_alone(async {
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let mut join = private(&person.token);
        join["config"]["broadcast"]["replication_ready"] = json!(true);
        let gone = json!([{"on": "replication", "do": {"drop": true}}]);
        let mut socket = connect(Vsn::V2).await;

        set(gone.clone()).await;
        socket.join("1", &topic, join.clone()).await;
        assert_eq!(socket.next().await[4]["status"], "ok", "the join knows nothing of it");
        write(&room, "unheard").await;
        socket.heartbeat("2").await;
        assert_eq!(socket.next().await[1], "2");
        set(json!([])).await;
        let established = socket.next().await;
        assert_eq!(
            (&established[0], &established[4]["status"], &established[4]["message"]),
            (&json!("1"), &json!("ok"), &json!("Replication connection established"))
        );
        write(&room, "heard").await;
        assert_eq!(socket.next().await[4]["payload"]["record"]["body"], "heard");

        set(gone).await;
        socket.join("3", &topic, join).await;
        assert_eq!(socket.next().await[4]["status"], "ok");
        assert_eq!(socket.next().await[1], "1", "the former join's close");
        let late = socket.next().await;
        assert_eq!(
            (&late[0], &late[3], &late[4]["status"], &late[4]["message"]),
            (
                &json!("3"),
                &json!("system"),
                &json!("error"),
                &json!("Replication connection was not established in time")
            )
        );
        let closed = socket.next().await;
        assert_eq!((&closed[0], &closed[3]), (&json!("3"), &json!("phx_close")));
        // Who did not ask is told nothing, and stays.
        socket.join("4", &topic, private(&person.token)).await;
        assert_eq!(socket.next().await[4]["status"], "ok");
        assert!(socket.quiet(REPLICATION_READY * 2).await);
        set(json!([])).await;
    });
}

#[test]
fn a_rule_ends_by_itself_and_with_it_what_hangs() {
    run_alone(async {
        let (person, room) = member("").await;
        let body = json!({"_room": room, "_body": "x"});
        let send = || ask("POST", "/rest/v1/rpc/note").bearer(&person.token).json(&body).send();
        set(json!([{"on": "request", "match": {"path": "/rest/*"}, "do": {"hang": true}, "for_ms": 300}])).await;
        let (answer, time) = timed(send()).await;
        assert!(answer.is_err() && time >= Duration::from_millis(200), "no answer, at the end of the rule: {time:?}");
        assert_eq!(send().await.unwrap().status, 200);
        assert_eq!(notes(&person, &room).await, 1, "what hung never ran");
        for bad in [
            json!({"on": "database", "match": {"path": "/x"}, "do": {"read_only": true}}),
            json!({"on": "request", "do": {"raise": true}}),
            json!({"on": "replication", "do": {"cut": true}}),
            json!({"on": "join", "do": {"status": 500}}),
        ] {
            let answer = ask_admin("POST", "/faults").json(&json!([bad])).answer().await;
            assert_eq!(answer.code(), (400, "bad-faults"), "{bad}");
        }
    });
}

#[test]
fn preflights_can_be_kept_or_not() {
    run_alone(async {
        let preflight = || ask("OPTIONS", "/rest/v1/notes").answer();
        let set_age = |s: Value| ask_admin("POST", "/preflight-age").json(&json!({"s": s})).answer();
        assert_eq!(set_age(Value::Null).await.status, 200);
        assert!(!preflight().await.headers.contains_key("access-control-max-age"));
        set_age(json!(3600)).await;
        assert_eq!(preflight().await.header("access-control-max-age"), "3600");
    });
}

#[test]
fn over_the_message_rate_broadcasts_vanish_without_a_frame() {
    run_alone(async {
        let (person, room) = member("").await;
        let topic = format!("realtime:room:{room}");
        let mut socket = connect(Vsn::V2).await;
        socket.join("1", &topic, private(&person.token)).await;
        socket.next().await;
        let set_rate = |n: Value| ask_admin("POST", "/message-rate").json(&json!({"per_second": n})).answer();
        set_rate(json!(1)).await;
        let counted = async || ask_admin("GET", "/state").answer().await.body["messages"].as_u64().unwrap();
        let before = counted().await;
        for n in 0..10 {
            write(&room, &format!("{n}")).await;
            socket.next().await;
        }
        // Ten sent and ten delivered within 5 s; Realtime counts at their end.
        assert_eq!(counted().await - before, 20);
        while ask_admin("GET", "/state").answer().await.body["message_rate"]["exceeded"] == false {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        write(&room, "dropped").await;
        assert!(socket.quiet(Duration::from_millis(300)).await);
        set_rate(Value::Null).await;
        write(&room, "heard").await;
        assert_eq!(socket.next().await[4]["payload"]["record"]["body"], "heard", "and the channel is still joined");
    });
}
