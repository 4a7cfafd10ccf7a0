//! What all sessions of one signed-in person in this tab share: one engine, its sockets, requests and timer.
//!
//! Inputs queue, and only the outermost call drains them, so an output may cause an input at any depth.

#[cfg(feature = "changes")]
mod changes;
#[cfg(feature = "inbox")]
mod inbox;
mod stored;

use super::attached::Attached;
use super::environment::{self, Environment};
use super::json::{Feed, Value};
use super::network::Network;
use super::options::{Account, Backend, Options};
use super::pages::{self, Found};
use super::snapshot::{self, View};
use super::storage::{SignOuts, Storage};
use super::timer::Alarm;
use super::views::Views;
use super::{clock, notify, random, requests};
use crate::engine::Engine;
use crate::io::{Config, Input, Output};
use crate::thread_id::ThreadId;
use js_sys::Array;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::JsValue;

thread_local! {
    static CLIENTS: RefCell<Vec<Rc<Client>>> = const { RefCell::new(Vec::new()) };
}

/// One signed-in person.
pub struct Client {
    config: Config,
    backend: RefCell<Backend>,
    engine: RefCell<Engine<Value>>,
    inputs: Inputs,
    sessions: RefCell<Vec<(ThreadId, Rc<Attached>)>>,
    views: Views,
    network: Network,
    kept: Kept,
    alarm: Alarm,
    environment: RefCell<Option<Environment>>,
    /// Heard as long as it lives, with or without a thread: its engine holds a token.
    sign_outs: RefCell<Option<SignOuts>>,
    #[cfg(feature = "recording")]
    recorder: Rc<super::recorder::Recorder>,
}

/// What the engine has not taken in yet.
#[derive(Default)]
struct Inputs {
    queue: RefCell<VecDeque<Input<Value>>>,
    draining: Cell<bool>,
}

/// What outlives the page.
struct Kept {
    /// What is not sent yet.
    outbox: RefCell<Option<Storage>>,
    /// What is not changed yet.
    #[cfg(feature = "changes")]
    changes: RefCell<Option<super::changes::Store>>,
    /// Takes in the pages of earlier visits.
    found: Found,
}

/// What the threads of all clients show, each as an array.
pub fn all_messages() -> Array {
    let all = Array::new();
    CLIENTS.with_borrow(|clients| {
        for client in clients {
            for view in &*client.views.threads.borrow() {
                all.push(&view.messages());
            }
        }
    });
    all
}

/// Whether anybody is there, whose token and socket a chat will use.
pub fn any() -> bool {
    CLIENTS.with_borrow(|clients| !clients.is_empty())
}

/// Everybody signs out.
pub fn end_all() {
    requests::drop_early();
    for client in CLIENTS.take() {
        client.end();
    }
}

/// A client's life.
impl Client {
    /// The client of `account`. Another person's on the same project ends: whoever signs in must not see, or send as, the
    /// one before. What that one did not get sent stays in storage, for when they are back.
    pub fn of(account: &Account) -> Rc<Client> {
        let same_project = |client: &Client| {
            client.config.supabase_url == account.supabase_url && client.config.anon_key == account.anon_key
        };
        let mut replaced = Vec::new();
        let client = CLIENTS.with_borrow_mut(|clients| {
            let other = |client: &Rc<Client>| same_project(client) && client.config.my_id != account.my_id;
            while let Some(at) = clients.iter().position(other) {
                replaced.push(clients.remove(at));
            }
            match clients.iter().find(|client| same_project(client)) {
                Some(client) => client.clone(),
                None => {
                    let client = Client::new(account);
                    clients.push(client.clone());
                    client
                }
            }
        });
        for old in replaced {
            old.end();
        }
        let backend = account.backend.clone();
        #[cfg(feature = "inbox")]
        let backend = backend.over(&client.backend.borrow());
        client.backend.replace(backend);
        client
    }

