//! PostgREST requests as values, and what their answers mean.

#[cfg(feature = "changes")]
use crate::change::Change;
use crate::error::{ChatError, Code};
use crate::io::Answer;
use crate::json::{Json, push_number, push_string};
use crate::message::MessageId;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

/// The rows with `after < seq < before`, the newest `limit` of them, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqRange {
    /// Excluded; 0 is before the first.
    pub after: u64,
    /// Excluded; `None` is the end.
    pub before: Option<u64>,
    /// The most rows.
    pub limit: u32,
}

impl SeqRange {
    /// Whether it is the newest page whole, whatever is known.
    pub fn is_newest_page(self) -> bool {
        self.after == 0 && self.before.is_none()
    }

    /// The same down to the number `seq` and a little further, as far as one page goes.
    #[cfg(feature = "changes")]
    pub fn down_to(self, seq: u64) -> Self {
        let wanted = self.before.unwrap_or(0).saturating_sub(seq) + u64::from(self.limit / 2);
        SeqRange { limit: wanted.clamp(self.limit.into(), MOST_ROWS) as u32, ..self }
    }
}

/// The most rows a page, as for `pageSize`.
#[cfg(feature = "changes")]
const MOST_ROWS: u64 = 200;

/// The URL of the RPC that reads a page. It is the same for every page, so that one preflight serves them all. `with_changes`:
/// the one that tells of changes, which an older `sql/` has not.
pub fn page_url(supabase_url: &str, with_changes: bool) -> String {
    let function = match with_changes {
        true => "list_chat_page",
        false => "list_chat_messages?select=id,thread_id,sender_mongo_id,body,created_at,seq",
    };
    [supabase_url, "/rest/v1/rpc/", function].concat()
}

/// The arguments of the RPC that reads a page: a keyset by seq, so an index range however deep. `known`: the changes above that
/// number are wanted as well.
pub fn page_body(thread: &ThreadId, range: SeqRange, known: Option<u64>) -> String {
    let mut out = String::from("{\"_thread_id\":");
    push_string(&mut out, thread.as_str());
    out.push_str(",\"_after\":");
    push_number(&mut out, range.after);
    if let Some(before) = range.before {
        out.push_str(",\"_before\":");
        push_number(&mut out, before);
    }
    out.push_str(",\"_limit\":");
    push_number(&mut out, range.limit.into());
    if let Some(known) = known {
        out.push_str(",\"_known\":");
        push_number(&mut out, known);
    }
    out.push('}');
    out
}

/// The URL of the RPC that tells what is new in several threads.
pub fn sync_url(supabase_url: &str) -> String {
    [supabase_url, "/rest/v1/rpc/sync_chat"].concat()
}

/// Adds a thread to those that [`sync_body`] asks for.
pub fn push_asked(asked: &mut String, thread: &ThreadId, after: u64, known: Option<u64>) {
    asked.push_str(if asked.is_empty() { "{\"thread_id\":" } else { ",{\"thread_id\":" });
    push_string(asked, thread.as_str());
    asked.push_str(",\"after\":");
    push_number(asked, after);
    if let Some(known) = known {
        asked.push_str(",\"known\":");
        push_number(asked, known);
    }
    asked.push('}');
}

/// The arguments of the RPC that tells what is new in the threads `asked` and, where it is asked for, in the inbox.
pub fn sync_body(asked: &str, inbox: Option<&str>) -> String {
    match inbox {
        None => ["{\"_threads\":[", asked, "]}"].concat(),
        Some(inbox) => ["{\"_threads\":[", asked, "],\"_inbox\":", inbox, "}"].concat(),
    }
}

/// The URL of the RPC that sends one message, or several at once.
pub fn send_url(supabase_url: &str, several: bool) -> String {
    [supabase_url, "/rest/v1/rpc/insert_chat_message", if several { "s" } else { "" }].concat()
}

/// The arguments of the RPC that sends, one message or several.
pub struct SendBody {
    text: String,
    several: bool,
    empty: bool,
}

impl SendBody {
    /// Of no message yet.
    pub fn new(thread: &ThreadId, me: &str, other: &str, several: bool) -> Self {
        let mut text = String::from("{\"_thread_id\":");
        push_string(&mut text, thread.as_str());
        text.push_str(",\"_sender_mongo_id\":");
        push_string(&mut text, me);
        text.push_str(",\"_recipient_mongo_id\":");
        push_string(&mut text, other);
        SendBody { text, several, empty: true }
    }

