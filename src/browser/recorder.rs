//! Records what happens to a client, for a debug build: see [`recording`](crate::recording).

use super::json::Value;
use crate::io::{Config, Input, Now, Output};
use crate::recording;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/browser/recorder.js")]
extern "C" {
    /// Replaces tokens and bodies in a line.
    fn mask(line: &str) -> String;
    fn stringify(value: &JsValue) -> String;
}

/// The most bytes that are kept: the oldest lines go first.
const AT_MOST: usize = 8 << 20;

thread_local! {
    /// Of the client that was made last.
    static LAST: RefCell<Option<Rc<Recorder>>> = const { RefCell::new(None) };
}

/// The lines of one client.
#[derive(Default)]
pub struct Recorder {
    config: String,
    lines: RefCell<Lines>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    bytes: usize,
    dropped: usize,
    /// The line that is being written.
    current: String,
}

impl Recorder {
    /// Records a client of these options from now on.
    pub fn start(config: &Config) -> Rc<Self> {
        let recorder = Rc::new(Recorder { config: recording::config(config), lines: RefCell::default() });
        LAST.set(Some(recorder.clone()));
        recorder
    }

    /// What comes in.
    pub fn input(&self, now: Now, input: &Input<Value>) {
        let input = recording::input(now, input, |value| stringify(&value.0));
        self.lines.borrow_mut().current = ["{\"input\":", &input, ",\"outputs\":["].concat();
    }

    /// What goes out.
    pub fn output(&self, output: &Output<Value>) {
        let current = &mut self.lines.borrow_mut().current;
        if !current.ends_with('[') {
            current.push(',');
        }
        current.push_str(&recording::output(output));
    }

    /// All that goes out for the input has.
    pub fn done(&self) {
        let mut lines = self.lines.borrow_mut();
        let current = core::mem::take(&mut lines.current);
        let line = mask(&[&current, "]}\n"].concat());
        lines.bytes += line.len();
        lines.kept.push_back(line);
        while lines.bytes > AT_MOST {
            let Some(oldest) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.len();
            lines.dropped += 1;
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.borrow();
        let head = ["{\"config\":", &self.config, ",\"dropped\":", &lines.dropped.to_string(), "}\n"].concat();
        lines.kept.iter().fold(head, |text, line| text + line)
    }
}

/// The recording of the client that was made last; empty if there was none.
#[wasm_bindgen]
pub fn recording() -> String {
    LAST.with_borrow(|last| last.as_ref().map_or_else(String::new, |recorder| recorder.text()))
}
