//! The second browser of the package's tests and of the end-to-end tests, where it can be had.

use crate::{apt, paths};
use std::env;
use std::path::PathBuf;

/// `$FIREFOX`, else Firefox on PATH; installed where apt is.
pub fn browser() -> Option<PathBuf> {
    match env::var_os("FIREFOX").filter(|path| !path.is_empty()) {
        Some(path) => Some(PathBuf::from(path)),
        None => {
            let find = || paths::find_program(&["firefox-esr", "firefox"]);
            if find().is_none()
                && apt::is_there()
                && let Err(error) = apt::ensure(&["firefox-esr"])
            {
                println!("  Firefox could not be installed: {error:#}");
            }
            find()
        }
    }
}
