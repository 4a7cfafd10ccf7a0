//! What `values.js` makes and reads.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/values.js")]
extern "C" {
    /// The class that a page catches.
    #[wasm_bindgen(js_name = ChatError)]
    pub type JsChatError;
    #[wasm_bindgen(constructor, js_class = "ChatError")]
    pub fn new(code: &str, sentence: &str, detail: Option<&str>) -> JsChatError;

    #[wasm_bindgen(js_name = parseText)]
    pub fn parse_text(text: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = parseBytes)]
    pub fn parse_bytes(bytes: &[u8]) -> JsValue;
    pub fn member(value: &JsValue, key: &JsValue) -> JsValue;
    pub fn element(value: &JsValue, index: u32) -> JsValue;
    pub fn length(value: &JsValue) -> Option<u32>;

    #[wasm_bindgen(js_name = readRow)]
    pub fn read_row(row: &JsValue, thread: &str, me: &str, parts: &mut [u32]) -> bool;

    #[wasm_bindgen(js_name = putSent)]
    pub fn put_sent(list: &js_sys::Array, at: u32, replaced: u32, row: &JsValue, seq: f64, mine: bool);
    #[wasm_bindgen(js_name = putPending)]
    pub fn put_pending(
        list: &js_sys::Array,
        at: u32,
        replaced: u32,
        id: &str,
        body: &str,
        written_at: f64,
        error: &JsValue,
    );
    /// `Array::splice` of js-sys always puts something in, were it `undefined`.
    pub fn remove(list: &js_sys::Array, at: u32, count: u32);
    #[wasm_bindgen(js_name = frozenCopy)]
    pub fn frozen_copy(list: &js_sys::Array) -> JsValue;
    pub fn snapshot(
        status: &str,
        messages: &JsValue,
        has_older: bool,
        loading_older: bool,
        error: &JsValue,
        outbox_persists: bool,
        from_cache: bool,
    ) -> JsValue;

    pub fn notify(callback: &JsValue);
    #[wasm_bindgen(js_name = afterMicrotasks)]
    pub fn after_microtasks(callback: &JsValue);
    #[wasm_bindgen(js_name = isOnline)]
    pub fn is_online() -> bool;
    #[wasm_bindgen(js_name = isVisible)]
    pub fn is_visible() -> bool;
}
