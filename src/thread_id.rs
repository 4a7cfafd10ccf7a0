//! Two Mongo ids, one thread.

use crate::error::{ChatError, Code};
use std::rc::Rc;

/// The longest Mongo id, in UTF-8 bytes: two of them, `__` and `chat:` fit the 246 bytes that a Realtime topic may have
/// (Realtime's vsn 2.0.0 serializer: 255 with the `realtime:` prefix).
pub const MAX_MONGO_ID_BYTES: usize = 119;

/// A thread's id: the two Mongo ids, smaller first by bytes, joined by `__`. The same for both people.
///
/// The order is that of UTF-8 bytes, PostgreSQL's collation `"C"`, so that the database agrees on any id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(Rc<str>);

impl ThreadId {
    /// The thread of two different people.
    pub fn new(a: &str, b: &str) -> Result<Self, ChatError> {
        if !is_mongo_id(a) || !is_mongo_id(b) || a == b {
            return Err(ChatError::with(
                Code::InvalidOptions,
                Some("a thread needs two different Mongo ids of 1 to 119 bytes, without \"__\", control characters or \"_\" at an end".into()),
            ));
        }
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        Ok(ThreadId([low, "__", high].concat().into()))
    }

    /// The thread of `my_id` and another whose id is `text`, written as the database has it.
    pub fn read(text: &str, my_id: &str) -> Option<Self> {
        let (low, high) = split(text)?;
        let thread = ThreadId::new(low, high).ok().filter(|thread| thread.as_str() == text)?;
        thread.other(my_id)?;
        Some(thread)
    }

    /// The id as the database has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The other person's Mongo id, where `my_id` is one of the two.
    pub fn other(&self, my_id: &str) -> Option<&str> {
        match split(&self.0)? {
            (low, high) if low == my_id => Some(high),
            (low, high) if high == my_id => Some(low),
            _ => None,
        }
    }

    /// The private Realtime topic as Phoenix has it: `realtime:chat:<thread_id>`.
    pub fn topic(&self) -> String {
        ["realtime:chat:", &self.0].concat()
    }
}

/// The two halves of a thread id.
pub fn split(thread_id: &str) -> Option<(&str, &str)> {
    let at = thread_id.as_bytes().windows(2).position(|pair| pair == b"__")?;
    Some((thread_id.get(..at)?, thread_id.get(at + 2..)?))
}

/// Whether `id` can stand in a thread id: split in one way only, and short enough for a topic.
// By bytes: searches for text are kilobytes in WebAssembly. U+0080 to U+009F are 0xC2 and a byte below 0xA0 in UTF-8.
pub fn is_mongo_id(id: &str) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_MONGO_ID_BYTES).contains(&bytes.len())
        && bytes.first() != Some(&b'_')
        && bytes.last() != Some(&b'_')
        && !bytes.iter().any(|byte| byte.is_ascii_control())
        && !bytes.windows(2).any(|pair| pair == b"__" || (pair[0] == 0xc2 && pair[1] < 0xa0))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The backend of the example is held to the same table, and the SQL to this file's rule on any id (tests/sql).
    #[test]
    fn the_rule_is_the_one_of_the_table() {
        let table: serde_json::Value = serde_json::from_str(include_str!("../tests/mongo-ids.json")).unwrap();
        for (kind, good) in [("good", true), ("bad", false)] {
            for id in table[kind].as_array().unwrap() {
                assert_eq!(is_mongo_id(id.as_str().unwrap()), good, "{id}");
            }
        }
    }

    #[test]
    fn ids_that_could_be_split_in_two_ways_are_refused() {
        for (a, b) in [("a__b", "c"), ("_a", "b"), ("a_", "b"), ("", "b"), ("a", "a"), ("a\n", "b")] {
            assert!(ThreadId::new(a, b).is_err(), "{a:?} {b:?}");
        }
        assert!(ThreadId::new(&"x".repeat(120), "b").is_err());
    }

    proptest! {
        #[test]
        fn no_control_character_passes(a in "[a-c_]{0,3}", c in any::<char>(), b in "[a-c_]{0,3}") {
            let id = format!("{a}{c}{b}");
            let good = !id.chars().any(char::is_control) && !id.contains("__") && !id.starts_with('_') && !id.ends_with('_');
            prop_assert_eq!(is_mongo_id(&id), good);
        }

        #[test]
        fn both_people_get_the_same_id_and_it_splits_in_one_way(a in "\\PC{1,20}", b in "\\PC{1,20}") {
            prop_assume!(is_mongo_id(&a) && is_mongo_id(&b) && a != b);
            let id = ThreadId::new(&a, &b).unwrap();
            prop_assert_eq!(&id, &ThreadId::new(&b, &a).unwrap());
            let parts: Vec<_> = id.as_str().split("__").collect();
            prop_assert_eq!(parts.len(), 2);
            prop_assert!(parts[0].as_bytes() < parts[1].as_bytes());
            prop_assert!(id.topic().len() <= 255);
        }
    }
}