    fn new(account: &Account) -> Rc<Client> {
        let config = Config {
            supabase_url: account.supabase_url.clone(),
            anon_key: account.anon_key.clone(),
            my_id: account.my_id.clone(),
            seed: random::seed(),
        };
        Rc::new_cyclic(|this: &Weak<Client>| {
            let client = this.clone();
            let feed: Feed = Rc::new(move |input| {
                if let Some(client) = client.upgrade() {
                    client.feed(input);
                }
            });
            let timeout = feed.clone();
            let client = this.clone();
            let found = pages::found(move |thread, page| {
                if let Some(client) = client.upgrade() {
                    client.found(thread, page);
                }
            });
            Client {
                engine: RefCell::new(Engine::new(config.clone())),
                config: config.clone(),
                backend: RefCell::new(account.backend.clone()),
                inputs: Inputs::default(),
                sessions: RefCell::default(),
                views: Views::default(),
                network: Network::new(feed),
                kept: Kept {
                    outbox: RefCell::default(),
                    #[cfg(feature = "changes")]
                    changes: RefCell::default(),
                    found,
                },
                alarm: Alarm::new(move || timeout(Input::Timeout)),
                environment: RefCell::default(),
                sign_outs: RefCell::new(Some(SignOuts::hear(end_all))),
                #[cfg(feature = "recording")]
                recorder: super::recorder::Recorder::start(&config),
            }
        })
    }

    /// Hears of network, visibility and storage while something is open. How they stand is queued, not fed: feeding calls
    /// the page.
    fn start(self: &Rc<Self>, persist_outbox: bool) {
        self.views.outbox_persists.set(persist_outbox);
        let this = Rc::downgrade(self);
        self.environment.replace(Some(Environment::hear(&self.network.feed)));
        if persist_outbox {
            let tell = move |event| {
                if let Some(client) = this.upgrade() {
                    client.stored(event);
                }
            };
            self.kept.outbox.replace(Some(Storage::new(&self.config.supabase_url, &self.config.my_id, tell)));
            #[cfg(feature = "inbox")]
            self.find_seen();
            #[cfg(feature = "changes")]
            self.find_changes();
        }
        for input in environment::now() {
            self.queue(input);
        }
        self.queue(Input::Restoring(persist_outbox));
    }

    /// Nothing is open any more: nothing is heard.
    fn pause(&self) {
        self.environment.take();
        self.kept.outbox.take();
        #[cfg(feature = "changes")]
        self.kept.changes.take();
    }

    /// Ends at once: closes every session, socket and request. What storage keeps stays there.
    fn end(&self) {
        self.inputs.draining.set(true);
        self.pause();
        self.alarm.clear();
        self.sign_outs.take();
        self.network.end();
        self.views.threads.take();
        for (_, session) in self.sessions.take() {
            session.end();
        }
        #[cfg(feature = "inbox")]
        self.views.inbox.end();
        notify::flush();
    }

    /// Forgets the client where nothing is open or kept, its token included.
    fn forget_if_idle(&self) {
        if self.views.is_empty() && self.engine.borrow().is_idle() {
            CLIENTS.with_borrow_mut(|clients| clients.retain(|client| !std::ptr::eq(&**client, self)));
        }
    }
}

/// What sessions ask for.
impl Client {
    /// Opens the thread of `session`.
    pub fn open(self: &Rc<Self>, session: &Rc<Attached>, options: &Options) {
        if self.views.is_empty() {
            self.start(options.account.persist_outbox);
        }
        let thread = &options.thread;
        #[cfg(feature = "inbox")]
        {
            if self.sessions_of(thread).is_empty() {
                self.views.of(thread, &self.config.my_id).open();
            }
            self.queue(Input::Receipts(options.account.receipts));
        }
        #[cfg(feature = "changes")]
        self.hear_expiry(thread);
        self.views.of(thread, &self.config.my_id).cached = options.cache_messages;
        self.sessions.borrow_mut().push((thread.clone(), session.clone()));
        session.subscribers.changed();
        self.feed(Input::Open { thread: thread.clone(), page_size: options.page_size });
        let Config { supabase_url: project, my_id: me, .. } = &self.config;
        pages::open(project, me, thread, options.cache_messages, &self.kept.found);
    }

    /// Closes `thread` for `session`.
    pub fn close(&self, session: &Rc<Attached>, thread: &ThreadId) {
        self.sessions.borrow_mut().retain(|(_, open)| !Rc::ptr_eq(open, session));
        session.subscribers.changed();
        self.feed(Input::Close { thread: thread.clone() });
    }

