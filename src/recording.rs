//! What happened to an engine, as text: one line of JSON for its options and one for each input with its outputs.
//!
//! A debug build of the shell writes it (feature `recording`), with tokens and bodies replaced; `cargo xtask replay` runs it
//! through a native engine. The engine has no clock and no I/O, so it must do the same again.

#[cfg(feature = "changes")]
use crate::change::{Change, PendingChange};
#[cfg(feature = "inbox")]
use crate::conversation::{InboxDiff, InboxLine};
use crate::io::{Answer, Config, Diff, Frame, Input, Now, Output, Request};
use crate::json::{push_number, push_string};
use crate::message::{Message, MessageId, PendingMessage};
use crate::thread_id::ThreadId;

/// The first line.
pub fn config(config: &Config) -> String {
    let mut out = Object::new();
    out.text("supabase_url", &config.supabase_url).text("my_id", &config.my_id);
    // A string, as a JavaScript number would round it.
    out.text("seed", &config.seed.to_string());
    out.end()
}

/// An input. `json`: a value as JSON.
pub fn input<V>(now: Now, input: &Input<V>, json: impl Fn(&V) -> String) -> String {
    let mut out = Object::new();
    out.number("mono", now.mono).number("wall", now.wall);
    match input {
        Input::Open { thread, page_size } => out.kind("open").thread(thread).number("page_size", (*page_size).into()),
        Input::Cached { thread, page } => out.kind("cached").thread(thread).raw("json", &json(page)),
        Input::Close { thread } => out.kind("close").thread(thread),
        Input::Send { thread, id, body, reply_to } => {
            out.kind("send").thread(thread).id(*id).text("body", body);
            match reply_to {
                Some(seq) => out.number("reply_to", *seq),
                None => &mut out,
            }
        }
        Input::Restoring(restoring) => out.kind("restoring").flag(*restoring),
        Input::Restore { thread, messages } => {
            let messages: Vec<String> = messages.iter().map(pending).collect();
            out.kind("restore").thread(thread).raw("messages", &["[", &messages.join(","), "]"].concat())
        }
        Input::Retry { thread, id } => out.kind("retry").thread(thread).id(*id),
        Input::Discard { thread, id } => out.kind("discard").thread(thread).id(*id),
        Input::LoadOlder { thread } => out.kind("load_older").thread(thread),
        #[cfg(feature = "changes")]
        Input::Change { thread, id, change } => {
            out.kind("change").thread(thread).id(*id);
            match change {
                Change::Edit(body) => out.text("edit", body),
                Change::Unsend => out.raw("unsend", "true"),
                Change::React(emoji) => out.raw("react", &reaction(emoji.as_deref())),
            }
        }
        #[cfg(feature = "changes")]
        Input::RestoreChanges { thread, changes } => {
            let changes: Vec<String> = changes.iter().map(pending_change).collect();
            out.kind("restore_changes").thread(thread).raw("changes", &["[", &changes.join(","), "]"].concat())
        }
        #[cfg(feature = "changes")]
        Input::JumpTo { thread, seq } => out.kind("jump_to").thread(thread).number("seq", *seq),
        #[cfg(feature = "inbox")]
        Input::OpenInbox { limit } => out.kind("open_inbox").number("limit", (*limit).into()),
        #[cfg(feature = "inbox")]
        Input::CloseInbox => out.kind("close_inbox"),
        #[cfg(feature = "inbox")]
        Input::LoadMore => out.kind("load_more"),
        #[cfg(feature = "inbox")]
        Input::Receipts(receipts) => out.kind("receipts").flag(*receipts),
        #[cfg(feature = "inbox")]
        Input::Seen { thread, seq } => out.kind("seen").thread(thread).number("seq", *seq),
        Input::Answer { request, answer } => {
            out.kind("answer").number("of", request.0.into());
            if let Answer::Http { status, body, retry_after } = answer {
                out.number("status", (*status).into());
                if let Some(body) = body {
                    out.raw("json", &json(body));
                }
                if let Some(seconds) = retry_after {
                    out.number("retry_after", (*seconds).into());
                }
            }
            &mut out
        }
        Input::SocketOpened(id) => out.kind("socket_opened").number("of", id.0.into()),
        Input::SocketFrame(id, frame) => {
            out.kind("socket_frame").number("of", id.0.into());
            match frame {
                Frame::Text(value) => out.raw("json", &json(value)),
                Frame::Binary(bytes) => binary(&mut out, bytes),
            }
        }
        Input::SocketClosed(id) => out.kind("socket_closed").number("of", id.0.into()),
        Input::Online(online) => out.kind("online").flag(*online),
        Input::Visible(visible) => out.kind("visible").flag(*visible),
        Input::Timeout => out.kind("timeout"),
    };
    out.end()
}

