//! JSON as the host has parsed it.
//!
//! The engine reads the few members it needs through [`Json`] and carries the rest unseen: in the browser a value is the
//! JavaScript object that `JSON.parse` made, natively it is a `serde_json::Value`. Nothing is serialised back and forth.

/// A parsed JSON value, cheap to clone. A getter returns `None` for a value of another type: no shape is trusted.
#[expect(clippy::len_without_is_empty, reason = "it is asked of values that may be no array")]
pub trait Json: Clone {
    /// Parses UTF-8 JSON text; `None` if it is not JSON.
    fn parse(text: &[u8]) -> Option<Self>;
    /// The member `key` of an object. A member that is `null` counts as absent. Static, so that a host may keep every key.
    fn get(&self, key: &'static str) -> Option<Self>;
    /// The element at `index` of an array.
    fn at(&self, index: usize) -> Option<Self>;
    /// The number of elements of an array; `None` if this is not an array.
    fn len(&self) -> Option<usize>;
    /// The string.
    fn as_str(&self) -> Option<String>;
    /// The number, if it is a whole one from 0 to 2^53 - 1.
    fn as_u64(&self) -> Option<u64>;

    /// Whether this is `true`.
    #[cfg(feature = "inbox")]
    fn is_true(&self) -> bool;

    /// Whether the member `key` is `true`.
    #[cfg(feature = "inbox")]
    fn flag(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|value| value.is_true())
    }

    /// A row of `chat_messages` in the thread `thread_id`: its id, its number, that of its last change (0 if there is none), and
    /// whether `my_id` wrote it. `None` if anything that such a row has is missing. One question, as each is a call to the host.
    fn as_row(&self, thread_id: &str, my_id: &str) -> Option<(u128, u64, u64, bool)>;

    /// The string member `key`.
    fn text(&self, key: &'static str) -> Option<String> {
        self.get(key)?.as_str()
    }

    /// The whole-number member `key`.
    fn number(&self, key: &'static str) -> Option<u64> {
        self.get(key)?.as_u64()
    }
}

/// The largest whole number that survives a JavaScript number: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Appends `text` to `out` as a JSON string, quotes included.
pub fn push_string(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                out.push_str("\\u00");
                out.push(HEX[c as usize >> 4] as char);
                out.push(HEX[c as usize & 15] as char);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a whole number in decimal. Its own because `core::fmt` costs kilobytes in WebAssembly.
pub fn push_number(out: &mut String, number: u64) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push((b'0' + (number % 10) as u8) as char);
}

/// Reads a whole number in decimal. Its own, as `str::parse` weighs more than the rest of a header's reading.
pub fn read_number(text: &str) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let number = text.bytes().try_fold(0u32, |number, byte| number.checked_mul(10)?.checked_add(digit(byte)?))?;
    (!text.is_empty()).then_some(number)
}

/// Native values, for tests and the simulation.
#[cfg(not(target_arch = "wasm32"))]
impl Json for serde_json::Value {
    fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
    fn get(&self, key: &'static str) -> Option<Self> {
        serde_json::Value::get(self, key).filter(|v| !v.is_null()).cloned()
    }
    fn at(&self, index: usize) -> Option<Self> {
        self.as_array()?.get(index).cloned()
    }
    fn len(&self) -> Option<usize> {
        Some(self.as_array()?.len())
    }
    fn as_str(&self) -> Option<String> {
        serde_json::Value::as_str(self).map(str::to_owned)
    }
    fn as_u64(&self) -> Option<u64> {
        serde_json::Value::as_u64(self).filter(|n| *n <= MAX_SAFE_INTEGER)
    }
    #[cfg(feature = "inbox")]
    fn is_true(&self) -> bool {
        self.as_bool() == Some(true)
    }
    fn as_row(&self, thread_id: &str, my_id: &str) -> Option<(u128, u64, u64, bool)> {
        if self.text("thread_id")? != thread_id {
            return None;
        }
        self.text("body")?;
        self.text("created_at")?;
        let id = crate::uuid::parse(&self.text("id")?)?;
        let mine = self.text("sender_mongo_id")? == my_id;
        Some((id, self.number("seq").filter(|seq| *seq > 0)?, self.number("rev").unwrap_or(0), mine))
    }
}

/// JSON that nobody would send, for the tests of what reads it.
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) mod arbitrary {
    use proptest::prelude::*;
    use serde_json::Value;

    /// Any value of a few levels.
    pub(crate) fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z_]{0,6}__[a-z_]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    /// An object with these members, each of them anything or absent.
    pub(crate) fn object(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
        prop::collection::vec(prop::option::of(anything()), keys.len()).prop_map(|values| {
            let members = keys.iter().zip(values);
            Value::Object(members.filter_map(|(key, value)| Some(((*key).to_owned(), value?))).collect())
        })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_no_number_is_not_read(text in "[0-9+ x-]{0,12}") {
            prop_assert_eq!(read_number(&text), text.parse().ok().filter(|_| !text.starts_with('+')));
        }

        #[test]
        fn strings_survive_the_round_trip(text in any::<String>()) {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn numbers_are_decimal(number in any::<u64>()) {
            let mut out = String::new();
            push_number(&mut out, number);
            prop_assert_eq!(&out, &number.to_string());
            prop_assert_eq!(read_number(&out), out.parse().ok());
        }
    }
}
