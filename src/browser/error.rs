//! A [`ChatError`] as a page catches it.

use super::values::JsChatError;
use crate::error::{ChatError, Code};
use wasm_bindgen::JsValue;

/// The JavaScript `ChatError` for `error`.
pub fn to_js(error: &ChatError) -> JsValue {
    JsChatError::new(error.code.as_str(), error.code.sentence(), error.detail.as_deref()).into()
}

/// What a method throws for wrong input.
pub fn invalid(detail: &str) -> JsValue {
    to_js(&ChatError::with(Code::InvalidOptions, Some(detail.to_owned())))
}
