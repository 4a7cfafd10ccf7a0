//! The sockets and requests that are under way.

use super::json::{Feed, Value};
use super::options::Backend;
use super::requests::{self, Asked};
use super::socket::Socket;
use crate::io::{Config, Input, Request, RequestId, SocketId};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// Carries out what the engine asks of the network, and tells it what comes of it.
pub struct Network {
    sockets: RefCell<Vec<(SocketId, Socket)>>,
    requests: Rc<RefCell<Vec<(RequestId, Asked)>>>,
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
    pub fn request(&self, id: RequestId, request: &Request, backend: &Backend, config: &Config) {
        let (asked, answer) = requests::ask(request, backend, config);
        self.requests.borrow_mut().push((id, asked));
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
        self.sockets.borrow_mut().retain(|(known, _)| *known != id);
    }
}
