//! What the page hears of the browser: whether there is a network, and whether it is seen.

use super::json::{Feed, Value};
use super::values;
use crate::io::Input;
use gloo_events::EventListener;
use wasm_bindgen::JsCast;

/// Hears until it is dropped.
pub struct Environment {
    _listeners: Vec<EventListener>,
}

fn online() -> Input<Value> {
    Input::Online(values::is_online())
}

fn visible() -> Input<Value> {
    Input::Visible(values::is_visible())
}

/// How it stands now.
pub fn now() -> [Input<Value>; 2] {
    [online(), visible()]
}

impl Environment {
    /// Feeds each change.
    pub fn hear(feed: &Feed) -> Self {
        let scope: web_sys::EventTarget = js_sys::global().unchecked_into();
        let hear = |target: &web_sys::EventTarget, name: &'static str, input: fn() -> Input<Value>| {
            let feed = feed.clone();
            EventListener::new(target, name, move |_| feed(input()))
        };
        let mut listeners = vec![
            hear(&scope, "online", online),
            hear(&scope, "offline", online),
            // Back from the back/forward cache, where no event came.
            hear(&scope, "pageshow", online),
            hear(&scope, "pageshow", visible),
        ];
        if let Some(document) = web_sys::window().and_then(|window| window.document()) {
            listeners.push(hear(&document, "visibilitychange", visible));
        }
        Environment { _listeners: listeners }
    }
}
