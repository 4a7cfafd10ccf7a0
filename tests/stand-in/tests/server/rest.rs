//! REST: bodies, statuses and errors are PostgREST's.

use serde_json::{Value, json};

use super::support::*;

#[test]
fn reads_filter_order_and_window() {
    run(async {
        let (person, room) = member("").await;
        for n in 0..5 {
            write(&room, &format!("n{n}, \"q\"")).await;
        }
        let get = |query: &str| ask("GET", &format!("/rest/v1/notes?room=eq.{room}&{query}")).bearer(&person.token);
        let page = get("select=body&order=id.desc&limit=2&offset=1").answer().await;
        assert_eq!(page.body, json!([{"body": "n3, \"q\""}, {"body": "n2, \"q\""}]));
        assert_eq!((page.status, page.header("content-range")), (200, "1-2/*"));
        let counted = get("select=id&limit=2").header("prefer", "count=exact").answer().await;
        assert_eq!((counted.status, counted.header("content-range")), (206, "0-1/5"));
        let ranged = get("select=id").header("range", "3-9").answer().await;
        assert_eq!(ranged.body.as_array().unwrap().len(), 2);
        let beyond = get("offset=9").header("prefer", "count=exact").answer().await;
        assert_eq!(beyond.code(), (416, "PGRST103"));
        let tree = get("or=(body.eq.%22n1%2C%20%5C%22q%5C%22%22,body.like.n4*)&select=body&order=id").answer().await;
        assert_eq!(tree.body, json!([{"body": "n1, \"q\""}, {"body": "n4, \"q\""}]));
        let listed = get("body=in.(%22n0%2C%20%5C%22q%5C%22%22)&select=body").answer().await;
        assert_eq!(listed.body.as_array().unwrap().len(), 1);
        let one = get("body=like.n0*&select=b:body,id::text")
            .header("accept", "application/vnd.pgrst.object+json")
            .answer()
            .await;
        assert_eq!(one.body["b"], "n0, \"q\"");
        assert!(one.body["id"].is_string());
        let many = get("").header("accept", "application/vnd.pgrst.object+json").answer().await;
        assert_eq!((many.code(), &many.body["details"]), ((406, "PGRST116"), &json!("The result contains 5 rows")));
        let head =
            ask("HEAD", "/rest/v1/notes?limit=1").bearer(&person.token).header("prefer", "count=exact").answer().await;
        assert_eq!((head.status, head.header("content-range"), &head.body), (206, "0-0/5", &Value::Null));
    });
}

#[test]
fn writes_return_what_is_preferred() {
    run(async {
        let (person, room) = member("").await;
        let row =
            json!({"room": room, "body": "b", "name": format!("{room}-1"), "data": {"n": 9_007_199_254_740_993_u64}});
        let post = |query: &str, prefer: &str, row: &Value| {
            ask("POST", &format!("/rest/v1/notes{query}"))
                .bearer(&person.token)
                .header("prefer", prefer)
                .json(row)
                .answer()
        };
        let made = post("?select=body,data", "return=representation", &row).await;
        assert_eq!((made.status, made.body), (201, json!([{"body": "b", "data": {"n": 9_007_199_254_740_993_u64}}])));
        let twice = post("", "", &row).await;
        assert_eq!(twice.code(), (409, "23505"));
        let ignored = post("?on_conflict=name", "resolution=ignore-duplicates,return=representation", &row).await;
        assert_eq!((ignored.status, ignored.body), (201, json!([])));
        let changed = json!([{"room": room, "body": "c", "name": format!("{room}-1")}]);
        let merged = post(
            "?on_conflict=name&columns=%22room%22,%22body%22,%22name%22&select=body",
            "resolution=merge-duplicates,return=representation",
            &changed,
        )
        .await;
        assert_eq!((merged.status, merged.body), (200, json!([{"body": "c"}])));
        let patched = ask("PATCH", &format!("/rest/v1/notes?room=eq.{room}")).bearer(&person.token);
        assert_eq!(patched.json(&json!({"body": "d"})).answer().await.status, 204);
        let unseen = ask("PATCH", "/rest/v1/notes?room=eq.none&select=id")
            .bearer(&person.token)
            .header("prefer", "return=representation")
            .json(&json!({"body": "d"}));
        let unseen = unseen.answer().await;
        assert_eq!((unseen.status, unseen.body), (200, json!([])));
        assert_eq!(post("", "", &json!([{"room": room}, {"body": "x"}])).await.code(), (400, "PGRST102"));
        assert_eq!(post("", "", &json!({"room": room, "colour": "red"})).await.code(), (400, "PGRST204"));
        assert_eq!(post("", "", &json!({"room": room, "body": null})).await.code(), (400, "23502"));
        assert_eq!(post("", "", &json!({"room": room, "body": "x".repeat(101)})).await.code(), (400, "23514"));
        // Where exactly one row is asked for and none comes, nothing is written either.
        let none = ask("POST", "/rest/v1/notes")
            .bearer(&person.token)
            .header("accept", "application/vnd.pgrst.object+json")
            .header("prefer", "return=representation")
            .json(&json!([{"room": room, "body": "x"}, {"room": room, "body": "y"}]));
        assert_eq!(none.answer().await.code(), (406, "PGRST116"));
        let all =
            ask("GET", &format!("/rest/v1/notes?select=body&room=eq.{room}")).bearer(&person.token).answer().await;
        assert_eq!(all.body, json!([{"body": "d"}]));
    });
}

