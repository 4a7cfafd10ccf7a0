//! What all sessions of one signed-in person in this tab share: one engine, its sockets, requests and timer.
//!
//! Inputs queue, and only the outermost call drains them, so an output may cause an input at any depth.

use super::attached::Attached;
use super::environment::{self, Environment};
use super::json::{Feed, Value};
use super::network::Network;
use super::options::{Backend, Options};
use super::pages::{self, Found};
use super::snapshot::{self, View};
use super::storage::{self, SignOuts, Storage};
use super::timer::Alarm;
use super::{clock, notify, random, requests};
use crate::engine::Engine;
use crate::io::{Config, Input, Output};
use crate::thread_id::ThreadId;
use js_sys::Array;
use std::cell::{Cell, RefCell, RefMut};
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
    sessions: RefCell<Vec<Rc<Attached>>>,
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
    /// Takes in the pages of earlier visits.
    found: Found,
}

/// What the threads show.
#[derive(Default)]
struct Views {
    all: RefCell<Vec<View>>,
    outbox_persists: Cell<bool>,
}

/// What the threads of all clients show, each as an array.
pub fn all_messages() -> Array {
    let all = Array::new();
    CLIENTS.with_borrow(|clients| {
        for client in clients {
            for view in &*client.views.all.borrow() {
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
    /// The client of the person of `options`. Another person's on the same project ends: whoever signs in must not see, or
    /// send as, the one before. What that one did not get sent stays in storage, for when they are back.
    pub fn of(options: &Options) -> Rc<Client> {
        let same_project = |client: &Client| {
            client.config.supabase_url == options.supabase_url && client.config.anon_key == options.anon_key
        };
        let mut replaced = Vec::new();
        let client = CLIENTS.with_borrow_mut(|clients| {
            let other = |client: &Rc<Client>| same_project(client) && client.config.my_id != options.my_id;
            while let Some(at) = clients.iter().position(other) {
                replaced.push(clients.remove(at));
            }
            match clients.iter().find(|client| same_project(client)) {
                Some(client) => client.clone(),
                None => {
                    let client = Client::new(options);
                    clients.push(client.clone());
                    client
                }
            }
        });
        for old in replaced {
            old.end();
        }
        client.backend.replace(options.backend.clone());
        client
    }

    fn new(options: &Options) -> Rc<Client> {
        let config = Config {
            supabase_url: options.supabase_url.clone(),
            anon_key: options.anon_key.clone(),
            my_id: options.my_id.clone(),
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
                backend: RefCell::new(options.backend.clone()),
                inputs: Inputs::default(),
                sessions: RefCell::default(),
                views: Views::default(),
                network: Network::new(feed),
                kept: Kept { outbox: RefCell::default(), found },
                alarm: Alarm::new(move || timeout(Input::Timeout)),
                environment: RefCell::default(),
                sign_outs: RefCell::new(Some(SignOuts::hear(end_all))),
                #[cfg(feature = "recording")]
                recorder: super::recorder::Recorder::start(&config),
            }
        })
    }

    /// Hears of network, visibility and storage while there is a thread. How they stand is queued, not fed: feeding calls
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
        }
        let mut queue = self.inputs.queue.borrow_mut();
        for input in environment::now() {
            queue.push_back(input);
        }
        queue.push_back(Input::Restoring(persist_outbox));
    }

    /// No thread is left: nothing is heard any more.
    fn pause(&self) {
        self.environment.take();
        self.kept.outbox.take();
    }

    /// Ends at once: closes every session, socket and request. What storage keeps stays there.
    fn end(&self) {
        self.inputs.draining.set(true);
        self.pause();
        self.alarm.clear();
        self.sign_outs.take();
        self.network.end();
        self.views.all.take();
        for session in self.sessions.take() {
            session.end();
        }
        notify::flush();
    }

    /// Forgets the client where nothing is open or kept, its token included.
    fn forget_if_idle(&self) {
        if self.sessions.borrow().is_empty() && self.engine.borrow().is_idle() {
            CLIENTS.with_borrow_mut(|clients| clients.retain(|client| !std::ptr::eq(&**client, self)));
        }
    }
}

