//! Cargo-installed tools at pinned versions, cached outside the checkout as `<tool>-<version>`.

use crate::toolchain::{keep, work_dir};
use crate::{paths, process};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WASM_PACK: &str = "0.15.1";

/// The folder with `wasm-bindgen` and `wasm-bindgen-test-runner`, at the version that Cargo.lock has: the two must be equal.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let lock = paths::root().join("Cargo.lock");
    let text = fs::read_to_string(&lock).with_context(|| format!("could not read {}", lock.display()))?;
    let version = text
        .split("[[package]]")
        .find(|package| package.contains("\nname = \"wasm-bindgen\"\n"))
        .and_then(|package| package.split_once("version = \"")?.1.split_once('"'))
        .map(|(version, _)| version)
        .context("Cargo.lock has no wasm-bindgen")?;
    installed("wasm-bindgen", "wasm-bindgen-cli", version)
}

/// The folder with `wasm-pack`.
pub fn wasm_pack() -> Result<PathBuf> {
    installed("wasm-pack", "wasm-pack", WASM_PACK)
}

fn installed(tool: &str, package: &str, version: &str) -> Result<PathBuf> {
    let dir = paths::cache()?.join(format!("{tool}-{version}"));
    let bin = dir.join("bin");
    if bin.join(tool).is_file() {
        return Ok(bin);
    }
    let work = work_dir(tool)?;
    let made = work.join("made");
    let title = format!("cargo install {package} {version}");
    // The tool's own lock file may name versions that a registry mirror does not have yet.
    let locked = process::attempt(&title, &mut cargo_install(package, version, &work, true))?;
    if !locked.success {
        process::run(&format!("{title}, unlocked"), &mut cargo_install(package, version, &work, false))?;
    }
    keep(&made, &dir)?;
    fs::remove_dir_all(&work)?;
    Ok(bin)
}

fn cargo_install(package: &str, version: &str, work: &Path, locked: bool) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["install", package, "--version", version, "--root"])
        .arg(work.join("made"))
        .args(locked.then_some("--locked"))
        .env("CARGO_TARGET_DIR", work.join("target"))
        // They run for seconds and are compiled on two cores: compile time counts.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command
}