#[test]
fn functions_are_called_by_name_and_arguments() {
    run(async {
        let (person, room) = member("").await;
        let rpc = |name: &str, body: Value| {
            ask("POST", &format!("/rest/v1/rpc/{name}")).bearer(&person.token).json(&body).answer()
        };
        assert_eq!(rpc("add", json!({"a": 2})).await.body, json!(3));
        let got = ask("GET", "/rest/v1/rpc/add?a=2&b=5").bearer(&person.token).answer().await;
        assert_eq!((got.status, got.body), (200, json!(7)));
        let note = rpc("note", json!({"_room": room, "_body": "it's \"this\""})).await;
        assert_eq!((note.status, &note.body["body"]), (200, &json!("it's \"this\"")));
        assert_eq!(rpc("rooms", json!({})).await.body, json!([room]));
        let nothing = rpc("nothing", json!({})).await;
        assert_eq!((nothing.status, nothing.body), (204, Value::Null));
        let who = rpc("who", json!({})).await.body;
        assert_eq!(
            (&who["role"], &who["uid"], &who["path"]),
            (&json!("authenticated"), &json!(person.id), &json!("/rpc/who"))
        );

        let unknown = rpc("add", json!({"a": 1, "c": 2})).await;
        assert_eq!(unknown.code(), (404, "PGRST202"));
        assert_eq!(unknown.body["message"], "Could not find the function public.add(a, c) in the schema cache");
        assert_eq!(rpc("add", json!([1])).await.code(), (404, "PGRST202"));
        assert_eq!(rpc("add", json!({"a": "x"})).await.code(), (400, "22P02"));
        let failed = rpc("fail", json!({"code": "PT429", "message": "slow down"})).await;
        assert_eq!(
            (failed.status, failed.body),
            (429, json!({"code": "PT429", "message": "slow down", "details": "a detail", "hint": "a hint"}))
        );
        assert_eq!(rpc("fail", json!({"code": "P0001", "message": "no"})).await.code(), (400, "P0001"));
        let answer = rpc("refuse", json!({})).await;
        assert_eq!((answer.code(), answer.header("retry-after")), ((429, "53400"), "3"));
        assert_eq!(answer.body, json!({"code": "53400", "message": "slow", "details": "d", "hint": null}));
        // A browser joins the two lines.
        let exposed: Vec<_> = answer.headers.get_all("access-control-expose-headers").iter().collect();
        assert!(exposed.len() == 2 && exposed[0] == "Retry-After", "{exposed:?}");
        let volatile =
            ask("GET", &format!("/rest/v1/rpc/note?_room={room}&_body=x")).bearer(&person.token).answer().await;
        assert_eq!(volatile.code(), (405, "25006"));
    });
}

