//! What stands in for the inbox in a build without it: nothing.

use crate::io::{Answer, RequestId};
use crate::line::Line;
use crate::line::phoenix::Incoming;
use crate::thread::Thread;
use crate::thread_id::ThreadId;

/// No inbox.
#[derive(Debug, Default)]
pub(crate) struct Inbox {}

#[expect(clippy::unused_self, reason = "as the inbox has it")]
impl Inbox {
    pub const fn is_busy(&self) -> bool {
        false
    }
    pub const fn is_idle(&self) -> bool {
        true
    }
    pub const fn is_joining(&self) -> bool {
        false
    }
    pub const fn is_topic(&self, _: &[u8]) -> bool {
        false
    }
    pub const fn lists(&self, _: &ThreadId) -> bool {
        false
    }
    pub const fn awaits(&self, _: RequestId) -> bool {
        false
    }
    pub fn wake(&mut self, _: u64) {}
    pub fn slept(&mut self) {}
    pub fn relieve(&mut self) {}
    pub fn socket_gone(&mut self, _: bool) {}
    pub fn meet<V>(&mut self, _: &mut Line<V>, _: &mut [Thread]) {}
    pub fn drive<V>(&mut self, _: &mut Line<V>) {}
    pub fn join_sync<V>(&mut self, _: &mut Line<V>, _: bool, _: u32) -> Option<String> {
        None
    }
    pub fn heard<V>(&mut self, _: &mut Line<V>, _: Incoming<V>) {}
    pub fn answered<V>(&mut self, _: &mut Line<V>, _: RequestId, _: Answer<V>) {}
    pub fn synced<V>(&mut self, _: &mut Line<V>, _: &Answer<V>) {}
    pub fn show<V>(&mut self, _: &mut Line<V>) {}
}