    /// The snapshot of `thread`.
    pub fn snapshot(&self, thread: &ThreadId) -> JsValue {
        let mut views = self.views.threads.borrow_mut();
        let Some(view) = views.iter_mut().find(|view| view.thread == *thread) else { return snapshot::closed() };
        // What a page looks at is kept, and not each of ten thousand changes in between.
        if view.is_worth_keeping() {
            pages::keep(&self.config.supabase_url, &self.config.my_id, thread, &view.messages(), &view.extras());
        }
        view.snapshot()
    }

    /// Whether `thread` has stopped for good.
    pub fn stopped(&self, thread: &ThreadId) -> bool {
        self.views.threads.borrow().iter().any(|view| view.thread == *thread && view.stopped())
    }

    /// Has the engine take in `input` before the next one.
    fn queue(&self, input: Input<Value>) {
        self.inputs.queue.borrow_mut().push_back(input);
    }

    /// Hands the engine an input and carries out its outputs.
    pub fn feed(&self, input: Input<Value>) {
        self.queue(input);
        if self.inputs.draining.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.inputs.queue.borrow_mut().pop_front() else {
                break;
            };
            let now = clock::now();
            #[cfg(feature = "recording")]
            self.recorder.input(now, &input);
            self.engine.borrow_mut().handle(now, input);
            loop {
                let Some(output) = self.engine.borrow_mut().poll() else {
                    break;
                };
                #[cfg(feature = "recording")]
                self.recorder.output(&output);
                self.carry_out(output);
            }
            #[cfg(feature = "recording")]
            self.recorder.done();
        }
        self.inputs.draining.set(false);
        self.alarm.set(self.engine.borrow().next_timeout());
        self.forget_if_idle();
        notify::flush();
    }
}

/// What the engine wants done.
impl Client {
    fn carry_out(&self, output: Output<Value>) {
        match output {
            Output::Request(id, request) => {
                self.network.request(id, &request, &self.backend.borrow(), &self.config);
            }
            Output::Abort(id) => self.network.abort(id),
            Output::OpenSocket(id, url) => {
                if let Some(at_once) = self.network.open_socket(id, &url) {
                    self.inputs.queue.borrow_mut().push_back(at_once);
                }
            }
            Output::SendFrame(id, frame) => self.network.send_frame(id, &frame),
            Output::CloseSocket(id) => self.network.close_socket(id),
            Output::Store(thread, message) => {
                if let Some(storage) = &*self.kept.outbox.borrow() {
                    storage.put(&thread, &message);
                }
            }
            Output::Unstore(_, id) => {
                if let Some(storage) = &*self.kept.outbox.borrow() {
                    storage.remove(id);
                }
            }
            Output::Messages(thread, diff) => self.change(&thread, |view| view.apply(diff)),
            Output::State(thread, state) => self.change(&thread, |view| view.set_state(state)),
            Output::Opened(thread, result) => {
                #[cfg(feature = "inbox")]
                if result.is_ok() && !self.views.of(&thread, &self.config.my_id).is_loaded() {
                    self.change(&thread, View::opened);
                }
                for session in self.sessions_of(&thread) {
                    session.opened(&result);
                }
            }
            Output::OlderLoaded(thread, result) => {
                for session in self.sessions_of(&thread) {
                    session.loading.settle(&result);
                }
            }
            Output::Forgotten(thread) => {
                self.views.threads.borrow_mut().retain(|view| view.thread != thread);
                if self.views.is_empty() {
                    self.pause();
                }
            }
            #[cfg(feature = "inbox")]
            output => self.carry_out_inbox(output),
        }
    }

    fn change(&self, thread: &ThreadId, change: impl FnOnce(&mut View)) {
        self.views.change(thread, change);
        for session in self.sessions_of(thread) {
            session.subscribers.changed();
        }
    }

    fn sessions_of(&self, thread: &ThreadId) -> Vec<Rc<Attached>> {
        let sessions = self.sessions.borrow();
        sessions.iter().filter(|(open, _)| open == thread).map(|(_, session)| session.clone()).collect()
    }
}
