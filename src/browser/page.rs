//! What all sessions of one signed-in person on this page share: one engine, its sockets, requests and timer.
//!
//! Inputs queue, and only the outermost call drains them, so an output may cause an input at any depth.

use super::fetch::{self, Fetch};
use super::json::Value;
use super::options::{Backend, Options};
use super::session::Session;
use super::snapshot::{self, View};
use super::socket::{self, Socket};
use super::storage::{self, SignOuts, Storage};
use super::timer::Timer;
use super::{clock, notify, random, values};
use crate::engine::Engine;
use crate::io::{Answer, Config, Input, Output, Request, RequestId, SocketId};
use crate::thread_id::ThreadId;
use gloo_events::EventListener;
use js_sys::Array;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

thread_local! {
    static PAGES: RefCell<Vec<Rc<Page>>> = const { RefCell::new(Vec::new()) };
}

/// One signed-in person on this page.
pub struct Page {
    supabase_url: String,
    anon_key: String,
    my_id: String,
    backend: RefCell<Backend>,
    engine: RefCell<Engine<Value>>,
    inputs: RefCell<VecDeque<Input<Value>>>,
    draining: Cell<bool>,
    /// The open sessions.
    sessions: RefCell<Vec<Rc<Session>>>,
    views: RefCell<Vec<View>>,
    storage: RefCell<Option<Storage>>,
    sockets: RefCell<Vec<(SocketId, Socket)>>,
    requests: RefCell<Vec<(RequestId, Fetch)>>,
    timer: Timer,
    /// When it fires, while it is set.
    timer_due: Cell<Option<u64>>,
    listeners: RefCell<Vec<EventListener>>,
    /// As long as it lives, with or without a thread: its engine holds a token.
    sign_outs: RefCell<Option<SignOuts>>,
    outbox_persists: Cell<bool>,
    this: Weak<Page>,
}

impl Page {
    /// The page of the person of `options`. Another person's on the same project ends: whoever signs in must not see, or
    /// send as, the one before. What that one did not get sent stays in storage, for when they are back.
    pub fn of(options: &Options) -> Rc<Page> {
        let same_project = |page: &Page| page.supabase_url == options.supabase_url && page.anon_key == options.anon_key;
        let mut replaced = Vec::new();
        let page = PAGES.with_borrow_mut(|pages| {
            while let Some(at) = pages.iter().position(|page| same_project(page) && page.my_id != options.my_id) {
                replaced.push(pages.remove(at));
            }
            match pages.iter().find(|page| same_project(page)) {
                Some(page) => page.clone(),
                None => {
                    let page = Page::new(options);
                    pages.push(page.clone());
                    page
                }
            }
        });
        for old in replaced {
            old.end();
        }
        page.backend.replace(options.backend.clone());
        page
    }

    fn new(options: &Options) -> Rc<Page> {
        Rc::new_cyclic(|this: &Weak<Page>| {
            let for_timer = this.clone();
            Page {
                supabase_url: options.supabase_url.clone(),
                anon_key: options.anon_key.clone(),
                my_id: options.my_id.clone(),
                backend: RefCell::new(options.backend.clone()),
                engine: RefCell::new(Engine::new(Config {
                    supabase_url: options.supabase_url.clone(),
                    anon_key: options.anon_key.clone(),
                    my_id: options.my_id.clone(),
                    seed: random::seed(),
                })),
                inputs: RefCell::default(),
                draining: Cell::new(false),
                sessions: RefCell::default(),
                views: RefCell::default(),
                storage: RefCell::default(),
                sockets: RefCell::default(),
                requests: RefCell::default(),
                timer: Timer::new(move || {
                    if let Some(page) = for_timer.upgrade() {
                        page.timer_due.set(None);
                        page.feed(Input::Timeout);
                    }
                }),
                timer_due: Cell::new(None),
                listeners: RefCell::default(),
                sign_outs: RefCell::new(Some(SignOuts::hear(Page::end_all))),
                outbox_persists: Cell::new(true),
                this: this.clone(),
            }
        })
    }

