//! One WebSocket.

use super::json::{Feed, Value};
use super::requests;
use crate::io::{Frame, Input, SocketId};
use gloo_events::EventListener;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// An open or opening WebSocket; dropped, it closes and feeds nothing more.
pub struct Socket {
    socket: WebSocket,
    _listeners: [EventListener; 3],
}

impl Socket {
    /// Opens a socket; the browser refuses a URL that it may not open from this page.
    pub fn open(id: SocketId, url: &str, feed: &Feed) -> Result<Self, JsValue> {
        let socket = requests::open_socket(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (on_open, on_message, on_close) = (feed.clone(), feed.clone(), feed.clone());
        let listeners = [
            EventListener::new(&socket, "open", move |_| on_open(Input::SocketOpened(id))),
            EventListener::new(&socket, "message", move |event| {
                if let Some(frame) = frame(event.unchecked_ref::<MessageEvent>().data()) {
                    on_message(Input::SocketFrame(id, frame));
                }
            }),
            EventListener::new(&socket, "close", move |_| on_close(Input::SocketClosed(id))),
        ];
        Ok(Socket { socket, _listeners: listeners })
    }

    /// Whether it was open before anybody listened.
    pub fn is_open(&self) -> bool {
        self.socket.ready_state() == WebSocket::OPEN
    }

    /// Sends a text frame. A socket that is closing swallows it, as the network might.
    pub fn send(&self, frame: &str) {
        let _ = self.socket.send_with_str(frame);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}

/// `None` for text that is not JSON.
fn frame(data: JsValue) -> Option<Frame<Value>> {
    match data.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Some(Frame::Binary(Uint8Array::new(&buffer).to_vec())),
        Err(text) => Value::parse_text(&text).map(Frame::Text),
    }
}
