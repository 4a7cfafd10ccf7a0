//! Which requests' answers are awaited, and until when.

use crate::io::RequestId;

/// The requests in flight. What each is for is remembered by who asked.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    awaited: Vec<(RequestId, u64)>,
    last: u32,
}

impl Requests {
    /// Starts one that must end before `deadline`.
    pub fn start(&mut self, deadline: u64) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.awaited.push((id, deadline));
        id
    }

    /// One has ended, or is not wanted any more. `false` if it was not awaited.
    pub fn end(&mut self, id: RequestId) -> bool {
        let at = self.awaited.iter().position(|(awaited, _)| *awaited == id);
        at.map(|at| self.awaited.swap_remove(at)).is_some()
    }

    /// One whose deadline has come.
    pub fn late(&self, now: u64) -> Option<RequestId> {
        self.awaited.iter().find(|(_, deadline)| *deadline <= now).map(|(id, _)| *id)
    }

    /// All deadlines.
    pub fn deadlines(&self) -> impl Iterator<Item = u64> {
        self.awaited.iter().map(|(_, deadline)| *deadline)
    }
}
