//! The compiler for wasm32-unknown-unknown: the toolchain in use with rustup's target or, with
//! `CHAT_WASM_TOOLCHAIN=debian`, Debian's `rustc-web` with a standard library built here once, for machines where rustup
//! must not download.

use crate::{apt, paths, process};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Changes when the recipe below does, so that an old cache is not taken for a new one.
const RECIPE: u32 = 1;

pub struct WasmToolchain {
    /// Goes in front of PATH.
    bin: Option<PathBuf>,
    rustflags: Vec<OsString>,
    linker: Option<&'static str>,
}

impl WasmToolchain {
    /// Finds it, and installs or builds what is missing.
    pub fn ready() -> Result<WasmToolchain> {
        match env::var("CHAT_WASM_TOOLCHAIN").as_deref() {
            Err(_) | Ok("") => ordinary(),
            Ok("debian") => debian(),
            Ok(other) => bail!(
                "CHAT_WASM_TOOLCHAIN={other} is unknown: unset it, or set it to `debian` to use Debian's compiler"
            ),
        }
    }

    /// A `cargo` that compiles for the target; the caller names `--target`.
    pub fn cargo(&self) -> Result<Command> {
        let mut command = Command::new(match &self.bin {
            Some(bin) => bin.join("cargo"),
            None => PathBuf::from("cargo"),
        });
        self.apply(&mut command, &[])?;
        Ok(command)
    }

    /// A `cargo` that compiles what ships, the standard library with it: its ready-made copy is compiled for speed and carries
    /// the texts of panics, which nobody sees in a page (13 KiB of 66, gzipped). Unstable options of the compiler, which
    /// stable ones take when told to; pinned by what the size gate measures.
    pub fn cargo_for_package(&self) -> Result<Command> {
        if self.bin.is_none() {
            rust_src()?;
        }
        let mut command = self.cargo()?;
        let smallest = [
            "-Zunstable-options",
            "-Cpanic=immediate-abort",
            "-Zlocation-detail=none",
            "-Zfmt-debug=none",
            "-Clink-arg=-zstack-size=131072",
        ];
        // A sysroot of our own has a library but no sources.
        let own = self.rustflags.iter().skip(if self.bin.is_some() { 2 } else { 0 }).cloned();
        let flags: Vec<OsString> = own.chain(smallest.map(OsString::from)).collect();
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\u{1f}")))
            .args(["build", "-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
        Ok(command)
    }

    /// The environment in which a program that calls `cargo` gets this toolchain; `tools` go on PATH too.
    pub fn apply(&self, command: &mut Command, tools: &[PathBuf]) -> Result<()> {
        let bins: Vec<PathBuf> = self.bin.iter().chain(tools).cloned().collect();
        command
            .env("PATH", paths::path_with(&bins)?)
            .env("CARGO_TARGET_DIR", target_dir())
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags.join(&OsString::from("\u{1f}")));
        if let Some(linker) = self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        if self.bin.is_some() {
            // What `cargo xtask` got from rustup would lead back to rustup's compiler.
            for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "LD_LIBRARY_PATH"] {
                command.env_remove(name);
            }
        }
        Ok(())
    }
}

/// The folder of what is compiled for the target, apart from the native one: two compilers, two cargo locks.
pub fn target_dir() -> PathBuf {
    paths::target().join("wasm")
}

/// Panic messages hold source paths: they must be the same on every machine, and tell nothing about this one.
fn remap() -> Result<Vec<OsString>> {
    let flag = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flag
    };
    let mut flags = vec![flag(&paths::root(), "chopped-chat")];
    for sysroot in [sysroot(), Some(PathBuf::from("/usr"))].into_iter().flatten() {
        flags.push(flag(&sysroot.join("lib/rustlib/src/rust"), "std"));
    }
    let registry = paths::cargo_home()?.join("registry/src");
    for index in fs::read_dir(&registry).into_iter().flatten().flatten() {
        flags.push(flag(&index.path(), "crates"));
    }
    Ok(flags)
}

