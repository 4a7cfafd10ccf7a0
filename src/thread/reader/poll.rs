//! Its part in the poll of all threads.

use super::super::read::{Cause, OF_SYNC, Purpose, Read};
use super::super::timeline::Timeline;
use super::{News, Reader};

impl Reader {
    /// Whether it can take part, as nothing else is wanted or being read; where `due`, only if its own poll is.
    pub fn may_join_sync(&self, now: u64, due: bool) -> bool {
        self.newest.is_none()
            && self.is_loaded()
            && match self.news {
                News::Known => !due,
                News::Wanted { cause, .. } => cause == Cause::Poll && (!due || self.backoff.until() <= now),
            }
    }

    /// Takes part. Returns the number after which it asks, and that of the change.
    pub fn join_sync(&mut self, timeline: &mut Timeline, generation: u32) -> (u64, Option<u64>) {
        self.news = News::Known;
        let purpose = Purpose::Newest { cause: Cause::Poll, early: false };
        let (range, known) = (timeline.newest_page(), timeline.known());
        self.newest = Some(Read {
            request: OF_SYNC,
            purpose,
            range,
            #[cfg(feature = "changes")]
            known,
            #[cfg(feature = "changes")]
            with_changes: false,
            generation,
        });
        (range.after, known)
    }

    /// After which number it asked, if it takes part.
    pub fn synced_after(&self) -> Option<u64> {
        self.newest.filter(|read| read.request == OF_SYNC).map(|read| read.range.after)
    }

    /// What it was told there is not all: it polls by itself.
    pub fn leave_sync(&mut self) {
        self.newest = None;
        self.want_again(Purpose::Newest { cause: Cause::PollAlone, early: false });
    }
}
