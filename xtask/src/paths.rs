//! Where things are: the checkout, cargo's target folder, the cache that outlives both.

use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// The root of the checkout.
pub fn root() -> PathBuf {
    // Set by `cargo run`; the compiled-in path serves a binary started by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.ends_with("xtask"))
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// `$XDG_CACHE_HOME/chopped-chat`, else `~/.cache/chopped-chat`.
pub fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => home()?.join(".cache"),
    };
    Ok(base.join("chopped-chat"))
}

pub fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME") {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => Ok(home()?.join(".cargo")),
    }
}

fn home() -> Result<PathBuf> {
    env::var_os("HOME").map(PathBuf::from).context("HOME is not set: set it, or XDG_CACHE_HOME and CARGO_HOME")
}

/// The folders of `bins`, then the ones of PATH.
pub fn path_with(bins: &[PathBuf]) -> Result<std::ffi::OsString> {
    let old = env::var_os("PATH").unwrap_or_default();
    env::join_paths(bins.iter().cloned().chain(env::split_paths(&old)))
        .context("a folder on PATH has a colon in its name")
}

/// The first of `names` that is on PATH.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    names.iter().find_map(|name| env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()))
}
