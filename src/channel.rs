//! One private topic's life: join, rejoin, leave.

use crate::backoff::{Backoff, Rng};
use crate::error::Code;

/// A topic as the server sees it.
#[derive(Debug, Default)]
pub struct Channel {
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

/// Why a join was refused, or a channel closed.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Refusal {
    /// The token: renew it and join again.
    Token,
    /// RLS says no, or the thread does not exist, or the policy could not be evaluated (a restart, a lock, a read-only
    /// database): the server does not tell which (realtime `authorization.ex`).
    Unauthorized,
    /// A setting of the project: likely to stay, and nothing that keeps REST from working.
    Lasting(Code),
    /// Trying again later helps.
    Transient(Code),
}

/// How long a join may take: a cold database connection takes the server up to 15 s, and joins queue behind each other.
const JOIN_WITHIN: u64 = 30_000;
/// A channel that was joined this long was a good one.
const STABLE_AFTER: u64 = 30_000;

/// The waits after a refusal that may last, in ms: the first one, doubled each time up to a cap. It is low for the first
/// few, as a restart or a lock at the server passes.
const REFUSED_FIRST: u64 = 2_500;
const REFUSED_CAP: u64 = 5_000;
const REFUSED_FEW: u32 = 8;
const REFUSED_LONG: u64 = 60_000;

/// How `system` errors about a token begin: they bear no code.
const TOKEN_TROUBLE: [&str; 4] =
    ["Token has expired", "Fields `role` and `exp`", "The token provided is not a valid JWT", ":signature_error"];

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

impl Channel {
    /// Whether a join may start, or else when to look again (`None`: not by itself).
    pub fn join_due(&self, now: u64) -> Result<bool, u64> {
        match self.state {
            State::Idle if self.backoff.until() > now => Err(self.backoff.until()),
            State::Idle => Ok(true),
            State::Joining { deadline, .. } => Err(deadline),
            State::Joined { .. } => Ok(false),
        }
    }

    /// A join was sent with the token of `generation`.
    pub fn joining(&mut self, now: u64, join_ref: u32, generation: u32) {
        self.state = State::Joining { join_ref, deadline: now + JOIN_WITHIN, generation };
    }

    /// The join was accepted; answers the token's generation. `None` if this is not the current join.
    pub fn joined(&mut self, now: u64, reference: u32) -> Option<u32> {
        match self.state {
            State::Joining { join_ref, generation, .. } if join_ref == reference => {
                self.state = State::Joined { join_ref, since: now, generation };
                Some(generation)
            }
            _ => None,
        }
    }

    /// Whether a join is waiting for its answer.
    pub fn is_joining(&self) -> bool {
        matches!(self.state, State::Joining { .. })
    }

    /// Whether the join that waits has waited too long.
    pub fn is_late(&self, now: u64) -> bool {
        matches!(self.state, State::Joining { deadline, .. } if deadline <= now)
    }

    /// Since when broadcasts can come.
    pub fn joined_since(&self) -> Option<u64> {
        match self.state {
            State::Joined { since, .. } => Some(since),
            _ => None,
        }
    }

    /// The current join's ref.
    pub fn join_ref(&self) -> Option<u32> {
        match self.state {
            State::Idle => None,
            State::Joining { join_ref, .. } | State::Joined { join_ref, .. } => Some(join_ref),
        }
    }

    /// The token's generation that the server has.
    pub fn generation(&self) -> Option<u32> {
        match self.state {
            State::Idle => None,
            State::Joining { generation, .. } | State::Joined { generation, .. } => Some(generation),
        }
    }

    /// If joined with an older token than `generation`: now it has this one; answers the join_ref to push it with.
    pub fn renew(&mut self, generation: u32) -> Option<u32> {
        match &mut self.state {
            State::Joined { join_ref, generation: current, .. } if *current != generation => {
                *current = generation;
                Some(*join_ref)
            }
            _ => None,
        }
    }

    /// Refused, crashed or closed by the server: joins again after a while.
    pub fn failed(&mut self, now: u64, cap: u64, rng: &mut Rng) {
        if matches!(self.state, State::Joined { since, .. } if now.saturating_sub(since) >= STABLE_AFTER) {
            self.backoff.reset();
        }
        self.state = State::Idle;
        self.backoff.fail(now, 0, cap, rng);
    }

    /// Refused for what may last: joins again ever more slowly, as each refusal stalls the socket for 5 s.
    pub fn refused(&mut self, now: u64, rng: &mut Rng) {
        self.state = State::Idle;
        let tries = self.backoff.tries();
        let wait = if tries < REFUSED_FEW { (REFUSED_FIRST << tries).min(REFUSED_CAP) } else { REFUSED_LONG };
        self.backoff.fail_for(now, wait + rng.up_to(wait / 4));
    }

    /// Gone without fault of its own (the socket went, or we leave): joins again as soon as it may. Answers the
    /// join_ref to leave with, if there is one.
    pub fn left(&mut self) -> Option<u32> {
        let join_ref = self.join_ref();
        self.state = State::Idle;
        join_ref
    }

    /// The device slept: what was asked before is not waited for.
    pub fn slept(&mut self) {
        if self.is_joining() {
            self.state = State::Idle;
        }
    }

    /// A message was sent, so its sender is a participant, and what refused the join may be over.
    pub fn relieve(&mut self) {
        self.backoff.relieve();
    }

    /// Waits no longer.
    pub fn wake(&mut self) {
        self.backoff.hurry();
    }
}
