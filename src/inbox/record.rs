//! What is known of one conversation: its newest message, how much of it is unread, how far both have come.
//!
//! Unread is never just counted up: a message that follows the newest known one adds to it, and after anything else it is
//! known to be perhaps wrong, and read again.

use crate::conversation::Preview;
use crate::line::hint::Count;
use crate::message::Sender;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

/// How far somebody has come in a thread, in numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub read: u64,
    pub delivered: u64,
}

/// A conversation, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub thread: ThreadId,
    /// Whether the database has said how far both have come.
    pub marked: bool,
    /// Whether the database has said with it that nothing is unread.
    pub all_read: bool,
    pub mine: Progress,
    pub theirs: Progress,
    pub newest: Option<Newest>,
}

/// Its newest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub message: Preview,
    /// When it was written, as the server sorts by it.
    pub at: String,
    /// How many messages of the other are unread, up to [`MOST`].
    pub unread: u32,
    /// Whether that is certain.
    pub counted: bool,
    /// The newest change that is known of any of its messages. The one shown may be as an older one left it.
    pub rev: u64,
}

/// Whether what is known is the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// Nothing is new.
    Known,
    /// It is new, and what is shown is right.
    Exact,
    /// Something is missing: only a read can tell.
    Doubted,
}

/// Counts end here.
const MOST: u32 = 100;

impl Progress {
    /// Goes on to `other`, where that is further. Returns whether it is.
    pub fn raise(&mut self, other: Progress) -> bool {
        let before = *self;
        self.read = self.read.max(other.read);
        self.delivered = self.delivered.max(other.delivered).max(self.read);
        if mutated(Mutation::MarkersGoBack) {
            *self = other;
        }
        *self != before
    }
}

impl Newest {
    /// A message changed that is not newer: this one, perhaps.
    fn changed(&mut self, message: Preview) -> Fact {
        let rev = message.rev;
        let shown = message.seq == self.message.seq && rev > self.message.rev;
        if shown {
            self.message = message;
        }
        if rev <= self.rev {
            return if shown { Fact::Exact } else { Fact::Known };
        }
        self.rev = rev;
        // What was unsent may have been unread.
        if self.unread == 0 || mutated(Mutation::TombstoneIsUnread) {
            return Fact::Exact;
        }
        self.counted = false;
        Fact::Doubted
    }
}

impl Record {
    pub fn new(thread: ThreadId) -> Self {
        Record {
            thread,
            marked: false,
            all_read: false,
            mine: Progress::default(),
            theirs: Progress::default(),
            newest: None,
        }
    }

