//! Every code that this side of the wire can bring about.

use crate::people::Person;
use crate::session::{self, rejection, seen, until};
use crate::{js, stack};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn a_send_that_can_not_be_is_thrown() {
    let (ana, ben) = Person::two().await;
    let session = session::new(ana.options(&ben));
    let thrown = |body: JsValue| session::code(&session.send(body, JsValue::UNDEFINED).unwrap_err()).unwrap();
    assert_eq!(thrown("never opened".into()), "closed");
    JsFuture::from(session.open()).await.unwrap();
    assert_eq!(thrown(" \n ".into()), "message-empty");
    assert_eq!(thrown("é".repeat(4001).into()), "message-too-long");
    assert_eq!(thrown(JsValue::UNDEFINED), "invalid-options");
    session.close();
    assert_eq!(thrown("closed".into()), "closed");
    assert_eq!(rejection(session.load_older()).await, "closed");
    // Nothing to do, nothing thrown.
    session.retry("no id".into());
    session.discard(JsValue::NULL);
    session.close();
}

#[wasm_bindgen_test]
async fn closing_while_opening_rejects() {
    let (ana, ben) = Person::two().await;
    let session = session::new(ana.options(&ben));
    let opening = session.open();
    session.close();
    assert_eq!(rejection(opening).await, "closed");
}

async fn open_rejects(ana: &Person, ben: &Person, option: &str, callback: &str) -> session::Seen {
    let options = ana.options(ben);
    js::set(&options, option, js::function(callback));
    let session = session::new(options);
    let code = rejection(session.open()).await;
    let shown = seen(&session);
    assert_eq!(shown.error(), Some(code));
    session.close();
    shown
}

#[wasm_bindgen_test]
async fn signed_out_is_auth_required() {
    let (ana, ben) = Person::two().await;
    let shown = open_rejects(&ana, &ben, "getToken", "return null").await;
    assert_eq!((shown.status().as_str(), shown.error().as_deref()), ("auth-required", Some("auth-required")));
}

#[wasm_bindgen_test]
async fn an_account_without_a_mongo_id_is_identity_unlinked() {
    let (ana, ben) = Person::two().await;
    let refusal = "throw Object.assign(new Error('no Mongo id'), {status: 403, code: 'identity-unlinked'})";
    let shown = open_rejects(&ana, &ben, "getToken", refusal).await;
    assert_eq!(shown.error().as_deref(), Some("identity-unlinked"));
}

#[wasm_bindgen_test]
async fn a_refusing_backend_stops_the_thread() {
    for (answer, code) in [
        ("{status: 400, code: 'invalid-input'}", "invalid-options"),
        ("{status: 404, code: 'unknown-person'}", "not-a-participant"),
    ] {
        let (ana, ben) = Person::two().await;
        let shown = open_rejects(&ana, &ben, "ensureThread", &format!("throw {answer}")).await;
        assert_eq!((shown.status().as_str(), shown.error().as_deref()), ("closed", Some(code)));
    }
}

#[wasm_bindgen_test]
async fn a_backend_that_is_not_there_is_setup_missing_and_may_come() {
    let (ana, ben) = Person::two().await;
    ana.ensure(&ben).await;
    let options = ana.options(&ben);
    js::eval("globalThis.isThere = false").await;
    js::set(&options, "ensureThread", js::function("if (!isThere) throw {status: 404}"));
    let session = session::new(options);
    let opening = session.open();
    until(&session, "setup-missing", |seen| seen.error().as_deref() == Some("setup-missing")).await;
    js::eval("isThere = true").await;
    JsFuture::from(opening).await.unwrap();
    session.close();
}

#[wasm_bindgen_test]
async fn a_thread_that_the_database_does_not_know_is_not_a_participant() {
    let (ana, ben) = Person::two().await;
    let options = ana.options(&ben);
    js::set(&options, "ensureThread", js::function("return {}"));
    let session = session::new(options);
    // Reads are empty under RLS, so open() may resolve; the refused join tells.
    let _ = JsFuture::from(session.open()).await;
    let refused = until(&session, "refused", |seen| seen.error().as_deref() == Some("not-a-participant")).await;
    assert_eq!(refused.status(), "connecting");
    assert!(refused.messages().is_empty());
    session.close();
}

#[wasm_bindgen_test]
async fn somebody_elses_token_is_auth_required() {
    let (ana, ben) = Person::two().await;
    let eve = Person::new().await;
    ana.ensure(&ben).await;
    // The page is Ana's; in another tab Eve signed in.
    let options = ana.options(&ben);
    let token = format!("return {{access_token: '{}', expires_in: 3600}}", eve.token);
    js::set(&options, "getToken", js::function(&token));
    let session = session::new(options);
    assert_eq!(rejection(session.open()).await, "auth-required");
    let refused = seen(&session);
    assert_eq!(refused.status(), "auth-required");
    assert!(refused.messages().is_empty());
    session.close();
}

/// What the page shows while `rule` holds, and that it comes to live once it ends.
async fn passes(rule: &str, code: &str) {
    let (ana, ben) = Person::two().await;
    let faults = stack::faults(rule).await;
    let session = session::new(ana.options(&ben));
    let opening = session.open();
    until(&session, code, |seen| seen.error().as_deref() == Some(code)).await;
    faults.end().await;
    JsFuture::from(opening).await.unwrap();
    let live = until(&session, "live", |seen| seen.status() == "live").await;
    assert_eq!(live.error(), None);
    session.close();
}

