//! The sockets and requests that are under way.

use super::fetch::{self, Fetch};
use super::json::Feed;
use super::options::Backend;
use super::socket::Socket;
use crate::io::{Input, Request, RequestId, SocketId};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// Carries out what the engine asks of the network, and tells it what comes of it.
pub struct Network {
    sockets: RefCell<Vec<(SocketId, Socket)>>,
    requests: Rc<RefCell<Vec<(RequestId, Fetch)>>>,
    /// Takes what happens.
    pub feed: Feed,
}

impl Network {
    /// Feeds what happens.
    pub fn new(feed: Feed) -> Self {
        Network { sockets: RefCell::default(), requests: Rc::default(), feed }
    }

    /// Closes every socket and aborts every request.
    pub fn end(&self) {
        self.sockets.take();
        self.requests.take();
    }

    /// Starts a request.
    pub fn request(&self, id: RequestId, request: Request, backend: &Backend, anon_key: &str) {
        let (fetch, answer) = fetch::start(request, backend, anon_key);
        self.requests.borrow_mut().push((id, fetch));
        let (requests, feed) = (self.requests.clone(), self.feed.clone());
        spawn_local(async move {
            let answer = answer.await;
            // An aborted request is not among the requests any more, and its answer not wanted.
            let known = requests.borrow().iter().position(|(known, _)| *known == id);
            if let Some(known) = known {
                requests.borrow_mut().swap_remove(known);
                feed(Input::Answer { request: id, answer });
            }
        });
    }

    /// Aborts a request.
    pub fn abort(&self, id: RequestId) {
        self.requests.borrow_mut().retain(|(known, _)| *known != id);
    }

    /// Opens a socket. `false` if the browser refuses the URL.
    pub fn open_socket(&self, id: SocketId, url: &str) -> bool {
        let socket = Socket::open(id, url, &self.feed);
        let opened = socket.map(|socket| self.sockets.borrow_mut().push((id, socket)));
        opened.is_ok()
    }

    /// Sends a text frame.
    pub fn send_frame(&self, id: SocketId, frame: &str) {
        if let Some((_, socket)) = self.sockets.borrow().iter().find(|(known, _)| *known == id) {
            socket.send(frame);
        }
    }

    /// Closes a socket.
    pub fn close_socket(&self, id: SocketId) {
        self.sockets.borrow_mut().retain(|(known, _)| *known != id);
    }
}
