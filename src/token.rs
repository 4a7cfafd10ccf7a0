//! When a token is good, when to renew it, when to stop asking.
//!
//! Expiry is counted from the moment the token was asked for, by the `expires_in` of the server: the device's clock may
//! be a year off, and an answer may wait in a device that sleeps. Only the *pace* of the clocks counts, see [`Time::clock`](crate::engine::Time::clock).

use crate::backoff::{Backoff, Rng};
use crate::engine::{Answer, RequestId, Time};
use crate::error::{ChatError, Code};
use crate::json::Json;
use crate::mutation::{Mutation, mutated};

/// The access token of the signed-in person, one for all threads.
#[derive(Debug, Default)]
pub struct Token {
    held: Option<Held>,
    /// Counts the tokens that came, from 1: names the one that a request or a join was made with.
    generation: u32,
    /// The fetch in flight: there is one at most.
    request: Option<RequestId>,
    /// When the last one started.
    asked: Time,
    /// Refusals in a row, by each [`Verifier`]: the one may accept what the other refuses.
    refusals: [u32; 2],
    backoff: Backoff,
    stopped: Option<ChatError>,
    error: Option<ChatError>,
}

/// Who checks tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// PostgREST, at every request.
    Rest,
    /// Realtime, at a join and at a new token.
    Realtime,
}

#[derive(Debug)]
struct Held {
    text: String,
    asked: Time,
    life: u64,
}

/// After as many fresh tokens refused in a row, the person counts as signed out.
const MAX_REFUSALS: u32 = 3;
/// Renewal starts this long before the end, in ms, or at two thirds of a short life.
const RENEW_AHEAD: u64 = 90_000;
/// A join or a request needs this much life left, in ms, or a sixth of a short one: Realtime allows no leeway.
const MIN_LEFT: u64 = 30_000;

impl Held {
    fn left(&self, now: Time) -> u64 {
        if mutated(Mutation::TrustClientClock) {
            return (self.asked.wall + self.life).saturating_sub(now.wall);
        }
        self.life.saturating_sub(now.clock.saturating_sub(self.asked.clock))
    }
}

impl Token {
    /// The token and its generation, if it has enough life left to be used.
    pub fn usable(&self, now: Time) -> Option<(&str, u32)> {
        let held = self.held.as_ref()?;
        let enough = held.left(now) > MIN_LEFT.min(held.life / 6);
        (enough || mutated(Mutation::UseExpiredToken)).then_some((held.text.as_str(), self.generation))
    }

    /// Whether a fetch is due, or else when to look again.
    pub fn fetch_due(&self, now: Time) -> Result<bool, u64> {
        if self.request.is_some() || self.stopped.is_some() {
            return Ok(false);
        }
        if let Some(held) = &self.held {
            let ahead = RENEW_AHEAD.min(held.life / 3);
            let left = held.left(now);
            if left > ahead {
                return Err(now.clock + (left - ahead));
            }
        }
        if self.backoff.until() > now.clock { Err(self.backoff.until()) } else { Ok(true) }
    }

    /// A fetch has started.
    pub fn fetching(&mut self, now: Time, request: RequestId) {
        self.asked = now;
        self.request = Some(request);
    }

    /// A fetch has ended. `refused` is the code with which the endpoint refuses for good, if it does.
    pub fn fetched<V: Json>(&mut self, now: Time, answer: &Answer<V>, rng: &mut Rng) {
        self.request = None;
        let (error, at_least) = match answer {
            Answer::Http { status: 200..=299, body: Some(body), .. } => {
                let text = body.text("access_token").filter(|t| !t.is_empty());
                let life = body.number("expires_in").filter(|s| *s > 0);
                if let (Some(text), Some(life)) = (text, life) {
                    let life = life.saturating_mul(1_000);
                    self.held = Some(Held { text, asked: self.asked, life });
                    self.generation += 1;
                    self.error = None;
                    if self.refusals == [0, 0] {
                        self.backoff.reset();
                    }
                    return;
                }
                let said = "the token endpoint's answer lacks access_token or expires_in";
                (ChatError::with(Code::Server, Some(said.into())), 0)
            }
            Answer::Http { status: 401 | 403, body, .. } => {
                let code = match body.as_ref().and_then(|b| b.text("code")).as_deref() {
                    Some("identity-unlinked") => Code::IdentityUnlinked,
                    _ => Code::AuthRequired,
                };
                self.stop(code.into());
                return;
            }
            Answer::Http { status: 404, .. } => {
                let said = "the token endpoint answers 404";
                (ChatError::with(Code::SetupMissing, Some(said.into())), 0)
            }
            Answer::Http { status: 429, retry_after, .. } => {
                (Code::RateLimited.into(), u64::from(retry_after.unwrap_or(1)) * 1_000)
            }
            Answer::Http { .. } => (Code::Server.into(), 0),
            Answer::Unreachable => (Code::Network.into(), 0),
        };
        self.error = Some(error);
        self.backoff.fail(now.clock, at_least, rng);
    }

