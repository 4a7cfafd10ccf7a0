//! Runs a [`recording`](crate::recording) through an engine, and compares what it does.

#[cfg(feature = "changes")]
use crate::change::{Change, Kind, PendingChange};
use crate::engine::Engine;
use crate::error::{ChatError, Code};
use crate::io::{Answer, Config, Frame, Input, Now, RequestId, SocketId};
use crate::json::Json;
use crate::message::{MessageId, PendingMessage};
use crate::recording;
use crate::thread_id::{ThreadId, split};
use serde_json::Value;

/// How it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What happened, a line each.
    pub trace: Vec<String>,
    /// The inputs that were replayed.
    pub inputs: usize,
    /// The outputs that were the same.
    pub outputs: usize,
    /// Where the engine did something else than was recorded, if it did: the rest was not replayed.
    pub differs: Option<String>,
}

/// Replays the text of a recording. The error says what is wrong with the text.
pub fn replay(text: &str) -> Result<Report, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(at, line): (usize, &str)| -> Result<Value, String> {
        serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))
    };
    let head = parse(lines.next().ok_or("it is empty")?)?;
    let options = head.get("config").ok_or("line 1 has no config: is it a recording?")?;
    if let Some(dropped) = head.number("dropped").filter(|dropped| *dropped > 0) {
        return Err(format!("its first {dropped} inputs are missing: it can't be replayed, only read"));
    }
    let text = |key: &'static str| options.text(key).ok_or_else(|| format!("config has no {key}"));
    let mut engine: Engine<Value> = Engine::new(Config {
        supabase_url: text("supabase_url")?,
        anon_key: "key".into(),
        my_id: text("my_id")?,
        seed: text("seed")?.parse().map_err(|_| "config.seed is no number")?,
    });
    let mut report = Report::default();
    for line in lines {
        let at = line.0 + 1;
        let entry = parse(line)?;
        let input = entry.get("input").ok_or_else(|| format!("line {at} has no input"))?;
        let (now, input) = read(input).ok_or_else(|| format!("line {at}: its input can't be read"))?;
        report.trace.push(format!("> {}", recording::input(now, &input, Value::to_string)));
        engine.handle(now, input);
        report.inputs += 1;
        let recorded = entry["outputs"].as_array().ok_or_else(|| format!("line {at} has no outputs"))?;
        let mut outputs = Vec::new();
        while let Some(output) = engine.poll() {
            let line = recording::output(&output);
            report.trace.push(format!("  {line}"));
            outputs.push(serde_json::from_str::<Value>(&line).map_err(|error| format!("{line}: {error}"))?);
        }
        for at_output in 0..outputs.len().max(recorded.len()) {
            let (ours, theirs) = (outputs.get(at_output), recorded.get(at_output));
            if ours != theirs {
                let show = |output: Option<&Value>| output.map_or("nothing".into(), Value::to_string);
                report.differs = Some(format!("line {at}: recorded {}, replayed {}", show(theirs), show(ours)));
                return Ok(report);
            }
            report.outputs += 1;
        }
    }
    Ok(report)
}

