//! One WebSocket's life: connect, heartbeat, reconnect.

use super::backoff::{Backoff, Rng};
use crate::io::SocketId;
use crate::mutation::{Mutation, mutated};

/// The page's one WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    state: State,
    backoff: Backoff,
    last_id: u32,
    last_ref: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Connecting {
        id: SocketId,
        deadline: u64,
    },
    Open {
        id: SocketId,
        since: u64,
        heard_at: u64,
        /// When the next heartbeat is due.
        beat_at: u64,
        /// By when something must be heard.
        deadline: Option<u64>,
        /// Whether it may have died unseen: the page woke up, and nothing was heard since.
        doubtful: bool,
    },
}

/// What is to be done for the socket now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open it under this name.
    Open(SocketId),
    /// Send a heartbeat.
    Heartbeat(SocketId),
    /// It is dead: close it.
    Drop(SocketId),
    /// Nothing before this time.
    Wait(u64),
}

/// Supabase's documentation wants a heartbeat every 25 s at least; the server ends a socket after 60 s of silence.
const HEARTBEAT_EVERY: u64 = 25_000;
/// By when a heartbeat must be answered, in ms. Any frame counts.
const ANSWER_WITHIN: u64 = 15_000;
/// The same while a join is pending: the server answers nothing else meanwhile, and a refused join takes 5 s, one on a
/// cold database 15 s and more.
const ANSWER_WITHIN_JOINING: u64 = 40_000;
/// The same after the page woke up: a socket that died in its sleep should not cost 15 s.
const ANSWER_WITHIN_WOKEN: u64 = 4_000;
/// How long a connection may take to open.
const CONNECT_WITHIN: u64 = 15_000;
/// A connection that lasted this long was a good one: the next failure waits shortly again.
const STABLE_AFTER: u64 = 30_000;

fn answer_within_woken() -> u64 {
    if mutated(Mutation::PatientProbe) { ANSWER_WITHIN } else { ANSWER_WITHIN_WOKEN }
}

impl Socket {
    /// The next thing to do, given that somebody wants it open; it counts as done.
    pub fn advance(&mut self, now: u64, joining: bool) -> Action {
        match &mut self.state {
            State::Closed => {
                if self.backoff.until() > now {
                    return Action::Wait(self.backoff.until());
                }
                self.last_id += 1;
                let id = SocketId(self.last_id);
                self.state = State::Connecting { id, deadline: now + CONNECT_WITHIN };
                Action::Open(id)
            }
            State::Connecting { id, deadline } => {
                if *deadline <= now {
                    Action::Drop(*id)
                } else {
                    Action::Wait(*deadline)
                }
            }
            State::Open { id, beat_at, deadline, doubtful, .. } => {
                if let Some(at) = *deadline {
                    let at = if joining { at + ANSWER_WITHIN_JOINING - ANSWER_WITHIN } else { at };
                    return if at <= now && !mutated(Mutation::NoHeartbeatDeadline) {
                        Action::Drop(*id)
                    } else {
                        Action::Wait(at)
                    };
                }
                if *beat_at > now {
                    return Action::Wait(*beat_at);
                }
                *beat_at = now + HEARTBEAT_EVERY;
                *deadline = Some(now + if *doubtful { answer_within_woken() } else { ANSWER_WITHIN });
                Action::Heartbeat(*id)
            }
        }
    }

    /// The socket is open. `false` if it is not the one that we want.
    pub fn opened(&mut self, now: u64, id: SocketId) -> bool {
        match self.state {
            State::Connecting { id: current, .. } if current == id => {
                let beat_at = now + HEARTBEAT_EVERY;
                self.state = State::Open { id, since: now, heard_at: now, beat_at, deadline: None, doubtful: false };
                true
            }
            _ => false,
        }
    }

    /// A frame came in. `false` if it is of a socket that we no longer want. `answers`: it is the answer to a heartbeat, which
    /// alone proves a socket that is in doubt: others may have come before it died, and been kept while the device slept.
    pub fn heard(&mut self, now: u64, id: SocketId, answers: bool) -> bool {
        match &mut self.state {
            State::Open { id: current, heard_at, deadline, doubtful, .. } if *current == id => {
                if answers || !*doubtful {
                    *heard_at = now;
                    *deadline = None;
                    *doubtful = false;
                }
                true
            }
            _ => false,
        }
    }

    /// The socket is gone, whoever closed it: every unasked close means another try, code 1000 (the server's idle limit)
    /// included. `false` if it is not the one that we want.
    pub fn gone(&mut self, now: u64, id: SocketId, cap: u64, rng: &mut Rng) -> bool {
        if self.id() != Some(id) {
            return false;
        }
        if matches!(self.state, State::Open { since, .. } if now.saturating_sub(since) >= STABLE_AFTER) {
            self.backoff.reset();
        }
        self.state = State::Closed;
        self.backoff.fail(now, 0, cap, rng);
        true
    }

    /// Nobody wants the socket any longer: the one to close, if there is one.
    pub fn close(&mut self) -> Option<SocketId> {
        let id = self.id();
        self.state = State::Closed;
        self.backoff.reset();
        id
    }

    /// The page woke up or the network came back: tries at once, and asks an open socket whether it lives. Not while a join
    /// is pending: the server answers nothing else meanwhile.
    pub fn wake(&mut self, now: u64, joining: bool) {
        self.backoff.hurry();
        if let State::Open { heard_at, beat_at, deadline, doubtful, .. } = &mut self.state
            && now.saturating_sub(*heard_at) > ANSWER_WITHIN_WOKEN
            && !joining
        {
            *doubtful = true;
            let at = now + answer_within_woken();
            match deadline {
                Some(deadline) => *deadline = at.min(*deadline),
                None => *beat_at = now,
            }
        }
    }

    /// How long to wait after a connection that failed.
    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    /// Its name, from connecting on.
    pub fn id(&self) -> Option<SocketId> {
        match self.state {
            State::Closed => None,
            State::Connecting { id, .. } | State::Open { id, .. } => Some(id),
        }
    }

    /// Its name, if frames can be sent.
    pub fn open(&self) -> Option<SocketId> {
        match self.state {
            State::Open { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Its name, if a join can be sent: into a socket that may be dead it would be waited for in vain.
    pub fn trusted(&self) -> Option<SocketId> {
        match self.state {
            State::Open { id, doubtful: false, .. } => Some(id),
            _ => None,
        }
    }

    /// A ref that no push has had. They count up for the engine's whole life, so that a late frame of an earlier socket
    /// or join can't be mistaken for a current one.
    pub fn next_ref(&mut self) -> u32 {
        self.last_ref += 1;
        self.last_ref
    }
}