    /// One message more.
    pub fn push(&mut self, id: MessageId, body: &str, reply_to: Option<u64>) {
        let (before_body, before_id) = match (self.several, self.empty) {
            (false, _) => (",\"_body\":", ",\"_id\":"),
            (true, true) => (",\"_messages\":[{\"body\":", ",\"id\":"),
            (true, false) => ("},{\"body\":", ",\"id\":"),
        };
        self.empty = false;
        self.text.push_str(before_body);
        push_string(&mut self.text, body);
        self.text.push_str(before_id);
        push_string(&mut self.text, &id.text());
        if let Some(seq) = reply_to {
            self.text.push_str(if self.several { ",\"reply_to\":" } else { ",\"_reply_to\":" });
            push_number(&mut self.text, seq);
        }
    }

    /// The whole.
    pub fn end(mut self) -> String {
        self.text.push_str(if self.several { "}]}" } else { "}" });
        self.text
    }
}

/// The URL of the RPC that changes the message `id`, and its arguments.
#[cfg(feature = "changes")]
pub fn change(supabase_url: &str, id: MessageId, change: &Change) -> (String, String) {
    let (function, argument) = match change {
        Change::Edit(body) => ("edit_chat_message", Some(("_body", Some(body)))),
        Change::Unsend => ("unsend_chat_message", None),
        Change::React(emoji) => ("react_chat_message", Some(("_emoji", emoji.as_ref()))),
    };
    let mut body = String::from("{\"_id\":");
    push_string(&mut body, &id.text());
    if let Some((name, value)) = argument {
        body.push(',');
        push_string(&mut body, name);
        body.push(':');
        match value {
            Some(text) => push_string(&mut body, text),
            None => body.push_str("null"),
        }
    }
    body.push('}');
    ([supabase_url, "/rest/v1/rpc/", function].concat(), body)
}

/// The body that asks the backend to ensure a thread. Who asks is what the session says, not `my_mongo_id`: the backend
/// only compares the two, as somebody else may have signed in since.
pub fn ensure_body(me: &str, other: &str) -> String {
    let mut out = String::from("{\"other_mongo_id\":");
    push_string(&mut out, other);
    out.push_str(",\"my_mongo_id\":");
    push_string(&mut out, me);
    out.push('}');
    out
}

/// What an answer means.
#[derive(Debug, PartialEq)]
pub enum Outcome<V> {
    /// It worked.
    Done(V),
    /// The token was refused: renew it and ask again.
    Token,
    /// Ask again later, not before so many ms.
    Later(ChatError, u64),
    /// Asking again the same can't help.
    Refused(ChatError),
    /// A proxy on the way refuses it with this status: later, but perhaps never.
    Blocked(u16, ChatError),
    /// Nothing can be asked with these options.
    Unusable(ChatError),
}

/// Reads an answer by PostgREST, or by whatever stands before it (its gateway answers HTML too).
pub fn outcome<V: Json>(answer: Answer<V>) -> Outcome<V> {
    let (status, body, retry_after) = match answer {
        Answer::Unreachable => return Outcome::Later(Code::Network.into(), 0),
        Answer::Http { status, body, retry_after } => (status, body, retry_after),
    };
    let wait = u64::from(retry_after.unwrap_or(0)) * 1_000;
    if (200..300).contains(&status) {
        return match body {
            Some(value) => Outcome::Done(value),
            None => Outcome::Later(Code::Server.into(), wait),
        };
    }
    let code = body.as_ref().and_then(|b| b.text("code")).unwrap_or_default();
    let detail = body.as_ref().and_then(|b| b.text("message"));
    let by_postgrest = is_sqlstate(&code) || code.starts_with("PGRST");
    let refused = |code| Outcome::Refused(ChatError::with(code, detail.clone()));
    // What happened to the database passes, whatever the status: connection 08, read-only or other transaction state 25,
    // deadlock 40, resources 53, lock 55, shutdown or timeout 57, system 58, its own error XX.
    if is_sqlstate(&code)
        && ["08", "25", "40", "53", "55", "57", "58", "XX"].contains(&&code[..2])
        && !mutated(Mutation::ReadOnlyRefuses)
    {
        return Outcome::Later(ChatError::with(Code::Server, detail), wait);
    }
    match status {
        // The gateway's word, not PostgREST's: "Invalid API key", "No API key found in request". Not by `contains`: its search
        // weighs 1.3 KiB.
        401 if code.is_empty()
            && detail.as_ref().is_some_and(|said| said.as_bytes().windows(7).any(|part| part == b"API key")) =>
        {
            Outcome::Unusable(ChatError::with(Code::InvalidOptions, detail))
        }
        401 if code.starts_with("PGRST30") || !by_postgrest => Outcome::Token,
        404 if matches!(code.as_str(), "PGRST202" | "PGRST205" | "42P01" | "42883") => refused(Code::SetupMissing),
        408 | 425 => Outcome::Later(ChatError::with(Code::Timeout, detail), wait),
        429 => Outcome::Later(ChatError::with(Code::RateLimited, detail), wait.max(1_000)),
        // What the database itself raised is a decision, even where PostgREST files it under 500.
        500.. if is_sqlstate(&code) => refused(refusal(&code)),
        400..=499 if by_postgrest => refused(refusal(&code)),
        400..=499 => Outcome::Blocked(status, ChatError::with(Code::Server, detail)),
        _ => Outcome::Later(ChatError::with(Code::Server, detail), wait),
    }
}

