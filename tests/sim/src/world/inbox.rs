//! People with inboxes: what they do there, and what must hold of it.

use super::{CALM_WITHIN, PROMPT, TabId, World};
use crate::markers::{Event as Broadcast, inbox_of};
use chopped_chat::{Frame, Input, Sender, Status, ThreadId};
use serde_json::{Value, json};

/// The most reads of a list in ten seconds.
pub(super) const READS: usize = 40;

impl World {
    /// Whether the person of a tab sends receipts.
    fn receipts(&self, tab: TabId) -> bool {
        !self.private.contains(&self.tabs[tab].person)
    }

    /// The page says that it uses markers, and what an earlier one kept is told.
    pub(super) fn start_markers(&mut self, tab: TabId) -> Result<(), String> {
        if !self.marks {
            return Ok(());
        }
        self.feed(tab, Input::Receipts(self.receipts(tab)))?;
        for (thread, seq) in self.tabs[tab].seen.clone() {
            self.feed(tab, Input::Seen { thread, seq })?;
        }
        if self.rng.up_to(1) == 0 { self.open_inbox(tab) } else { Ok(()) }
    }

    fn open_inbox(&mut self, tab: TabId) -> Result<(), String> {
        self.hit("inbox: open");
        self.tabs[tab].inboxes += 1;
        self.feed(tab, Input::OpenInbox { limit: self.inbox_page })
    }

    pub(super) fn act_inbox(&mut self, tab: TabId) -> Result<(), String> {
        match self.rng.up_to(7) {
            0 if self.tabs[tab].inboxes > 0 => {
                self.hit("inbox: close");
                self.tabs[tab].inboxes -= 1;
                self.feed(tab, Input::CloseInbox)
            }
            0..=2 if self.tabs[tab].inboxes < 2 => self.open_inbox(tab),
            3 if self.tabs[tab].inboxes > 0 => {
                self.hit("inbox: load more");
                self.feed(tab, Input::LoadMore)
            }
            _ => {
                let thread = self.thread_of(tab);
                self.look(tab, &thread, false)
            }
        }
    }

    /// Somebody looks at a thread that is open: at some of what is shown, or at `all` of it.
    fn look(&mut self, tab: TabId, thread: &ThreadId, all: bool) -> Result<(), String> {
        if self.tabs[tab].hidden_since.is_some() || self.tabs[tab].open.get(thread).is_none_or(|n| *n == 0) {
            return Ok(());
        }
        let Some(screen) = self.tabs[tab].screens.get(thread) else { return Ok(()) };
        let seqs = screen.seqs();
        let Some(newest) = seqs.len().checked_sub(1) else { return Ok(()) };
        let back = if all { 0 } else { self.rng.up_to(3) as usize };
        let seq = seqs[newest.saturating_sub(back)];
        self.hit("inbox: seen");
        let seen = self.seen.entry((thread.as_str().to_owned(), self.tabs[tab].person)).or_default();
        *seen = seq.max(*seen);
        trace!(self, "{}{tab} sees {seq} of {}", self.tabs[tab].person, thread.as_str());
        self.feed(tab, Input::Seen { thread: thread.clone(), seq })
    }

    /// In the calm everybody opens their inbox and reads what is there.
    pub(super) fn settle_inbox(&mut self, tab: TabId) -> Result<(), String> {
        if self.marks && self.tabs[tab].inboxes == 0 { self.open_inbox(tab) } else { Ok(()) }
    }

    /// They scroll to the end of it. Somebody looks at a thread now and then.
    pub(super) fn scroll_inboxes(&mut self) -> Result<(), String> {
        for tab in 0..self.tabs.len() {
            let more = self.tabs[tab].inbox.as_ref().is_some_and(|inbox| inbox.has_more && !inbox.loading_more);
            if more && self.tabs[tab].inboxes > 0 && self.tabs[tab].asleep_until <= self.now {
                self.feed(tab, Input::LoadMore)?;
            }
        }
        Ok(())
    }

    /// What the database broadcasts besides rows.
    pub(super) fn broadcast_events(&mut self) {
        for (topic, event, payload) in core::mem::take(&mut self.server.events) {
            self.broadcast((topic, event, payload));
        }
    }

