//! JSON as `JSON.parse` made it.

use super::values;
use crate::io::Input;
use crate::json::{Json, MAX_SAFE_INTEGER};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// Takes an input to the engine.
pub type Feed = Rc<dyn Fn(Input<Value>)>;

/// A value that `JSON.parse` made, held by reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(pub JsValue);

thread_local! {
    /// The JavaScript string of each key that was ever asked for: the engine's two dozen literals.
    static KEYS: RefCell<Vec<(&'static str, JsValue)>> = const { RefCell::new(Vec::new()) };
}

fn interned(key: &'static str) -> JsValue {
    KEYS.with_borrow_mut(|keys| {
        if let Some((_, known)) = keys.iter().find(|(text, _)| *text == key) {
            return known.clone();
        }
        let fresh = JsValue::from_str(key);
        keys.push((key, fresh.clone()));
        fresh
    })
}

impl Value {
    /// Parses a JavaScript string; `None` if it is not JSON.
    pub fn parse_text(text: &JsValue) -> Option<Self> {
        defined(values::parse_text(text))
    }
}

fn defined(value: JsValue) -> Option<Value> {
    if value.is_undefined() { None } else { Some(Value(value)) }
}

impl Json for Value {
    fn parse(text: &[u8]) -> Option<Self> {
        defined(values::parse_bytes(text))
    }

    fn get(&self, key: &'static str) -> Option<Self> {
        defined(values::member(&self.0, &interned(key))).filter(|value| !value.0.is_null())
    }

    fn at(&self, index: usize) -> Option<Self> {
        defined(values::element(&self.0, u32::try_from(index).ok()?))
    }

    fn len(&self) -> Option<usize> {
        Some(values::length(&self.0)? as usize)
    }

    fn as_str(&self) -> Option<String> {
        self.0.as_string()
    }

    #[cfg(feature = "inbox")]
    fn is_true(&self) -> bool {
        self.0.is_truthy()
    }
    fn as_row(&self, thread_id: &str, my_id: &str) -> Option<(u128, u64, u64, bool)> {
        // The id in four parts, the two numbers in two each, and who wrote it.
        let mut parts = [0u32; 9];
        if !values::read_row(&self.0, thread_id, my_id, &mut parts) {
            return None;
        }
        let [a, b, c, d, high, low, high_rev, low_rev, mine] = parts;
        let id = [a, b, c, d].into_iter().fold(0u128, |id, part| id << 32 | u128::from(part));
        let number = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        Some((id, number(high, low), number(high_rev, low_rev), mine == 1))
    }

    fn as_u64(&self) -> Option<u64> {
        let number = self.0.as_f64()?;
        let whole = number as u64;
        (whole <= MAX_SAFE_INTEGER && whole as f64 == number).then_some(whole)
    }
}
