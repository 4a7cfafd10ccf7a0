//! The engine: inputs in, outputs out (see [`io`](crate::io)). It composes the line, the threads, the inbox and their common
//! poll.

use crate::inbox::Inbox;
use crate::io::{Answer, Config, Input, Now, Output, RequestId, SocketId};
use crate::json::Json;
use crate::line::Line;
use crate::line::phoenix;
use crate::sync::Sync;
use crate::thread::Thread;
use crate::thread_id::ThreadId;

/// The engine of one signed-in person.
#[derive(Debug)]
pub struct Engine<V> {
    line: Line<V>,
    threads: Vec<Thread>,
    inbox: Inbox,
    sync: Sync,
    /// The threads that are known to exist, of those that are forgotten.
    known: Vec<ThreadId>,
}

impl<V: Json> Engine<V> {
    /// An engine with nothing open. It does nothing until a thread is opened.
    pub fn new(config: Config) -> Self {
        Engine {
            line: Line::new(config),
            threads: Vec::new(),
            inbox: Inbox::default(),
            sync: Sync::default(),
            known: Vec::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Now, input: Input<V>) {
        let late = self.next_timeout().map_or(0, |due| now.mono.saturating_sub(due));
        let unseen = self.line.advance(now);
        if self.line.device.passed(unseen, late) {
            self.wake();
        }
        self.take_in(input);
        self.expire();
        if core::mem::take(&mut self.line.server.good_news) {
            self.line.relieve();
            self.threads.iter_mut().for_each(Thread::relieve);
            self.inbox.relieve();
        }
        if self.line.device.try_offline(self.line.now()) {
            self.wake();
        }
        // What one step starts may make another one possible.
        let mut done = usize::MAX;
        while done != self.line.outputs() {
            done = self.line.outputs();
            self.drive();
        }
        self.line.device.tried();
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output<V>> {
        self.line.poll()
    }

    /// When [`Input::Timeout`] is due, on the clock of [`Now::mono`].
    pub fn next_timeout(&self) -> Option<u64> {
        self.line.next_timeout()
    }

    /// Whether nothing is open or kept: the engine can be dropped.
    pub fn is_idle(&self) -> bool {
        self.threads.is_empty() && self.inbox.is_idle()
    }
}

/// What follows from an input.
impl<V: Json> Engine<V> {
    fn take_in(&mut self, input: Input<V>) {
        let Engine { line, threads, inbox, .. } = self;
        match input {
            Input::Open { thread, page_size } => {
                if line.token.stopped().is_some() {
                    line.token.wake();
                }
                self.thread(thread).open(page_size);
            }
            Input::Restoring(restoring) => line.sending.restoring = restoring,
            Input::Restore { thread, messages } => {
                self.thread(thread.clone());
                self.with(&thread, |thread, line| thread.restore(line, messages));
            }
            Input::Cached { thread, page } => self.with(&thread, |thread, line| thread.cached(line, &page)),
            Input::Close { thread } => self.with(&thread, |thread, line| thread.close(line)),
            Input::Send { thread, id, body, reply_to } => {
                self.with(&thread, |thread, line| thread.send(line, id, body, reply_to));
                self.limit_waits();
            }
            Input::Retry { thread, id } => {
                self.with(&thread, |thread, line| thread.retry(line, id));
                self.limit_waits();
            }
            Input::Discard { thread, id } => self.with(&thread, |thread, line| thread.discard(line, id)),
            Input::LoadOlder { thread } => self.with(&thread, |thread, _| thread.load_older()),
            #[cfg(feature = "changes")]
            Input::Change { thread, id, change } => {
                self.with(&thread, |thread, line| thread.change(line, id, change));
                self.limit_waits();
            }
            #[cfg(feature = "changes")]
            Input::RestoreChanges { thread, changes } => {
                self.thread(thread.clone());
                self.with(&thread, |thread, line| thread.restore_changes(line, changes));
            }
            #[cfg(feature = "changes")]
            Input::JumpTo { thread, seq } => self.with(&thread, |thread, line| thread.jump_to(line, seq)),
            #[cfg(feature = "inbox")]
            Input::OpenInbox { limit } => {
                if line.token.stopped().is_some() {
                    line.token.wake();
                }
                inbox.open(limit);
            }
            #[cfg(feature = "inbox")]
            Input::CloseInbox => inbox.close(line),
            #[cfg(feature = "inbox")]
            Input::LoadMore => inbox.load_more(),
            #[cfg(feature = "inbox")]
            Input::Receipts(receipts) => inbox.set_receipts(receipts),
            #[cfg(feature = "inbox")]
            Input::Seen { thread, seq } => inbox.seen(line, &thread, seq),
            Input::Answer { request, answer } => self.answered(request, answer),
            Input::SocketOpened(id) => {
                if line.socket.opened(line.now(), id) {
                    line.server.good_news = true;
                    line.device.heard_of_network(line.now());
                }
            }
            Input::SocketFrame(id, frame) => {
                let incoming = phoenix::decode(frame);
                let heartbeat =
                    incoming.as_ref().is_some_and(|incoming| incoming.topic == phoenix::HEARTBEAT_TOPIC.as_bytes());
                if line.socket.heard(line.now(), id, heartbeat) {
                    line.device.heard_of_network(line.now());
                    let Some(incoming) = incoming else { return };
                    if inbox.is_topic(&incoming.topic) {
                        inbox.heard(line, incoming);
                    } else if let Some(thread) =
                        threads.iter_mut().find(|thread| thread.topic().as_bytes() == incoming.topic)
                    {
                        thread.heard(line, incoming);
                    }
                }
            }
            Input::SocketClosed(id) => self.socket_gone(id),
            Input::Online(online) => {
                if line.device.set_online(line.now(), online) {
                    self.wake();
                }
            }
            Input::Visible(visible) => {
                if line.device.set_visible(line.now(), visible) {
                    self.wake();
                }
            }
            Input::Timeout => {}
        }
    }

    /// The thread, made if it is not there.
    fn thread(&mut self, id: ThreadId) -> &mut Thread {
        let index = self.threads.iter().position(|thread| thread.id == id).unwrap_or(self.threads.len());
        if index == self.threads.len() {
            let known = self.known.contains(&id) || self.inbox.lists(&id);
            self.threads.push(Thread::new(id, known));
        }
        &mut self.threads[index]
    }

    /// Does something with a thread, if it is there.
    fn with(&mut self, id: &ThreadId, act: impl FnOnce(&mut Thread, &mut Line<V>)) {
        if let Some(thread) = self.threads.iter_mut().find(|thread| thread.id == *id) {
            act(thread, &mut self.line);
        }
    }

    /// The page woke up, or the network came back.
    fn wake(&mut self) {
        let Engine { line, threads, inbox, .. } = self;
        if line.device.take_slept() {
            threads.iter_mut().for_each(Thread::slept);
            inbox.slept();
        }
        line.token.wake();
        line.socket.wake(line.now(), threads.iter().any(Thread::is_joining) || inbox.is_joining());
        threads.iter_mut().for_each(Thread::wake);
        inbox.wake(line.now());
    }

    /// Somebody waits for a message to be sent.
    fn limit_waits(&mut self) {
        if self.line.device.is_visible() {
            let now = self.line.now();
            self.line.limit_waits();
            self.threads.iter_mut().for_each(|thread| thread.limit_waits(now));
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer<V>) {
        let Engine { line, threads, inbox, sync, .. } = self;
        if !line.ended(request) {
            return;
        }
        if matches!(answer, Answer::Http { .. }) {
            line.device.heard_of_network(line.now());
        }
        if line.token.awaits(request) {
            line.token_fetched(&answer);
        } else if sync.awaits(request) {
            sync.answered(line, threads, inbox, answer);
        } else if inbox.awaits(request) {
            inbox.answered(line, request, answer);
        } else if let Some(thread) = threads.iter_mut().find(|thread| thread.awaits(request)) {
            thread.answered(line, request, answer);
        }
    }

    fn socket_gone(&mut self, id: SocketId) {
        if self.line.socket_gone(id) {
            self.threads.iter_mut().for_each(Thread::socket_gone);
            self.inbox.socket_gone(false);
        }
    }

    /// Ends the requests that took too long.
    fn expire(&mut self) {
        while let Some(request) = self.line.late() {
            self.line.emit(Output::Abort(request));
            self.answered(request, Answer::Unreachable);
        }
    }

    /// Starts what is wanted and not there.
    fn drive(&mut self) {
        let Engine { line, threads, inbox, sync, known } = self;
        line.clear_wake();
        line.joining = threads.iter().any(Thread::is_joining) || inbox.is_joining();
        line.sending.waiting = threads.iter().any(Thread::is_waiting);
        let wanted = match line.is_away() {
            true => line.sending.waiting,
            false => threads.iter().any(Thread::is_busy) || inbox.is_busy(),
        };
        if wanted && line.device.may_ask() {
            line.drive_token();
        }
        drive_socket(line, threads, inbox);
        for thread in threads.iter_mut() {
            thread.drive(line);
        }
        inbox.meet(line, threads);
        inbox.drive(line);
        sync.drive(line, threads, inbox);
        threads.retain(|thread| {
            let forget = thread.idle_at().is_some_and(|at| line.reached(at)) && !thread.holds_messages();
            if forget {
                if thread.was_known() && !known.contains(&thread.id) {
                    known.push(thread.id.clone());
                }
                line.emit(Output::Forgotten(thread.id.clone()));
            }
            !forget
        });
        for thread in threads.iter_mut() {
            thread.show(line);
        }
        inbox.show(line);
    }
}

fn drive_socket<V>(line: &mut Line<V>, threads: &mut [Thread], inbox: &mut Inbox) {
    let now = line.now();
    let unused = inbox.is_idle() && threads.iter().all(|thread| thread.idle_at().is_some_and(|at| at <= now));
    if unused || line.is_away() || line.token.stopped().is_some() {
        if let Some(id) = line.socket.close() {
            line.emit(Output::CloseSocket(id));
            threads.iter_mut().for_each(Thread::socket_closed);
            inbox.socket_gone(true);
        }
    } else if let Some(dead) = line.drive_socket()
        && line.socket_gone(dead)
    {
        threads.iter_mut().for_each(Thread::socket_gone);
        inbox.socket_gone(false);
    }
}