    /// Whether `person` may join a topic.
    pub(super) fn may_join(&self, topic: &str, person: &str) -> bool {
        match topic.strip_prefix("realtime:chat:") {
            Some(thread) => self.server.may_read(thread, person),
            None => topic.strip_prefix("realtime:") == Some(&inbox_of(person)),
        }
    }

    /// Nothing is marked read that was not on a screen of the person.
    pub(super) fn check_marks(&self) -> Result<(), String> {
        for ((thread, person), marker) in &self.server.markers {
            let seen = self.seen.iter().find(|((of, who), _)| of == thread && who == person).map_or(0, |(_, seq)| *seq);
            if marker.read > seen {
                return Err(format!("{person} is said to have read {} of {thread}, and saw {seen}", marker.read));
            }
        }
        Ok(())
    }

    /// What was seen on some device and the server does not know, though no page has anything left to tell.
    fn untold(&self) -> Option<String> {
        let told = |thread: &str, person: &str| self.server.marker(thread, person).map_or(0, |marker| marker.read);
        let rows = |thread: &str| self.server.threads.get(thread).map_or(0, |table| table.rows.len() as u64);
        if !self.server.lost.is_empty() {
            return None;
        }
        let untold = |((thread, person), seq): (&(String, &'static str), &u64)| {
            let told = told(thread, person);
            (told < (*seq).min(rows(thread))).then(|| format!("{person} saw {seq} of {thread}, and told of {told}"))
        };
        self.seen.iter().find_map(untold)
    }

    /// What is wrong with the inbox of a tab and the markers of its threads; nothing if all is well.
    pub(super) fn inbox_trouble(&self, tab: TabId) -> Option<String> {
        let (tab, receipts) = (&self.tabs[tab], self.receipts(tab));
        if !self.marks || self.server.no_inbox {
            return None;
        }
        if !tab.seen.is_empty() {
            return Some(format!("what was seen is not told: {:?}", tab.seen));
        }
        if let Some(trouble) = self.untold().or_else(|| self.lines_trouble(&tab.lines, tab.person, receipts)) {
            return Some(trouble);
        }
        let state = tab.inbox.as_ref()?;
        if state.status != Status::Live || state.has_more {
            return Some(format!("{state:?}"));
        }
        let unread = self.server.total_unread(tab.person);
        if u64::from(state.unread) != unread {
            return Some(format!("{} unread, and {unread} are", state.unread));
        }
        for (thread, sessions) in &tab.open {
            let theirs = self.server.others_marker(thread.as_str(), tab.person);
            let shown = tab.markers.get(thread).map(|shown| (shown.read_by_other, shown.delivered_to_other));
            let there = if receipts { (theirs.read, theirs.delivered) } else { (0, 0) };
            if *sessions > 0 && shown != Some(there) {
                return Some(format!("{} shows markers {shown:?}, and they are {there:?}", thread.as_str()));
            }
            let rows = self.server.threads.get(thread.as_str()).map_or(&[][..], |table| &table.rows);
            // Of what is unsent nobody has to say that it came.
            let is_theirs = |row: &&Value| row["sender_mongo_id"] != tab.person && row["deleted_at"].is_null();
            let newest = rows.iter().rev().find(is_theirs);
            let newest = newest.and_then(|row| row["seq"].as_u64()).unwrap_or(0);
            let delivered = self.server.marker(thread.as_str(), tab.person).map_or(0, |marker| marker.delivered);
            if receipts && delivered < newest {
                return Some(format!("{} has {newest} and told of {delivered}", thread.as_str()));
            }
        }
        None
    }

    fn lines_trouble(&self, lines: &[chopped_chat::InboxLine], person: &str, receipts: bool) -> Option<String> {
        let threads = self.server.inbox(person);
        let shown: Vec<_> = lines.iter().map(|line| line.thread.as_str()).collect();
        if shown != threads {
            return Some(format!("shows {shown:?} of {threads:?}"));
        }
        for line in lines {
            let thread = line.thread.as_str();
            let rows = &self.server.threads[thread].rows;
            let (newest, theirs) = (&rows[rows.len() - 1], self.server.others_marker(thread, person));
            let mine = line.message.sender == Sender::Me;
            let gone = newest["deleted_at"].is_string();
            let expected = (newest["body"].as_str(), rows.len() as u64, newest["sender_mongo_id"] == person, gone);
            if (Some(&*line.message.body), line.message.seq, mine, line.message.deleted) != expected {
                return Some(format!("{thread} shows {:?}, and {newest} is the newest", line.message));
            }
            let unread = self.server.unread(thread, person);
            if u64::from(line.unread) != unread {
                return Some(format!("{thread} shows {} unread, and {unread} are", line.unread));
            }
            let there = if receipts { (theirs.read, theirs.delivered) } else { (0, 0) };
            if (line.read_by_other, line.delivered_to_other) != there {
                return Some(format!(
                    "{thread} shows {:?} by the other",
                    (line.read_by_other, line.delivered_to_other)
                ));
            }
        }
        None
    }

    /// Where nothing strikes, an inbox that is joined shows everything soon: it must not take a poll.
    pub(super) fn check_prompt_inbox(&self) -> Result<(), String> {
        if self.hostility > 0 || self.server.no_inbox {
            return Ok(());
        }
        for conn in self.conns.values().filter(|conn| !conn.half_open) {
            let tab = &self.tabs[conn.tab];
            let Some(channel) = conn.channels.get(&format!("realtime:{}", inbox_of(conn.person))) else { continue };
            let since = channel.joined_at.max(self.written_at).max(tab.acted_at);
            let flows = self.replication.is_ok() && channel.joined_at > self.flowing_since;
            let loaded = tab.inbox.as_ref().is_some_and(|inbox| !inbox.has_more && inbox.status == Status::Live);
            if conn.life != tab.life || !flows || !loaded || tab.inboxes == 0 || since + PROMPT > self.now {
                continue;
            }
            if !tab.seen.is_empty() {
                continue;
            }
            if let Some(trouble) = self.lines_trouble(&tab.lines, tab.person, self.receipts(conn.tab)) {
                return Err(format!("{}'s inbox after {PROMPT} ms: {trouble}", tab.person));
            }
        }
        Ok(())
    }

    /// Everybody sees what is on their screens; if `new`, only what they have not seen.
    fn look_at_all(&mut self, new: bool) -> Result<(), String> {
        for tab in 0..self.tabs.len() {
            for thread in self.tabs[tab].open.keys().cloned().collect::<Vec<_>>() {
                let key = (thread.as_str().to_owned(), self.tabs[tab].person);
                let shown = self.tabs[tab].screens.get(&thread).and_then(|screen| screen.seqs().last().copied());
                if !new || shown > self.seen.get(&key).copied() {
                    self.look(tab, &thread, true)?;
                }
            }
        }
        Ok(())
    }

    /// What nobody sees yet is seen at the end by all, and then nothing is unread.
    pub(super) fn read_all(&mut self) -> Result<(), String> {
        if !self.marks || self.server.no_inbox {
            return Ok(());
        }
        self.look_at_all(false)?;
        let deadline = self.now + CALM_WITHIN;
        let done = |world: &World| {
            (0..world.tabs.len()).all(|tab| {
                let zero = world.tabs[tab].inbox.as_ref().is_some_and(|inbox| inbox.unread == 0);
                zero && world.inbox_trouble(tab).is_none()
            })
        };
        while !done(self) {
            if self.now > deadline {
                return Err(format!("all is seen, and not all is read{}", self.what_is_wrong()));
            }
            // A discarded message may still arrive.
            self.look_at_all(true)?;
            self.step()?;
        }
        Ok(())
    }
}

/// A database broadcast as a frame.
pub(super) fn frame((topic, event, payload): &Broadcast) -> (String, Frame<Value>) {
    let topic = format!("realtime:{topic}");
    let meta = br#"{"id":"x"}"#;
    let head = [4, topic.len() as u8, event.len() as u8, meta.len() as u8, 1];
    let bytes = [&head, topic.as_bytes(), event.as_bytes(), meta, payload.to_string().as_bytes()].concat();
    (topic, Frame::Binary(bytes))
}

/// A new row as the database broadcasts it.
pub(super) fn inserted(row: Value) -> Broadcast {
    let topic = format!("chat:{}", row["thread_id"].as_str().unwrap_or_default());
    let payload = json!({"id": "x", "table": "chat_messages", "record": row, "schema": "public",
        "operation": "INSERT", "old_record": null});
    (topic, "INSERT", payload)
}
