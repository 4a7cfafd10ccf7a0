//! A `ChatSession` and what it shows.

use crate::js;
use chopped_chat::browser::ChatSession;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub fn new(options: JsValue) -> ChatSession {
    ChatSession::new(options).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Opens a session and waits until it is live.
pub async fn live(options: JsValue) -> ChatSession {
    let session = new(options);
    JsFuture::from(session.open()).await.unwrap_or_else(|error| panic!("{error:?}"));
    until(&session, "live", |seen| seen.status() == "live").await;
    session
}

/// Sends `body`; returns the message's id.
pub fn send(session: &ChatSession, body: &str) -> String {
    session.send(body.into(), JsValue::UNDEFINED).unwrap_or_else(|error| panic!("{error:?}"))
}

pub struct Seen(pub JsValue);

pub fn seen(session: &ChatSession) -> Seen {
    Seen(session.get_snapshot())
}

impl Seen {
    pub fn status(&self) -> String {
        js::text(&self.0, "status")
    }

    pub fn messages(&self) -> Vec<JsValue> {
        Array::from(&js::get(&self.0, "messages")).to_vec()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.messages().iter().map(|message| js::text(message, "body")).collect()
    }

    pub fn has_older(&self) -> bool {
        js::get(&self.0, "hasOlder") == true
    }

    /// The code of the thread's error.
    pub fn error(&self) -> Option<String> {
        code(&js::get(&self.0, "error"))
    }

    /// The status of the message with the text `body`.
    pub fn delivery(&self, body: &str) -> Option<String> {
        let message = self.messages().into_iter().find(|message| js::text(message, "body") == body)?;
        Some(js::text(&message, "status"))
    }
}

/// The code of a `ChatError`; every one is an `Error` with a sentence.
pub fn code(error: &JsValue) -> Option<String> {
    if error.is_null() || error.is_undefined() {
        return None;
    }
    assert!(error.is_instance_of::<js_sys::Error>(), "{error:?} is no Error");
    assert_eq!(js::text(error, "name"), "ChatError");
    assert!(!js::text(error, "message").is_empty());
    Some(js::text(error, "code"))
}

/// The code that a promise is rejected with.
pub async fn rejection(promise: js_sys::Promise) -> String {
    let error = JsFuture::from(promise).await.expect_err("it resolved");
    code(&error).unwrap()
}

/// Waits for what a person would see.
pub async fn until(session: &ChatSession, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    for _ in 0..js::PATIENCE_MS / 10 {
        let seen = seen(session);
        if wanted(&seen) {
            return seen;
        }
        js::sleep(10).await;
    }
    panic!("{what} did not come about: {:?}", js_sys::JSON::stringify(&session.get_snapshot()));
}