/// A binary frame: its payload as JSON, so that the text in it can be replaced, and what stands before it as numbers.
fn binary<'a>(out: &'a mut Object, bytes: &[u8]) -> &'a mut Object {
    let lengths = bytes.get(1..4).unwrap_or_default();
    let head = 5 + lengths.iter().map(|length| usize::from(*length)).sum::<usize>();
    let payload = bytes.get(head..).and_then(|payload| core::str::from_utf8(payload).ok());
    let head: Vec<String> = bytes.iter().take(head).map(u8::to_string).collect();
    out.raw("head", &["[", &head.join(","), "]"].concat());
    match payload {
        Some(payload) if !payload.is_empty() => out.raw("json", payload),
        _ => out,
    }
}

/// An output. Of a confirmed message it says which, and not what is in it.
pub fn output<V>(output: &Output<V>) -> String {
    let mut out = Object::new();
    match output {
        Output::Request(id, request) => {
            out.kind("request").number("of", id.0.into());
            match request {
                Request::Token => out.text("to", "token"),
                Request::EnsureThread { body } => out.text("to", "ensure").raw("json", body),
                Request::Rpc { url, token, body, .. } => {
                    out.text("to", url).text("access_token", token).raw("json", body)
                }
            }
        }
        Output::Abort(id) => out.kind("abort").number("of", id.0.into()),
        // Without its parameters: the key is among them.
        Output::OpenSocket(id, url) => {
            out.kind("open_socket").number("of", id.0.into()).text("to", url.split('?').next().unwrap_or_default())
        }
        Output::SendFrame(id, frame) => out.kind("send_frame").number("of", id.0.into()).raw("json", frame),
        Output::CloseSocket(id) => out.kind("close_socket").number("of", id.0.into()),
        Output::Store(thread, message) => out.kind("store").thread(thread).raw("message", &pending(message)),
        Output::Unstore(thread, id) => out.kind("unstore").thread(thread).id(*id),
        Output::Messages(thread, diff) => {
            out.kind("messages").thread(thread);
            match diff {
                Diff::Insert { at, message } => out.number("insert", *at as u64).raw("message", &shown(message)),
                Diff::Update { at, message } => out.number("update", *at as u64).raw("message", &shown(message)),
                Diff::Remove { at, count } => out.number("remove", *at as u64).number("count", *count as u64),
            }
        }
        Output::State(thread, state) => {
            out.kind("state").thread(thread).text("status", state.status.as_str());
            out.raw("has_older", boolean(state.has_older)).raw("loading_older", boolean(state.loading_older));
            if state.from_cache {
                out.raw("from_cache", "true");
            }
            match &state.error {
                Some(error) => out.text("error", &error.to_string()),
                None => &mut out,
            }
        }
        Output::Opened(thread, result) => ended(out.kind("opened").thread(thread), result),
        Output::OlderLoaded(thread, result) => ended(out.kind("older_loaded").thread(thread), result),
        Output::Forgotten(thread) => out.kind("forgotten").thread(thread),
        #[cfg(feature = "changes")]
        Output::StoreChange(thread, change) => {
            out.kind("store_change").thread(thread).raw("change", &pending_change(change))
        }
        #[cfg(feature = "changes")]
        Output::UnstoreChange(thread, id) => out.kind("unstore_change").thread(thread).id(*id),
        #[cfg(feature = "changes")]
        Output::Changing(thread, id, change) => {
            let change = change.as_ref().map_or("null".into(), pending_change);
            out.kind("changing").thread(thread).id(*id).raw("change", &change)
        }
        #[cfg(feature = "changes")]
        Output::Quoted(thread, row) => out.kind("quoted").thread(thread).id(row.id).number("seq", row.seq),
        #[cfg(feature = "changes")]
        Output::Jumped(thread, result) => ended(out.kind("jumped").thread(thread), result),
        #[cfg(feature = "changes")]
        Output::Windows(windows) => out.kind("windows").text("now", &windows.now),
        #[cfg(feature = "inbox")]
        Output::StoreSeen(thread, seq) => out.kind("store_seen").thread(thread).number("seq", *seq),
        #[cfg(feature = "inbox")]
        Output::UnstoreSeen(thread) => out.kind("unstore_seen").thread(thread),
        #[cfg(feature = "inbox")]
        Output::Inbox(diff) => match diff {
            InboxDiff::Insert { at, line } => inbox_line(out.kind("inbox").number("insert", *at as u64), line),
            InboxDiff::Update { at, line } => inbox_line(out.kind("inbox").number("update", *at as u64), line),
            InboxDiff::Remove { at } => out.kind("inbox").number("remove", *at as u64),
        },
        #[cfg(feature = "inbox")]
        Output::InboxState(state) => {
            out.kind("inbox_state").text("status", state.status.as_str()).number("unread", state.unread.into());
            out.raw("has_more", boolean(state.has_more)).raw("loading_more", boolean(state.loading_more));
            match &state.error {
                Some(error) => out.text("error", &error.to_string()),
                None => &mut out,
            }
        }
        #[cfg(feature = "inbox")]
        Output::InboxOpened(result) => ended(out.kind("inbox_opened"), result),
        #[cfg(feature = "inbox")]
        Output::MoreLoaded(result) => ended(out.kind("more_loaded"), result),
        #[cfg(feature = "inbox")]
        Output::Markers(thread, markers) => out
            .kind("markers")
            .thread(thread)
            .number("seen_at_open", markers.seen_at_open)
            .raw("all_read_at_open", boolean(markers.all_read_at_open))
            .number("read_by_other", markers.read_by_other)
            .number("delivered_to_other", markers.delivered_to_other),
    };
    out.end()
}

