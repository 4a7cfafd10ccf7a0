//! Messages of the window that change.

use super::Timeline;
use crate::io::Diff;
use crate::line::rest::SeqRange;
use crate::message::{Message, Row};

/// What becomes of a message that has changed.
#[derive(Debug)]
pub enum Changed<V> {
    /// It is here, and is shown as it is now.
    Here(Diff<V>),
    /// It is here as it is now.
    Already,
    /// It is older than the window.
    Older,
    /// It should be here, and is not yet.
    Missing,
    /// Another message has its number.
    Denied,
}

impl Timeline {
    /// Takes in a message that has changed.
    pub fn changed<V>(&mut self, row: Row<V>) -> Changed<V> {
        let Ok(at) = self.entries.find(row.seq) else {
            return if self.older_than_window(row.seq) { Changed::Older } else { Changed::Missing };
        };
        if self.id_of(row.seq) != Some(row.id) {
            Changed::Denied
        } else if self.revs.is_newer(&row) {
            self.revs.hold(&row);
            Changed::Here(Diff::Update { at, message: Message::Sent(row) })
        } else {
            Changed::Already
        }
    }

    /// The number of the first message that is here, or was said not to be; `None` where nothing is.
    pub fn first(&self) -> Option<u64> {
        self.covered.first()
    }

    /// What to read of a message that others reply to.
    pub fn quote(&self) -> Option<SeqRange> {
        let seq = *self.quotes.wanted.first()?;
        Some(SeqRange { after: seq - 1, before: Some(seq + 1), limit: 1 })
    }

    /// Whether the message with the number `seq` is here.
    pub fn has(&self, seq: u64) -> bool {
        self.entries.find(seq).is_ok()
    }
}
