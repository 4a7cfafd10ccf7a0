//! What a broadcast tells of a conversation besides its messages: hints, each of which one read can tell as well.

use crate::conversation::Preview;
use crate::json::Json;
use crate::message::{MessageId, Row, Sender};
use crate::thread_id::ThreadId;

/// What is new in a conversation.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// `THREAD`, to the inboxes of both people: its newest message.
    Newest(ThreadId, Preview),
    /// `MARK`, to the inboxes and to the thread's topic.
    Mark(Mark),
}

/// How far somebody has come.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub thread: ThreadId,
    /// It is this person's own.
    pub mine: bool,
    pub read: u64,
    pub delivered: u64,
    /// Of one's own: how many were unread.
    pub counted: Option<Count>,
}

/// How many messages were unread, at which moment of their thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub unread: u32,
    /// The number of its newest message.
    pub seq: u64,
    /// The number of its newest change.
    pub rev: u64,
}

/// The thread that `value` names, one of `my_id`.
pub(crate) fn thread<V: Json>(value: &V, my_id: &str) -> Option<ThreadId> {
    ThreadId::read(&value.text("thread_id")?, my_id)
}

/// The members `unread`, `last_seq` and, where messages can change, `last_rev`.
pub(crate) fn count<V: Json>(value: &V) -> Option<Count> {
    let rev = value.number("last_rev").unwrap_or(0);
    Some(Count { unread: unread(value)?, seq: value.number("last_seq")?, rev })
}

/// The member `unread`: 100 is a hundred or more.
pub(crate) fn unread<V: Json>(value: &V) -> Option<u32> {
    Some(value.number("unread")?.min(100) as u32)
}

impl News {
    /// Reads the payload of the broadcast `event`.
    pub fn read<V: Json>(event: &[u8], payload: &V, my_id: &str) -> Option<Self> {
        match event {
            b"THREAD" => {
                let message = Preview::read(&payload.get("message")?, my_id)?;
                let rev = payload.number("rev").unwrap_or(0);
                Some(News::Newest(thread(payload, my_id)?, Preview { rev, ..message }))
            }
            _ => Some(News::Mark(Mark::read(payload, my_id)?)),
        }
    }
}

impl Mark {
    fn read<V: Json>(payload: &V, my_id: &str) -> Option<Self> {
        let counted = count(payload);
        Some(Mark {
            thread: thread(payload, my_id)?,
            mine: payload.text("mongo_id")? == my_id,
            read: payload.number("read").unwrap_or(0),
            delivered: payload.number("delivered").unwrap_or(0),
            counted,
        })
    }
}

impl Preview {
    /// Reads a message as the server's functions and events tell the newest of a thread.
    pub(crate) fn read<V: Json>(value: &V, my_id: &str) -> Option<Self> {
        let sender = if value.text("sender_mongo_id")? == my_id { Sender::Me } else { Sender::Them };
        Some(Preview {
            id: MessageId::parse(&value.text("id")?)?,
            seq: value.number("seq").filter(|seq| *seq > 0)?,
            sender,
            body: value.text("body")?,
            created_at: value.text("created_at")?,
            deleted: value.flag("deleted"),
            rev: 0,
        })
    }

    /// The same of a row.
    pub(crate) fn of<V: Json>(row: &Row<V>) -> Option<Self> {
        let body = row.value.text("body")?;
        Some(Preview {
            id: row.id,
            seq: row.seq,
            sender: row.sender,
            body: cut(body),
            created_at: row.value.text("created_at")?,
            deleted: row.value.get("deleted_at").is_some(),
            rev: row.rev,
        })
    }
}

/// As the database cuts what it tells.
fn cut(mut body: String) -> String {
    if let Some((at, _)) = body.char_indices().nth(PREVIEW_CHARS) {
        body.truncate(at);
    }
    body
}

/// The longest preview, in characters.
const PREVIEW_CHARS: usize = 200;