/// What the functions of sql/ raise has codes of its own.
fn refusal(code: &str) -> Code {
    match code {
        #[cfg(feature = "changes")]
        "CH410" => Code::WindowOver,
        #[cfg(feature = "changes")]
        "CH403" => Code::NotYours,
        #[cfg(feature = "changes")]
        "CH409" => Code::AlreadyUnsent,
        _ => Code::Refused,
    }
}

fn is_sqlstate(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn http(status: u16, body: Value) -> Answer<Value> {
        Answer::Http { status, body: Some(body), retry_after: None }
    }

    fn code(outcome: Outcome<Value>) -> &'static str {
        match outcome {
            Outcome::Done(_) => "done",
            Outcome::Token => "token",
            Outcome::Later(..) => "later",
            Outcome::Refused(e) => e.code.as_str(),
            Outcome::Blocked(..) => "blocked",
            Outcome::Unusable(_) => "unusable",
        }
    }

    #[test]
    fn answers_mean_what_postgrest_documents() {
        for (answer, expected) in [
            (http(200, json!([])), "done"),
            (http(401, json!({"code": "PGRST303", "message": "JWT expired"})), "token"),
            (http(401, json!({"code": "PGRST301", "message": "wrong key"})), "token"),
            (http(401, json!({"message": "Unauthorized"})), "token"),
            (http(401, json!({"message": "Invalid API key", "hint": "Double check it."})), "unusable"),
            (http(401, json!({"code": "42501", "message": "permission denied for function"})), "refused"),
            (http(403, json!({"code": "42501", "message": "row-level security"})), "refused"),
            (http(400, json!({"code": "23514", "message": "too long"})), "refused"),
            (http(409, json!({"code": "23505", "message": "taken"})), "refused"),
            (http(404, json!({"code": "PGRST202", "message": "no function"})), "setup-missing"),
            (http(500, json!({"code": "P0002", "message": "no data found"})), "refused"),
            (http(500, json!({"code": "57014", "message": "timeout"})), "later"),
            (http(500, json!({"code": "40P01", "message": "deadlock"})), "later"),
            (http(503, json!({"code": "PGRST001", "message": "database"})), "later"),
            (http(500, json!({"message": "gateway"})), "later"),
            (http(403, json!({"error": "proxy"})), "blocked"),
            (http(400, json!({"code": "WAF-7", "message": "looks like SQL"})), "blocked"),
            (http(405, json!({"code": "25006", "message": "read-only transaction"})), "later"),
            (http(400, json!({"code": "55P03", "message": "lock timeout"})), "later"),
            (http(429, json!({})), "later"),
            (Answer::Http { status: 403, body: None, retry_after: None }, "blocked"),
            (Answer::Http { status: 502, body: None, retry_after: None }, "later"),
            (Answer::Http { status: 200, body: None, retry_after: None }, "later"),
            (Answer::Unreachable, "later"),
        ] {
            let shown = format!("{answer:?}");
            assert_eq!(code(outcome(answer)), expected, "{shown}");
        }
    }

    #[test]
    fn retry_after_is_honoured() {
        let answer = Answer::<Value>::Http { status: 429, body: None, retry_after: Some(7) };
        assert_eq!(outcome(answer), Outcome::Later(Code::RateLimited.into(), 7_000));
    }

    #[test]
    fn any_id_survives_the_arguments() {
        let thread = ThreadId::new("a\"b\\c", "é #%").unwrap();
        let whole: Value =
            serde_json::from_str(&page_body(&thread, SeqRange { after: 3, before: Some(9), limit: 50 }, None)).unwrap();
        assert_eq!(whole, json!({"_thread_id": thread.as_str(), "_after": 3, "_before": 9, "_limit": 50}));
        let newest: Value =
            serde_json::from_str(&page_body(&thread, SeqRange { after: 0, before: None, limit: 1 }, Some(7))).unwrap();
        assert_eq!(newest, json!({"_thread_id": thread.as_str(), "_after": 0, "_limit": 1, "_known": 7}));
    }

    #[test]
    fn one_thread_and_several_are_asked_for_alike() {
        let threads = [(ThreadId::new("a\"b\\c", "é #%").unwrap(), 3), (ThreadId::new("ana", "ben").unwrap(), 0)];
        let asked = |count: usize| -> Value {
            let mut body = String::new();
            threads[..count].iter().for_each(|(thread, after)| push_asked(&mut body, thread, *after, None));
            serde_json::from_str(&sync_body(&body, None)).unwrap()
        };
        let [first, second] = [0, 1].map(|n| json!({"thread_id": threads[n].0.as_str(), "after": threads[n].1}));
        assert_eq!(asked(1), json!({"_threads": [first]}));
        assert_eq!(asked(2), json!({"_threads": [first, second]}));
    }

    #[test]
    fn one_message_and_several_have_their_own_arguments() {
        let thread = ThreadId::new("ana", "ben").unwrap();
        let arguments = |messages: &[(MessageId, &str)]| -> Value {
            let mut body = SendBody::new(&thread, "ana", "ben", messages.len() > 1);
            messages.iter().for_each(|(id, text)| body.push(*id, text, None));
            serde_json::from_str(&body.end()).unwrap()
        };
        let one = |id: u128| MessageId(id).text();
        let mut expected = json!({"_thread_id": "ana__ben", "_sender_mongo_id": "ana", "_recipient_mongo_id": "ben"});
        expected["_body"] = json!("a \"b\"");
        expected["_id"] = json!(one(7));
        assert_eq!(arguments(&[(MessageId(7), "a \"b\"")]), expected);
        expected.as_object_mut().unwrap().retain(|key, _| key != "_body" && key != "_id");
        expected["_messages"] = json!([{"body": "x", "id": one(7)}, {"body": "y", "id": one(8)}]);
        assert_eq!(arguments(&[(MessageId(7), "x"), (MessageId(8), "y")]), expected);
    }

    #[cfg(feature = "changes")]
    #[test]
    fn a_change_names_its_message_and_no_more() {
        let asked = |change_: Change| {
            let (url, body) = change("https://x", MessageId(7), &change_);
            let body: Value = serde_json::from_str(&body).unwrap();
            (url.replace("https://x/rest/v1/rpc/", ""), body)
        };
        let id = MessageId(7).text();
        assert_eq!(
            asked(Change::Edit("a \"b\"".into())),
            ("edit_chat_message".into(), json!({"_id": id, "_body": "a \"b\""}))
        );
        assert_eq!(asked(Change::Unsend), ("unsend_chat_message".into(), json!({"_id": id})));
        assert_eq!(
            asked(Change::React(Some("👍".into()))),
            ("react_chat_message".into(), json!({"_id": id, "_emoji": "👍"}))
        );
        assert_eq!(asked(Change::React(None)), ("react_chat_message".into(), json!({"_id": id, "_emoji": null})));
    }

    proptest::proptest! {
        /// Nothing but a 2xx is taken for a success, and no wait is longer than the server asked for or the least one.
        #[test]
        fn no_answer_panics(
            status in proptest::prelude::any::<u16>(),
            body in proptest::option::of(crate::json::arbitrary::object(&["code", "message", "details", "hint"])),
            retry_after in proptest::option::of(proptest::prelude::any::<u32>()),
        ) {
            match outcome(Answer::Http { status, body, retry_after }) {
                Outcome::Done(_) => proptest::prop_assert!((200..300).contains(&status)),
                Outcome::Later(_, wait) => {
                    proptest::prop_assert!(wait <= u64::from(retry_after.unwrap_or(0)).max(1) * 1_000)
                }
                Outcome::Blocked(blocked, _) => proptest::prop_assert!(blocked == status && (400..500).contains(&status)),
                Outcome::Token | Outcome::Refused(_) | Outcome::Unusable(_) => {}
            }
        }
    }
}