    /// Opens the thread of `session`.
    pub fn open(&self, session: &Rc<Session>) {
        let options = &session.options;
        if self.views.borrow().is_empty() {
            self.start(options.persist_outbox);
        }
        self.view(&options.thread);
        self.sessions.borrow_mut().push(session.clone());
        notify::changed(session);
        self.feed(Input::Open { thread: options.thread.clone(), page_size: options.page_size });
    }

    /// Makes sure that there is a view of `thread`.
    fn view(&self, thread: &ThreadId) {
        let mut views = self.views.borrow_mut();
        if views.iter().all(|view| view.thread != *thread) {
            views.push(View::new(thread.clone(), self.outbox_persists.get()));
        }
    }

    /// Closes the thread of `session`.
    pub fn close(&self, session: &Rc<Session>) {
        self.sessions.borrow_mut().retain(|open| !Rc::ptr_eq(open, session));
        notify::changed(session);
        self.feed(Input::Close { thread: session.options.thread.clone() });
    }

    /// What the threads of all pages show, each as an array.
    pub fn all_messages() -> Array {
        let all = Array::new();
        PAGES.with_borrow(|pages| {
            for page in pages {
                for view in &*page.views.borrow() {
                    all.push(&view.messages());
                }
            }
        });
        all
    }

    /// Everybody signs out.
    pub fn end_all() {
        for page in PAGES.take() {
            page.end();
        }
    }

    /// Ends at once: closes every session, socket and request. What storage keeps stays there.
    fn end(&self) {
        self.draining.set(true);
        self.timer.clear();
        self.listeners.take();
        self.sign_outs.take();
        self.storage.take();
        self.sockets.take();
        self.requests.take();
        self.views.take();
        for session in self.sessions.take() {
            session.ended();
        }
        notify::flush();
    }

