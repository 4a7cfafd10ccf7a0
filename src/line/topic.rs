//! One private topic's life on the socket: join, renew, leave, refusal.

use super::Line;
use super::backoff::Backoff;
use super::clock::Due;
use super::phoenix::{self, Event, Incoming};
use super::token::{Access, Verifier};
use crate::error::{ChatError, Code};
use crate::io::{Output, SocketId};
use crate::mutation::{Mutation, mutated};

/// A topic as the server sees it.
#[derive(Debug)]
pub(crate) struct Topic {
    /// `realtime:` and the topic's name.
    name: String,
    state: State,
    backoff: Backoff,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Idle,
    Joining {
        join_ref: u32,
        deadline: u64,
        generation: u32,
    },
    Joined {
        join_ref: u32,
        since: u64,
        generation: u32,
    },
}

/// What a frame means for the one who uses the topic.
#[derive(Debug)]
pub(crate) enum Fact<V> {
    /// The join was accepted.
    Joined,
    /// Newer servers say so after a join: broadcasts can flow from now on.
    Ready,
    /// The join was refused by RLS, with this reason; or the policy could not be evaluated (a restart, a lock, a read-only
    /// database): the server does not tell which (realtime `authorization.ex`). To be followed by [`Topic::refused`] or
    /// [`Topic::reset`].
    Unauthorized(String),
    /// Something failed. The topic tries again by itself.
    Failed(ChatError),
    /// The server closed the topic; it is joined again after a while.
    Ended,
    /// A broadcast.
    Broadcast {
        /// Its name in UTF-8.
        event: Vec<u8>,
        /// Its payload.
        payload: V,
        /// Whether it is certainly the database's.
        from_database: bool,
    },
}

/// Why a join was refused, or a topic closed.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Refusal {
    /// The token: renew it and join again.
    Token,
    /// RLS says no, or could not be asked.
    Unauthorized,
    /// A setting of the project: likely to stay, and nothing that keeps REST from working.
    Lasting(Code),
    /// Trying again later helps.
    Transient(Code),
}

/// How long a join may take: a cold database connection takes the server up to 15 s, and joins queue behind each other.
const JOIN_WITHIN: u64 = 30_000;
/// A topic that was joined this long was a good one.
const STABLE_AFTER: u64 = 30_000;

/// The waits after a refusal that may last, in ms: the first one, doubled each time up to a cap. It is low for the first
/// few, as a restart or a lock at the server passes.
const REFUSED_FIRST: u64 = 2_500;
const REFUSED_CAP: u64 = 5_000;
const REFUSED_FEW: u32 = 8;
const REFUSED_LONG: u64 = 60_000;
/// The same, but for the first one, while a message waits: its send will tell when the refusal may be over, and a join that
/// is being refused at that moment would have to be waited out.
const REFUSED_SENDING: u64 = 10_000;

/// How `system` errors about a token begin: they bear no code.
const TOKEN_TROUBLE: [&str; 4] =
    ["Token has expired", "Fields `role` and `exp`", "The token provided is not a valid JWT", ":signature_error"];

/// How a `system` message begins that tells when broadcasts can flow, or that they can't in time.
const REPLICATION: &str = "Replication";
/// The good one of them.
const ESTABLISHED: &str = "Replication connection established";

/// Reads the reason of a refused join or of a `system` error (realtime `realtime_channel.ex`; protocol of 2026-08).
/// Only the code before the colon is stable.
pub fn refusal(reason: &str) -> Refusal {
    let code = reason.bytes().position(|byte| byte == b':').map_or(reason, |at| &reason[..at]);
    match code {
        "InvalidJWTToken" | "InvalidJWTExpiration" | "MalformedJWT" | "JwtSignatureError" | "JwtSignerError" => {
            Refusal::Token
        }
        "Unauthorized" => Refusal::Unauthorized,
        "PrivateOnly" => Refusal::Lasting(Code::PrivateOnly),
        "RealtimeDisabledForTenant" | "TenantNotFound" => Refusal::Lasting(Code::RealtimeDisabled),
        "ChannelRateLimitReached" | "ConnectionRateLimitReached" | "ClientJoinRateLimitReached" => {
            Refusal::Transient(Code::RateLimited)
        }
        // A `system` error has no code, only this text.
        _ if reason.starts_with("Too many messages per second") => Refusal::Transient(Code::RateLimited),
        _ if TOKEN_TROUBLE.iter().any(|start| reason.starts_with(start)) => Refusal::Token,
        _ => Refusal::Transient(Code::Server),
    }
}

