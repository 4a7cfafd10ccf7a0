//! The stand-in: its API for administrators, its faults, and what it sees.

use crate::js;
use wasm_bindgen::JsValue;

const LINE: Option<&str> = option_env!("CHAT_TEST_STACK");

fn address(name: &str) -> String {
    let line = LINE.expect("CHAT_TEST_STACK was not set when this was compiled: run `cargo xtask test browser`");
    js::text(&js_sys::JSON::parse(line).unwrap(), name)
}

pub fn url() -> String {
    address("url")
}

pub fn anon_key() -> String {
    address("anonKey")
}

fn admin_url() -> String {
    address("adminUrl")
}

/// The JavaScript that POSTs `body` (JSON) to `path` with `key`, and throws where the answer is no 2xx.
pub fn post_js(path: &str, key: &str, body: &str) -> String {
    let (url, anon_key) = (url(), anon_key());
    format!(
        "const answer = await fetch('{url}{path}', {{method: 'POST', body: {body}, headers: {{
            'content-type': 'application/json', apikey: '{anon_key}', authorization: 'Bearer {key}'}}}});
         if (!answer.ok) throw Object.assign(new Error(await answer.text()), {{status: answer.status}});
         const text = await answer.text(); return text && JSON.parse(text)"
    )
}

pub async fn post(path: &str, key: &str, body: &str) -> JsValue {
    js::eval(&post_js(path, key, &format!("`{body}`"))).await
}

/// As the service role.
pub async fn administer(path: &str, body: &str) -> JsValue {
    post(path, &service_role_key(), body).await
}

pub fn service_role_key() -> String {
    address("serviceRoleKey")
}

/// A token of `lifetime` seconds.
pub async fn token(user_id: &str, lifetime: i32) -> String {
    let url = admin_url();
    let body = format!(r#"{{"sub": "{user_id}", "expires_in": {lifetime}}}"#);
    let answer =
        js::eval(&format!("return (await fetch('{url}/tokens', {{method: 'POST', body: '{body}'}})).json()")).await;
    js::text(&answer, "access_token")
}

/// Faults until dropped.
#[must_use]
pub struct Faults;

pub async fn faults(rules: &str) -> Faults {
    let url = admin_url();
    js::eval(&format!(
        "const answer = await fetch('{url}/faults', {{method: 'POST', body: `{rules}`}});
         if (!answer.ok) throw new Error(await answer.text())"
    ))
    .await;
    Faults
}

impl Faults {
    pub async fn end(self) {
        let url = admin_url();
        js::eval(&format!("await fetch('{url}/faults', {{method: 'DELETE'}})")).await;
    }
}

/// How many sockets there are, and how many of their channels are `topic` (without `realtime:`).
pub async fn joined(topic: &str) -> (u32, u32) {
    let url = admin_url();
    let counts = js::eval(&format!(
        "const {{sockets}} = await (await fetch('{url}/state')).json();
         const on = sockets.filter(socket => JSON.stringify(socket).includes('{topic}'));
         return [on.length, on.flatMap(socket => JSON.stringify(socket).match(/{topic}/g)).length]"
    ))
    .await;
    let count = |i| js_sys::Reflect::get_u32(&counts, i).unwrap().as_f64().unwrap() as u32;
    (count(0), count(1))
}
