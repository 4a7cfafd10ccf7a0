//! When and what to read: the newest page after whatever may have brought news, holes, older pages on demand.
//!
//! Two reads may be in flight: one at the newest end (the newest page or a hole) and one of older messages.

#[cfg(feature = "changes")]
mod jump;
mod poll;

use super::read::{Cause, OF_SYNC, Purpose, Read, Wanted, read_rows};
use super::timeline::{Answered, Timeline};
use crate::error::{ChatError, Code};
use crate::io::{Answer, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::pace::Pace;
use crate::line::poll::{Broadcasts, Poll};
use crate::line::rest::{self, Outcome, SeqRange};
use crate::line::token::{Access, Verifier};
use crate::mutation::{Mutation, mutated};
use crate::thread_id::ThreadId;

/// What is to be read, and what is being read.
#[derive(Debug)]
pub(super) struct Reader {
    first: First,
    news: News,
    newest: Option<Read>,
    older: Older,
    poll: Poll,
    backoff: Backoff,
    /// Of reads that broadcasts bring about: where many are lost, reads must not become as many.
    pace: Pace,
    /// The message that the page wants to see.
    #[cfg(feature = "changes")]
    jump: Option<u64>,
}

/// Whether the first page is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Missing,
    /// A read found nothing before the thread was known to exist: RLS may have hidden it.
    EarlyAndEmpty,
    Loaded,
}

/// Whether the newest page is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Known,
    Wanted { cause: Cause, not_before: u64 },
}

/// Whether older messages are read.
#[derive(Debug)]
enum Older {
    Idle,
    /// The page asked for them.
    Asked,
    /// The page asked for them, and they are being read.
    Reading(Read),
    /// They are being read to fill the first page, and nobody asked.
    Filling(Read),
}

/// What the reader needs to know of the thread's other parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// The thread is known to exist.
    pub known: bool,
    pub broadcasts: Broadcasts,
}

/// What an answer brought.
pub(super) enum Fact<V> {
    /// Rows of `range`.
    Page(Purpose, SeqRange, Answered<V>),
    /// It failed, and is asked again later. `true`: it was the read that the page asked for.
    Failed(ChatError, bool),
    /// Reading can't work.
    Stop(ChatError),
    /// The token was refused: asked again with the next one.
    Nothing,
}

/// How long the word that broadcasts flow is waited for, in ms: a server that tells looks every 500 ms.
const READY_WITHIN: u64 = 800;

impl Default for Reader {
    fn default() -> Self {
        Reader {
            first: First::Missing,
            news: News::Known,
            newest: None,
            older: Older::Idle,
            poll: Poll::default(),
            backoff: Backoff::default(),
            pace: Pace::default(),
            #[cfg(feature = "changes")]
            jump: None,
        }
    }
}

/// What there is to read.
impl Reader {
    /// Whether the first page is there.
    pub fn is_loaded(&self) -> bool {
        self.first == First::Loaded
    }