    /// The number of the newest message; 0 where none is known.
    pub fn last_seq(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.message.seq)
    }

    /// How much is unread for who has seen it up to `seen`, which the server may not know yet.
    pub fn unread(&self, seen: u64) -> u32 {
        match &self.newest {
            Some(newest) if newest.message.seq > seen => newest.unread,
            _ => 0,
        }
    }

    /// Whether nothing is unread for who has seen it up to `seen`, as far as that is certain.
    pub fn is_all_read(&self, seen: u64) -> bool {
        match &self.newest {
            Some(newest) => newest.counted && self.unread(seen) == 0,
            None => self.all_read,
        }
    }

    /// A message came. The person has seen all up to `seen`, which the server may not know yet.
    pub fn came(&mut self, message: Preview, seen: u64) -> Fact {
        let (seq, last) = (message.seq, self.last_seq());
        if let Some(newest) = self.newest.as_mut().filter(|_| seq <= last) {
            return newest.changed(message);
        }
        let gone = message.deleted && !mutated(Mutation::TombstoneIsUnread);
        let counts = message.sender == Sender::Them && seq > self.mine.read.max(seen) && !gone;
        let (before, certain) = (self.unread(seen), self.newest.as_ref().is_none_or(|newest| newest.counted));
        let unread = if counts { (before + 1).min(MOST) } else { before };
        let counted = certain && seq == last + 1 || mutated(Mutation::CountUp);
        let rev = self.newest.as_ref().map_or(0, |newest| newest.rev).max(message.rev);
        self.newest = Some(Newest { at: message.created_at.clone(), message, unread, counted, rev });
        if counted { Fact::Exact } else { Fact::Doubted }
    }

    /// This person came so far. `counted`: how many were unread then.
    pub fn marked_mine(&mut self, progress: Progress, counted: Option<Count>) -> Fact {
        let raised = self.mine.raise(progress);
        let (read, last) = (self.mine.read, self.last_seq());
        let (Some(newest), false) = (&mut self.newest, progress.read < read) else {
            return if raised { Fact::Doubted } else { Fact::Known };
        };
        newest.unread = match counted {
            // As of what is known here: one more may have been sent since, or unsent.
            Some(count) if count.seq == last && count.rev >= newest.rev => count.unread,
            // Whatever comes up to that number is read already.
            _ if read >= last => 0,
            _ if !raised => return Fact::Known,
            _ => {
                newest.counted = false;
                return Fact::Doubted;
            }
        };
        newest.counted = true;
        Fact::Exact
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::message::MessageId;

    fn preview(seq: u64, sender: Sender) -> Preview {
        Preview {
            id: MessageId(seq.into()),
            seq,
            sender,
            body: "x".into(),
            created_at: "t".into(),
            deleted: false,
            rev: 0,
        }
    }

    fn count(seq: u64, unread: u32) -> Option<Count> {
        Some(Count { unread, seq, rev: 0 })
    }

    fn record(seqs: &[u64]) -> Record {
        let mut record = Record::new(ThreadId::new("ana", "ben").unwrap());
        for seq in seqs {
            record.came(preview(*seq, Sender::Them), 0);
        }
        record
    }

    #[test]
    fn what_follows_counts_and_what_does_not_is_doubted() {
        let mut record = record(&[1, 2]);
        assert_eq!((record.unread(0), record.unread(1), record.unread(2)), (2, 2, 0));
        assert_eq!(record.came(preview(2, Sender::Them), 0), Fact::Known);
        assert_eq!(record.came(preview(3, Sender::Me), 0), Fact::Exact);
        assert_eq!(record.unread(0), 2, "one's own is not unread");
        assert_eq!(record.came(preview(5, Sender::Them), 0), Fact::Doubted);
        assert_eq!(record.last_seq(), 5, "it is shown all the same");
        assert_eq!(record.came(preview(6, Sender::Them), 0), Fact::Doubted, "until it has been read");
    }

    #[test]
    fn what_changes_the_newest_is_shown_and_what_was_unread_is_doubted() {
        let changed = |seq: u64, rev: u64| Preview { body: "y".into(), rev, ..preview(seq, Sender::Them) };
        let mut record = record(&[1, 2]);
        assert_eq!(record.came(changed(2, 1), 0), Fact::Doubted, "it, or one before it, may be gone");
        assert_eq!(record.newest.as_ref().unwrap().message.body, "y");
        assert_eq!(record.came(preview(2, Sender::Them), 0), Fact::Known, "as it was before");
        assert_eq!(record.came(changed(1, 2), 0), Fact::Doubted);
        assert_eq!(record.last_seq(), 2);
        assert_eq!(record.came(changed(1, 4), 0), Fact::Doubted);
        let late = Preview { body: "late".into(), ..changed(2, 3) };
        assert_eq!(record.came(late, 0), Fact::Exact, "a change of another message came before it");
        assert_eq!(record.newest.as_ref().unwrap().message.body, "late");
        let read = Progress { read: 1, delivered: 2 };
        assert_eq!(record.marked_mine(read, count(2, 1)), Fact::Doubted, "of before the change");
        assert_eq!(record.marked_mine(read, Some(Count { unread: 1, seq: 2, rev: 4 })), Fact::Exact);
        record.marked_mine(Progress { read: 2, delivered: 2 }, None);
        assert_eq!(record.came(changed(2, 5), 0), Fact::Exact, "all is read");
        let gone = Preview { deleted: true, rev: 6, ..preview(3, Sender::Them) };
        assert_eq!(record.came(gone, 0), Fact::Exact);
        assert_eq!(record.unread(0), 0, "nobody has to read what is gone");
    }

    #[test]
    fn a_mark_that_comes_before_its_message_covers_it() {
        let mut record = record(&[1, 2]);
        let all = Progress { read: 3, delivered: 3 };
        assert_eq!(record.marked_mine(all, count(3, 0)), Fact::Exact);
        assert_eq!(record.unread(0), 0);
        assert_eq!(record.came(preview(3, Sender::Them), 0), Fact::Exact);
        assert_eq!(record.unread(0), 0, "read on another device");
        record.came(preview(4, Sender::Them), 0);
        assert_eq!(record.unread(0), 1);
    }

    #[test]
    fn a_count_of_another_moment_is_doubted() {
        let mut record = record(&[1, 2, 3, 4]);
        assert_eq!(record.marked_mine(Progress { read: 2, delivered: 2 }, count(3, 1)), Fact::Doubted);
        assert_eq!(record.marked_mine(Progress { read: 2, delivered: 2 }, count(4, 2)), Fact::Exact);
        assert_eq!(record.unread(2), 2);
        assert_eq!(record.marked_mine(Progress { read: 1, delivered: 1 }, count(4, 3)), Fact::Known);
        assert_eq!((record.mine.read, record.unread(2)), (2, 2), "an older word changes nothing");
    }

    #[test]
    fn of_a_conversation_that_is_not_loaded_a_mark_tells_no_count() {
        let mut record = record(&[]);
        assert_eq!(record.marked_mine(Progress { read: 2, delivered: 2 }, count(3, 1)), Fact::Doubted);
        assert_eq!(record.marked_mine(Progress { read: 2, delivered: 2 }, count(3, 1)), Fact::Known);
    }
}
