//! The model's changes of messages: what sql/20261128000001_chat_changes.sql promises.

use crate::markers::{inbox_of, other};
use crate::server::{Server, http};
use chopped_chat::Answer;
use serde_json::{Value, json};

/// The most changes that are told of one by one.
const MOST: usize = 200;

/// The changes of a thread's messages.
#[derive(Debug, Default)]
pub struct Log {
    /// When each change was made: the first is number 1.
    at: Vec<u64>,
    /// All that a row ever was after it was written, oldest first: when, and its index.
    was: Vec<(u64, usize, Value)>,
    /// As each row was written.
    first: Vec<Value>,
}

impl Log {
    pub fn last_rev(&self) -> u64 {
        self.at.len() as u64
    }

    /// A row is written.
    pub fn wrote(&mut self, row: &Value) {
        self.first.push(row.clone());
    }

    /// Only the first `count` rows are written after all.
    pub fn forget(&mut self, count: usize) {
        self.first.truncate(count);
    }

    /// As a row was written.
    pub fn original(&self, index: usize) -> &Value {
        &self.first[index]
    }

    /// A row as it was at a time.
    fn as_of(&self, index: usize, time: u64) -> &Value {
        let was = self.was.iter().rev().find(|(at, of, _)| *of == index && *at <= time);
        was.map_or(&self.first[index], |(_, _, row)| row)
    }

    /// Whether a row ever was so.
    pub fn knows(&self, index: usize, row: &Value) -> bool {
        self.first.get(index) == Some(row) || self.was.iter().any(|(_, of, was)| *of == index && was == row)
    }

    /// Whether a row ever was such.
    pub fn ever(&self, index: usize, such: impl Fn(&Value) -> bool) -> bool {
        such(&self.first[index]) || self.was.iter().any(|(_, of, was)| *of == index && such(was))
    }

    /// The database is as it was at a time, and has the first `rows` rows. Returns what it no longer has.
    pub fn set_back(&mut self, rows: &mut Vec<Value>, count: usize, time: u64) -> Vec<Value> {
        let gone: Vec<Value> = self.was.iter().filter(|(at, ..)| *at > time).map(|(_, _, row)| row.clone()).collect();
        let first = self.first.split_off(count);
        self.at.retain(|at| *at <= time);
        self.was.retain(|(at, index, _)| *at <= time && *index < count);
        *rows = (0..count).map(|index| self.as_of(index, time).clone()).collect();
        gone.into_iter().chain(first).collect()
    }
}

fn refused(code: &str, said: &str) -> Answer<Value> {
    http(400, json!({"code": code, "message": said}))
}

fn missing() -> Answer<Value> {
    http(404, json!({"code": "PGRST202", "message": "no such function"}))
}

fn is_deleted(row: &Value) -> bool {
    row["deleted_at"].is_string()
}

impl Server {
    /// Edits, unsends or reacts to a message. Returns what it is now.
    pub fn change(&mut self, now: u64, person: &str, function: &str, arguments: &Value) -> Answer<Value> {
        if self.no_changes {
            return missing();
        }
        let id = arguments["_id"].as_str().expect("an id");
        let found = self.threads.iter().find_map(|(thread, table)| {
            let index = table.rows.iter().position(|row| row["id"] == id)?;
            self.may_read(thread, person).then(|| (thread.clone(), index))
        });
        let Some((thread, index)) = found else { return refused("CH403", "no such message of yours") };
        let row = &self.threads[&thread].rows[index];
        let (mine, age) = (row["sender_mongo_id"] == person, now - row["created_at"].as_str().map_or(0, time));
        let mut changed = row.clone();
        match function {
            "edit_chat_message" => {
                let body = arguments["_body"].as_str().expect("a body");
                match () {
                    _ if !mine => return refused("CH403", "not yours"),
                    _ if is_deleted(row) => return refused("CH409", "unsent"),
                    _ if row["body"] == body => {}
                    _ if age > self.edit_window => return refused("CH410", "too late"),
                    _ if self.refusing && body.starts_with('!') => return refused("23514", "no shouting"),
                    _ => {
                        changed["body"] = body.into();
                        changed["edited_at"] = format!("{now:020}").into();
                    }
                }
            }
            "unsend_chat_message" => match () {
                _ if !mine => return refused("CH403", "not yours"),
                _ if is_deleted(row) => {}
                _ if age > self.unsend_window => return refused("CH410", "too late"),
                _ => {
                    let kept = changed.as_object_mut().expect("a row");
                    kept.retain(|key, _| !matches!(&**key, "edited_at" | "reply_to" | "reaction_a" | "reaction_b"));
                    changed["body"] = "".into();
                    changed["deleted_at"] = format!("{now:020}").into();
                }
            },
            "react_chat_message" => {
                let side = if thread.starts_with(person) { "reaction_a" } else { "reaction_b" };
                match &arguments["_emoji"] {
                    Value::Null => drop(changed.as_object_mut().expect("a row").remove(side)),
                    _ if is_deleted(row) => return refused("CH409", "unsent"),
                    emoji => changed[side] = emoji.clone(),
                }
            }
            other => panic!("the model does not know {other}"),
        }
        if changed != *row {
            self.put(now, &thread, index, changed);
        }
        http(200, self.threads[&thread].rows[index].clone())
    }

