//! The compiler for wasm32-unknown-unknown: the toolchain in use, to which rustup adds what it lacks, or, where rustup can't,
//! Debian's `rustc-web` with a standard library built here once. `CHAT_WASM_TOOLCHAIN=debian` takes the second unasked.

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
use std::sync::OnceLock;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Changes when the recipe below does, so that an old cache is not taken for a new one.
const RECIPE: u32 = 1;

/// What `debian` needs.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-clippy", "rust-web-src", "lld-22"];

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
            Err(_) | Ok("") => match source()? {
                Source::InUse => Ok(WasmToolchain { bin: None, rustflags: remap()?, linker: None }),
                Source::Debian => debian(),
            },
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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// The toolchain that runs xtask.
    InUse,
    Debian,
}

/// Decided once in a run of xtask, and said once.
fn source() -> Result<Source> {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    if let Some(source) = SOURCE.get() {
        return Ok(*source);
    }
    let (source, why) = choose(&Machine {
        missing: missing(),
        has_debians: PACKAGES.iter().all(|package| apt::version(package).is_some()),
        has_apt: apt::is_there(),
        fetch: &rustup_adds,
    })?;
    if let Some(why) = why {
        println!("  {why}");
    }
    Ok(*SOURCE.get_or_init(|| source))
}

struct Machine<'a> {
    /// What the toolchain in use lacks.
    missing: Vec<Part>,
    has_debians: bool,
    has_apt: bool,
    /// Lets rustup add them, or says why it can't.
    fetch: &'a dyn Fn(&[Part]) -> Result<(), String>,
}

/// What is installed comes before what must be fetched, and rustup before apt. With it why Debian's was taken.
fn choose(machine: &Machine) -> Result<(Source, Option<String>)> {
    if machine.missing.is_empty() {
        return Ok((Source::InUse, None));
    }
    let names = machine.missing.iter().map(|part| part.name()).collect::<Vec<_>>().join(" and ");
    if machine.has_debians {
        return Ok((
            Source::Debian,
            Some(format!("this Rust has no {names}: taking Debian's compiler, which is installed")),
        ));
    }
    let Err(why) = (machine.fetch)(&machine.missing) else {
        return Ok((Source::InUse, None));
    };
    if !machine.has_apt {
        bail!(
            "this Rust has no {names}, and {why}. Install rustup (https://rustup.rs) and run `rustup target add {TARGET}` and \
             `rustup component add rust-src` where it can download"
        );
    }
    Ok((Source::Debian, Some(format!("{why}: taking Debian's compiler for {TARGET}"))))
}

/// What building the package needs beyond a compiler.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Target,
    /// The sources of the standard library.
    RustSrc,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Target => TARGET,
            Part::RustSrc => "rust-src",
        }
    }

    fn arguments(self) -> [&'static str; 3] {
        match self {
            Part::Target => ["target", "add", TARGET],
            Part::RustSrc => ["component", "add", "rust-src"],
        }
    }
}

fn missing() -> Vec<Part> {
    let has_sources = || sysroot().is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").is_dir());
    let mut missing = Vec::new();
    missing.extend((!has_target()).then_some(Part::Target));
    missing.extend((!has_sources()).then_some(Part::RustSrc));
    missing
}

fn rustup_adds(parts: &[Part]) -> Result<(), String> {
    if paths::find_program(&["rustup"]).is_none() {
        return Err("there is no rustup to add it".to_owned());
    }
    // Whoever set it wants rustup to install nothing unasked; whoever names a server as well has been asked.
    if env::var("RUSTUP_AUTO_INSTALL").as_deref() == Ok("0") && env::var_os("RUSTUP_DIST_SERVER").is_none() {
        return Err("RUSTUP_AUTO_INSTALL=0 keeps rustup from adding it".to_owned());
    }
    for part in parts {
        run_rustup(Command::new("rustup").args(part.arguments()))?;
    }
    match missing().first() {
        None => Ok(()),
        Some(part) => Err(format!("rustup added {} to another toolchain than the one in use", part.name())),
    }
}