    /// Whether older messages are on their way that the page asked for.
    pub fn is_loading_older(&self) -> bool {
        matches!(self.older, Older::Reading(_))
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// There may be news.
    pub fn want_news(&mut self) {
        self.want(Cause::News);
    }

    fn want(&mut self, cause: Cause) {
        let not_before = match self.news {
            News::Known => 0,
            News::Wanted { not_before, .. } => not_before,
        };
        self.news = News::Wanted { cause, not_before };
    }

    /// The topic is joined: what came before is not broadcast.
    pub fn joined(&mut self, now: u64) {
        let fresh = self.poll.joined(now);
        if mutated(Mutation::NoCatchUpAfterJoin) {
            return;
        }
        // Little can be new since, and the word that broadcasts flow asks for a read, too: one for both.
        let not_before = if fresh { now + READY_WITHIN } else { now };
        self.news = News::Wanted { cause: Cause::News, not_before };
    }

    /// Broadcasts flow from now on.
    pub fn ready(&mut self, now: u64) {
        self.news = News::Wanted { cause: Cause::News, not_before: now };
    }

    /// The page woke up, or the network came back.
    pub fn wake(&mut self, joined: bool) {
        if self.is_loaded() && self.news == News::Known {
            self.want(if joined { Cause::Poll } else { Cause::News });
        }
    }

    /// A broadcast came: they flow, and a poll can wait.
    pub fn heard(&mut self, now: u64) {
        self.poll.put_off(now);
    }

    /// Broadcasts are missed from now on.
    pub fn disconnected(&mut self) {
        self.poll.disconnected();
    }

    /// Nobody looks any more.
    pub fn close<V>(&mut self, line: &mut Line<V>) {
        self.abort(line);
        self.news = News::Known;
    }

    /// The page wants older messages.
    pub fn load_older(&mut self) {
        self.older = match self.older {
            Older::Idle | Older::Asked => Older::Asked,
            Older::Reading(read) | Older::Filling(read) => Older::Reading(read),
        };
    }

    /// What the page asked for is settled. Returns whether it had asked.
    pub fn settle_older(&mut self) -> bool {
        let (asked, older) = match self.older {
            Older::Idle => (false, Older::Idle),
            Older::Asked => (true, Older::Idle),
            Older::Reading(read) => (true, Older::Filling(read)),
            Older::Filling(read) => (false, Older::Filling(read)),
        };
        self.older = older;
        asked
    }
}

/// Reading it.
impl Reader {
    /// Starts the reads that are due. Returns whether the page asked for older messages where there are none.
    pub fn drive<V>(
        &mut self,
        line: &mut Line<V>,
        thread: &ThreadId,
        timeline: &mut Timeline,
        situation: Situation,
        access: &Access,
    ) -> bool {
        let idle = self.is_loaded() && self.news == News::Known && self.newest.is_none();
        if idle && line.device.is_visible() && self.poll.is_due(line, situation.broadcasts) {
            self.want(Cause::Poll);
        }
        if !line.reached(self.backoff.until()) {
            return false;
        }
        #[cfg(feature = "changes")]
        let quote = self.is_loaded() && timeline.quote().is_some();
        #[cfg(not(feature = "changes"))]
        let quote = false;
        if self.newest.is_none()
            && (self.news != News::Known || timeline.hole().is_some() || quote)
            && line.reached(self.pace.next_at())
            && let Some(wanted) = self.next_read(line, timeline, situation)
        {
            self.pace.done(line.now());
            // Whatever it lacks is read behind the join.
            let first = !self.is_loaded() && situation.broadcasts == Broadcasts::Away;
            let may_be_early = first || mutated(Mutation::AnyReadEarly);
            self.newest = Some(Read::start(line, thread, wanted, access, may_be_early));
        }
        let reading: fn(Read) -> Older = match self.older {
            Older::Asked if self.is_loaded() => Older::Reading,
            Older::Idle if self.is_loaded() && timeline.is_unfilled() => Older::Filling,
            #[cfg(feature = "changes")]
            Older::Idle if self.is_loaded() && self.jump.is_some() => Older::Filling,
            _ => return false,
        };
        let Some(range) = timeline.older_page() else { return true };
        #[cfg(feature = "changes")]
        let range = self.jump.map_or(range, |seq| range.down_to(seq));
        let wanted = Wanted { purpose: Purpose::Older, range, known: None };
        self.older = reading(Read::start(line, thread, wanted, access, false));
        false
    }

    /// What to read next at the newest end: the newest page if it is wanted, and else a hole.
    fn next_read<V>(&mut self, line: &mut Line<V>, timeline: &mut Timeline, situation: Situation) -> Option<Wanted> {
        match self.news {
            // A poll goes with those of other threads.
            News::Wanted { cause, not_before }
                if line.reached(not_before) && (cause != Cause::Poll || line.server.takes_no_sync) =>
            {
                // Hidden by RLS, perhaps: asked again once the thread is known to exist.
                if self.first == First::EarlyAndEmpty && !situation.known {
                    return None;
                }
                self.news = News::Known;
                let purpose = Purpose::Newest { cause, early: !situation.known };
                Some(Wanted { purpose, range: timeline.newest_page(), known: timeline.known() })
            }
            _ => {
                let hole = timeline.hole().map(|range| (Purpose::Hole, range));
                #[cfg(feature = "changes")]
                let hole = hole.or_else(|| Some((Purpose::Quote, timeline.quote()?)));
                hole.map(|(purpose, range)| Wanted { purpose, range, known: None })
            }
        }
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.reads().any(|read| read.request == request)
    }

    fn reads(&self) -> impl Iterator<Item = Read> {
        let older = match self.older {
            Older::Reading(read) | Older::Filling(read) => Some(read),
            Older::Idle | Older::Asked => None,
        };
        self.newest.into_iter().chain(older)
    }

