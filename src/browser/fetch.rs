//! Requests, by the page's `fetch` or by the page's own functions.
//!
//! web-sys and not gloo-net: gloo-net 0.7 panics when `fetch` rejects with something that is no `Error`, which a page
//! that patches `fetch` can bring about, and a panic would stop the whole chat.

use super::json::Value;
use super::options::{Backend, Source};
use crate::io::{Answer, Request};
use crate::json::{Json, read_number};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, RequestCache, RequestCredentials, RequestInit, Response};

#[wasm_bindgen]
extern "C" {
    // Of the global scope, which is a window or a worker.
    #[wasm_bindgen(catch, js_name = fetch)]
    fn global_fetch(url: &str, init: &RequestInit) -> Result<JsValue, JsValue>;
}

/// Aborts its request when dropped.
pub struct Fetch(Option<AbortController>);

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// The handle that aborts a request, and the request to be awaited.
pub fn start(
    request: Request,
    backend: &Backend,
    anon_key: &str,
) -> (Fetch, impl Future<Output = Answer<Value>> + use<>) {
    let controller = AbortController::new().ok();
    let aborted_by = controller.clone();
    let backend = backend.clone();
    let anon_key = anon_key.to_owned();
    let answer = async move {
        let init = RequestInit::new();
        if let Some(controller) = &aborted_by {
            init.set_signal(Some(&controller.signal()));
        }
        let answer = match request {
            Request::Token => match &backend.token {
                Source::Url(url) => with_cookies(url, &init, None).await,
                Source::Callback(get_token) => return called(get_token, &JsValue::UNDEFINED, 401).await,
            },
            Request::EnsureThread { body } => match &backend.ensure {
                Source::Url(url) => with_cookies(url, &init, Some(&body)).await,
                Source::Callback(ensure_thread) => {
                    let other = Value::parse(body.as_bytes()).and_then(|body| body.get("other_mongo_id"));
                    let other = other.map_or(JsValue::UNDEFINED, |other| other.0);
                    return called(ensure_thread, &other, 200).await;
                }
            },
            Request::Rpc { url, token, body } => rpc(&url, &init, &anon_key, &token, &body).await,
        };
        answer.unwrap_or(Answer::Unreachable)
    };
    (Fetch(controller), answer)
}

/// To the page's own backend. A GET carries no header of ours, so that it needs no preflight.
async fn with_cookies(url: &str, init: &RequestInit, body: Option<&str>) -> Result<Answer<Value>, JsValue> {
    init.set_credentials(RequestCredentials::Include);
    fetch(url, init, Headers::new()?, body).await
}

/// To PostgREST, which wants the key beside the token.
async fn rpc(url: &str, init: &RequestInit, anon_key: &str, token: &str, body: &str) -> Result<Answer<Value>, JsValue> {
    init.set_credentials(RequestCredentials::Omit);
    let headers = Headers::new()?;
    headers.set("apikey", anon_key)?;
    headers.set("authorization", &["Bearer ", token].concat())?;
    fetch(url, init, headers, Some(body)).await
}

async fn fetch(url: &str, init: &RequestInit, headers: Headers, body: Option<&str>) -> Result<Answer<Value>, JsValue> {
    match body {
        Some(body) => {
            init.set_method("POST");
            init.set_body(&body.into());
            headers.set("content-type", "application/json")?;
        }
        // No cache keeps a POST; and of one that says no-store, Chromium forgets the preflight as well.
        None => init.set_cache(RequestCache::NoStore),
    }
    init.set_headers(&headers);
    let response: Response = settled(&global_fetch(url, init)?).await?.unchecked_into();
    let retry_after = response.headers().get("retry-after").ok().flatten();
    let text = settled(&response.text()?.into()).await?;
    Ok(Answer::Http {
        status: response.status(),
        body: Value::parse_text(&text),
        retry_after: retry_after.and_then(|seconds| read_number(&seconds)),
    })
}

async fn settled(value: &JsValue) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(value)).await
}

/// The answer of a function of the page: what it gives is the body of a 200, and `status_of_nothing` says what
/// `null` and `undefined` mean. A thrown `{status, code, message}` counts as that HTTP answer, any other throw as no answer.
async fn called(function: &Function, argument: &JsValue, status_of_nothing: u16) -> Answer<Value> {
    let given = match function.call1(&JsValue::UNDEFINED, argument) {
        Ok(promise) => settled(&promise).await,
        Err(thrown) => Err(thrown),
    };
    match given {
        Ok(nothing) if nothing.is_null() || nothing.is_undefined() => {
            Answer::Http { status: status_of_nothing, body: None, retry_after: None }
        }
        Ok(body) => Answer::Http { status: 200, body: Some(Value(body)), retry_after: None },
        Err(thrown) => {
            let thrown = Value(thrown);
            match thrown.number("status") {
                Some(status @ 100..=599) => {
                    Answer::Http { status: status as u16, body: Some(thrown), retry_after: None }
                }
                _ => Answer::Unreachable,
            }
        }
    }
}
