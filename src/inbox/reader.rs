//! When the list of conversations is read: its newest lines after whatever may have brought news, more of them on demand.

use crate::error::{ChatError, Code};
use crate::io::{Answer, RequestId};
use crate::json::{Json, push_number, push_string};
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::pace::Pace;
use crate::line::poll::{Broadcasts, Poll};
use crate::line::rest::{self, Outcome};
use crate::line::token::{Access, Verifier};
use crate::thread_id::ThreadId;

/// Where a list ends: its last line.
pub(super) type Place = (String, ThreadId);

/// What is to be read, and what is being read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    loaded: bool,
    /// There may be news, to be read from then on.
    wanted: Option<u64>,
    newest: Option<Read>,
    more: More,
    /// What the server calls what is shown, where nothing has changed since it was read.
    digest: Option<String>,
    poll: Poll,
    backoff: Backoff,
    pace: Pace,
}

/// Whether the lines behind the last one are read.
#[derive(Debug, Default)]
enum More {
    #[default]
    Idle,
    Asked,
    Reading(Read),
}

#[derive(Debug, Clone, Copy)]
struct Read {
    /// `None`: it goes with the poll of the threads.
    request: Option<RequestId>,
    generation: u32,
}

/// What an answer brought.
pub(super) enum Fact<V> {
    /// The newest lines.
    Newest(V),
    /// The lines behind the last one.
    More(V),
    /// What is shown is what there is.
    Unchanged,
    /// It failed, and is asked again later. `true`: it was what the page asked for.
    Failed(ChatError, bool),
    /// There is no inbox.
    Stop(ChatError),
    /// The token was refused: asked again with the next one.
    Nothing,
}

/// What a database without an inbox lacks.
const MIGRATION: &str = "apply 20261127000001_chat_inbox.sql";
/// How long the word that broadcasts flow is waited for, in ms, where the lines were read a moment ago.
const READY_WITHIN: u64 = 800;

impl Reader {
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    pub fn is_loading_more(&self) -> bool {
        !matches!(self.more, More::Idle)
    }

