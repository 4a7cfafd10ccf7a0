//! Node packages of this checkout.

use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const OLDEST: u32 = 20;

/// `npm ci` in `folder` (of the checkout), unless its lock file is the one installed last.
pub fn install(folder: &str) -> Result<PathBuf> {
    let dir = paths::root().join(folder);
    let version = node_version()?;
    let lock_file = dir.join("package-lock.json");
    let lock = fs::read_to_string(&lock_file).with_context(|| format!("could not read {}", lock_file.display()))?;
    let installed = format!("node {version}\n{lock}");
    let stamp = dir.join("node_modules/.xtask-stamp");
    if fs::read_to_string(&stamp).is_ok_and(|last| last == installed) {
        return Ok(dir);
    }
    process::run(
        &format!("npm ci in {folder}"),
        Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir),
    )?;
    fs::write(&stamp, installed).with_context(|| format!("could not write {}", stamp.display()))?;
    Ok(dir)
}

/// A program of an installed package, run by node itself so that no npm stands between us and it.
pub fn program(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(dir.join("node_modules").join(script)).current_dir(dir);
    command
}

fn node_version() -> Result<String> {
    let install = "install Node.js 20 or newer from nodejs.org or your package manager";
    let output = Command::new("node")
        .arg("--version")
        .output()
        .with_context(|| format!("there is no node on PATH: {install}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major: Option<u32> = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= OLDEST => Ok(version),
        _ => bail!("node {version} is too old: {install}"),
    }
}
