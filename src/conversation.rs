//! A conversation as the inbox shows it, and how far its two people have come.

use crate::message::{MessageId, Sender};
use crate::thread_id::ThreadId;

/// How far two people have come in a thread that is open, in numbers of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Markers {
    /// What this person had seen when the thread was opened: stays until it is opened anew.
    pub seen_at_open: u64,
    /// Whether nothing was unread then.
    pub all_read_at_open: bool,
    /// What the other has read; 0 where either reads privately.
    pub read_by_other: u64,
    /// What has reached a device of the other; 0 where either reads privately.
    pub delivered_to_other: u64,
}

/// A conversation as the inbox shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxLine {
    /// Which one.
    pub thread: ThreadId,
    /// Its newest message.
    pub message: Preview,
    /// How many messages of the other are unread; 100 is a hundred or more.
    pub unread: u32,
    /// As in [`Markers`].
    pub read_by_other: u64,
    /// As in [`Markers`].
    pub delivered_to_other: u64,
}

/// What an inbox shows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Its id.
    pub id: MessageId,
    /// Its number in the thread.
    pub seq: u64,
    /// Who wrote it.
    pub sender: Sender,
    /// Its first 200 characters.
    pub body: String,
    /// When it was written, as the server has it.
    pub created_at: String,
    /// Whether it was unsent: its body is empty.
    pub deleted: bool,
    /// The number of the thread's newest change that is known with it.
    pub rev: u64,
}

/// A change of the list of conversations, newest first, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboxDiff {
    /// `line` comes in before index `at`.
    Insert {
        /// Its index from now on.
        at: usize,
        /// The conversation.
        line: InboxLine,
    },
    /// The conversation at index `at` becomes `line`; its thread stays.
    Update {
        /// Its index.
        at: usize,
        /// What it is now.
        line: InboxLine,
    },
    /// The one at index `at` goes away. One that moves is removed and inserted again.
    Remove {
        /// Its index.
        at: usize,
    },
}
