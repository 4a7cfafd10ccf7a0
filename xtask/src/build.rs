//! `cargo xtask build`: the npm package in `pkg/`.

use crate::toolchain::{self, WasmToolchain};
use crate::{node, paths, process, tools};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
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

pub fn run() -> Result<()> {
    package()?;
    print!("{}", sizes()?);
    Ok(())
}

/// Builds `pkg/`, once in a run of xtask.
pub fn package() -> Result<()> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if BUILT.get().is_none() {
        build()?;
        _ = BUILT.set(());
    }
    Ok(())
}

fn build() -> Result<()> {
    let toolchain = WasmToolchain::ready()?;
    let bindgen = tools::wasm_bindgen()?;
    let template = node::install("pkg-template")?;

    process::run(
        "engine to wasm",
        toolchain
            .cargo_for_package()?
            .args(["--package", "chopped-chat", "--lib"])
            .args(["--profile", "wasm", "--target", toolchain::TARGET])
            .current_dir(paths::root()),
    )?;
    let compiled = toolchain::target_dir().join(toolchain::TARGET).join("wasm/chopped_chat.wasm");

    // Named after its tools: a new wasm-bindgen starts a new folder.
    let made =
        toolchain::target_dir().join("package").join(bindgen.parent().and_then(Path::file_name).unwrap_or_default());
    let source = made.join("source.wasm");
    if !same(&compiled, &source) {
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
        process::run(
            "wasm-opt",
            node::program(&template, "binaryen/bin/wasm-opt")
                // Twice: the second round still finds something.
                .args(["-Oz", "-Oz", "--strip-debug", "--strip-producers", "--strip-target-features"])
                .args(WASM_FEATURES)
                .arg(&wasm)
                .arg("-o")
                .arg(&wasm),
        )?;
        // Last, so that a run cut short is done again.
        fs::copy(&compiled, &source)?;
    }
    process::run(
        "pkg",
        Command::new("npm")
            .args(["run", "assemble", "--", "--wasm"])
            .arg(&made)
            .arg("--out")
            .arg(paths::root().join("pkg"))
            .current_dir(&template),
    )?;
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

/// Bytes of what a page loads: raw, gzip and brotli at their best.
fn sizes() -> Result<String> {
    let script = r#"
        const { readdirSync, readFileSync, statSync } = require('fs'), { join, relative } = require('path'), z = require('zlib')
        const root = process.argv[1]
        const files = dir => readdirSync(dir).flatMap(name => {
            const path = join(dir, name)
            return statSync(path).isDirectory() ? files(path) : [path]
        })
        const cell = value => String(value).padStart(10)
        console.log('\npkg'.padEnd(35) + ['bytes', 'gzip', 'brotli'].map(cell).join(''))
        for (const path of files(root).filter(path => /\.(js|mjs|wasm)$/.test(path)).sort()) {
            const bytes = readFileSync(path)
            console.log(relative(root, path).padEnd(34) +
                [bytes.length, z.gzipSync(bytes, { level: 9 }).length, z.brotliCompressSync(bytes).length].map(cell).join(''))
        }"#;
    let output = Command::new("node")
        .args(["-e", script])
        .arg(paths::root().join("pkg"))
        .output()
        .context("could not run node")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
