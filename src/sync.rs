//! The poll of all open threads: one request, however many they are (`sync_chat`).
//!
//! A thread says when its poll is due, and the others go along. Each takes its part of the answer as the answer to a read of
//! its own; where that part does not tell all, or nothing knows of such a request (an older `sql/`), it reads by itself.

use crate::io::{Answer, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::rest::{self, Outcome};
use crate::mutation::{Mutation, mutated};
use crate::thread::{Answered, Thread, read_rows};
use crate::thread_id::ThreadId;

/// The one request that may be in flight.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    request: RequestId,
    /// The threads, and the number after which each was asked for.
    threads: Vec<(ThreadId, u64)>,
}

/// The most threads that `sync_chat` is asked for at once.
const MOST: usize = 100;

impl Sync {
    /// Asks, if some thread's poll is due.
    pub fn drive<V>(&mut self, line: &mut Line<V>, threads: &mut [Thread]) {
        let threads =
            if mutated(Mutation::SyncSkipsThreads) { threads.get_mut(..1).unwrap_or_default() } else { threads };
        if self.asked.is_some()
            || line.server.takes_no_sync
            || line.token.stopped().is_some()
            || !line.device.may_ask()
            || !threads.iter().any(|thread| thread.is_poll_due(line))
        {
            return;
        }
        let Some(access) = line.token.usable(line.time()) else { return };
        let mut asked = Vec::new();
        // Who waits goes first: of more threads than fit, all have their turn.
        for all in [false, true] {
            for thread in threads.iter_mut() {
                if asked.len() < MOST
                    && (all || thread.is_poll_due(line))
                    && let Some(after) = thread.join_sync(line, access.generation)
                {
                    asked.push((thread.id.clone(), after));
                }
            }
        }
        let (url, body) = (rest::sync_url(&line.config.supabase_url), rest::sync_body(&asked));
        let request = line.rpc(&access, url, body, false);
        self.asked = Some(Asked { request, threads: asked });
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.request == request)
    }

    /// Takes in the answer that it awaits.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, threads: &mut [Thread], answer: Answer<V>) {
        let Some(asked) = self.asked.take() else { return };
        let outcome = rest::outcome(answer);
        line.server.takes_no_sync |= matches!(outcome, Outcome::Refused(_)) && !mutated(Mutation::SyncOrNothing);
        for (id, after) in asked.threads {
            let Some(thread) = threads.iter_mut().find(|thread| thread.id == id) else { continue };
            let part = match &outcome {
                Outcome::Done(value) => part(value, &id, after, &line.config.my_id).map(Outcome::Done),
                Outcome::Token => Some(Outcome::Token),
                Outcome::Later(error, at_least) => Some(Outcome::Later(error.clone(), *at_least)),
                Outcome::Unusable(error) => Some(Outcome::Unusable(error.clone())),
                Outcome::Refused(error) if mutated(Mutation::SyncOrNothing) => Some(Outcome::Later(error.clone(), 0)),
                // What refuses this may let pass what was there before it.
                Outcome::Refused(_) | Outcome::Blocked(..) => None,
            };
            thread.synced(line, part);
        }
    }
}

/// What the answer tells of a thread; `None` if that is not all that is new in it.
fn part<V: Json>(value: &V, thread: &ThreadId, after: u64, my_id: &str) -> Option<Answered<V>> {
    let threads = value.get("threads")?;
    let mut parts = (0..threads.len()?).filter_map(|at| threads.at(at));
    let Some(part) = parts.find(|part| part.text("thread_id").as_deref() == Some(thread.as_str())) else {
        // Of a thread that is not the person's any more a read tells nothing, either.
        return Some(Answered { rows: Vec::new(), span: None });
    };
    let last = part.number("last_seq")?;
    let mut answered = read_rows(&part.get("messages")?, thread, my_id)?;
    if mutated(Mutation::SyncTrustsLastSeq) && last > after {
        answered.span = Some((after + 1, last));
    }
    let whole = answered.span.map_or(last <= after, |(low, _)| low == after + 1);
    whole.then_some(answered)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn thread() -> ThreadId {
        ThreadId::new("ana", "ben").unwrap()
    }

    fn row(seq: u64) -> Value {
        json!({"id": crate::MessageId(seq.into()).text(), "thread_id": "ana__ben", "sender_mongo_id": "ben", "body": "x",
            "created_at": "2026-01-01T00:00:00+00:00", "seq": seq})
    }

    fn told(last_seq: u64, seqs: &[u64], after: u64) -> Option<Vec<u64>> {
        let rows: Vec<_> = seqs.iter().map(|seq| row(*seq)).collect();
        let answer = json!({"threads": [
            {"thread_id": "ana__cleo", "last_seq": 99, "messages": []},
            {"thread_id": "ana__ben", "last_seq": last_seq, "messages": rows, "markers": [1], "last_rev": 7},
        ], "now": 1});
        part(&answer, &thread(), after, "ana").map(|part| part.rows.iter().map(|row| row.seq).collect())
    }

    #[test]
    fn a_part_that_was_cut_off_is_none() {
        assert_eq!(told(9, &[9, 8, 7], 6), Some(vec![9, 8, 7]));
        assert_eq!(told(9, &[9, 8, 7], 5), None, "6 is missing");
        assert_eq!(told(9, &[], 8), None, "there was no room");
        assert_eq!(told(9, &[], 9), Some(vec![]), "nothing is new");
        assert_eq!(told(4, &[], 9), Some(vec![]), "the database was set back");
    }

    #[test]
    fn of_a_thread_that_is_left_out_nothing_is_told() {
        let answer = json!({"threads": []});
        assert!(part(&answer, &thread(), 3, "ana").is_some_and(|part| part.rows.is_empty() && part.span.is_none()));
        assert!(part(&json!([]), &thread(), 3, "ana").is_none(), "this is no answer");
    }

    proptest! {
        /// Whatever is answered, a part tells of nothing that was not asked for without telling all from there on.
        #[test]
        fn no_answer_panics(
            threads in prop::collection::vec(crate::json::arbitrary::object(&["thread_id", "last_seq", "messages"]), 0..3),
            rows in crate::json::arbitrary::anything(),
            after in 0u64..20,
        ) {
            let mut threads = threads;
            threads.push(json!({"thread_id": "ana__ben", "last_seq": 9, "messages": rows}));
            part(&json!({"threads": threads}), &thread(), after, "ana");
        }
    }
}
