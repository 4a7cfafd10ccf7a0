//! The browser of the tests, and the driver that wasm-pack steers it with.

use crate::{apt, paths};
use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// As root, without a GPU, and without a word to the outside.
pub const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// `$CHROMIUM`, else Chromium or Chrome on PATH.
pub fn browser() -> Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    find("CHROMIUM", &names)
        .context("no Chromium or Chrome found: install one, or set CHROMIUM to the path of its program")
}

/// `$CHROMEDRIVER`, else chromedriver on PATH. It must be of the browser's version.
pub fn driver() -> Result<PathBuf> {
    find("CHROMEDRIVER", &["chromedriver"])
        .context("no chromedriver found: install the one of your Chrome's version, or set CHROMEDRIVER to its path")
}

fn find(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    if let Some(path) = paths::find_program(names) {
        return Ok(path);
    }
    if apt::is_there() {
        apt::ensure(&["chromium", "chromium-driver"])?;
    }
    paths::find_program(names).with_context(|| format!("{} is not on PATH", names[0]))
}