fn ordinary() -> Result<WasmToolchain> {
    if !has_target() {
        if paths::find_program(&["rustup"]).is_none() {
            bail!(
                "this Rust has no {TARGET} and there is no rustup to add it: install it by your package manager, or use rustup"
            );
        }
        process::run("rustup target add", Command::new("rustup").args(["target", "add", TARGET])).with_context(
            || format!("run `rustup target add {TARGET}`, or on Debian set CHAT_WASM_TOOLCHAIN=debian"),
        )?;
    }
    Ok(WasmToolchain { bin: None, rustflags: remap()?, linker: None })
}

/// The sources of the standard library.
fn rust_src() -> Result<()> {
    let there = sysroot().is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").is_dir());
    if !there {
        process::run("rustup component add rust-src", Command::new("rustup").args(["component", "add", "rust-src"]))
            .context("the package is built with its standard library, whose sources are missing: install rust-src")?;
    }
    Ok(())
}

fn sysroot() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn has_target() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    match output {
        Ok(output) => Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir(),
        Err(_) => false,
    }
}

fn debian() -> Result<WasmToolchain> {
    apt::ensure(&["rustc-web", "cargo-web", "rust-web-clippy", "rust-web-src", "lld-22"])?;
    let version = apt::version("rustc-web").context("rustc-web was installed and is gone")?;
    let sysroot = paths::cache()?.join(format!("wasm-sysroot-{version}-{RECIPE}"));
    if !sysroot.is_dir() {
        build_sysroot(&sysroot)?;
    }
    let mut rustflags = vec![OsString::from("--sysroot"), sysroot.clone().into_os_string()];
    rustflags.extend(remap()?);
    Ok(WasmToolchain { bin: Some(sysroot.join("bin")), rustflags, linker: Some("wasm-ld-22") })
}

/// Debian ships the compiler and the sources of the standard library, not the library for this target.
fn build_sysroot(sysroot: &Path) -> Result<()> {
    let work = work_dir("sysroot")?;
    fs::create_dir_all(work.join("crate/src"))?;
    fs::write(
        work.join("crate/Cargo.toml"),
        "[package]\nname = \"std-for-wasm\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::write(work.join("crate/src/lib.rs"), "#![no_std]\n")?;
    // Bitcode is for fat LTO; `test` for `cargo test`; RUSTC_BOOTSTRAP for -Zbuild-std in a stable compiler.
    let mut rustflags = vec![OsString::from("-Cembed-bitcode=yes")];
    rustflags.extend(remap()?);
    process::run(
        "std for wasm32 (once)",
        Command::new("/usr/bin/cargo")
            .current_dir(work.join("crate"))
            .args(["build", "--release", "--target", TARGET])
            .arg("-Zbuild-std=std,panic_abort,test,proc_macro")
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", work.join("target"))
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join(&OsString::from("\u{1f}")))
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .env_remove("LD_LIBRARY_PATH"),
    )?;

    let made = work.join("made");
    let lib = made.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&lib)?;
    let deps = work.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&deps).with_context(|| format!("no {}", deps.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| name.ends_with(".rlib") && !name.contains("std_for_wasm")) {
            fs::copy(&path, lib.join(name))?;
        }
    }
    fs::create_dir_all(made.join("bin"))?;
    for program in ["cargo", "rustc", "rustdoc", "cargo-clippy", "clippy-driver"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), made.join("bin").join(program))?;
    }
    keep(&made, sysroot)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// A fresh folder in the cache, in which something is made before it gets its name. What runs cut short left is removed.
pub fn work_dir(what: &str) -> Result<PathBuf> {
    let cache = paths::cache()?;
    for entry in fs::read_dir(&cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix("tmp-")?.rsplit('-').next()?.parse().ok());
        if maker.is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)) {
            _ = fs::remove_dir_all(entry.path());
        }
    }
    let dir = cache.join(format!("tmp-{what}-{}", std::process::id()));
    fs::create_dir_all(&dir).with_context(|| format!("could not make {}", dir.display()))?;
    Ok(dir)
}

/// Gives what was made its name, at once, so that nothing half-made is ever found under it.
pub fn keep(made: &Path, name: &Path) -> Result<()> {
    if name.exists() {
        fs::remove_dir_all(name)?;
    }
    fs::rename(made, name).with_context(|| format!("could not rename {} to {}", made.display(), name.display()))
}
