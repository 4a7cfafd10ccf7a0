//! People who change messages: edit, unsend, react, reply, jump; and what must hold of it.

use super::{TabId, World};
use crate::tab::Tab;
use chopped_chat::change::Kind;
use chopped_chat::{Change, Input, Message, MessageId, Sender, ThreadId};

/// What somebody wants to become of a message.
#[derive(Debug)]
pub(super) struct Intent {
    tab: TabId,
    thread: ThreadId,
    id: MessageId,
    change: Change,
    /// The server refused it, or the person thought better of it.
    settled: bool,
}

impl World {
    /// Somebody does something to a message on their screen.
    pub(super) fn act_on_message(&mut self, tab: TabId, thread: &ThreadId) -> Result<(), String> {
        let Some(screen) = self.tabs[tab].screens.get(thread) else { return Ok(()) };
        let count = screen.messages.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let mut at = self.rng.up_to(count - 1) as usize;
        if self.rng.up_to(1) == 0 {
            at = (count - 1) as usize;
        }
        let message = self.tabs[tab].screens[thread].messages[at].clone();
        let (id, seq) = (message.id(), message.seq());
        match (self.rng.up_to(9), seq) {
            (0..=3, _) => {
                let edit = format!("{} edits {}", self.tabs[tab].person, self.intents.len());
                if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
                    sent.edits.push(edit.clone());
                    // A refused one that is edited is sent again where it stands, and others have passed it.
                    sent.retried |= sent.body.starts_with(['!', '#']);
                }
                self.change(tab, thread, id, Change::Edit(edit.into()))
            }
            (4, _) => {
                if let Message::Pending(_) = message {
                    self.sent.iter_mut().filter(|sent| sent.id == id).for_each(|sent| sent.discarded = true);
                }
                self.change(tab, thread, id, Change::Unsend)
            }
            (5..=6, Some(_)) => {
                let emoji = ["a", "b", ""][self.rng.up_to(2) as usize];
                let emoji = Some(emoji.into()).filter(|_| !emoji.is_empty());
                self.change(tab, thread, id, Change::React(emoji))
            }
            // Where the database is set back, what it replies to may be gone when it is sent.
            (7, Some(seq)) if !self.restores && self.server.lost.is_empty() && !self.server.no_changes => {
                self.hit("page: reply");
                let to = [1, seq][self.rng.up_to(1) as usize];
                self.write(tab, thread, Some(to))
            }
            (8, Some(seq)) => {
                self.hit("page: jump");
                let seq = 1 + self.rng.up_to(seq);
                self.tabs[tab].jumps.insert(thread.clone(), seq);
                self.feed(tab, Input::JumpTo { thread: thread.clone(), seq })
            }
            _ => self.discard_refused(tab, thread, self.count.is_multiple_of(2)),
        }
    }

    fn change(&mut self, tab: TabId, thread: &ThreadId, id: MessageId, change: Change) -> Result<(), String> {
        self.hit(match change {
            Change::Edit(_) => "page: edit",
            Change::Unsend => "page: unsend",
            Change::React(_) => "page: react",
        });
        trace!(self, "{}{tab} changes {}: {change:?}", self.tabs[tab].person, id.text());
        // What is not sent may be discarded, and may come to be sent all the same. Another's can't be changed.
        let message = self.tabs[tab].screens[thread].messages.iter().find(|message| message.id() == id);
        let settled = match message {
            Some(Message::Sent(row)) if row.sender == Sender::Me => false,
            Some(Message::Sent(_)) => change.kind() != Kind::React,
            _ => change == Change::Unsend,
        };
        self.intents.push(Intent { tab, thread: thread.clone(), id, change: change.clone(), settled });
        self.feed(tab, Input::Change { thread: thread.clone(), id, change })
    }

    /// What was refused is asked for again, or dropped.
    fn discard_refused(&mut self, tab: TabId, thread: &ThreadId, retry: bool) -> Result<(), String> {
        let mine = self.tabs[tab].stored_changes.values();
        let refused = mine.filter(|(of, change)| of == thread && change.refused.is_some()).map(|(_, change)| change.id);
        let Some(id) = refused.take(1).next().filter(|id| self.tabs[tab].changing.contains_key(id)) else {
            return Ok(());
        };
        let thread = thread.clone();
        if retry {
            self.hit("page: retry a change");
            return self.feed(tab, Input::Retry { thread, id });
        }
        self.hit("page: discard a change");
        for intent in self.intents.iter_mut().filter(|intent| intent.tab == tab && intent.id == id) {
            intent.settled = true;
        }
        self.feed(tab, Input::Discard { thread, id })
    }

    /// What was refused is settled: the person knows.
    pub(super) fn note_refusals(&mut self, tab: TabId) {
        for (id, change) in &self.tabs[tab].changing {
            let Some((kind, _)) = &change.refused else { continue };
            let refused = |intent: &&mut Intent| intent.tab == tab && intent.id == *id && intent.change.kind() == *kind;
            self.intents.iter_mut().filter(refused).for_each(|intent| intent.settled = true);
        }
    }

    /// The database was set back: what was done may be undone.
    pub(super) fn forget_intents(&mut self) {
        self.intents.iter_mut().for_each(|intent| intent.settled = true);
    }

    /// Somebody discards a message: it may come to be sent all the same, as it was or as it was to be.
    pub(super) fn forget_intents_of(&mut self, id: MessageId) {
        self.intents.iter_mut().filter(|intent| intent.id == id).for_each(|intent| intent.settled = true);
    }

    /// In the calm, people give up what was refused.
    pub(super) fn settle_refused(&mut self) -> Result<(), String> {
        for tab in 0..self.tabs.len() {
            for thread in self.tabs[tab].open.keys().cloned().collect::<Vec<_>>() {
                if self.tabs[tab].asleep_until <= self.now {
                    self.discard_refused(tab, &thread, false)?;
                }
            }
        }
        Ok(())
    }

    /// What an earlier life of the tab left.
    pub(super) fn restore_changes(&mut self, tab: TabId) -> Result<(), String> {
        let stored: Vec<_> = self.tabs[tab].stored_changes.values().cloned().collect();
        // What this page wrote meanwhile is written behind what it took over.
        self.tabs[tab].changes_restored();
        for (thread, change) in stored {
            self.feed(tab, Input::RestoreChanges { thread, changes: vec![change] })?;
        }
        Ok(())
    }

    /// What is wrong with what messages reply to.
    pub(super) fn quotes_trouble(&self, tab: &Tab, thread: &ThreadId) -> Option<String> {
        if !self.server.lost.is_empty() {
            return None;
        }
        let (screen, table) = (tab.screens.get(thread)?, self.server.threads.get(thread.as_str())?);
        let seqs = screen.seqs();
        let quotes = screen.messages.iter().filter_map(|message| match message {
            Message::Sent(row) => row.value["reply_to"].as_u64(),
            Message::Pending(_) => None,
        });
        let wrong = |seq: &u64| {
            let told = tab.quoted.get(&(thread.clone(), *seq));
            !seqs.contains(seq) && told.is_none_or(|row| row["body"] != table.rows[*seq as usize - 1]["body"])
        };
        let seq = quotes.into_iter().find(wrong)?;
        Some(format!("{seq} is quoted as {:?}", tab.quoted.get(&(thread.clone(), seq))))
    }

    /// Whatever anybody wanted was done, or something newer was wanted, or the server refused it.
    pub(super) fn check_intents(&self) -> Result<(), String> {
        if self.server.no_changes || !self.server.lost.is_empty() {
            return Ok(());
        }
        for (n, intent) in self.intents.iter().enumerate().filter(|(_, intent)| !intent.settled) {
            let later = |newer: &&Intent| newer.tab == intent.tab && newer.id == intent.id;
            let superseded = self.intents[n + 1..]
                .iter()
                .filter(later)
                .any(|newer| newer.change == Change::Unsend || newer.change.kind() == intent.change.kind());
            let unsent = self.intents[..n].iter().filter(later).any(|older| older.change == Change::Unsend);
            let Some(table) = self.server.threads.get(intent.thread.as_str()) else { continue };
            let Some(index) = table.rows.iter().position(|row| row["id"] == intent.id.text()) else { continue };
            // Whatever else was wanted of a message that is unsent is refused, and of two refusals one is shown.
            if table.rows[index]["deleted_at"].is_string() && intent.change != Change::Unsend {
                continue;
            }
            let done = |row: &serde_json::Value| match &intent.change {
                Change::Edit(body) => row["body"] == **body,
                Change::Unsend => row["deleted_at"].is_string(),
                Change::React(emoji) => {
                    let side = match intent.thread.as_str().starts_with(self.tabs[intent.tab].person) {
                        true => "reaction_a",
                        false => "reaction_b",
                    };
                    row[side].as_str() == emoji.as_deref()
                }
            };
            if !superseded && !unsent && !table.log.ever(index, done) {
                return Err(format!(
                    "{}'s change is lost: {:?} of {}",
                    self.tabs[intent.tab].person,
                    intent.change,
                    intent.id.text()
                ));
            }
        }
        Ok(())
    }
}
