//! How far this person has come, until the server knows it: an outbox of markers. A later one for a thread takes the place of
//! an earlier one, so there is one a thread at most, and one request for all of them.

use super::record::Progress;
use crate::error::Code;
use crate::io::{Answer, Output, RequestId};
use crate::json::{Json, push_number, push_string};
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::rest::{self, Outcome};
use crate::line::token::{Access, Verifier};
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

/// What the server is to be told, and what it is asked.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pending: Vec<Pending>,
    asked: Option<Asked>,
    /// When markers may be told again.
    next_at: u64,
    backoff: Backoff,
    /// The server's sql/ is without markers.
    missing: bool,
}

#[derive(Debug)]
struct Pending {
    thread: ThreadId,
    /// Where it is not 0, storage keeps it.
    seen: u64,
    delivered: u64,
    /// When that is told: reading may overtake it.
    deliver_at: u64,
    /// How far both have come is to be asked.
    wondering: bool,
}

#[derive(Debug)]
struct Asked {
    request: RequestId,
    generation: u32,
    told: Vec<(ThreadId, Progress)>,
}

/// The first marker is told at once, and then one a second in all, in ms.
const EVERY: u64 = 1_000;
/// So long after it came a message is told to have been delivered, in ms: mostly it is read by then.
const DELIVER_AFTER: u64 = 2_000;
/// The most threads a request.
const MOST: usize = 100;

impl Marks {
    /// The person has seen `thread` up to `seq`; the server knows of `known`.
    pub fn seen<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, seq: u64, known: Progress) {
        if seq <= known.read.max(self.seen_of(thread)) {
            return;
        }
        self.of(thread).seen = seq;
        line.emit(Output::StoreSeen(thread.clone(), seq));
    }

    /// A message of the other has come to this device.
    pub fn delivered(&mut self, now: u64, thread: &ThreadId, seq: u64, known: Progress) {
        if self.missing || seq <= known.delivered.max(self.seen_of(thread)) {
            return;
        }
        let pending = self.of(thread);
        if pending.delivered == 0 {
            pending.deliver_at = now + DELIVER_AFTER;
        }
        pending.delivered = pending.delivered.max(seq);
    }

    /// How far both have come in `thread` is not known.
    pub fn wonder(&mut self, thread: &ThreadId) {
        if !self.missing {
            self.of(thread).wondering = true;
        }
    }

    /// What the person has seen of `thread` and the server may not know yet; 0 for nothing.
    pub fn seen_of(&self, thread: &ThreadId) -> u64 {
        self.pending.iter().find(|pending| pending.thread == *thread).map_or(0, |pending| pending.seen)
    }

    /// Whether the server is still to be told of something that was seen.
    pub fn is_waiting(&self) -> bool {
        !self.missing && self.pending.iter().any(|pending| pending.seen > 0)
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    fn of(&mut self, thread: &ThreadId) -> &mut Pending {
        let at = self.pending.iter().position(|pending| pending.thread == *thread).unwrap_or(self.pending.len());
        if at == self.pending.len() {
            let thread = thread.clone();
            self.pending.push(Pending { thread, seen: 0, delivered: 0, deliver_at: 0, wondering: false });
        }
        &mut self.pending[at]
    }

    /// Tells and asks what is due.
    pub fn drive<V>(&mut self, line: &mut Line<V>, access: &Access, receipts: bool) {
        if self.asked.is_some() || self.missing || self.pending.is_empty() || !line.reached(self.backoff.until()) {
            return;
        }
        let now = line.now();
        let may_tell = self.next_at <= now;
        let mut told = Vec::new();
        let mut next_at = None;
        for pending in &self.pending {
            let deliver_at = if receipts && pending.delivered > pending.seen { pending.deliver_at } else { u64::MAX };
            let at = if pending.seen > 0 { 0 } else { deliver_at }.max(self.next_at);
            let at = if pending.wondering { 0 } else { at };
            if at > now {
                next_at = Some(next_at.unwrap_or(u64::MAX).min(at)).filter(|at| *at < u64::MAX);
            } else if told.len() < MOST {
                let due = |at: u64, seq: u64| if may_tell && at <= now { seq } else { 0 };
                let progress = Progress { read: due(0, pending.seen), delivered: due(deliver_at, pending.delivered) };
                told.push((pending.thread.clone(), progress));
            }
        }
        if let Some(at) = next_at {
            line.wake_at(at);
        }
        if told.is_empty() {
            return;
        }
        if told.iter().any(|(_, progress)| *progress != Progress::default()) {
            self.next_at = now + EVERY;
        }
        let url = [&line.config.supabase_url, "/rest/v1/rpc/mark_chat"].concat();
        let request = line.rpc(access, url, body(&told, receipts), false);
        if mutated(Mutation::ForgetMarks) {
            told.iter().for_each(|(thread, _)| self.unstore(line, thread));
        }
        self.asked = Some(Asked { request, generation: access.generation, told });
    }

    fn unstore<V>(&mut self, line: &mut Line<V>, thread: &ThreadId) {
        if self.seen_of(thread) > 0 {
            self.of(thread).seen = 0;
            line.emit(Output::UnstoreSeen(thread.clone()));
        }
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.request == request)
    }

    /// Takes in the answer that it awaits. Returns which threads were asked for, and what the server says of them, where it did.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, answer: Answer<V>) -> Option<(Vec<ThreadId>, V)> {
        let Asked { generation, told, .. } = self.asked.take()?;
        match rest::outcome(answer) {
            Outcome::Done(value) => {
                line.token.accepted(generation, Verifier::Rest);
                line.server.good_news = true;
                self.backoff.reset();
                for (thread, progress) in &told {
                    self.reached(line, thread, *progress);
                }
                return Some((told.into_iter().map(|(thread, _)| thread).collect(), value));
            }
            Outcome::Token => line.token_refused(generation, Verifier::Rest),
            Outcome::Refused(error) if error.code == Code::SetupMissing => {
                self.missing = true;
                self.pending.clear();
            }
            // What nobody refuses is tried again all the same: a marker that was seen must not be lost.
            Outcome::Later(_, at_least) => line.fail(&mut self.backoff, at_least),
            Outcome::Blocked(..) | Outcome::Refused(_) | Outcome::Unusable(_) => line.fail(&mut self.backoff, REFUSED),
        }
        None
    }

    /// The server knows `progress` of `thread`.
    pub fn reached<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, progress: Progress) {
        let Some(pending) = self.pending.iter_mut().find(|pending| pending.thread == *thread) else { return };
        pending.wondering = false;
        if pending.delivered <= progress.delivered.max(progress.read) {
            pending.delivered = 0;
        }
        if pending.seen <= progress.read {
            self.unstore(line, thread);
        }
        self.pending.retain(|pending| pending.seen > 0 || pending.delivered > 0 || pending.wondering);
    }
}

/// After a refusal that nobody expects, in ms.
const REFUSED: u64 = 30_000;

fn body(told: &[(ThreadId, Progress)], receipts: bool) -> String {
    let mut out = String::from("{\"_marks\":[");
    for (n, (thread, progress)) in told.iter().enumerate() {
        out.push_str(if n == 0 { "{\"thread_id\":" } else { ",{\"thread_id\":" });
        push_string(&mut out, thread.as_str());
        for (name, seq) in [(",\"read\":", progress.read), (",\"delivered\":", progress.delivered)] {
            if seq > 0 {
                out.push_str(name);
                push_number(&mut out, seq);
            }
        }
        out.push('}');
    }
    out.push_str(if receipts { "],\"_receipts\":true}" } else { "],\"_receipts\":false}" });
    out
}
