//! What the page has been told of the inbox: the lines, newest first, and how it stands.

use super::marks::Marks;
use super::reader::Place;
use super::record::Record;
use crate::conversation::{InboxDiff, InboxLine, Markers};
use crate::error::ChatError;
use crate::io::{InboxState, Output, Status};
use crate::line::Line;
use crate::thread_id::ThreadId;

/// Tells the page what changed, and no more.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// `open()` has not ended yet.
    opening: bool,
    pub was_live: bool,
    /// The last failure since the inbox was live.
    pub error: Option<ChatError>,
    lines: Vec<InboxLine>,
    state: Option<InboxState>,
    /// Of the threads that sessions have open.
    threads: Vec<OpenThread>,
}

/// A thread that sessions have open.
#[derive(Debug)]
struct OpenThread {
    thread: ThreadId,
    at_open: Option<(u64, bool)>,
    markers: Option<Markers>,
}

/// Where a conversation stands in the list: as the server sorts them.
pub(super) fn place(record: &Record) -> Option<Place> {
    Some((record.newest.as_ref()?.at.clone(), record.thread.clone()))
}

/// The lines of the records from the newest down to `end`.
pub(super) fn lines(records: &[Record], end: Option<&Place>, marks: &Marks, receipts: bool) -> Vec<InboxLine> {
    let mut places: Vec<_> = records.iter().filter_map(|record| Some((place(record)?, record))).collect();
    places.retain(|(place, _)| end.is_none_or(|end| place >= end));
    places.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    let line = |(_, record): (Place, &Record)| {
        Some(InboxLine {
            thread: record.thread.clone(),
            message: record.newest.as_ref()?.message.clone(),
            unread: record.unread(marks.seen_of(&record.thread)),
            read_by_other: if receipts { record.theirs.read } else { 0 },
            delivered_to_other: if receipts { record.theirs.delivered } else { 0 },
        })
    };
    places.into_iter().filter_map(line).collect()
}

impl Shown {
    /// A session waits for `open()`.
    pub fn open(&mut self) {
        self.opening = true;
    }

    /// Nobody looks any more.
    pub fn close<V>(&mut self, line: &mut Line<V>) {
        self.was_live = false;
        self.error = None;
        self.update(line, Vec::new());
    }

    /// `open()` ends, if it has not.
    pub fn opened<V>(&mut self, line: &mut Line<V>, result: Result<(), ChatError>) {
        if core::mem::take(&mut self.opening) {
            line.emit(Output::InboxOpened(result));
        }
    }

    /// Emits what changed among the lines.
    pub fn update<V>(&mut self, line: &mut Line<V>, lines: Vec<InboxLine>) {
        for at in (0..self.lines.len()).rev() {
            if !lines.iter().any(|new| new.thread == self.lines[at].thread) {
                self.lines.remove(at);
                line.emit(Output::Inbox(InboxDiff::Remove { at }));
            }
        }
        for (at, new) in lines.into_iter().enumerate() {
            let found = self.lines.iter().position(|old| old.thread == new.thread);
            if found == Some(at) {
                if self.lines[at] != new {
                    self.lines[at] = new.clone();
                    line.emit(Output::Inbox(InboxDiff::Update { at, line: new }));
                }
                continue;
            }
            if let Some(from) = found {
                self.lines.remove(from);
                line.emit(Output::Inbox(InboxDiff::Remove { at: from }));
            }
            self.lines.insert(at, new.clone());
            line.emit(Output::Inbox(InboxDiff::Insert { at, line: new }));
        }
    }

    /// Emits the state, where it changed.
    pub fn set_state<V>(&mut self, line: &mut Line<V>, state: InboxState) {
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state.clone());
            line.emit(Output::InboxState(state));
        }
    }

    /// Whether the page knows that the inbox is closed.
    pub fn is_closed(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.status == Status::Closed)
    }

    /// Sessions have these threads open.
    pub fn set_open<'a>(&mut self, open: impl Iterator<Item = &'a ThreadId> + Clone) {
        self.threads.retain(|known| open.clone().any(|thread| *thread == known.thread));
        for thread in open {
            if !self.threads.iter().any(|known| known.thread == *thread) {
                self.threads.push(OpenThread { thread: thread.clone(), at_open: None, markers: None });
            }
        }
    }

    /// The open threads, for [`Shown::tell_markers`].
    pub fn open_threads(&self) -> Vec<ThreadId> {
        self.threads.iter().map(|known| known.thread.clone()).collect()
    }

    /// Emits how far both have come in an open thread, where it changed.
    pub fn tell_markers<V>(&mut self, line: &mut Line<V>, record: &Record, seen: u64, receipts: bool) {
        let Some(open) = self.threads.iter_mut().find(|open| open.thread == record.thread) else { return };
        let (seen_at_open, all_read_at_open) =
            *open.at_open.get_or_insert_with(|| (record.mine.read.max(seen), record.is_all_read(seen)));
        let markers = Markers {
            seen_at_open,
            all_read_at_open,
            read_by_other: if receipts { record.theirs.read } else { 0 },
            delivered_to_other: if receipts { record.theirs.delivered } else { 0 },
        };
        if open.markers != Some(markers) {
            open.markers = Some(markers);
            line.emit(Output::Markers(record.thread.clone(), markers));
        }
    }
}
