//! One read: what it is for, which messages it asks for, what it is answered with.

use super::timeline::Answered;
#[cfg(feature = "changes")]
use super::told::Told;
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
    /// It asks for changes above this number as well.
    #[cfg(feature = "changes")]
    pub known: Option<u64>,
    /// An older `sql/` does not know what it asks.
    #[cfg(feature = "changes")]
    pub with_changes: bool,
    /// Of the token it was made with.
    pub generation: u32,
}

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub purpose: Purpose,
    pub range: SeqRange,
    /// As in [`Read`].
    pub known: Option<u64>,
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
    /// A message that others reply to.
    #[cfg(feature = "changes")]
    Quote,
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
        Wanted { purpose, range, known }: Wanted,
        access: &Access,
        may_be_early: bool,
    ) -> Read {
        let with_changes = line.server.tells_changes();
        let known = known.filter(|_| with_changes);
        let url = rest::page_url(&line.config.supabase_url, with_changes);
        let request = line.rpc(access, url, rest::page_body(thread, range, known), may_be_early);
        Read {
            request,
            purpose,
            range,
            #[cfg(feature = "changes")]
            known,
            #[cfg(feature = "changes")]
            with_changes,
            generation: access.generation,
        }
    }
}

/// Reads rows, alone or with what is told beside them; `None` if they are none that tell which messages there are.
pub(super) fn read_rows<V: Json>(answer: &V, thread: &ThreadId, my_id: &str) -> Option<Answered<V>> {
    let messages = answer.get("messages");
    let list = messages.as_ref().unwrap_or(answer);
    let count = list.len()?;
    let (mut rows, mut span) = (Vec::new(), None);
    for value in (0..count).filter_map(|i| list.at(i)) {
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
    (span.is_some() || count == 0).then_some(Answered {
        rows,
        span,
        #[cfg(feature = "changes")]
        told: Told::read(answer, thread, my_id),
    })
}
