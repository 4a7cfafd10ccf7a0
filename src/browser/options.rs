//! The options of `new ChatSession(options)`.
//!
//! Read with the getters of [`Json`], not with serde: every complaint names its option, two of them are functions, and a
//! deserialiser would weigh more than the rest of the shell.

use super::error::{invalid, to_js};
use super::json::Value;
use crate::json::Json;
use crate::thread_id::ThreadId;
use wasm_bindgen::JsValue;

const PAGE_SIZES: std::ops::RangeInclusive<u64> = 1..=200;
const DEFAULT_PAGE_SIZE: u64 = 50;

/// The page's own backend: each a URL, called with the page's cookies, or a function of the page.
#[derive(Clone)]
pub struct Backend {
    /// Gives `{access_token, expires_in}`.
    pub token: JsValue,
    /// Makes sure that the thread exists.
    pub ensure: JsValue,
}

/// What a session was made with, checked.
pub struct Options {
    /// Without a slash at the end.
    pub supabase_url: String,
    /// The anon or publishable key.
    pub anon_key: String,
    /// The page's own backend.
    pub backend: Backend,
    /// The signed-in person.
    pub my_id: String,
    /// The two people's thread.
    pub thread: ThreadId,
    /// Messages a page.
    pub page_size: u32,
    /// Whether what is not sent yet is kept beyond the page's life.
    pub persist_outbox: bool,
}

impl Options {
    /// Reads a page's options; the error is what to throw.
    pub fn read(options: JsValue) -> Result<Self, JsValue> {
        if !options.is_object() {
            return Err(invalid("new ChatSession(options): options must be an object"));
        }
        let options = Value(options);
        let my_id = string(&options, "myMongoId")?;
        let other_id = string(&options, "otherMongoId")?;
        let thread = ThreadId::new(&my_id, &other_id).map_err(|error| to_js(&error))?;
        Ok(Options {
            supabase_url: supabase_url(&options)?,
            anon_key: string(&options, "supabaseAnonKey")?,
            backend: Backend {
                token: source(&options, "tokenUrl", "getToken")?,
                ensure: source(&options, "ensureThreadUrl", "ensureThread")?,
            },
            my_id,
            thread,
            page_size: page_size(&options)?,
            persist_outbox: persist_outbox(&options)?,
        })
    }
}

fn complaint(parts: &[&str]) -> JsValue {
    invalid(&parts.concat())
}

fn string(options: &Value, name: &'static str) -> Result<String, JsValue> {
    options
        .text(name)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| complaint(&[name, " must be a string that is not empty"]))
}

fn supabase_url(options: &Value) -> Result<String, JsValue> {
    const NAME: &str = "supabaseUrl";
    let text = string(options, NAME)?;
    let url = web_sys::Url::new(&text).ok().filter(|url| {
        matches!(url.protocol().as_str(), "http:" | "https:") && url.search().is_empty() && url.hash().is_empty()
    });
    match url {
        Some(url) => {
            let mut href = url.href();
            while href.ends_with('/') {
                href.pop();
            }
            Ok(href)
        }
        None => Err(complaint(&[NAME, " must be an http(s) URL such as https://<ref>.supabase.co"])),
    }
}

fn source(options: &Value, url: &'static str, callback: &'static str) -> Result<JsValue, JsValue> {
    match (options.get(url), options.get(callback)) {
        (Some(_), None) => Ok(string(options, url)?.into()),
        (None, Some(Value(function))) if function.is_function() => Ok(function),
        (None, Some(_)) => Err(complaint(&[callback, " must be a function"])),
        _ => Err(complaint(&["give one of ", url, " and ", callback])),
    }
}

fn page_size(options: &Value) -> Result<u32, JsValue> {
    let size = match options.get("pageSize") {
        None => Some(DEFAULT_PAGE_SIZE),
        Some(size) => size.as_u64(),
    };
    size.filter(|size| PAGE_SIZES.contains(size))
        .map(|size| size as u32)
        .ok_or_else(|| invalid("pageSize must be a whole number from 1 to 200"))
}

fn persist_outbox(options: &Value) -> Result<bool, JsValue> {
    match options.get("persistOutbox") {
        None => Ok(true),
        Some(Value(value)) => value.as_bool().ok_or_else(|| invalid("persistOutbox must be true or false")),
    }
}
