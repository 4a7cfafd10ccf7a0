//! What the page has been told of a thread, apart from its messages.

use crate::error::ChatError;
use crate::io::{Output, State, Status};
use crate::line::Line;
use crate::thread_id::ThreadId;

/// Tells the page what changed, and no more.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// `open()` has not ended yet.
    opening: bool,
    was_live: bool,
    /// The last failure since the thread was live.
    error: Option<ChatError>,
    state: Option<State>,
}

/// How the thread's parts stand.
pub(super) struct Standing<'a> {
    /// Some session has it open.
    pub open: bool,
    /// Why it has stopped for good.
    pub stopped: Option<&'a ChatError>,
    /// The first page is there.
    pub loaded: bool,
    /// What is shown is from storage.
    pub from_cache: bool,
    /// Joined, and broadcasts are believed to arrive.
    pub receiving: bool,
    /// Why messages are not sent, if some wait.
    pub not_sending: Option<&'a ChatError>,
    pub has_older: bool,
    pub loading_older: bool,
}

impl Shown {
    /// A session waits for `open()`.
    pub fn open(&mut self) {
        self.opening = true;
    }

    /// Nobody looks any more.
    pub fn close(&mut self) {
        self.was_live = false;
        self.error = None;
    }

    /// Something failed.
    pub fn failed(&mut self, error: ChatError) {
        self.error = Some(error);
    }

    /// Something failed, for what failed before perhaps.
    pub fn failed_too(&mut self, error: ChatError) {
        self.error.get_or_insert(error);
    }

    /// `open()` ends, if it has not: the first page is there, or will not come.
    pub fn opened<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, result: Result<(), ChatError>) {
        if core::mem::take(&mut self.opening) {
            line.emit(Output::Opened(thread.clone(), result));
        }
    }

    /// Emits the state, where it changed.
    pub fn update<V>(&mut self, line: &mut Line<V>, thread: &ThreadId, standing: Standing) {
        let live = standing.loaded && standing.receiving;
        if live && line.device.is_online() {
            self.was_live = true;
            self.error = None;
        }
        let signed_out = line.token.stopped();
        let status = line.status(standing.open && standing.stopped.is_none(), live, self.was_live);
        let error = match status {
            Status::Live => standing.not_sending,
            _ => standing.stopped.or(signed_out).or(self.error.as_ref()).or(line.token.error()),
        };
        let error = error.cloned();
        let Standing { has_older, loading_older, from_cache, .. } = standing;
        let state = State { status, has_older, loading_older, from_cache, error };
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state.clone());
            line.emit(Output::State(thread.clone(), state));
        }
    }
}