    /// `by` refused the token of `generation`. Renewed once at once, then ever more slowly.
    pub fn refused(&mut self, now: Time, generation: u32, by: Verifier, rng: &mut Rng) {
        if generation != self.generation || self.held.is_none() {
            return;
        }
        self.held = None;
        let refusals = &mut self.refusals[by as usize];
        *refusals += 1;
        let refusals = *refusals;
        if refusals >= MAX_REFUSALS {
            self.stop(Code::AuthRequired.into());
        } else if refusals > 1 {
            self.backoff.fail(now.clock, 0, rng);
        }
    }

    /// `by` accepted the token of `generation`.
    pub fn accepted(&mut self, generation: u32, by: Verifier) {
        if generation == self.generation {
            self.refusals[by as usize] = 0;
        }
    }

    /// Stops asking: the person is signed out.
    pub fn stop(&mut self, error: ChatError) {
        self.held = None;
        self.error = None;
        self.stopped = Some(error);
    }

    /// Something changed (visible, online, a session opens): asks again if it had stopped, and waits no longer.
    pub fn wake(&mut self) {
        if self.stopped.take().is_some() {
            self.refusals = [0, 0];
        }
        self.backoff.hurry();
    }

    /// Why it has stopped asking, if it has.
    pub fn stopped(&self) -> Option<&ChatError> {
        self.stopped.as_ref()
    }

    /// Why there is no token yet, if a fetch failed.
    pub fn error(&self) -> Option<&ChatError> {
        self.error.as_ref()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Token;
    use crate::backoff::Rng;
    use crate::engine::{Answer, RequestId, Time};
    use crate::json::arbitrary;
    use proptest::prelude::{any, prop_assert, proptest};

    #[test]
    fn a_token_is_as_old_as_its_request() {
        let at = |clock| Time { clock, wall: 0 };
        let body = serde_json::json!({"access_token": "t", "expires_in": 120});
        let answer = Answer::Http { status: 200, body: Some(body), retry_after: None };
        for (arrives, good) in [(5_000, true), (110_000, false), (7_200_000, false)] {
            let mut token = Token::default();
            token.fetching(at(0), RequestId(1));
            token.fetched(at(arrives), &answer, &mut Rng::new(1));
            assert_eq!(token.usable(at(arrives)).is_some(), good, "after {arrives} ms");
            assert_eq!(token.fetch_due(at(arrives)) == Ok(true), !good, "after {arrives} ms");
        }
    }

    proptest! {
        /// Whatever the endpoint answers: what is used later has text and life, and what failed is not asked for at once.
        #[test]
        fn no_answer_panics(
            status in any::<u16>(),
            body in proptest::option::of(arbitrary::object(&["access_token", "expires_in", "code"])),
            retry_after in proptest::option::of(any::<u32>()),
            later in any::<u32>(),
        ) {
            let mut token = Token::default();
            token.fetching(Time::default(), RequestId(1));
            token.fetched(Time::default(), &Answer::Http { status, body, retry_after }, &mut Rng::new(1));
            let now = Time { clock: later.into(), wall: 0 };
            let due = token.fetch_due(Time::default());
            match token.usable(Time::default()) {
                Some((text, _)) => prop_assert!(!text.is_empty() && due != Ok(true)),
                None => prop_assert!(due != Ok(true), "asked again in the same moment"),
            }
            let _ = (token.usable(now).is_some(), token.fetch_due(now));
        }
    }
}
