//! Debian packages: the compiler where rustup can't fetch one, and the browser.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Installs those of `packages` that are missing; without root it says the line to run.
pub fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|name| version(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get update && apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !nix::unistd::geteuid().is_root() {
        bail!("missing Debian packages: run `sudo sh -c '{line}'`");
    }
    process::run("apt-get install", Command::new("sh").args(["-c", &line]).env("DEBIAN_FRONTEND", "noninteractive"))
        .with_context(|| format!("could not install {}", missing.join(", ")))?;
    Ok(())
}

/// Whether this machine installs by apt.
pub fn is_there() -> bool {
    paths::find_program(&["apt-get"]).is_some()
}

/// The version of an installed package.
pub fn version(package: &str) -> Option<String> {
    let output =
        Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Abbrev}|${Version}", package]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (status, version) = text.split_once('|')?;
    status.starts_with("ii").then(|| version.to_owned())
}
