//! The model's markers and inboxes: what sql/20261127000001_chat_inbox.sql promises.

use crate::changing::preview;
use crate::server::{Server, http};
use chopped_chat::Answer;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How far a person has come in a thread.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    pub read: u64,
    pub delivered: u64,
    /// The other may know.
    pub receipts: bool,
}

/// A broadcast of the database: topic, event, payload.
pub type Event = (String, &'static str, Value);

fn missing() -> Answer<Value> {
    http(404, json!({"code": "42883", "message": "Apply 20261127000001_chat_inbox.sql"}))
}

/// The other person of a thread.
pub fn other<'a>(thread: &'a str, person: &str) -> &'a str {
    thread.split("__").find(|id| *id != person).expect("two people")
}

pub fn inbox_of(person: &str) -> String {
    format!("chat-inbox:uid-{person}")
}

impl Server {
    pub fn marker(&self, thread: &str, person: &str) -> Option<Marker> {
        self.markers.get(&(thread.to_owned(), person.to_owned())).copied()
    }

    /// What `person` may know of the other's marker: reading privately is mutual.
    pub fn others_marker(&self, thread: &str, person: &str) -> Marker {
        let own = self.marker(thread, person).is_none_or(|marker| marker.receipts);
        self.marker(thread, other(thread, person)).filter(|marker| own && marker.receipts).unwrap_or_default()
    }

    /// How many messages are unread, up to a hundred.
    pub fn unread(&self, thread: &str, person: &str) -> u64 {
        let read = self.marker(thread, person).unwrap_or_default().read;
        let rows = self.threads[thread].rows.iter();
        let unread = rows.filter(|row| row["seq"].as_u64() > Some(read) && row["sender_mongo_id"] != person);
        let unread = unread.filter(|row| row["deleted_at"].is_null()).count();
        unread.min(100) as u64
    }

    /// The threads of `person` that have messages, newest first.
    pub fn inbox(&self, person: &str) -> Vec<&str> {
        let mine = |id: &&String| id.split("__").any(|one| one == person);
        let mut threads: Vec<_> = self.threads.iter().filter(|(_, table)| !table.rows.is_empty()).collect();
        threads.retain(|(id, _)| mine(id));
        threads.sort_by_key(|(id, table)| (table.rows[table.rows.len() - 1]["created_at"].to_string(), id.as_str()));
        threads.into_iter().rev().map(|(id, _)| id.as_str()).collect()
    }

    pub fn total_unread(&self, person: &str) -> u64 {
        self.inbox(person).iter().map(|thread| self.unread(thread, person)).sum()
    }

    fn line(&self, thread: &str, person: &str) -> Value {
        let rows = &self.threads[thread].rows;
        let newest = preview(rows[rows.len() - 1].clone());
        let (mine, theirs) = (self.marker(thread, person).unwrap_or_default(), self.others_marker(thread, person));
        json!({
            "thread_id": thread, "other_mongo_id": other(thread, person), "last_seq": rows.len(),
            "last_rev": self.threads[thread].log.last_rev(),
            "last_message_at": newest["created_at"], "message": newest, "unread": self.unread(thread, person),
            "read": mine.read, "delivered": mine.delivered,
            "other_read": theirs.read, "other_delivered": theirs.delivered,
        })
    }

    pub fn list_threads(&self, person: &str, arguments: &Value) -> Answer<Value> {
        if self.no_inbox {
            return missing();
        }
        let limit = arguments["_limit"].as_u64().expect("a limit");
        http(200, self.lines(person, limit, &arguments["_before"], arguments["_digest"].as_str()))
    }

    /// The part of a `sync_chat` about the inbox.
    pub fn sync_inbox(&self, person: &str, asked: &Value) -> Option<Value> {
        let limit = asked["limit"].as_u64().expect("a limit");
        (!self.no_inbox).then(|| self.lines(person, limit, &Value::Null, asked["digest"].as_str()))
    }

    fn lines(&self, person: &str, limit: u64, before: &Value, digest: Option<&str>) -> Value {
        assert!((1..=250).contains(&limit), "{limit} lines");
        let threads = self.inbox(person);
        let at = |thread: &str| self.line(thread, person)["last_message_at"].as_str().unwrap_or_default().to_owned();
        let start = match (before["at"].as_str(), before["thread_id"].as_str()) {
            (Some(time), Some(id)) => {
                let place = (time.to_owned(), id);
                threads.iter().position(|thread| (at(thread), *thread) < place).unwrap_or(threads.len())
            }
            _ => 0,
        };
        let end = threads.len().min(start + limit as usize);
        let mut answer = json!({
            "threads": threads[start..end].iter().map(|thread| self.line(thread, person)).collect::<Vec<_>>(),
            "unread": self.total_unread(person),
            "has_more": end < threads.len(),
        });
        let mut hasher = DefaultHasher::new();
        answer.to_string().hash(&mut hasher);
        let now = format!("{:x}", hasher.finish());
        if digest == Some(&now) {
            return json!({"digest": now});
        }
        answer["digest"] = json!(now);
        answer
    }

    pub fn mark(&mut self, person: &str, arguments: &Value) -> Answer<Value> {
        if self.no_inbox {
            return missing();
        }
        let receipts = arguments["_receipts"].as_bool().expect("receipts or not");
        let marks = arguments["_marks"].as_array().expect("marks");
        assert!((1..=100).contains(&marks.len()), "{} marks", marks.len());
        let mut answered = Vec::new();
        for mark in marks {
            let thread = mark["thread_id"].as_str().expect("a thread");
            if !self.may_read(thread, person) {
                continue;
            }
            let last_seq = self.threads[thread].rows.len() as u64;
            let before = self.marker(thread, person).unwrap_or_default();
            let read = before.read.max(mark["read"].as_u64().unwrap_or(0).min(last_seq));
            let delivered = before.delivered.max(mark["delivered"].as_u64().unwrap_or(0).min(last_seq)).max(read);
            self.markers.insert((thread.to_owned(), person.to_owned()), Marker { read, delivered, receipts });
            let unread = self.unread(thread, person);
            let last_rev = self.threads[thread].log.last_rev();
            let own = json!({"thread_id": thread, "mongo_id": person, "last_seq": last_seq, "last_rev": last_rev, "read": read,
                "delivered": delivered, "unread": unread});
            if (read, delivered) != (before.read, before.delivered) {
                self.events.push((inbox_of(person), "MARK", own.clone()));
                if receipts && self.marker(thread, other(thread, person)).is_none_or(|marker| marker.receipts) {
                    let told = json!({"thread_id": thread, "mongo_id": person, "read": read, "delivered": delivered});
                    self.events.push((format!("chat:{thread}"), "MARK", told.clone()));
                    self.events.push((inbox_of(other(thread, person)), "MARK", told));
                }
            }
            let theirs = self.others_marker(thread, person);
            let mut part = own;
            (part["other_read"], part["other_delivered"]) = (json!(theirs.read), json!(theirs.delivered));
            answered.push(part);
        }
        http(200, json!({"threads": answered}))
    }

    /// The newest of some new rows is told to both inboxes.
    pub fn tell_inboxes(&mut self, row: &Value) {
        if self.no_inbox {
            return;
        }
        let thread = row["thread_id"].as_str().expect("a thread");
        let payload = json!({"thread_id": thread, "last_seq": row["seq"], "message": row});
        for person in thread.split("__") {
            self.events.push((inbox_of(person), "THREAD", payload.clone()));
        }
    }
}
