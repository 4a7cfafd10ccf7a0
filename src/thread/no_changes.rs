//! What stands in for changes of messages in a build without them: nothing.

use super::Thread;
use crate::error::ChatError;
use crate::io::RequestId;
use crate::line::Line;
use crate::line::token::Access;
use crate::message::MessageId;
use crate::thread_id::ThreadId;

/// No changes.
#[derive(Debug, Default)]
pub(super) struct Changes {}

#[expect(clippy::unused_self, reason = "as changes have it")]
impl Changes {
    pub const fn is_waiting(&self) -> bool {
        false
    }
    pub const fn is_empty(&self) -> bool {
        true
    }
    pub const fn awaits(&self, _: RequestId) -> bool {
        false
    }
    pub fn retry<V>(&mut self, _: &mut Line<V>, _: &ThreadId, _: MessageId) {}
    pub fn discard<V>(&mut self, _: &mut Line<V>, _: &ThreadId, _: MessageId) {}
    pub fn abort<V>(&mut self, _: &mut Line<V>) {}
}

#[expect(clippy::unused_self, reason = "as `changing.rs` has it")]
impl Thread {
    pub(super) fn drive_changes<V>(&mut self, _: &mut Line<V>, _: &Access) {}
    pub(super) fn drive_revs<V>(&mut self, _: &mut Line<V>) {}
    pub(super) fn settle_jump<V>(&mut self, _: &mut Line<V>) {}
    pub(super) fn end_jump<V>(&mut self, _: &mut Line<V>, _: Result<(), ChatError>) {}
}