fn read(value: &Value) -> Option<(Now, Input<Value>)> {
    let now = Now { mono: value.number("mono")?, wall: value.number("wall")? };
    let thread = || {
        let text = value.text("thread")?;
        let (low, high) = split(&text)?;
        ThreadId::new(low, high).ok()
    };
    let id = || MessageId::parse(&value.text("id")?);
    let of = || u32::try_from(value.number("of")?).ok();
    let flag = || value["is"].as_bool();
    let input = match value.text("kind")?.as_str() {
        "open" => Input::Open { thread: thread()?, page_size: u32::try_from(value.number("page_size")?).ok()? },
        "cached" => Input::Cached { thread: thread()?, page: value.as_object()?.get("json")?.clone() },
        "close" => Input::Close { thread: thread()? },
        "send" => {
            Input::Send { thread: thread()?, id: id()?, body: value.text("body")?, reply_to: value.number("reply_to") }
        }
        "restoring" => Input::Restoring(flag()?),
        "restore" => {
            let messages: Option<Vec<_>> = value["messages"].as_array()?.iter().map(pending).collect();
            Input::Restore { thread: thread()?, messages: messages? }
        }
        "retry" => Input::Retry { thread: thread()?, id: id()? },
        "discard" => Input::Discard { thread: thread()?, id: id()? },
        "load_older" => Input::LoadOlder { thread: thread()? },
        #[cfg(feature = "changes")]
        "change" => Input::Change {
            thread: thread()?,
            id: id()?,
            change: match (value.text("edit"), value["react"].as_array()) {
                (Some(body), _) => Change::Edit(body.into()),
                (None, Some(emoji)) => Change::React(emoji.first().and_then(Value::as_str).map(Into::into)),
                (None, None) => Change::Unsend,
            },
        },
        #[cfg(feature = "changes")]
        "restore_changes" => {
            let changes: Option<Vec<_>> = value["changes"].as_array()?.iter().map(pending_change).collect();
            Input::RestoreChanges { thread: thread()?, changes: changes? }
        }
        #[cfg(feature = "changes")]
        "jump_to" => Input::JumpTo { thread: thread()?, seq: value.number("seq")? },
        #[cfg(feature = "inbox")]
        "open_inbox" => Input::OpenInbox { limit: u32::try_from(value.number("limit")?).ok()? },
        #[cfg(feature = "inbox")]
        "close_inbox" => Input::CloseInbox,
        #[cfg(feature = "inbox")]
        "load_more" => Input::LoadMore,
        #[cfg(feature = "inbox")]
        "receipts" => Input::Receipts(flag()?),
        #[cfg(feature = "inbox")]
        "seen" => Input::Seen { thread: thread()?, seq: value.number("seq")? },
        "answer" => Input::Answer {
            request: RequestId(of()?),
            answer: match value.number("status") {
                None => Answer::Unreachable,
                Some(status) => Answer::Http {
                    status: u16::try_from(status).ok()?,
                    body: value.as_object()?.get("json").cloned(),
                    retry_after: value.number("retry_after").and_then(|seconds| u32::try_from(seconds).ok()),
                },
            },
        },
        "socket_opened" => Input::SocketOpened(SocketId(of()?)),
        "socket_frame" => Input::SocketFrame(SocketId(of()?), frame(value)?),
        "socket_closed" => Input::SocketClosed(SocketId(of()?)),
        "online" => Input::Online(flag()?),
        "visible" => Input::Visible(flag()?),
        "timeout" => Input::Timeout,
        _ => return None,
    };
    Some((now, input))
}

fn frame(value: &Value) -> Option<Frame<Value>> {
    let Some(head) = value["head"].as_array() else {
        return Some(Frame::Text(value.as_object()?.get("json")?.clone()));
    };
    let mut bytes: Vec<u8> = head.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Option<_>>()?;
    if let Some(payload) = value.as_object()?.get("json") {
        bytes.extend(payload.to_string().into_bytes());
    }
    Some(Frame::Binary(bytes))
}

#[cfg(feature = "changes")]
fn pending_change(value: &Value) -> Option<PendingChange> {
    let reaction = value["react"].as_array();
    Some(PendingChange {
        id: MessageId::parse(&value.text("id")?)?,
        edit: value.text("edit").map(Into::into),
        unsend: value["unsend"].as_bool()?,
        reaction: reaction.map(|emoji| emoji.first().and_then(Value::as_str).map(Into::into)),
        refused: match (value.text("refused"), value.text("code")) {
            (Some(kind), Some(code)) => {
                Some((Kind::parse(&kind)?, ChatError::with(Code::parse(&code)?, value.text("detail"))))
            }
            _ => None,
        },
    })
}

fn pending(value: &Value) -> Option<PendingMessage> {
    Some(PendingMessage {
        id: MessageId::parse(&value.text("id")?)?,
        body: value.text("body")?.into(),
        reply_to: value.number("reply_to"),
        written_at: value.number("written_at")?,
        order: value.number("order")?,
        error: match value.text("code") {
            Some(code) => Some(ChatError::with(Code::parse(&code)?, value.text("detail"))),
            None => None,
        },
    })
}
