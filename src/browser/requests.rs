//! What `requests.js` asks of the page's backend and of PostgREST.
//!
//! There, and not here, because the first requests leave before this module is loaded: who asks is given what is under way.

use super::json::Value;
use super::options::Backend;
use crate::io::{Answer, Config, Request, RequestId};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, WebSocket};

#[wasm_bindgen(module = "/src/browser/requests.js")]
extern "C" {
    #[wasm_bindgen(js_name = askToken)]
    fn ask_token(id: u32, answered: &JsValue, source: &JsValue, me: &str) -> AbortController;
    #[wasm_bindgen(js_name = askEnsure)]
    fn ask_ensure(id: u32, answered: &JsValue, source: &JsValue, body: &str) -> AbortController;
    #[wasm_bindgen(js_name = askRpc)]
    fn ask_rpc(
        id: u32,
        answered: &JsValue,
        url: &str,
        key: &str,
        token: &str,
        body: &str,
        may_be_early: bool,
    ) -> AbortController;
    /// Throws where the browser may not open the URL from this page.
    #[wasm_bindgen(catch, js_name = openSocket)]
    pub fn open_socket(url: &str) -> Result<WebSocket, JsValue>;
    /// Ends what left early and nobody asked for.
    #[wasm_bindgen(js_name = dropEarly)]
    pub fn drop_early();
}

/// Aborts its request when dropped: its answer is not told then.
pub struct Asked(AbortController);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whom `requests.js` tells of answers: the request, its status (0 if there was no answer), its body and the seconds of
/// Retry-After (negative if it has none).
pub type Answered = Closure<dyn Fn(u32, u16, JsValue, f64)>;

/// Calls `answered` with each answer.
pub fn answered(answered: impl Fn(RequestId, Answer<Value>) + 'static) -> Answered {
    Closure::new(move |request, status, body: JsValue, retry_after: f64| {
        let answer = match status {
            0 => Answer::Unreachable,
            _ => Answer::Http {
                status,
                body: (!body.is_undefined()).then_some(Value(body)),
                retry_after: (retry_after >= 0.0).then_some(retry_after as u32),
            },
        };
        answered(RequestId(request), answer);
    })
}

/// Starts a request. Returns what aborts it.
pub fn ask(id: RequestId, answered: &Answered, request: &Request, backend: &Backend, config: &Config) -> Asked {
    let (RequestId(id), answered) = (id, answered.as_ref());
    Asked(match request {
        Request::Token => ask_token(id, answered, &backend.token, &config.my_id),
        Request::EnsureThread { body } => ask_ensure(id, answered, &backend.ensure, body),
        Request::Rpc { url, token, body, may_be_early } => {
            ask_rpc(id, answered, url, &config.anon_key, token, body, *may_be_early)
        }
    })
}
