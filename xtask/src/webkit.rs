//! What stands for Safari in the end-to-end tests, where it can be had: Debian's WebKitGTK, on a screen in memory.

use crate::{apt, paths};
use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// `$WEBKIT_DRIVER`, else WebKitWebDriver on PATH, beside Xvfb; installed where apt is. The error says why there is none.
pub fn driver() -> Result<PathBuf> {
    const SCREEN: &str = "Xvfb";
    const DRIVER: &str = "WebKitWebDriver";
    let named = env::var_os("WEBKIT_DRIVER").filter(|path| !path.is_empty()).map(PathBuf::from);
    let find = || Some((paths::find_program(&[SCREEN])?, named.clone().or_else(|| paths::find_program(&[DRIVER]))?));
    if find().is_none() && apt::is_there() {
        apt::ensure(&["webkit2gtk-driver", "xvfb"])?;
    }
    let (_, driver) = find().with_context(|| format!("{DRIVER} or {SCREEN} is not on PATH"))?;
    Ok(driver)
}