    /// Whether the newest lines are on their way: what comes meanwhile may be in them, or not.
    pub fn is_reading(&self) -> bool {
        self.newest.is_some() || matches!(self.more, More::Reading(_))
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// What is shown may lack something.
    pub fn want(&mut self, at: u64) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    /// What is shown changed otherwise than by reading.
    pub fn changed(&mut self) {
        self.digest = None;
    }

    /// The page woke up, or the network came back.
    pub fn wake(&mut self, now: u64) {
        self.backoff.hurry();
        self.poll.hurry(now);
    }

    pub fn joined(&mut self, now: u64) {
        let fresh = self.poll.joined(now);
        self.want(if fresh { now + READY_WITHIN } else { now });
    }

    pub fn disconnected(&mut self) {
        self.poll.disconnected();
    }

    /// A hint came: they flow, and a poll can wait.
    pub fn heard(&mut self, now: u64) {
        self.poll.put_off(now);
    }

    pub fn load_more(&mut self) {
        if let More::Idle = self.more {
            self.more = More::Asked;
        }
    }

    /// What the page asked for is settled. Returns whether it had asked.
    pub fn settle_more(&mut self) -> bool {
        !matches!(core::mem::take(&mut self.more), More::Idle)
    }

    /// Gives up what is being read, and forgets what was.
    pub fn close<V>(&mut self, line: &mut Line<V>) {
        let more = match self.more {
            More::Reading(read) => Some(read),
            More::Idle | More::Asked => None,
        };
        // A sync is others' as well.
        for request in [self.newest, more].into_iter().flatten().filter_map(|read| read.request) {
            line.abort(request);
        }
        *self = Reader::default();
    }

    /// Starts the reads that are due: of `limit` lines, and of a `page` of those behind `last`. Returns whether the page asked
    /// for more where there is none.
    pub fn drive<V>(
        &mut self,
        line: &mut Line<V>,
        access: &Access,
        broadcasts: Broadcasts,
        (limit, page): (u32, u32),
        last: Option<&Place>,
    ) -> bool {
        if self.loaded && self.wanted.is_none() && self.newest.is_none() && self.is_poll_due(line, broadcasts) {
            self.want(line.now());
        }
        if !line.reached(self.backoff.until()) {
            return false;
        }
        if self.newest.is_none()
            && let Some(at) = self.wanted
            && line.reached(at.max(self.pace.next_at()))
        {
            self.pace.done(line.now());
            self.wanted = None;
            let body = newest_body(limit, self.digest.as_deref());
            // What an early one misses is read behind the join.
            let may_be_early = !self.loaded && broadcasts == Broadcasts::Away;
            self.newest = Some(read(line, access, body, may_be_early));
        }
        if let More::Asked = self.more
            && self.loaded
        {
            let Some(last) = last else { return true };
            self.more = More::Reading(read(line, access, more_body(page, last), false));
        }
        false
    }

    fn is_poll_due<V>(&mut self, line: &mut Line<V>, broadcasts: Broadcasts) -> bool {
        // A poll goes with that of the threads, where there is one.
        line.device.is_visible() && self.poll.is_due(line, broadcasts) && line.server.takes_no_sync
    }

    /// Takes part in the poll of the threads, if it can; where `due`, only if its own is. Returns what it asks for.
    pub fn join_sync<V>(
        &mut self,
        line: &mut Line<V>,
        broadcasts: Broadcasts,
        due: bool,
        limit: u32,
        generation: u32,
    ) -> Option<String> {
        let idle = self.loaded && self.newest.is_none() && self.wanted.is_none() && self.backoff.until() <= line.now();
        if !idle || !line.device.is_visible() || due && !self.poll.is_due(line, broadcasts) {
            return None;
        }
        self.newest = Some(Read { request: None, generation });
        let mut out = String::from("{\"limit\":");
        push_number(&mut out, limit.into());
        push_digest(&mut out, ",\"digest\":", self.digest.as_deref());
        out.push('}');
        Some(out)
    }

    /// Whether it takes part in a poll of the threads that is in flight.
    pub fn is_syncing(&self) -> bool {
        self.newest.is_some_and(|read| read.request.is_none())
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        let more = matches!(self.more, More::Reading(read) if read.request == Some(request));
        more || self.newest.is_some_and(|read| read.request == Some(request))
    }

    /// Takes in the answer to `request`, or to its part in a poll of the threads.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, request: Option<RequestId>, answer: Answer<V>) -> Fact<V> {
        let newest = self.newest.take_if(|read| read.request == request);
        let asked_more = newest.is_none();
        let read = match (newest, &self.more) {
            (Some(read), _) => read,
            (None, More::Reading(read)) => *read,
            (None, More::Idle | More::Asked) => return Fact::Nothing,
        };
        if asked_more {
            self.more = More::Asked;
        }
        let (error, at_least) = match rest::outcome(answer) {
            Outcome::Done(value) => {
                line.token.accepted(read.generation, Verifier::Rest);
                line.server.good_news = true;
                self.backoff.reset();
                return self.done(line.now(), asked_more, value);
            }
            Outcome::Token => {
                line.token_refused(read.generation, Verifier::Rest);
                self.want_again(line.now(), asked_more);
                return Fact::Nothing;
            }
            Outcome::Later(error, at_least) => (error, at_least),
            Outcome::Refused(_) | Outcome::Blocked(..) if request.is_none() => {
                line.server.takes_no_sync = true;
                self.want_again(line.now(), false);
                return Fact::Nothing;
            }
            Outcome::Blocked(_, error) => (error, 0),
            Outcome::Refused(ChatError { code: Code::SetupMissing, .. }) => {
                return Fact::Stop(ChatError::with(Code::SetupMissing, Some(MIGRATION.into())));
            }
            Outcome::Unusable(error) | Outcome::Refused(error) => return Fact::Stop(error),
        };
        self.want_again(line.now(), asked_more);
        line.fail(&mut self.backoff, at_least);
        Fact::Failed(error, asked_more)
    }

    fn done<V: Json>(&mut self, now: u64, asked_more: bool, value: V) -> Fact<V> {
        if asked_more {
            return Fact::More(value);
        }
        let digest = value.text("digest");
        // Something may have changed while it was on its way: what it says then is not what is shown.
        let same = digest.is_some() && digest == self.digest;
        self.poll.read(now, !same);
        if same {
            return Fact::Unchanged;
        }
        if value.get("threads").is_none() {
            self.digest = None;
            self.want(now);
            return Fact::Unchanged;
        }
        self.loaded = true;
        self.digest = digest;
        Fact::Newest(value)
    }

    fn want_again(&mut self, now: u64, asked_more: bool) {
        if !asked_more {
            self.want(now);
        }
    }
}

fn read<V>(line: &mut Line<V>, access: &Access, body: String, may_be_early: bool) -> Read {
    let url = [&line.config.supabase_url, "/rest/v1/rpc/list_chat_threads"].concat();
    Read { request: Some(line.rpc(access, url, body, may_be_early)), generation: access.generation }
}

fn newest_body(limit: u32, digest: Option<&str>) -> String {
    let mut out = String::from("{\"_limit\":");
    push_number(&mut out, limit.into());
    push_digest(&mut out, ",\"_digest\":", digest);
    out.push('}');
    out
}

fn push_digest(out: &mut String, name: &str, digest: Option<&str>) {
    if let Some(digest) = digest {
        out.push_str(name);
        push_string(out, digest);
    }
}

fn more_body(limit: u32, (at, thread): &Place) -> String {
    let mut out = String::from("{\"_limit\":");
    push_number(&mut out, limit.into());
    out.push_str(",\"_before\":{\"at\":");
    push_string(&mut out, at);
    out.push_str(",\"thread_id\":");
    push_string(&mut out, thread.as_str());
    out.push_str("}}");
    out
}
