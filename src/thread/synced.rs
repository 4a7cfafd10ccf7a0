//! How a thread takes part in the poll of all of them.

use super::Thread;
use super::read::OF_SYNC;
use crate::io::Answer;
use crate::json::Json;
use crate::line::Line;
use crate::line::rest;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

impl Thread {
    /// Takes part in a sync with the token of `generation`, if it can; where `due`, only if its own poll is. Adds to `asked`
    /// what it asks for.
    pub(crate) fn join_sync<V>(&mut self, line: &mut Line<V>, due: bool, generation: u32, asked: &mut String) -> bool {
        let joins = self.is_looked_at(line) && self.reader.may_join_sync(line.now(), due);
        if joins {
            let (after, known) = self.reader.join_sync(&mut self.timeline, generation);
            rest::push_asked(asked, &self.id, after, known);
        }
        joins
    }

    /// Takes in what a sync was answered with, if it took part.
    pub(crate) fn synced<V: Json>(&mut self, line: &mut Line<V>, answer: &Answer<V>) {
        let Some(after) = self.reader.synced_after() else { return };
        let mut answer = answer.clone();
        if let Answer::Http { status: 200..=299, body: Some(body), .. } = &mut answer {
            match part(body, &self.id, after) {
                Some(part) => *body = part,
                None => {
                    line.server.good_news = true;
                    return self.reader.leave_sync();
                }
            }
        }
        self.answered(line, OF_SYNC, answer);
    }
}

/// What the answer tells of a thread, as a read is answered; `None` if that is not all that is new in it, or nothing.
fn part<V: Json>(answer: &V, thread: &ThreadId, after: u64) -> Option<V> {
    let threads = answer.get("threads")?;
    let mut at = 0;
    let part = loop {
        let part = threads.at(at)?;
        if part.text("thread_id")? == thread.as_str() {
            break part;
        }
        at += 1;
    };
    // Numbers have no holes.
    let below = part.number("last_seq")?.saturating_sub(part.get("messages")?.len()? as u64);
    if below <= after || mutated(Mutation::SyncTrustsLastSeq) { Some(part) } else { None }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn thread() -> ThreadId {
        ThreadId::new("ana", "ben").unwrap()
    }

    fn told(last_seq: u64, seqs: &[u64], after: u64) -> Option<usize> {
        let rows: Vec<_> = seqs.iter().map(|seq| json!({"seq": seq})).collect();
        let answer = json!({"threads": [
            {"thread_id": "ana__cleo", "last_seq": 99, "messages": []},
            {"thread_id": "ana__ben", "last_seq": last_seq, "messages": rows, "markers": [1], "last_rev": 7},
        ], "now": 1});
        part(&answer, &thread(), after)?.get("messages")?.len()
    }

    #[test]
    fn a_part_that_was_cut_off_is_none() {
        assert_eq!(told(9, &[9, 8, 7], 6), Some(3));
        assert_eq!(told(9, &[9, 8, 7], 5), None, "6 is missing");
        assert_eq!(told(9, &[], 8), None, "there was no room");
        assert_eq!(told(9, &[], 9), Some(0), "nothing is new");
        assert_eq!(told(4, &[], 9), Some(0), "the database was set back");
    }

    #[test]
    fn of_a_thread_that_is_left_out_nothing_is_told() {
        assert_eq!(part(&json!({"threads": [{"thread_id": "ana__cleo"}]}), &thread(), 3), None);
        assert_eq!(part(&json!([]), &thread(), 3), None, "this is no answer");
    }

    proptest! {
        #[test]
        fn no_answer_panics(
            mut threads in prop::collection::vec(crate::json::arbitrary::object(&["thread_id", "last_seq", "messages"]), 0..3),
            rows in crate::json::arbitrary::anything(),
            after in 0u64..20,
        ) {
            threads.push(json!({"thread_id": "ana__ben", "last_seq": 9, "messages": rows}));
            part(&json!({"threads": threads}), &thread(), after);
        }
    }
}
