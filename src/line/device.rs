//! What the device says of itself: whether there is a network, whether the page is seen, whether it slept.

use crate::mutation::{Mutation, mutated};

/// What is known of the device.
#[derive(Debug, Default)]
pub(crate) struct Device {
    offline: Option<Offline>,
    /// Since when the page is not seen.
    hidden_since: Option<u64>,
    /// Whether it slept since the page was seen.
    slept: bool,
}

/// The browser says that there is no network. It may be wrong.
#[derive(Debug)]
struct Offline {
    since: u64,
    /// When the network is tried all the same.
    try_at: u64,
    /// Whether this is such a moment.
    trying: bool,
}

/// A timer that fires this late, in ms, or a wall clock that ran this much further: the device slept.
const SLEPT: u64 = 5_000;
/// How often the network is tried while the browser says that there is none, in ms.
const TRY_OFFLINE_EVERY: u64 = 120_000;
/// What comes so soon after the word that there is no network was on its way before it, in ms.
const ON_ITS_WAY: u64 = 5_000;
/// A page that was not seen for so long leaves its socket, in ms: its timers may run once a minute, which is the server's
/// idle limit, and it reads what it missed when it is seen.
const AWAY_AFTER: u64 = 300_000;

impl Device {
    /// The browser says whether there is a network. Returns whether it came back.
    pub fn set_online(&mut self, now: u64, online: bool) -> bool {
        if online {
            return self.offline.take().is_some();
        }
        self.offline.get_or_insert(Offline { since: now, try_at: now + TRY_OFFLINE_EVERY, trying: false });
        false
    }

    /// The page is seen, or is not. Returns whether it has just come into view.
    pub fn set_visible(&mut self, now: u64, visible: bool) -> bool {
        if visible {
            return self.hidden_since.take().is_some();
        }
        self.hidden_since.get_or_insert(now);
        false
    }

    /// Time passed: `unseen` ms that the monotonic clock missed, or `late` ms after the timer should have fired. Returns
    /// whether the page has just woken up from a sleep, and is seen.
    pub fn passed(&mut self, unseen: u64, late: u64) -> bool {
        let slept = unseen > SLEPT || late > SLEPT;
        self.slept |= slept;
        slept && self.is_visible()
    }

    /// Whether it slept since this was asked last.
    pub fn take_slept(&mut self) -> bool {
        core::mem::take(&mut self.slept)
    }

    /// The network works, whatever the browser says.
    pub fn heard_of_network(&mut self, now: u64) {
        if self.offline.as_ref().is_some_and(|offline| now >= offline.since + ON_ITS_WAY) {
            self.offline = None;
        }
    }

    /// Tries the network, if the browser has long said that there is none: it may be wrong. Returns whether it does.
    pub fn try_offline(&mut self, now: u64) -> bool {
        self.offline.as_mut().is_some_and(|offline| {
            offline.trying = offline.try_at <= now;
            if offline.trying {
                offline.try_at = now + TRY_OFFLINE_EVERY;
            }
            offline.trying
        })
    }

    /// The try is over.
    pub fn tried(&mut self) {
        if let Some(offline) = &mut self.offline {
            offline.trying = false;
        }
    }

    /// When [`Device::try_offline`] does something.
    pub fn next_try(&self) -> Option<u64> {
        self.offline.as_ref().map(|offline| offline.try_at)
    }

    /// Whether anything may be asked of the network.
    pub fn may_ask(&self) -> bool {
        self.offline.as_ref().is_none_or(|offline| offline.trying) || mutated(Mutation::KnockOffline)
    }

    pub fn is_online(&self) -> bool {
        self.offline.is_none()
    }

    pub fn is_visible(&self) -> bool {
        self.hidden_since.is_none()
    }

    /// From when on nobody has looked for so long that the page counts as left alone.
    pub fn away_at(&self) -> Option<u64> {
        self.hidden_since.map(|since| since + AWAY_AFTER)
    }
}
