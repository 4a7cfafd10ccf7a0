//! The model of Supabase: what the engine relies on, and nothing kinder.

use crate::changing::Log;
use crate::markers::{Event, Marker};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chopped_chat::{Answer, MessageId, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A thread's rows; `rows[i]` has seq `i + 1`.
#[derive(Debug, Default)]
pub struct Table {
    pub rows: Vec<Value>,
    pub log: Log,
    ids: BTreeMap<MessageId, usize>,
}

/// The database and what stands before it.
#[derive(Debug)]
pub struct Server {
    pub threads: BTreeMap<String, Table>,
    /// Ms a fresh token lives.
    pub token_life: u64,
    /// Who is signed out at the backend.
    pub signed_out: Vec<String>,
    /// Whose session a person's browser has, where it is another's: somebody signed in in another tab.
    pub signed_in_as: BTreeMap<String, &'static str>,
    /// Whether messages whose body begins with `!` are refused. Those that begin with `#` never come through: a firewall
    /// on the way takes them for an attack.
    pub refusing: bool,
    /// The most rows a page, whatever was asked for (PostgREST's `db-max-rows`); 0 is any number.
    pub max_rows: usize,
    /// The database takes no writes and evaluates no policy of Realtime until then.
    pub read_only_until: u64,
    /// Whether the backend makes the thread of whoever is signed in, without a look at who asks.
    pub old_backend: bool,
    /// Whether its SQL is from before `insert_chat_messages`.
    pub no_batches: bool,
    /// Whether its SQL is from before `sync_chat`.
    pub no_sync: bool,
    /// The most rows that `sync_chat` tells of a thread, and in all.
    pub sync_rows: (usize, usize),
    /// Whether its SQL is without markers and inboxes.
    pub no_inbox: bool,
    /// Whether its SQL is from before messages could be changed.
    pub no_changes: bool,
    /// For how long they can be, in ms.
    pub edit_window: u64,
    pub unsend_window: u64,
    /// The most changes that are told of one by one.
    pub most_changes: usize,
    /// By thread and person.
    pub markers: BTreeMap<(String, String), Marker>,
    /// What it broadcasts besides rows, until the world takes it.
    pub events: Vec<Event>,
    /// Rows that a point-in-time recovery took back.
    pub lost: Vec<Value>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            threads: BTreeMap::new(),
            token_life: 0,
            signed_out: Vec::new(),
            signed_in_as: BTreeMap::new(),
            refusing: false,
            max_rows: 0,
            read_only_until: 0,
            old_backend: false,
            no_batches: false,
            no_sync: false,
            sync_rows: (50, 500),
            no_inbox: false,
            no_changes: false,
            edit_window: u64::MAX,
            unsend_window: u64::MAX,
            most_changes: usize::MAX,
            markers: BTreeMap::new(),
            events: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// An access token: `token:<person>:<end of life in ms of true time>`, with the claims of a JWT in the middle.
pub fn token(person: &str, end: u64) -> String {
    let claims = json!({"sub": format!("uid-{person}"), "app_metadata": {"mongoUserId": person}});
    format!("token:{person}:{end}.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Whose a token is, and when it ends.
pub fn token_end(token: &str) -> Option<(&str, u64)> {
    let mut parts = token.strip_prefix("token:")?.split('.').next()?.split(':');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Whether a URL is one of those that send.
pub fn is_send(url: &str) -> bool {
    url.ends_with("/rpc/insert_chat_message") || url.ends_with("/rpc/insert_chat_messages")
}

/// Whether a URL is the one that tells what is new in several threads.
pub fn is_sync(url: &str) -> bool {
    url.ends_with("/rpc/sync_chat")
}

/// Whether a URL is the one that lists conversations.
pub fn is_inbox(url: &str) -> bool {
    url.ends_with("/rpc/list_chat_threads")
}

/// The function by which a URL changes a message.
pub fn changes(url: &str) -> Option<&str> {
    url.rsplit('/').next().filter(|function| ["edit", "unsend", "react"].iter().any(|verb| function.starts_with(verb)))
}

/// `created_at` of a row: in the order of time.
fn written_at(now: u64) -> String {
    format!("{now:020}")
}

pub fn http(status: u16, body: Value) -> Answer<Value> {
    Answer::Http { status, body: Some(body), retry_after: None }
}

impl Server {
    /// Whether `person` may read and join the thread.
    pub fn may_read(&self, thread: &str, person: &str) -> bool {
        self.threads.contains_key(thread) && thread.split("__").any(|id| id == person)
    }

    /// Runs a request of `person`'s page, a read as it would have been at `as_of`. Returns the new row, too, if there is one.
    pub fn execute(&mut self, now: u64, as_of: u64, person: &str, request: &Request) -> (Answer<Value>, Option<Value>) {
        match request {
            Request::Token if self.signed_out.iter().any(|p| p == person) => {
                (http(401, json!({"code": "signed-out", "message": "signed out"})), None)
            }
            Request::Token => {
                let token = token(self.session_of(person), now + self.token_life);
                (http(200, json!({"access_token": token, "expires_in": self.token_life / 1_000})), None)
            }
            Request::EnsureThread { body } => {
                let body: Value = serde_json::from_str(body).expect("the engine writes JSON");
                let other = body["other_mongo_id"].as_str().expect("the engine names the other");
                let session = self.session_of(person);
                if session != person && !self.old_backend {
                    return (http(403, json!({"code": "another-account", "message": "not who you think"})), None);
                }
                let person = session;
                let (low, high) = if person < other { (person, other) } else { (other, person) };
                let id = format!("{low}__{high}");
                self.threads.entry(id.clone()).or_default();
                (http(200, json!({"thread_id": id})), None)
            }
            Request::Rpc { url, token, body, .. } => match token_end(token) {
                // PostgREST allows 30 s of leeway.
                Some((owner, end)) if end + 30_000 > now => {
                    let arguments: Value = serde_json::from_str(body).expect("the engine writes JSON");
                    if is_send(url) {
                        self.insert(now, owner, &arguments)
                    } else if is_sync(url) {
                        (self.sync(owner, &arguments), None)
                    } else if url.ends_with("/rpc/mark_chat") {
                        if now < self.read_only_until {
                            return (read_only(), None);
                        }
                        (self.mark(owner, &arguments), None)
                    } else if is_inbox(url) {
                        (self.list_threads(owner, &arguments), None)
                    } else if let Some(function) = changes(url) {
                        if now < self.read_only_until {
                            return (read_only(), None);
                        }
                        (self.change(now, owner, function, &arguments), None)
                    } else if url.ends_with("/rpc/list_chat_page") {
                        (self.page(as_of, owner, &arguments), None)
                    } else {
                        (http(200, self.rows(as_of, owner, &arguments).into()), None)
                    }
                }
                _ => (http(401, json!({"code": "PGRST303", "message": "JWT expired"})), None),
            },
        }
    }

    fn session_of<'a>(&'a self, person: &'a str) -> &'a str {
        self.signed_in_as.get(person).copied().unwrap_or(person)
    }

    /// Point-in-time recovery: the newest `count` rows of a thread are gone, all but the first at most, and their
    /// numbers are given again. Returns what they said.
    pub fn set_back(&mut self, thread: &str, count: usize) -> Vec<String> {
        let Some(table) = self.threads.get_mut(thread) else { return Vec::new() };
        let count = table.rows.len().saturating_sub(count).max(1).min(table.rows.len());
        let time = table.rows.get(count).and_then(|row| row["created_at"].as_str()?.parse::<u64>().ok());
        let Some(time) = time.map(|time| time.saturating_sub(1)) else { return Vec::new() };
        let gone = table.log.set_back(&mut table.rows, count, time);
        table.ids.retain(|_, index| *index < table.rows.len());
        let last = table.rows.len() as u64;
        for ((_, _), marker) in self.markers.iter_mut().filter(|((marked, _), _)| marked == thread) {
            (marker.read, marker.delivered) = (marker.read.min(last), marker.delivered.min(last));
        }
        let said = gone.iter().filter_map(|row| row["body"].as_str().map(str::to_owned)).collect();
        self.lost.extend(gone);
        said
    }

    /// All of it from one snapshot.
    fn sync(&self, person: &str, arguments: &Value) -> Answer<Value> {
        if self.no_sync {
            return http(404, json!({"code": "PGRST202", "message": "no such function"}));
        }
        let asked = arguments["_threads"].as_array().expect("threads");
        if asked.len() > 100 {
            return http(400, json!({"code": "22023", "message": "too many threads"}));
        }
        let (most, mut room) = self.sync_rows;
        let mut threads = Vec::new();
        for wanted in asked {
            let (id, after) =
                (wanted["thread_id"].as_str().expect("a thread"), wanted["after"].as_u64().expect("a seq"));
            if self.may_read(id, person) {
                let rows = &self.threads[id].rows;
                let newer = rows.iter().rev().filter(|row| row["seq"].as_u64() > Some(after));
                let messages: Vec<_> = newer.take(most.min(room)).cloned().collect();
                room -= messages.len();
                let mut part = json!({"thread_id": id, "last_seq": rows.len(), "messages": messages});
                if !self.no_changes {
                    self.tell_changes(u64::MAX, id, wanted["known"].as_u64(), &mut part);
                }
                if !self.no_inbox {
                    let (mine, theirs) = (self.marker(id, person).unwrap_or_default(), self.others_marker(id, person));
                    (part["read"], part["delivered"]) = (json!(mine.read), json!(mine.delivered));
                    (part["other_read"], part["other_delivered"]) = (json!(theirs.read), json!(theirs.delivered));
                }
                threads.push(part);
            }
        }
        let mut answer = json!({"threads": threads, "people": []});
        if arguments["_inbox"].is_object() {
            let Some(inbox) = self.sync_inbox(person, &arguments["_inbox"]) else {
                return http(404, json!({"code": "42883", "message": "no inbox"}));
            };
            answer["inbox"] = inbox;
        }
        http(200, answer)
    }

    fn insert(&mut self, now: u64, person: &str, arguments: &Value) -> (Answer<Value>, Option<Value>) {
        let thread = arguments["_thread_id"].as_str().expect("a thread");
        let several = arguments["_messages"].as_array();
        if self.no_batches && several.is_some() {
            return (http(404, json!({"code": "PGRST202", "message": "no such function"})), None);
        }
        if now < self.read_only_until {
            return (read_only(), None);
        }
        if !self.may_read(thread, person) || arguments["_sender_mongo_id"] != person {
            return (http(403, json!({"code": "42501", "message": "not yours"})), None);
        }
        let messages: Vec<(&str, MessageId)> = match several {
            Some(messages) => messages.iter().map(|message| message_of(message, "body", "id")).collect(),
            None => vec![message_of(arguments, "_body", "_id")],
        };
        let reply_to = arguments["_reply_to"].as_u64();
        if self.no_changes && reply_to.is_some() {
            return (http(404, json!({"code": "PGRST202", "message": "no such function"})), None);
        }
        assert!(messages.len() <= 50 && (several.is_none() || messages.len() > 1), "{} at once", messages.len());
        if self.refusing && messages.iter().any(|(text, _)| text.starts_with('!')) {
            return (http(400, json!({"code": "23514", "message": "no shouting"})), None);
        }
        let table = self.threads.get_mut(thread).expect("it may be read");
        let before = table.rows.len();
        let mut rows = Vec::new();
        for (text, id) in messages {
            let index = *table.ids.entry(id).or_insert(table.rows.len());
            if index == table.rows.len() {
                let mut row = json!({
                    "id": id.text(), "thread_id": thread, "sender_mongo_id": person,
                    "recipient_mongo_id": arguments["_recipient_mongo_id"], "body": text,
                    "seq": index + 1, "created_at": written_at(now),
                });
                if let Some(seq) = reply_to {
                    assert!(seq >= 1 && seq <= index as u64, "a reply to {seq} of {index}");
                    row["reply_to"] = seq.into();
                }
                table.log.wrote(&row);
                table.rows.push(row);
            }
            let row = &table.rows[index];
            // It may have been edited since by another device.
            if row["rev"].is_null() && row["body"] != text || row["sender_mongo_id"] != person {
                table.rows.truncate(before);
                table.log.forget(before);
                table.ids.retain(|_, index| *index < before);
                return (http(409, json!({"code": "23505", "message": "taken"})), None);
            }
            rows.push(row.clone());
        }
        // The newest alone is broadcast.
        let new = (table.rows.len() > before).then(|| table.rows[table.rows.len() - 1].clone());
        if let Some(row) = &new {
            self.tell_inboxes(row);
        }
        (http(200, if several.is_some() { rows.into() } else { rows.remove(0) }), new)
    }
}

fn read_only() -> Answer<Value> {
    http(405, json!({"code": "25006", "message": "cannot execute INSERT in a read-only transaction"}))
}

fn message_of<'a>(message: &'a Value, body: &str, id: &str) -> (&'a str, MessageId) {
    let id = message[id].as_str().and_then(MessageId::parse).expect("an id");
    (message[body].as_str().expect("a body"), id)
}
