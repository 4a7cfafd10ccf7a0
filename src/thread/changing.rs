//! How messages that are there change: what the person asks for, and what the server tells of.

use super::changes;
use super::quotes::Quotes;
use super::read::Purpose;
use super::timeline::Answered;
use super::timeline::changed::Changed;
use super::told::Told;
use super::{Thread, place};
use crate::change::{Change, PendingChange};
use crate::error::ChatError;
use crate::io::{Answer, Output};
use crate::json::Json;
use crate::line::Line;
use crate::line::rest::SeqRange;
use crate::line::token::Access;
use crate::message::{MessageId, Row};
use crate::mutation::{Mutation, mutated};

/// What the person asks for.
impl Thread {
    /// Changes a message: one that is not sent yet is rewritten, or discarded.
    pub(crate) fn change<V>(&mut self, line: &mut Line<V>, id: MessageId, change: Change) {
        self.changes.add(line, &self.id, id, change);
        self.settle_drafts(line);
    }

    /// The person wants to see a message.
    pub(crate) fn jump_to<V>(&mut self, line: &mut Line<V>, seq: u64) {
        self.reader.jump_to(seq);
        self.settle_jump(line);
    }

    /// A jump ends where the message is here, or nothing older is.
    pub(super) fn settle_jump<V>(&mut self, line: &mut Line<V>) {
        let here = |seq| self.timeline.first().is_some_and(|first| first <= seq) || !self.timeline.has_older();
        if self.reader.is_loaded() && self.reader.jump().is_some_and(here) {
            self.end_jump(line, Ok(()));
        }
    }

    pub(super) fn end_jump<V>(&mut self, line: &mut Line<V>, result: Result<(), ChatError>) {
        if self.reader.end_jump() {
            line.emit(Output::Jumped(self.id.clone(), result));
        }
    }

    /// Changes that an earlier page left in storage.
    pub(crate) fn restore_changes<V>(&mut self, line: &mut Line<V>, changes: Vec<PendingChange>) {
        self.changes.restore(line, &self.id, changes);
    }

    /// What is to become of messages that nobody has sent becomes of them at once.
    pub(super) fn settle_drafts<V>(&mut self, line: &mut Line<V>) {
        for id in self.changes.ids() {
            if !self.sender.holds(id) || self.sender.is_sending(id) {
                continue;
            }
            let Some(PendingChange { edit, unsend, .. }) = self.changes.of(id).cloned() else { continue };
            let unknown = self.sender.is_unknown(id);
            if unsend {
                if unknown {
                    self.changes.forget(line, &self.id, id);
                }
                // Otherwise it may be in the table, and is unsent there.
                self.discard(line, id);
            } else if let Some(body) = edit.filter(|_| unknown) {
                self.changes.forget(line, &self.id, id);
                self.sender.rewrite(line, place(&self.id, &self.timeline), id, body);
            }
        }
    }

    pub(super) fn drive_changes<V>(&mut self, line: &mut Line<V>, access: &Access) {
        self.settle_drafts(line);
        let sender = &self.sender;
        self.changes.drive(line, access, |id| !sender.holds(id) || mutated(Mutation::EditOvertakesSend));
    }

    /// Reads what has changed, where news of it is missing for too long.
    pub(super) fn drive_revs<V>(&mut self, line: &mut Line<V>) {
        if let Some(at) = self.timeline.revs.due_at()
            && line.reached(at)
            && !self.reader.is_reading_newest()
        {
            self.reader.want_news();
        }
    }
}

/// What the server tells of.
impl Thread {
    /// A message changed, by a broadcast.
    pub(super) fn change_came<V: Json>(&mut self, line: &mut Line<V>, row: Row<V>) {
        line.server.good_news = true;
        self.reader.heard(line.now());
        self.take_change(line, row, true);
    }

