//! The poll of all open threads and of the inbox: one request, however many they are (`sync_chat`).
//!
//! A thread says when its poll is due, and the others go along. Each takes its part of the answer as the answer to a read of
//! its own; where that part does not tell all, or nothing knows of such a request (an older `sql/`), it reads by itself.

use crate::inbox::Inbox;
use crate::io::{Answer, RequestId};
use crate::json::Json;
use crate::line::Line;
use crate::line::rest;
use crate::mutation::{Mutation, mutated};
use crate::thread::Thread;

/// The one request that may be in flight. Whom it is for, the threads know.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    asked: Option<RequestId>,
}

/// The most threads that `sync_chat` is asked for at once.
const MOST: usize = 100;

impl Sync {
    /// Asks, if the poll of one of them is due.
    pub fn drive<V>(&mut self, line: &mut Line<V>, threads: &mut [Thread], inbox: &mut Inbox) {
        if self.asked.is_some() || line.server.takes_no_sync || !line.device.may_ask() {
            return;
        }
        let Some(access) = line.token.usable(line.time()) else { return };
        let threads =
            if mutated(Mutation::SyncSkipsThreads) { threads.get_mut(..1).unwrap_or_default() } else { threads };
        let (mut body, mut asked, mut inboxed) = (String::new(), 0, None);
        // Who waits goes first: of more threads than fit, all have their turn.
        let mut due = true;
        loop {
            for thread in threads.iter_mut() {
                if asked < MOST && thread.join_sync(line, due, access.generation, &mut body) {
                    asked += 1;
                }
            }
            inboxed = inboxed.or_else(|| inbox.join_sync(line, due, access.generation));
            if !due || asked == 0 && inboxed.is_none() {
                break;
            }
            due = false;
        }
        if asked > 0 || inboxed.is_some() {
            let body = rest::sync_body(&body, inboxed.as_deref());
            let url = rest::sync_url(&line.config.supabase_url);
            self.asked = Some(line.rpc(&access, url, body, false));
        }
    }

    pub fn awaits(&self, request: RequestId) -> bool {
        self.asked == Some(request)
    }

    /// Takes in the answer that it awaits.
    pub fn answered<V: Json>(
        &mut self,
        line: &mut Line<V>,
        threads: &mut [Thread],
        inbox: &mut Inbox,
        answer: Answer<V>,
    ) {
        self.asked = None;
        inbox.synced(line, &answer);
        for thread in threads {
            thread.synced(line, &answer);
        }
    }
}
