//! `cargo xtask build`: the npm package in `pkg/`.

use crate::toolchain::{self, WasmToolchain};
use crate::{node, paths, process, tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What rustc emits today; wasm-opt assumes less.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
];

/// The wasm as it ships but for the names of its functions.
const NAMED: &str = "named.wasm";

pub fn run(verify: bool) -> Result<()> {
    package()?;
    print!("{}{}", sizes()?, shares()?);
    if verify { reproduce() } else { Ok(()) }
}

/// Builds `pkg/`, once in a run of xtask.
pub fn package() -> Result<()> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if BUILT.get().is_none() {
        build(&toolchain::target_dir(), &paths::root().join("pkg"))?;
        _ = BUILT.set(());
    }
    Ok(())
}

/// Builds the package once more, from nothing: it must be the same to the byte.
fn reproduce() -> Result<()> {
    let again = paths::target().join("reproduce");
    if again.exists() {
        fs::remove_dir_all(&again).with_context(|| format!("could not remove {}", again.display()))?;
    }
    let [first, second] = [paths::root().join("pkg"), again.join("pkg")];
    build(&again.join("wasm"), &second)?;
    let listed = files(&first)?;
    if listed != files(&second)? {
        bail!("{} and {} do not hold the same files", first.display(), second.display());
    }
    if let Some(path) = listed.iter().find(|path| !same(&first.join(path), &second.join(path))) {
        bail!("built twice, {} is not the same: compare {} and {}", path.display(), first.display(), second.display());
    }
    println!("\nbuilt twice from nothing: {} files, the same to the byte", listed.len());
    Ok(())
}

/// The files below `dir`, by their paths in it, sorted.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("could not list {}", dir.display()))? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?.iter().map(|path| name.join(path)));
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

fn build(target: &Path, out: &Path) -> Result<()> {
    let template = node::install("pkg-template")?;
    let mut command = Command::new("npm");
    command.args(["run", "assemble", "--"]).current_dir(&template);
    for variant in [Variant::Debug, Variant::Inbox, Variant::Core] {
        command.arg(["--", variant.name()].concat()).arg(wasm(target, variant, &template)?);
    }
    process::run("pkg", command.arg("--out").arg(out))?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Core,
    /// With inbox, receipts and changes of messages: `chopped-chat/inbox`.
    Inbox,
    /// With the recorder as well: `chopped-chat/debug`.
    Debug,
}

impl Variant {
    /// Names its folder and its flag of `assemble.mjs`.
    fn name(self) -> &'static str {
        match self {
            Variant::Core => "core",
            Variant::Inbox => "inbox",
            Variant::Debug => "debug",
        }
    }

    fn features(self) -> &'static str {
        match self {
            Variant::Core => "",
            Variant::Inbox => "changes",
            Variant::Debug => "changes,recording",
        }
    }
}

/// Makes the wasm and its glue; returns the folder.
fn wasm(target: &Path, variant: Variant, template: &Path) -> Result<PathBuf> {
    let bindgen = tools::wasm_bindgen()?;
    process::run(
        &format!("engine to wasm: {}", variant.name()),
        WasmToolchain::ready()?
            .cargo_for_package()?
            .args(["--package", "chopped-chat", "--lib", "--features", variant.features()])
            .args(["--profile", "wasm", "--target", toolchain::TARGET])
            .env("CARGO_TARGET_DIR", target)
            .current_dir(paths::root()),
    )?;
    let compiled = target.join(toolchain::TARGET).join("wasm/chopped_chat.wasm");

    let made = made(target, &bindgen).join(variant.name());
    let source = made.join("source.wasm");
    if !(same(&compiled, &source) && made.join(NAMED).is_file()) {
        fs::create_dir_all(&made)?;
        _ = fs::remove_file(&source);
        process::run(
            "wasm-bindgen",
            Command::new(bindgen.join("wasm-bindgen"))
                .args(["--target", "web", "--omit-default-module-path"])
                .args(["--out-name", "core", "--out-dir"])
                .arg(&made)
                .arg(&compiled),
        )?;
        let wasm = made.join("core_bg.wasm");
        let named = made.join(NAMED);
        let optimise = |title: &str, rounds: &[&str], from: &Path, to: &Path| {
            let mut command = node::program(template, "binaryen/bin/wasm-opt");
            process::run(title, command.args(rounds).args(WASM_FEATURES).arg(from).arg("-o").arg(to))
        };
        // Every round still finds something. The names are for `shares`: the last one changes hardly a byte of the code.
        // Of a function with one caller the body stays out of it if it is more than some instructions: many small functions
        // are more bytes than few big ones, and fewer once compressed (1.1 KiB).
        let small = ["--one-caller-inline-max-function-size", "20"];
        let rounds: &[&str] = if variant == Variant::Debug { &["-O1"] } else { &["-Oz", "-Oz"] };
        optimise("wasm-opt", &[rounds, &small, &["--debuginfo"]].concat(), &wasm, &named)?;
        let strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
        optimise("wasm-opt, without names", &[&rounds[..1], &small, &strip].concat(), &named, &wasm)?;
        // Last, so that a run cut short is done again.
        fs::copy(&compiled, &source)?;
    }
    Ok(made)
}

/// Where the wasm and its glue are made. Named after its tools: a new wasm-bindgen starts a new folder.
fn made(target: &Path, bindgen: &Path) -> PathBuf {
    target.join("package").join(bindgen.parent().and_then(Path::file_name).unwrap_or_default())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

/// Bytes of what a page loads: raw, gzip and brotli at their best.
fn sizes() -> Result<String> {
    let script = r#"
        const z = require('zlib')
        const cell = value => String(value).padStart(10)
        console.log('\npkg'.padEnd(35) + ['bytes', 'gzip', 'brotli'].map(cell).join(''))
        for (const path of process.argv.slice(1)) {
            const bytes = require('fs').readFileSync(path)
            console.log(path.padEnd(34) +
                [bytes.length, z.gzipSync(bytes, { level: 9 }).length, z.brotliCompressSync(bytes).length].map(cell).join(''))
        }"#;
    let pkg = paths::root().join("pkg");
    let code = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "js" || kind == "wasm");
    let on_pages = |path: &PathBuf| !["bin", "debug", "vite.js"].iter().any(|other| path.starts_with(other));
    let loaded = files(&pkg)?.into_iter().filter(|path| code(path) && on_pages(path));
    let output = Command::new("node")
        .args(["-e", script, "--"])
        .args(loaded)
        .current_dir(pkg)
        .output()
        .context("could not run node")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Which crate, and which module of ours, the wasm's bytes come from.
fn shares() -> Result<String> {
    let output = Command::new("node")
        .arg(paths::root().join("pkg-template/scripts/weigh.mjs"))
        .arg(made(&toolchain::target_dir(), &tools::wasm_bindgen()?).join(Variant::Core.name()).join(NAMED))
        .output()
        .context("could not run node")?;
    if !output.status.success() {
        bail!("weigh.mjs: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