    /// `alone`: it did not come with the messages that are missing here.
    fn take_change<V: Json>(&mut self, line: &mut Line<V>, row: Row<V>, alone: bool) {
        let (now, rev) = (line.now(), row.rev);
        self.tell_inbox(&row);
        if self.timeline.quotes.told.contains(&row.seq) {
            line.emit(Output::Quoted(self.id.clone(), row.clone()));
        }
        match self.timeline.changed(row) {
            Changed::Here(diff) => {
                line.show(&self.id, vec![diff]);
                self.timeline.revs.took(now, rev, true);
            }
            Changed::Already => self.timeline.revs.took(now, rev, true),
            Changed::Missing if alone => self.timeline.revs.told_of(now, rev),
            Changed::Older | Changed::Missing => self.timeline.revs.took(now, rev, mutated(Mutation::DropUnloaded)),
            Changed::Denied => {
                self.timeline.outdate();
                self.reader.want_news();
            }
        }
    }

    /// A page came whose lowest message is `lowest`, with what it tells of changes.
    pub(super) fn told<V: Json>(&mut self, line: &mut Line<V>, purpose: Purpose, lowest: u64, told: Told<V>) {
        let Told { last_rev, after, changed, quoted, windows } = told;
        self.quote(line, quoted);
        if let Some(windows) = windows {
            line.emit(Output::Windows(windows));
        }
        let now = line.now();
        if matches!(purpose, Purpose::Newest { .. }) {
            // What came alone before the first page, and is not in it, may have changed since.
            let all = self.timeline.first().is_none_or(|first| first >= lowest);
            self.timeline.revs.start(if all { last_rev } else { 0 });
        }
        self.timeline.revs.read(now, last_rev);
        match (after, changed) {
            (None, _) => {}
            // Too many to be told of one by one.
            (Some(_), None) => {
                self.timeline.outdate();
                self.reader.want_news();
            }
            (Some(after), Some(rows)) => {
                for row in rows {
                    self.take_change(line, row, false);
                }
                self.timeline.revs.read_all(now, after, last_rev);
            }
        }
    }

    /// Some message replies to one that the page may not have been told of.
    pub(super) fn want_quoted(&mut self, seq: u64) {
        let here = self.timeline.has(seq);
        let Quotes { told, wanted } = &mut self.timeline.quotes;
        if !told.contains(&seq) && !wanted.contains(&seq) {
            // The page keeps what it has when the window moves on.
            if here { told.push(seq) } else { wanted.push(seq) }
        }
    }

    /// A message came that others reply to, or there is none.
    pub(super) fn quote_came<V: Json>(&mut self, line: &mut Line<V>, range: SeqRange, answered: Answered<V>) {
        let Answered { rows, told, .. } = answered;
        self.quote(line, rows);
        self.timeline.quotes.wanted.retain(|seq| *seq != range.after + 1);
        if let Some(told) = told {
            self.timeline.revs.read(line.now(), told.last_rev);
        }
    }

    fn quote<V: Json>(&mut self, line: &mut Line<V>, rows: Vec<Row<V>>) {
        for row in rows {
            let Quotes { told, wanted } = &mut self.timeline.quotes;
            wanted.retain(|seq| *seq != row.seq);
            if !told.contains(&row.seq) {
                told.push(row.seq);
            }
            line.emit(Output::Quoted(self.id.clone(), row));
        }
    }

    /// A change that was asked for was answered.
    pub(super) fn change_answered<V: Json>(&mut self, line: &mut Line<V>, answer: Answer<V>) {
        let timeline = &self.timeline;
        match self.changes.answered(line, &self.id, answer, |id| timeline.holds(id)) {
            changes::Fact::Done(row) if row.rev > 0 => self.take_change(line, row, true),
            changes::Fact::Done(_) | changes::Fact::Nothing => {}
            changes::Fact::Stop(error) => self.stop(line, error),
        }
    }
}

/// The number of the message that `row` replies to.
pub(super) fn reply_to<V: Json>(row: &Row<V>) -> Option<u64> {
    row.value.number("reply_to").filter(|seq| *seq > 0)
}
