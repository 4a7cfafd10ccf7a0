//! The sockets and requests that are under way.

use super::json::{Feed, Value};
use super::options::Backend;
use super::requests::{self, Answered, Asked};
use super::socket::Socket;
use crate::io::{Config, Input, Request, RequestId, SocketId};
use std::cell::RefCell;
use std::rc::Rc;

/// Carries out what the engine asks of the network, and tells it what comes of it.
pub struct Network {
    sockets: RefCell<Vec<(SocketId, Socket)>>,
    requests: Rc<RefCell<Vec<(RequestId, Asked)>>>,
    answered: Answered,
    /// Takes what happens.
    pub feed: Feed,
}

impl Network {
    /// Feeds what happens.
    pub fn new(feed: Feed) -> Self {
        let requests: Rc<RefCell<Vec<(RequestId, Asked)>>> = Rc::default();
        let (under_way, taken) = (requests.clone(), feed.clone());
        let answered = requests::answered(move |id, answer| {
            forget(&under_way, id);
            taken(Input::Answer { request: id, answer });
        });
        Network { sockets: RefCell::default(), requests, answered, feed }
    }

    /// Closes every socket and aborts every request.
    pub fn end(&self) {
        self.sockets.take();
        self.requests.take();
    }

    /// Starts a request.
    pub fn request(&self, id: RequestId, request: &Request, backend: &Backend, config: &Config) {
        let asked = requests::ask(id, &self.answered, request, backend, config);
        self.requests.borrow_mut().push((id, asked));
    }

    /// Aborts a request.
    pub fn abort(&self, id: RequestId) {
        forget(&self.requests, id);
    }

    /// Opens a socket. What is to be fed at once: that it is open already, or that the browser refuses the URL.
    pub fn open_socket(&self, id: SocketId, url: &str) -> Option<Input<Value>> {
        let Ok(socket) = Socket::open(id, url, &self.feed) else { return Some(Input::SocketClosed(id)) };
        let open = socket.is_open();
        self.sockets.borrow_mut().push((id, socket));
        open.then_some(Input::SocketOpened(id))
    }

    /// Sends a text frame.
    pub fn send_frame(&self, id: SocketId, frame: &str) {
        if let Some((_, socket)) = self.sockets.borrow().iter().find(|(known, _)| *known == id) {
            socket.send(frame);
        }
    }

    /// Closes a socket.
    pub fn close_socket(&self, id: SocketId) {
        forget(&self.sockets, id);
    }
}

fn forget<K: PartialEq, T>(all: &RefCell<Vec<(K, T)>>, id: K) {
    let mut all = all.borrow_mut();
    if let Some(at) = all.iter().position(|(known, _)| *known == id) {
        all.swap_remove(at);
    }
}