    /// The bodies of a thread are emptied, and nobody is told row by row.
    pub fn erase(&mut self, now: u64, thread: &str) {
        for index in 0..self.threads[thread].rows.len() {
            let mut row = self.threads[thread].rows[index].clone();
            row["body"] = "".into();
            self.put(now, thread, index, row);
        }
        self.events.clear();
    }

    /// A row becomes another: it gets a number, and those who may know are told.
    fn put(&mut self, now: u64, thread: &str, index: usize, mut row: Value) {
        let table = self.threads.get_mut(thread).expect("found above");
        table.log.at.push(now);
        row["rev"] = table.log.last_rev().into();
        table.log.was.push((now, index, row.clone()));
        let unsent = is_deleted(&row) && !is_deleted(&table.rows[index]);
        table.rows[index] = row.clone();
        let newest = table.rows[table.rows.len() - 1].clone();
        let (last_seq, last_rev) = (table.rows.len(), table.log.last_rev());
        self.events.push((format!("chat:{thread}"), "CHANGE", row));
        if !self.no_inbox && (unsent || index + 1 == last_seq) {
            let payload =
                json!({"thread_id": thread, "last_seq": last_seq, "rev": last_rev, "message": preview(newest)});
            let person = thread.split("__").next().expect("two people");
            self.events.push((inbox_of(person), "THREAD", payload.clone()));
            self.events.push((inbox_of(other(thread, person)), "THREAD", payload));
        }
    }

    /// The answer of `list_chat_page`, as it would have been at `as_of`.
    pub fn page(&self, as_of: u64, person: &str, arguments: &Value) -> Answer<Value> {
        if self.no_changes {
            return missing();
        }
        let thread = arguments["_thread_id"].as_str().expect("a thread");
        let mut answer = json!({"last_seq": 0, "last_rev": 0, "messages": self.rows(as_of, person, arguments), "quoted": [],
            "edit_within": self.edit_window / 1_000, "unsend_within": self.unsend_window / 1_000, "now": format!("{as_of:020}")});
        if self.may_read(thread, person) {
            answer["last_seq"] = self.threads[thread].rows.len().into();
            self.tell_changes(as_of, thread, arguments["_known"].as_u64(), &mut answer);
        }
        http(200, answer)
    }

    /// Adds to a part of an answer, which has messages, what it tells of changes.
    pub fn tell_changes(&self, as_of: u64, thread: &str, known: Option<u64>, part: &mut Value) {
        let table = &self.threads[thread];
        let last_rev = table.log.at.iter().filter(|at| **at <= as_of).count() as u64;
        part["last_rev"] = last_rev.into();
        let messages = part["messages"].as_array().expect("messages");
        let mut quoted: Vec<u64> = messages.iter().filter_map(|row| row["reply_to"].as_u64()).collect();
        quoted.retain(|seq| messages.iter().all(|row| row["seq"] != *seq));
        quoted.sort_unstable();
        quoted.dedup();
        let quoted = quoted.into_iter().map(|seq| table.log.as_of(seq as usize - 1, as_of).clone());
        part["quoted"] = quoted.collect();
        if let Some(known) = known {
            let rows = (0..table.rows.len()).map(|index| table.log.as_of(index, as_of));
            let mut changes: Vec<&Value> = rows.filter(|row| row["rev"].as_u64() > Some(known)).collect();
            changes.sort_by_key(|row| row["rev"].as_u64());
            let told = changes.len() <= MOST.min(self.most_changes);
            part["changes"] = if told { changes.into_iter().cloned().collect() } else { Value::Null };
        }
    }

    /// The rows of a page as they were at `as_of`, newest first.
    pub fn rows(&self, as_of: u64, person: &str, arguments: &Value) -> Vec<Value> {
        let thread = arguments["_thread_id"].as_str().expect("a thread");
        let after = arguments["_after"].as_u64().expect("a seq");
        let before = arguments["_before"].as_u64().unwrap_or(u64::MAX);
        let mut limit = arguments["_limit"].as_u64().expect("a limit") as usize;
        if self.max_rows > 0 && self.no_changes {
            limit = limit.min(self.max_rows);
        }
        if !self.may_read(thread, person) {
            return Vec::new();
        }
        let table = &self.threads[thread];
        let found = table.rows.iter().enumerate().rev().filter(|(_, row)| {
            let seq = row["seq"].as_u64().expect("a seq");
            seq > after && seq < before && row["created_at"].as_str().map_or(0, time) <= as_of
        });
        found.take(limit).map(|(index, _)| table.log.as_of(index, as_of).clone()).collect()
    }
}

/// A row as lines and hints have it.
pub fn preview(mut row: Value) -> Value {
    if is_deleted(&row) {
        row["deleted"] = true.into();
    }
    row
}

fn time(written: &str) -> u64 {
    written.parse().expect("a time of the model")
}
