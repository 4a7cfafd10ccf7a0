//! How far away the server is: set over the admin port, for tests and benchmarks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Distance {
    /// A round trip, added to requests, preflights, handshakes and frames alike, half each way.
    pub ms: u64,
    /// Round trips that a new connection waits before its first byte: one for TCP and one for TLS 1.3 are 2.
    #[serde(default)]
    pub connect_round_trips: u32,
}

#[derive(Default)]
pub struct Network(Mutex<State>);

#[derive(Default)]
struct State {
    distance: Distance,
    /// When the first connection for requests stands. A gateway speaks HTTP/2, where all that a page asks at once shares
    /// that one; this server speaks HTTP/1.1, where a browser opens more.
    shared: Option<Instant>,
}

impl Network {
    /// The next connection is the first one again.
    pub fn set(&self, distance: Distance) {
        *self.lock() = State { distance, shared: None };
    }

    pub fn distance(&self) -> Distance {
        self.lock().distance
    }

    /// What one direction costs.
    pub fn one_way(&self) -> Duration {
        Duration::from_micros(self.distance().ms * 500)
    }

    /// Waits until the connection that was `accepted` then would stand; a WebSocket has one for itself.
    pub async fn connected(&self, accepted: Instant, for_itself: bool) {
        let stands = {
            let mut state = self.lock();
            let Distance { ms, connect_round_trips } = state.distance;
            let stands = accepted + Duration::from_millis(ms) * connect_round_trips;
            if for_itself { stands } else { *state.shared.get_or_insert(stands) }
        };
        if stands > Instant::now() {
            sleep_until(stands).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_share_what_the_first_connection_waited_for_and_a_socket_waits_by_itself() {
        let network = Network::default();
        let began = Instant::now();
        network.connected(began, false).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "near");
        network.set(Distance { ms: 100, connect_round_trips: 2 });
        network.connected(Instant::now(), false).await;
        assert_eq!(began.elapsed(), Duration::from_millis(200), "TCP and TLS");
        network.connected(Instant::now(), false).await;
        assert_eq!(began.elapsed(), Duration::from_millis(200), "shared");
        network.connected(Instant::now(), true).await;
        assert_eq!(began.elapsed(), Duration::from_millis(400), "a WebSocket's");
        network.connected(began, true).await;
        assert_eq!(began.elapsed(), Duration::from_millis(400), "opened ahead");
    }
}