#[wasm_bindgen_test]
async fn a_lost_connection_is_network_and_passes() {
    passes(r#"[{"on":"request","match":{"path":"/rest/v1/rpc/list_chat_messages"},"do":{"drop":true}}]"#, "network")
        .await;
}

#[wasm_bindgen_test]
async fn a_failing_server_is_server_and_passes() {
    let rule = r#"[{"on":"request","match":{"path":"/rest/v1/rpc/list_chat_messages"},"do":{"status":503,"body":{"message":"no"}}}]"#;
    passes(rule, "server").await;
}

#[wasm_bindgen_test]
async fn too_many_requests_are_rate_limited_and_pass() {
    let rule = r#"[{"on":"request","match":{"path":"/rest/v1/rpc/list_chat_messages"},"do":{"status":429,"body":{"message":"slow"}}}]"#;
    passes(rule, "rate-limited").await;
}

#[wasm_bindgen_test]
async fn a_missing_function_is_setup_missing() {
    let (ana, ben) = Person::two().await;
    let rule = r#"[{"on":"request","match":{"path":"/rest/v1/rpc/list_chat_messages"},
        "do":{"status":404,"body":{"code":"PGRST202","message":"no such function"}}}]"#;
    let faults = stack::faults(rule).await;
    let session = session::new(ana.options(&ben));
    assert_eq!(rejection(session.open()).await, "setup-missing");
    faults.end().await;
    // Opened again, it tries anew.
    JsFuture::from(session.open()).await.unwrap();
    session.close();
}

#[wasm_bindgen_test]
async fn a_refused_message_is_retried_or_discarded() {
    let (ana, ben) = Person::two().await;
    let session = session::live(ana.options(&ben)).await;
    let rule = r#"[{"on":"request","match":{"method":"POST","path":"/rest/v1/rpc/insert_chat_message*"},
        "do":{"status":403,"body":{"code":"42501","message":"denied by policy"}}}]"#;
    let faults = stack::faults(rule).await;
    let first = session::send(&session, "first");
    let second = session::send(&session, "second");
    let refused = |body| move |seen: &session::Seen| seen.delivery(body).as_deref() == Some("error");
    let shown = until(&session, "refused", refused("second")).await;
    for message in shown.messages() {
        let error = js::get(&message, "error");
        assert_eq!(session::code(&error).as_deref(), Some("refused"));
        assert_eq!(js::text(&error, "detail"), "denied by policy");
    }
    faults.end().await;

    session.discard(first.into());
    session.retry(second.clone().into());
    let sent = until(&session, "sent", |seen| seen.delivery("second").as_deref() == Some("sent")).await;
    assert_eq!(sent.bodies(), ["second"]);
    assert_eq!(js::text(&sent.messages()[0], "id"), second);
    assert!(js::get(&sent.messages()[0], "error").is_undefined());
    session.close();
}

#[wasm_bindgen_test]
async fn a_fetch_that_rejects_with_anything_is_no_panic() {
    let (ana, ben) = Person::two().await;
    js::eval(
        "globalThis.realFetch = fetch;
         globalThis.fetch = (url, init) => url.includes('/rest/v1/rpc/list_chat_messages') ? Promise.reject('not an Error') : realFetch(url, init)",
    )
    .await;
    let session = session::new(ana.options(&ben));
    let opening = session.open();
    until(&session, "network", |seen| seen.error().as_deref() == Some("network")).await;
    js::eval("globalThis.fetch = realFetch").await;
    JsFuture::from(opening).await.unwrap();
    session.close();
}

#[wasm_bindgen_test]
async fn the_backends_urls_get_cookies_and_no_headers_that_need_a_preflight() {
    let (ana, ben) = Person::two().await;
    ana.ensure(&ben).await;
    let options = ana.options(&ben);
    for (callback, name, url) in
        [("getToken", "tokenUrl", "/api/token"), ("ensureThread", "ensureThreadUrl", "/api/ensure")]
    {
        js::set(&options, callback, JsValue::UNDEFINED);
        js::set(&options, name, url);
    }
    js::eval(&format!(
        "globalThis.realFetch = fetch; globalThis.asked = {{}};
         globalThis.fetch = (url, init) => {{
            if (!url.startsWith('/api/')) return realFetch(url, init);
            asked[url] = {{...init, headers: [...new Headers(init.headers)]}};
            return Response.json({{access_token: '{}', expires_in: 3600}})
         }}",
        ana.token
    ))
    .await;
    let session = session::live(options).await;
    session.close();
    let asked = js::eval("globalThis.fetch = realFetch; return asked").await;
    let token = js::get(&asked, "/api/token");
    assert_eq!(js::text(&token, "credentials"), "include");
    assert!(js::get(&token, "method").is_undefined());
    assert_eq!(js_sys::Array::from(&js::get(&token, "headers")).length(), 0);
    let ensure = js::get(&asked, "/api/ensure");
    assert_eq!(js::text(&ensure, "credentials"), "include");
    assert_eq!(js::text(&ensure, "method"), "POST");
    let body = format!(r#"{{"other_mongo_id":"{}","my_mongo_id":"{}"}}"#, ben.mongo_id, ana.mongo_id);
    assert_eq!(js::text(&ensure, "body"), body);
}

#[wasm_bindgen_test]
async fn an_expired_token_is_fetched_again() {
    let (ana, ben) = Person::two().await;
    let options = ana.options(&ben);
    let expired = stack::token(&ana.user_id, -60).await;
    let get_token = format!(
        "globalThis.askedTokens = (globalThis.askedTokens ?? 0) + 1;
         return {{access_token: askedTokens === 1 ? '{expired}' : '{}', expires_in: 3600}}",
        ana.token
    );
    js::set(&options, "getToken", js::function(&get_token));
    let session = session::live(options).await;
    assert!(js::eval("return askedTokens").await.as_f64().unwrap() >= 2.0);
    session.close();
}