/// Runs rustup, or says in one line why it failed.
fn run_rustup(command: &mut Command) -> Result<(), String> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let title = format!("rustup {}", words.join(" "));
    command.env("RUST_BACKTRACE", "0");
    // Without it a network that swallows packets would cost minutes.
    if env::var_os("RUSTUP_MAX_RETRIES").is_none() {
        command.env("RUSTUP_MAX_RETRIES", "1");
    }
    match process::attempt(&title, command) {
        Ok(ran) if ran.success => Ok(()),
        Ok(ran) => Err(format!("`{title}` failed ({})", cause(&ran.output()))),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// The end of the chain of errors that rustup prints in one line.
fn cause(output: &str) -> &str {
    let Some(chain) = output.lines().find_map(|line| line.strip_prefix("error: ")) else {
        return "it does not say why";
    };
    match chain.rmatch_indices(": ").nth(1) {
        Some((at, colon)) => &chain[at + colon.len()..],
        None => chain,
    }
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
    apt::ensure(&PACKAGES).with_context(|| {
        format!("where there are no such packages, install rustup (https://rustup.rs) and run `rustup target add {TARGET}` and `rustup component add rust-src`")
    })?;
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

#[cfg(test)]
mod tests {
    use super::{Machine, Part, Source, cause, choose, run_rustup};
    use crate::paths;
    use std::process::Command;

    const REFUSED: &str =
        "`rustup target add wasm32-unknown-unknown` failed (tcp connect error: Connection refused (os error 111))";

    #[test]
    fn what_is_installed_comes_before_what_must_be_fetched_and_rustup_before_apt() {
        let all = [Part::Target, Part::RustSrc];
        let cannot = |_: &[Part]| Err(REFUSED.to_owned());
        let can = |_: &[Part]| Ok(());
        let never = |_: &[Part]| panic!("nothing is to be fetched");
        type Fetch<'a> = &'a dyn Fn(&[Part]) -> Result<(), String>;
        let chosen = |missing: &[Part], has_debians: bool, has_apt: bool, fetch: Fetch| {
            choose(&Machine { missing: missing.to_vec(), has_debians, has_apt, fetch })
        };

        assert_eq!(chosen(&[], true, true, &never).unwrap(), (Source::InUse, None));
        let (source, why) = chosen(&all[1..], true, true, &never).unwrap();
        assert_eq!(source, Source::Debian);
        assert_eq!(why.unwrap(), "this Rust has no rust-src: taking Debian's compiler, which is installed");
        assert_eq!(chosen(&all, false, true, &can).unwrap(), (Source::InUse, None));
        let (source, why) = chosen(&all, false, true, &cannot).unwrap();
        assert_eq!(source, Source::Debian);
        assert_eq!(why.unwrap(), format!("{REFUSED}: taking Debian's compiler for wasm32-unknown-unknown"));
        let neither = chosen(&all, false, false, &cannot).unwrap_err().to_string();
        assert!(neither.starts_with("this Rust has no wasm32-unknown-unknown and rust-src, and `rustup"), "{neither}");
        assert!(neither.contains("https://rustup.rs") && !neither.contains('\n'), "{neither}");
    }

    #[test]
    fn a_genuine_rustup_that_is_refused_gives_one_line() {
        if paths::find_program(&["rustup"]).is_none() {
            println!("no rustup on PATH: left out");
            return;
        }
        // Nobody listens there, and nobody has this target.
        let why = run_rustup(
            Command::new("rustup")
                .args(["target", "add", "x86_64-unknown-redox"])
                .env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9"),
        )
        .unwrap_err();
        let refused =
            "`rustup target add x86_64-unknown-redox` failed (tcp connect error: Connection refused (os error ";
        assert!(why.starts_with(refused) && !why.contains('\n'), "{why}");
    }

    #[test]
    fn the_cause_is_the_end_of_the_chain() {
        let said = "info: downloading component rust-std\nerror: component download failed for rust-std: could not download file \
                    from 'http://127.0.0.1:9/x' to '/y': tcp connect error: Connection refused (os error 111)\n";
        assert_eq!(cause(said), "tcp connect error: Connection refused (os error 111)");
        assert_eq!(cause("error: no such toolchain\n"), "no such toolchain");
        assert_eq!(cause(""), "it does not say why");
    }
}
