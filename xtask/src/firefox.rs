//! The second browser of the package tests, where there is one.

use crate::paths;
use std::env;
use std::path::PathBuf;

/// `$FIREFOX`, else Firefox on PATH. It is never installed.
pub fn browser() -> Option<PathBuf> {
    match env::var_os("FIREFOX").filter(|path| !path.is_empty()) {
        Some(path) => Some(PathBuf::from(path)),
        None => paths::find_program(&["firefox-esr", "firefox"]),
    }
}
