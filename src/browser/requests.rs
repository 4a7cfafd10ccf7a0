//! What `requests.js` asks of the page's backend and of PostgREST.
//!
//! There, and not here, because the first requests leave before this module is loaded: [`ask`] is given what is under way.

use super::json::Value;
use super::options::Backend;
use crate::io::{Answer, Config, Request};
use crate::json::{Json, read_number};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, WebSocket};

#[wasm_bindgen(module = "/src/browser/requests.js")]
extern "C" {
    #[wasm_bindgen(js_name = askToken)]
    fn ask_token(source: &JsValue, me: &str, signal: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = askEnsure)]
    fn ask_ensure(source: &JsValue, body: &str, signal: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = askRpc)]
    fn ask_rpc(url: &str, key: &str, token: &str, body: &str, may_be_early: bool, signal: &JsValue) -> Promise;
    /// Throws where the browser may not open the URL from this page.
    #[wasm_bindgen(catch, js_name = openSocket)]
    pub fn open_socket(url: &str) -> Result<WebSocket, JsValue>;
    /// Ends what left early and nobody asked for.
    #[wasm_bindgen(js_name = dropEarly)]
    pub fn drop_early();
}

/// Aborts its request when dropped.
pub struct Asked(Option<AbortController>);

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

/// The handle that aborts a request, and the request to be awaited.
pub fn ask(
    request: &Request,
    backend: &Backend,
    config: &Config,
) -> (Asked, impl Future<Output = Answer<Value>> + use<>) {
    let controller = AbortController::new().ok();
    let signal = controller.as_ref().map_or(JsValue::UNDEFINED, |controller| controller.signal().into());
    let promise = match request {
        Request::Token => ask_token(&backend.token, &config.my_id, &signal),
        Request::EnsureThread { body } => ask_ensure(&backend.ensure, body, &signal),
        Request::Rpc { url, token, body, may_be_early } => {
            ask_rpc(url, &config.anon_key, token, body, *may_be_early, &signal)
        }
    };
    let answer = async move { JsFuture::from(promise).await.ok().and_then(read).unwrap_or(Answer::Unreachable) };
    (Asked(controller), answer)
}

/// Reads an `Answer` of `requests.js`.
fn read(answer: JsValue) -> Option<Answer<Value>> {
    let answer = Value(answer);
    let status = answer.at(0)?.as_u64()? as u16;
    let retry_after = answer.at(2).and_then(|seconds| read_number(&seconds.as_str()?));
    Some(Answer::Http { status, body: answer.at(1), retry_after })
}
