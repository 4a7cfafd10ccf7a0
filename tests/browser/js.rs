//! JavaScript, as short as tests want it.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// How long a test waits for what must come: only one that fails waits so long.
pub const PATIENCE_MS: u32 = 60_000;

/// Runs a function body in which `await` may stand; gives what it returns.
pub async fn eval(body: &str) -> JsValue {
    let run = Function::new_no_args(&["return (async () => {", body, "})()"].concat());
    let promise: Promise = run.call0(&JsValue::UNDEFINED).unwrap().unchecked_into();
    JsFuture::from(promise).await.unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

/// A synchronous function.
pub fn function(body: &str) -> Function {
    Function::new_no_args(body)
}

pub async fn sleep(ms: u32) {
    eval(&format!("await new Promise(done => setTimeout(done, {ms}))")).await;
}

pub fn get(value: &JsValue, key: &str) -> JsValue {
    Reflect::get(value, &key.into()).unwrap_or_else(|_| panic!("no {key} in {value:?}"))
}

pub fn text(value: &JsValue, key: &str) -> String {
    get(value, key).as_string().unwrap_or_else(|| panic!("{key} is no string in {value:?}"))
}

pub fn set(object: &JsValue, key: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &key.into(), &value.into()).unwrap();
}