    /// Takes in an answer that it awaits.
    pub fn answered<V: Json>(
        &mut self,
        line: &mut Line<V>,
        thread: &ThreadId,
        request: RequestId,
        answer: Answer<V>,
    ) -> Fact<V> {
        let Some(read) = self.ended(request) else { return Fact::Nothing };
        let Read { purpose, range, generation, .. } = read;
        let (error, at_least) = match rest::outcome(answer) {
            Outcome::Done(value) => match read_rows(&value, thread, &line.config.my_id) {
                Some(mut answered) => {
                    if mutated(Mutation::SyncTrustsLastSeq) && request == OF_SYNC {
                        answered.span = answered.span.map(|(_, high)| (range.after + 1, high));
                    }
                    #[cfg(feature = "changes")]
                    if let Some(told) = &mut answered.told {
                        told.after = read.known;
                    }
                    line.token.accepted(generation, Verifier::Rest);
                    line.server.good_news = true;
                    line.server.answered_at = line.now();
                    self.backoff.reset();
                    return Fact::Page(purpose, range, answered);
                }
                None => {
                    let said = "list_chat_messages did not answer with rows that have a seq";
                    (ChatError::with(Code::Server, Some(said.into())), 0)
                }
            },
            Outcome::Token => {
                line.token_refused(generation, Verifier::Rest);
                self.want_again(purpose);
                return Fact::Nothing;
            }
            #[cfg(feature = "changes")]
            Outcome::Refused(ChatError { code: Code::SetupMissing, .. }) if read.with_changes => {
                line.server.takes_no_changes = true;
                self.want_again(purpose);
                return Fact::Nothing;
            }
            // What refuses a sync may let pass what was there before it.
            Outcome::Refused(_) | Outcome::Blocked(..) if request == OF_SYNC && !mutated(Mutation::SyncOrNothing) => {
                line.server.takes_no_sync = true;
                self.want_again(purpose);
                return Fact::Nothing;
            }
            Outcome::Later(error, at_least) => (error, at_least),
            Outcome::Blocked(_, error) => (error, 0),
            Outcome::Unusable(error) => return Fact::Stop(error),
            // A read is never refused to a participant: RLS hides rows, it does not raise.
            Outcome::Refused(error) => return Fact::Stop(ChatError::with(Code::SetupMissing, error.detail)),
        };
        self.want_again(purpose);
        line.fail(&mut self.backoff, at_least);
        Fact::Failed(error, purpose == Purpose::Older)
    }

    fn ended(&mut self, request: RequestId) -> Option<Read> {
        if let Some(read) = self.newest.take_if(|read| read.request == request) {
            return Some(read);
        }
        match self.older {
            Older::Reading(read) if read.request == request => {
                self.older = Older::Asked;
                Some(read)
            }
            Older::Filling(read) if read.request == request => {
                self.older = Older::Idle;
                Some(read)
            }
            _ => None,
        }
    }

    /// A read of the newest page failed: it is still wanted.
    fn want_again(&mut self, purpose: Purpose) {
        if let (Purpose::Newest { cause, .. }, News::Known) = (purpose, self.news) {
            self.want(cause);
        }
    }

    /// The answer to a read for `purpose` is in the timeline. `empty`: it held nothing; `newer`: it brought what was not known.
    pub fn done(&mut self, now: u64, purpose: Purpose, empty: bool, newer: bool) {
        match purpose {
            Purpose::Newest { early: true, .. } if empty && !self.is_loaded() => {
                self.first = First::EarlyAndEmpty;
                self.want_news();
            }
            Purpose::Newest { .. } => {
                self.first = First::Loaded;
                self.poll.read(now, newer);
            }
            #[cfg(feature = "changes")]
            Purpose::Quote => {}
            Purpose::Hole | Purpose::Older => {}
        }
    }

    /// A read brought so many changes.
    pub fn brought(&mut self, changes: usize) {
        self.pace.was_worth(changes);
    }

    /// Gives up the reads in flight.
    pub fn abort<V>(&mut self, line: &mut Line<V>) {
        loop {
            let Some(read) = self.reads().next() else { return };
            self.ended(read.request);
            // A sync is others' as well.
            if read.request != OF_SYNC {
                line.abort(read.request);
            }
        }
    }
}