    /// Gives the engine an input and does what it answers.
    pub fn feed(&self, input: Input<Value>) {
        self.inputs.borrow_mut().push_back(input);
        if self.draining.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.inputs.borrow_mut().pop_front() else {
                break;
            };
            self.engine.borrow_mut().handle(clock::now(), input);
            loop {
                let Some(output) = self.engine.borrow_mut().poll() else {
                    break;
                };
                self.carry_out(output);
            }
        }
        self.draining.set(false);
        // One that fires too early does no harm. Most deadlines only move away, with each frame of a burst: to set the timer
        // anew for every one of them would cost more than the frame.
        match self.engine.borrow().next_timeout() {
            Some(due) if self.timer_due.get().is_none_or(|set| due < set) => {
                self.timer_due.set(Some(due));
                self.timer.set(due as f64 - clock::mono());
            }
            Some(_) => {}
            None => {
                self.timer_due.set(None);
                self.timer.clear();
            }
        }
        notify::flush();
    }

    fn carry_out(&self, output: Output<Value>) {
        match output {
            Output::Request(id, request) => self.request(id, request),
            Output::Abort(id) => self.requests.borrow_mut().retain(|(known, _)| *known != id),
            Output::OpenSocket(id, url) => self.open_socket(id, &url),
            Output::SendFrame(id, frame) => {
                if let Some((_, socket)) = self.sockets.borrow().iter().find(|(known, _)| *known == id) {
                    socket.send(&frame);
                }
            }
            Output::CloseSocket(id) => self.sockets.borrow_mut().retain(|(known, _)| *known != id),
            Output::Store(thread, draft) => {
                if let Some(storage) = &*self.storage.borrow() {
                    storage.put(&thread, &draft);
                }
            }
            Output::Unstore(_, id) => {
                if let Some(storage) = &*self.storage.borrow() {
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
                    session.older_loaded(&result);
                }
            }
            Output::Forgotten(thread) => {
                self.views.borrow_mut().retain(|view| view.thread != thread);
                if self.views.borrow().is_empty() {
                    self.listeners.take();
                    self.storage.take();
                }
            }
        }
    }

    fn request(&self, id: RequestId, request: Request) {
        let (fetch, answer) = fetch::start(request, &self.backend.borrow(), &self.anon_key);
        self.requests.borrow_mut().push((id, fetch));
        let page = self.this.clone();
        spawn_local(async move {
            let answer = answer.await;
            if let Some(page) = page.upgrade() {
                page.answered(id, answer);
            }
        });
    }

    /// An aborted request is not among the requests any more, and its answer not wanted.
    fn answered(&self, id: RequestId, answer: Answer<Value>) {
        let known = self.requests.borrow().iter().position(|(known, _)| *known == id);
        if let Some(known) = known {
            self.requests.borrow_mut().swap_remove(known);
            self.feed(Input::Answer { request: id, answer });
        }
    }

    fn open_socket(&self, id: SocketId, url: &str) {
        let page = self.this.clone();
        let tell = move |event| {
            let input = match event {
                socket::Event::Opened => Input::SocketOpened(id),
                socket::Event::Frame(frame) => Input::SocketFrame(id, frame),
                socket::Event::Closed => Input::SocketClosed(id),
            };
            feed(&page, input);
        };
        match Socket::open(url, tell) {
            Ok(socket) => self.sockets.borrow_mut().push((id, socket)),
            Err(_) => self.inputs.borrow_mut().push_back(Input::SocketClosed(id)),
        }
    }

    fn stored(&self, event: storage::Event) {
        match event {
            storage::Event::Works(works) => {
                if self.outbox_persists.replace(works) != works {
                    for view in &mut *self.views.borrow_mut() {
                        view.set_outbox_persists(works);
                    }
                    for session in &*self.sessions.borrow() {
                        notify::changed(session);
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

    fn change(&self, thread: &ThreadId, change: impl FnOnce(&mut View)) {
        if let Some(view) = self.views.borrow_mut().iter_mut().find(|view| view.thread == *thread) {
            change(view);
        }
        for session in self.sessions_of(thread) {
            notify::changed(&session);
        }
    }

    fn sessions_of(&self, thread: &ThreadId) -> Vec<Rc<Session>> {
        let sessions = self.sessions.borrow();
        sessions.iter().filter(|session| session.options.thread == *thread).cloned().collect()
    }

    /// The snapshot of `thread`.
    pub fn snapshot(&self, thread: &ThreadId) -> JsValue {
        let mut views = self.views.borrow_mut();
        let view = views.iter_mut().find(|view| view.thread == *thread);
        view.map_or_else(snapshot::closed, View::snapshot)
    }

    /// Whether `thread` has stopped for good.
    pub fn stopped(&self, thread: &ThreadId) -> bool {
        self.views.borrow().iter().any(|view| view.thread == *thread && view.stopped())
    }

    /// Hears of network, visibility and storage while there is a thread. How they stand is queued, not fed: feeding calls
    /// the page.
    fn start(&self, persist_outbox: bool) {
        self.outbox_persists.set(persist_outbox);
        if persist_outbox {
            let page = self.this.clone();
            let tell = move |event| {
                if let Some(page) = page.upgrade() {
                    page.stored(event);
                }
            };
            self.storage.replace(Some(Storage::new(&self.supabase_url, &self.my_id, tell)));
        }
        let scope: web_sys::EventTarget = js_sys::global().unchecked_into();
        let document = web_sys::window().and_then(|window| window.document());
        let hear = |target: &web_sys::EventTarget, name: &'static str, input: fn() -> Input<Value>| {
            let page = self.this.clone();
            EventListener::new(target, name, move |_| feed(&page, input()))
        };
        let online = || Input::Online(values::is_online());
        let visible = || Input::Visible(values::is_visible());
        let mut listeners = vec![
            hear(&scope, "online", online),
            hear(&scope, "offline", online),
            // Back from the back/forward cache, where no event came.
            hear(&scope, "pageshow", online),
            hear(&scope, "pageshow", visible),
        ];
        if let Some(document) = document {
            listeners.push(hear(&document, "visibilitychange", visible));
        }
        self.listeners.replace(listeners);
        let mut inputs = self.inputs.borrow_mut();
        inputs.push_back(online());
        inputs.push_back(visible());
        inputs.push_back(Input::Restoring(persist_outbox));
    }
}

fn feed(page: &Weak<Page>, input: Input<Value>) {
    if let Some(page) = page.upgrade() {
        page.feed(input);
    }
}