impl Topic {
    /// A topic that nobody has joined yet. `name` begins with `realtime:`.
    pub fn new(name: String) -> Self {
        Topic { name, state: State::Idle, backoff: Backoff::default() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a join waits for its answer.
    pub fn is_joining(&self) -> bool {
        matches!(self.state, State::Joining { .. })
    }

    /// Whether broadcasts can come.
    pub fn is_joined(&self) -> bool {
        matches!(self.state, State::Joined { .. })
    }

    /// Joins if it may (`may_join`) and should, and gives the server a new token. Returns an error if a join was not
    /// answered in time.
    pub fn drive<V>(&mut self, line: &mut Line<V>, access: &Access, may_join: bool) -> Option<ChatError> {
        let socket = line.socket.open()?;
        let late = matches!(self.state, State::Joining { deadline, .. } if deadline <= line.now());
        if late {
            self.leave(line);
            self.failed(line);
        }
        if let Some(join_ref) = self.renew(access.generation) {
            let frame = phoenix::access_token(join_ref, line.socket.next_ref(), &self.name, &access.token);
            line.emit(Output::SendFrame(socket, frame));
        }
        match self.join_due(line.now()) {
            // One join at a time: a refused one stalls the whole socket for 5 s.
            Due::Now if may_join && !line.joining && line.socket.trusted().is_some() => {
                self.join(line, socket, access);
            }
            Due::Now | Due::Never => {}
            Due::At(at) => line.wake_at(at),
        }
        late.then(|| Code::Timeout.into())
    }

    /// Whether a join is due; a pending one is looked at again at its deadline.
    fn join_due(&self, now: u64) -> Due {
        match self.state {
            State::Idle if self.backoff.until() > now => Due::At(self.backoff.until()),
            State::Idle => Due::Now,
            State::Joining { deadline, .. } => Due::At(deadline),
            State::Joined { .. } => Due::Never,
        }
    }

    fn join<V>(&mut self, line: &mut Line<V>, socket: SocketId, access: &Access) {
        let join_ref = line.socket.next_ref();
        let deadline = line.now() + JOIN_WITHIN;
        self.state = State::Joining { join_ref, deadline, generation: access.generation };
        line.joining = true;
        line.emit(Output::SendFrame(socket, phoenix::join(join_ref, &self.name, &access.token)));
        line.wake_at(deadline);
    }

    /// If it is joined with an older token than `generation`: now it has this one. Returns the join_ref to push it with.
    fn renew(&mut self, generation: u32) -> Option<u32> {
        match &mut self.state {
            State::Joined { join_ref, generation: current, .. } if *current != generation => {
                *current = generation;
                Some(*join_ref)
            }
            _ => None,
        }
    }

    /// Takes in a frame of this topic.
    pub fn handle<V>(&mut self, line: &mut Line<V>, incoming: Incoming<V>) -> Option<Fact<V>> {
        // It tells, of whichever join.
        line.server.tells_ready |=
            matches!(&incoming.event, Event::System { message, .. } if message.starts_with(REPLICATION));
        if incoming.join_ref.is_some() && incoming.join_ref != self.join_ref() {
            return None;
        }
        match incoming.event {
            Event::Reply { reference, result } => match (self.state, result) {
                (State::Joining { join_ref, generation, .. }, Ok(())) if join_ref == reference => {
                    self.state = State::Joined { join_ref, since: line.now(), generation };
                    line.token.accepted(generation, Verifier::Realtime);
                    Some(Fact::Joined)
                }
                (State::Joining { join_ref, generation, .. }, Err(reason)) if join_ref == reference => {
                    self.join_refused(line, generation, reason)
                }
                _ => None,
            },
            Event::System { ok: true, message } => message.starts_with(ESTABLISHED).then_some(Fact::Ready),
            // The topic's end follows in a frame of its own.
            Event::System { ok: false, message } => match (refusal(&message), self.generation()) {
                (Refusal::Token, Some(generation)) => {
                    line.token_refused(generation, Verifier::Realtime);
                    None
                }
                (Refusal::Lasting(code) | Refusal::Transient(code), _) => failed(code, message),
                (Refusal::Token | Refusal::Unauthorized, _) => failed(Code::Server, message),
            },
            Event::Close | Event::Error if mutated(Mutation::IgnoreServerClose) => None,
            Event::Close | Event::Error => {
                self.failed(line);
                Some(Fact::Ended)
            }
            Event::Broadcast { event, payload, from_database } => {
                Some(Fact::Broadcast { event, payload, from_database })
            }
            Event::Other => None,
        }
    }

    fn join_refused<V>(&mut self, line: &mut Line<V>, generation: u32, reason: String) -> Option<Fact<V>> {
        match refusal(&reason) {
            Refusal::Token => {
                self.reset();
                line.token_refused(generation, Verifier::Realtime);
                None
            }
            Refusal::Unauthorized => Some(Fact::Unauthorized(reason)),
            Refusal::Lasting(code) => {
                self.refused(line);
                failed(code, reason)
            }
            Refusal::Transient(code) => {
                self.failed(line);
                failed(code, reason)
            }
        }
    }

    /// Refused, crashed or closed by the server: joins again after a while.
    fn failed<V>(&mut self, line: &mut Line<V>) {
        if matches!(self.state, State::Joined { since, .. } if line.now().saturating_sub(since) >= STABLE_AFTER) {
            self.backoff.reset();
        }
        self.state = State::Idle;
        line.fail(&mut self.backoff, 0);
    }

    /// Refused for what may last: joins again ever more slowly, as each refusal stalls the socket for 5 s. At once where a
    /// message was sent since the join was: its sender is a participant, so what was refused may be allowed by now.
    pub fn refused<V>(&mut self, line: &mut Line<V>) {
        let over = match self.state {
            State::Joining { deadline, .. } => line.server.took_at.is_some_and(|at| at + JOIN_WITHIN > deadline),
            State::Idle | State::Joined { .. } => false,
        };
        self.state = State::Idle;
        let wait = match self.backoff.tries() {
            _ if over => 0,
            1..REFUSED_FEW if line.sending.waiting => REFUSED_SENDING,
            tries if tries < REFUSED_FEW => (REFUSED_FIRST << tries).min(REFUSED_CAP),
            _ => REFUSED_LONG,
        };
        self.backoff.fail_for(line.now(), wait + line.rng.up_to(wait / 4));
    }

    /// Not joined any more, without fault of its own: joins again as soon as it may.
    pub fn reset(&mut self) {
        self.state = State::Idle;
    }

    /// Leaves, if it is joined or about to be; joins again as soon as it may.
    pub fn leave<V>(&mut self, line: &mut Line<V>) {
        let join_ref = self.join_ref();
        self.reset();
        if let (Some(join_ref), Some(socket)) = (join_ref, line.socket.open()) {
            let frame = phoenix::leave(join_ref, line.socket.next_ref(), &self.name);
            line.emit(Output::SendFrame(socket, frame));
        }
    }

    /// The device slept: a join from before is not waited for.
    pub fn slept(&mut self) {
        if self.is_joining() {
            self.reset();
        }
    }

    /// How long it waits after a refused join.
    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    fn join_ref(&self) -> Option<u32> {
        match self.state {
            State::Idle => None,
            State::Joining { join_ref, .. } | State::Joined { join_ref, .. } => Some(join_ref),
        }
    }

    /// The token's generation that the server has.
    fn generation(&self) -> Option<u32> {
        match self.state {
            State::Idle => None,
            State::Joining { generation, .. } | State::Joined { generation, .. } => Some(generation),
        }
    }
}

fn failed<V>(code: Code, said: String) -> Option<Fact<V>> {
    Some(Fact::Failed(ChatError::with(code, Some(said))))
}