#[test]
fn rights_are_the_databases() {
    run(async {
        let (person, room) = member("").await;
        let (_, foreign) = member("").await;
        write(&foreign, "not for you").await;
        let read = ask("GET", &format!("/rest/v1/notes?room=eq.{foreign}")).bearer(&person.token).answer().await;
        assert_eq!(read.body, json!([]));
        let row = json!({"room": foreign, "body": "x"});
        let written = ask("POST", "/rest/v1/notes").bearer(&person.token).json(&row).answer().await;
        assert_eq!(written.code(), (403, "42501"));
        assert!(written.body["message"].as_str().unwrap().contains("row-level security"));
        let anonymous = ask("GET", "/rest/v1/notes").answer().await;
        assert_eq!(
            (anonymous.code(), &anonymous.body["message"]),
            ((401, "42501"), &json!("permission denied for table notes"))
        );
        let injected =
            ask("GET", &format!("/rest/v1/notes?room=eq.{room}'%20or%20'1'='1")).bearer(&person.token).answer().await;
        assert_eq!((injected.status, injected.body), (200, json!([])));
        let injected =
            ask("GET", "/rest/v1/notes?select=id%22%20from%20members--").bearer(&person.token).answer().await;
        assert_eq!(injected.status, 400);
        let superuser = token(&person, json!({"claims": {"role": "supabase_admin"}})).await;
        let refused = ask("GET", "/rest/v1/notes").bearer(&superuser).answer().await;
        assert!(refused.status == 401 || refused.status == 403, "{}", refused.body);
        let unknown = token(&person, json!({"claims": {"role": "nobody_knows"}})).await;
        assert_eq!(ask("GET", "/rest/v1/notes").bearer(&unknown).answer().await.code(), (401, "22023"));
    });
}

#[test]
fn tokens_and_keys_are_checked() {
    run(async {
        let (person, _) = member("").await;
        let at = |token: String| async move { ask("GET", "/rest/v1/notes").bearer(&token).answer().await };
        let late = token(&person, json!({"expires_in": -10})).await;
        assert_eq!(at(late).await.status, 200, "30 s of leeway");
        let expired = at(token(&person, json!({"expires_in": -40})).await).await;
        assert_eq!((expired.code(), &expired.body["message"]), ((401, "PGRST303"), &json!("JWT expired")));
        assert!(expired.header("www-authenticate").contains("JWT expired"));
        let malformed = at("nonsense".into()).await;
        assert_eq!(
            (malformed.code(), &malformed.body["message"]),
            ((401, "PGRST301"), &json!("Expected 3 parts in JWT; got 1"))
        );
        let keyless = ask("GET", "/rest/v1/notes").header("apikey", "").answer().await;
        assert_eq!((keyless.status, &keyless.body["message"]), (401, &json!("No API key found in request")));
        let bad = ask("GET", "/rest/v1/notes").header("apikey", &person.token).answer().await;
        assert_eq!((bad.status, &bad.body["message"]), (401, &json!("Invalid API key")));
        let publishable = &stack().endpoints.publishable_key;
        let anonymous = ask("GET", "/rest/v1/rpc/who").header("apikey", publishable).bearer(publishable).answer().await;
        assert_eq!(anonymous.body["role"], "anon");
    });
}

#[test]
fn what_is_not_there_says_so() {
    run(async {
        let (person, _) = member("").await;
        let get = |path: &str| ask("GET", path).bearer(&person.token).answer();
        assert_eq!(get("/rest/v1/nowhere").await.code(), (404, "PGRST205"));
        assert_eq!(get("/rest/v1/notes?colour=eq.red").await.code(), (400, "42703"));
        assert_eq!(get("/rest/v1/notes?id=5").await.code(), (400, "PGRST100"));
        assert_eq!(get("/rest/v1/notes?created_at=lt.2026-01-01T00:00:00+00:00").await.code(), (400, "22007"));
        assert_eq!(get("/rest/v1/notes?select=*,members(*)").await.status, 501);
        assert_eq!(get("/storage/v1/bucket").await.status, 501);
        let schema = ask("GET", "/rest/v1/notes").bearer(&person.token).header("accept-profile", "auth").answer().await;
        assert_eq!(schema.code(), (406, "PGRST106"));
    });
}

#[test]
fn any_origin_may_ask() {
    run(async {
        let preflight = ask("OPTIONS", "/rest/v1/notes")
            .header("apikey", "")
            .header("origin", "http://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "apikey,authorization,content-type,prefer");
        let preflight = preflight.answer().await;
        assert_eq!(preflight.status, 200);
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert_eq!(preflight.header("access-control-allow-headers"), "apikey,authorization,content-type,prefer");
        assert_eq!(preflight.header("access-control-max-age"), "3600");
        let refused = ask("GET", "/rest/v1/notes").header("apikey", "").answer().await;
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert!(refused.header("access-control-expose-headers").contains("Content-Range"));
    });
}
