//! What an answer tells beside the messages: which changes there are, and what messages reply to.

use crate::change::Windows;
use crate::json::Json;
use crate::message::Row;
use crate::thread_id::ThreadId;

/// What is told of changes, all of one moment.
#[derive(Debug)]
pub(super) struct Told<V> {
    /// The number of the newest change.
    pub last_rev: u64,
    /// The changes above this number were asked for.
    pub after: Option<u64>,
    /// The messages that have changed since, as they are now; `None` where there are too many.
    pub changed: Option<Vec<Row<V>>>,
    /// Messages that others reply to.
    pub quoted: Vec<Row<V>>,
    /// For how long messages can be changed.
    pub windows: Option<Windows>,
}

impl<V: Json> Told<V> {
    /// Reads it beside the messages of `thread`; `None` where nothing is told.
    pub fn read(answer: &V, thread: &ThreadId, my_id: &str) -> Option<Self> {
        let rows = |list: V| -> Vec<Row<V>> {
            let row = |value| Row::read(value, thread.as_str(), my_id).ok();
            (0..list.len().unwrap_or(0)).filter_map(|at| list.at(at)).filter_map(row).collect()
        };
        Some(Told {
            last_rev: answer.number("last_rev")?,
            after: None,
            changed: answer.get("changes").map(rows),
            quoted: answer.get("quoted").map(rows).unwrap_or_default(),
            windows: answer.text("now").map(|now| Windows {
                edit: answer.number("edit_within"),
                unsend: answer.number("unsend_within"),
                now,
            }),
        })
    }
}
