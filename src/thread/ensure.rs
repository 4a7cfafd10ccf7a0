//! Whether the thread exists, so that a join can be accepted and a message sent.

use crate::error::{ChatError, Code};
use crate::io::{Answer, Request, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::backoff::Backoff;
use crate::line::rest;
use crate::mutation::{Mutation, mutated};
use crate::thread_id::{ThreadId, split};

/// Asks the backend to make the thread where it is not known to exist.
#[derive(Debug, Default)]
pub(super) struct Ensure {
    state: State,
    /// Whether it was ever known, which outlives the thread.
    was_known: bool,
    backoff: Backoff,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Asking(RequestId),
    /// Not asked since the thread was opened.
    Remembered,
    Known,
}

/// What an answer says of the thread.
pub(super) enum Fact {
    /// It exists, or the person is signed out, which the token knows.
    Settled,
    /// Asked again later.
    Failed(ChatError),
    /// Asking again can't help.
    Stop(ChatError),
}

impl Ensure {
    /// `known`: the thread existed a while ago.
    pub fn new(known: bool) -> Self {
        let state = if known { State::Remembered } else { State::Unknown };
        Ensure { state, was_known: known, backoff: Backoff::default() }
    }

    /// Whether the thread exists.
    pub fn is_known(&self) -> bool {
        matches!(self.state, State::Remembered | State::Known)
    }

    /// Whether it was ever known to exist.
    pub fn was_known(&self) -> bool {
        self.was_known
    }

    /// The server knows nothing of it: if it is only remembered, it is to be ensured again. Returns whether it is.
    pub fn doubt(&mut self) -> bool {
        let remembered = self.state == State::Remembered;
        if remembered {
            self.state = State::Unknown;
        }
        remembered
    }

    /// Asks again, whatever was known.
    pub fn reset(&mut self) {
        if self.is_known() {
            self.state = State::Unknown;
        }
    }

    pub fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }

    pub fn drive<V>(&mut self, line: &mut Line<V>, thread: &ThreadId) {
        if self.state == State::Unknown && line.reached(self.backoff.until()) {
            let other = thread.other(&line.config.my_id).unwrap_or_default();
            let request = Request::EnsureThread { body: rest::ensure_body(&line.config.my_id, other) };
            self.state = State::Asking(line.request(request));
        }
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.state == State::Asking(request)
    }

    /// Takes in the answer that it awaits.
    pub fn answered<V: Json>(&mut self, line: &mut Line<V>, thread: &ThreadId, answer: Answer<V>) -> Fact {
        self.state = State::Unknown;
        let (status, body, retry_after) = match answer {
            Answer::Http { status, body, retry_after } => (status, body, retry_after),
            Answer::Unreachable => (0, None, None),
        };
        let code = body.as_ref().and_then(|b| b.text("code")).unwrap_or_default();
        let detail = body.as_ref().and_then(|b| b.text("message"));
        // Without a code of ours it is a proxy's on the way, and says nothing of the thread.
        let ours = !code.is_empty() || mutated(Mutation::GatewayStops);
        let later = match (status, code.as_str()) {
            (200..=299, _) => {
                let made = body.and_then(|b| b.text("thread_id"));
                // What a backend of one's own says may be of another form.
                if made.is_some_and(|made| split(&made).is_some() && made != thread.as_str()) {
                    let said = "the ensure endpoint made the thread of another account";
                    line.sign_out(ChatError::with(Code::AuthRequired, Some(said.into())));
                    return Fact::Settled;
                }
                self.state = State::Known;
                self.was_known = true;
                self.backoff.reset();
                line.server.good_news = true;
                return Fact::Settled;
            }
            (_, "identity-unlinked") => {
                line.sign_out(ChatError::with(Code::IdentityUnlinked, detail));
                return Fact::Settled;
            }
            (401, _) | (_, "signed-out" | "another-account") => {
                line.sign_out(ChatError::with(Code::AuthRequired, detail));
                return Fact::Settled;
            }
            (0, _) => Code::Network,
            (429, _) => Code::RateLimited,
            (404, "") | (_, "forbidden-origin" | "setup-missing") => Code::SetupMissing,
            (400 | 422, _) if ours => return Fact::Stop(ChatError::with(Code::InvalidOptions, detail)),
            (403 | 404, _) if ours => return Fact::Stop(ChatError::with(Code::NotAParticipant, detail)),
            _ => Code::Server,
        };
        line.fail(&mut self.backoff, u64::from(retry_after.unwrap_or(0)) * 1_000);
        Fact::Failed(ChatError::with(later, detail))
    }
}