/// What sessions ask for.
impl Client {
    /// Opens the thread of `session`.
    pub fn open(self: &Rc<Self>, session: &Rc<Attached>, options: &Options) {
        if self.views.all.borrow().is_empty() {
            self.start(options.persist_outbox);
        }
        self.view(&session.thread).cached = options.cache_messages;
        self.sessions.borrow_mut().push(session.clone());
        session.subscribers.changed();
        self.feed(Input::Open { thread: session.thread.clone(), page_size: options.page_size });
        let Config { supabase_url: project, my_id: me, .. } = &self.config;
        pages::open(project, me, &session.thread, options.cache_messages, &self.kept.found);
    }

    /// Closes the thread of `session`.
    pub fn close(&self, session: &Rc<Attached>) {
        let mut sessions = self.sessions.borrow_mut();
        if let Some(at) = sessions.iter().position(|open| Rc::ptr_eq(open, session)) {
            sessions.remove(at);
        }
        drop(sessions);
        session.subscribers.changed();
        self.feed(Input::Close { thread: session.thread.clone() });
    }

    /// The snapshot of `thread`.
    pub fn snapshot(&self, thread: &ThreadId) -> JsValue {
        let mut views = self.views.all.borrow_mut();
        let Some(view) = views.iter_mut().find(|view| view.thread == *thread) else { return snapshot::closed() };
        // What a page looks at is kept, and not each of ten thousand changes in between.
        if view.is_worth_keeping() {
            pages::keep(&self.config.supabase_url, &self.config.my_id, thread, &view.messages());
        }
        view.snapshot()
    }

    /// Whether `thread` has stopped for good.
    pub fn stopped(&self, thread: &ThreadId) -> bool {
        self.views.all.borrow().iter().any(|view| view.thread == *thread && view.stopped())
    }

    /// Hands the engine an input and carries out its outputs.
    pub fn feed(&self, input: Input<Value>) {
        self.inputs.queue.borrow_mut().push_back(input);
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
                for session in self.sessions_of(&thread) {
                    session.opened(&result);
                }
            }
            Output::OlderLoaded(thread, result) => {
                for session in self.sessions_of(&thread) {
                    session.loading_older.settle(&result);
                }
            }
            Output::Forgotten(thread) => {
                self.views.all.borrow_mut().retain(|view| view.thread != thread);
                if self.views.all.borrow().is_empty() {
                    self.pause();
                }
            }
        }
    }

    fn change(&self, thread: &ThreadId, change: impl FnOnce(&mut View)) {
        if let Some(view) = self.views.all.borrow_mut().iter_mut().find(|view| view.thread == *thread) {
            change(view);
        }
        for session in self.sessions_of(thread) {
            session.subscribers.changed();
        }
    }

    /// The view of `thread`, made if it is not there.
    fn view(&self, thread: &ThreadId) -> RefMut<'_, View> {
        RefMut::map(self.views.all.borrow_mut(), |views| {
            let at = views.iter().position(|view| view.thread == *thread).unwrap_or(views.len());
            if at == views.len() {
                views.push(View::new(thread.clone(), self.views.outbox_persists.get()));
            }
            &mut views[at]
        })
    }

    fn sessions_of(&self, thread: &ThreadId) -> Vec<Rc<Attached>> {
        self.sessions.borrow().iter().filter(|session| session.thread == *thread).cloned().collect()
    }

    fn found(&self, thread: &str, page: Value) {
        let known = |view: &View| (view.thread.as_str() == thread).then(|| view.thread.clone());
        let thread = self.views.all.borrow().iter().find_map(known);
        if let Some(thread) = thread {
            self.feed(Input::Cached { thread, page });
        }
    }

    fn stored(&self, event: storage::Event) {
        match event {
            storage::Event::Works(works) => {
                if self.views.outbox_persists.replace(works) != works {
                    for view in &mut *self.views.all.borrow_mut() {
                        view.set_outbox_persists(works);
                    }
                    for session in &*self.sessions.borrow() {
                        session.subscribers.changed();
                    }
                    notify::flush();
                }
            }
            storage::Event::Adopted(threads) => {
                for (thread, messages) in threads {
                    self.view(&thread);
                    self.feed(Input::Restore { thread, messages });
                }
            }
            storage::Event::Started => self.feed(Input::Restoring(false)),
        }
    }
}
