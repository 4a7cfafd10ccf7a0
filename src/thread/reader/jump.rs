//! Reading older messages down to one that the page wants to see.

use super::Reader;

impl Reader {
    /// The page wants to see the message `seq`.
    pub fn jump_to(&mut self, seq: u64) {
        self.jump = Some(seq);
    }

    pub fn jump(&self) -> Option<u64> {
        self.jump
    }

    /// Returns whether there was one.
    pub fn end_jump(&mut self) -> bool {
        self.jump.take().is_some()
    }

    /// Whether a read at the newest end is on its way.
    pub fn is_reading_newest(&self) -> bool {
        self.newest.is_some()
    }
}
