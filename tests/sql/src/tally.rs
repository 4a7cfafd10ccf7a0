//! Cells of the attack matrix: how many were tried, how many held.

use std::fmt::Debug;
use std::io::Write;

use anyhow::{Result, bail};

#[derive(Default)]
pub struct Tally {
    tried: u32,
    broken: Vec<String>,
}

impl Tally {
    pub fn cell(&mut self, door: &str, caller: impl Debug, expected: &str, got: &str) {
        self.tried += 1;
        if expected != got {
            self.broken.push(format!("{caller:?}: {door}: expected {expected}, got {got}"));
        }
    }

    /// Written past the test runner, which keeps what a passing test prints to itself.
    ///
    /// # Errors
    /// Names the cells that did not hold.
    pub fn report(self, what: &str) -> Result<()> {
        let held = self.tried - self.broken.len() as u32;
        writeln!(std::io::stdout().lock(), "{what}: cells tried {}, held {held}", self.tried)?;
        if !self.broken.is_empty() {
            bail!("{}", self.broken.join("\n"));
        }
        Ok(())
    }
}
