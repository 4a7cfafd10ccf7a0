//! One read: what it is for, which messages it asks for, what it is answered with.

use super::timeline::Answered;
use crate::io::RequestId;
use crate::json::Json;
use crate::line::Line;
use crate::line::rest::{self, SeqRange};
use crate::line::token::Access;
use crate::message::Row;
use crate::thread_id::ThreadId;

/// In the place of a request's name: it is the thread's part of a sync.
pub(super) const OF_SYNC: RequestId = RequestId(0);

/// A read whose answer is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub request: RequestId,
    pub purpose: Purpose,
    pub range: SeqRange,
    /// Of the token it was made with.
    pub generation: u32,
}

/// What a read is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Newest {
        cause: Cause,
        /// It started before the thread was known to exist.
        early: bool,
    },
    Hole,
    Older,
}

/// Why the newest page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something said that there may be news.
    News,
    /// A poll, of all threads together: what it finds, a broadcast should have brought.
    Poll,
    /// The same, of this thread alone: the other one did not tell all.
    PollAlone,
}

impl Read {
    pub fn start<V>(
        line: &mut Line<V>,
        thread: &ThreadId,
        (purpose, range): (Purpose, SeqRange),
        access: &Access,
        may_be_early: bool,
    ) -> Read {
        let (url, body) = (rest::page_url(&line.config.supabase_url), rest::page_body(thread, range));
        let request = line.rpc(access, url, body, may_be_early);
        Read { request, purpose, range, generation: access.generation }
    }
}

/// Reads rows; `None` if they are none that tell which messages there are.
pub(super) fn read_rows<V: Json>(value: &V, thread: &ThreadId, my_id: &str) -> Option<Answered<V>> {
    let count = value.len()?;
    let (mut rows, mut span) = (Vec::new(), None);
    for value in (0..count).filter_map(|i| value.at(i)) {
        let row = Row::read(value, thread.as_str(), my_id);
        let seq = match &row {
            Ok(row) => Some(row.seq),
            Err(unreadable) => unreadable.number("seq"),
        };
        if let Some(seq) = seq {
            let (low, high) = span.unwrap_or((seq, seq));
            span = Some((seq.min(low), seq.max(high)));
        }
        rows.extend(row);
    }
    (span.is_some() || count == 0).then_some(Answered { rows, span })
}