fn ended<'a>(out: &'a mut Object, result: &Result<(), crate::error::ChatError>) -> &'a mut Object {
    match result {
        Ok(()) => out,
        Err(error) => out.text("error", &error.to_string()),
    }
}

#[cfg(feature = "inbox")]
fn inbox_line<'a>(out: &'a mut Object, line: &InboxLine) -> &'a mut Object {
    out.thread(&line.thread).id(line.message.id).number("seq", line.message.seq).number("unread", line.unread.into());
    out.number("read_by_other", line.read_by_other).number("delivered_to_other", line.delivered_to_other)
}

fn shown<V>(message: &Message<V>) -> String {
    match message {
        Message::Sent(row) => {
            let mut out = Object::new();
            out.id(row.id).number("seq", row.seq);
            if row.rev > 0 {
                out.number("rev", row.rev);
            }
            out.end()
        }
        Message::Pending(message) => pending(message),
    }
}

fn pending(message: &PendingMessage) -> String {
    let mut out = Object::new();
    out.id(message.id).text("body", &message.body);
    out.number("written_at", message.written_at).number("order", message.order);
    if let Some(seq) = message.reply_to {
        out.number("reply_to", seq);
    }
    if let Some(error) = &message.error {
        out.text("code", error.code.as_str());
        if let Some(detail) = &error.detail {
            out.text("detail", detail);
        }
    }
    out.end()
}

#[cfg(feature = "changes")]
fn pending_change(change: &PendingChange) -> String {
    let mut out = Object::new();
    out.id(change.id).raw("unsend", boolean(change.unsend));
    if let Some(body) = &change.edit {
        out.text("edit", body);
    }
    if let Some(emoji) = &change.reaction {
        out.raw("react", &reaction(emoji.as_deref()));
    }
    if let Some((kind, error)) = &change.refused {
        out.text("refused", kind.as_str()).text("code", error.code.as_str());
        if let Some(detail) = &error.detail {
            out.text("detail", detail);
        }
    }
    out.end()
}

/// A list, as there may be none.
#[cfg(feature = "changes")]
fn reaction(emoji: Option<&str>) -> String {
    let mut json = String::from("[");
    if let Some(emoji) = emoji {
        push_string(&mut json, emoji);
    }
    json + "]"
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A JSON object that is being written.
struct Object(String);

impl Object {
    fn new() -> Self {
        Object("{".into())
    }

    fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, key);
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    fn text(&mut self, key: &str, text: &str) -> &mut Self {
        let mut json = String::new();
        push_string(&mut json, text);
        self.raw(key, &json)
    }

    fn number(&mut self, key: &str, number: u64) -> &mut Self {
        let mut json = String::new();
        push_number(&mut json, number);
        self.raw(key, &json)
    }

    fn kind(&mut self, kind: &str) -> &mut Self {
        self.text("kind", kind)
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        self.raw("is", boolean(flag))
    }

    fn thread(&mut self, thread: &ThreadId) -> &mut Self {
        self.text("thread", thread.as_str())
    }

    fn id(&mut self, id: MessageId) -> &mut Self {
        self.text("id", &id.text())
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
