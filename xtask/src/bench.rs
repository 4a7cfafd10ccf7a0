//! `cargo xtask bench`: chopped-chat beside what one would use instead. It measures and judges nothing: a goal that is
//! missed is printed, not an error.

use crate::stack::Stack;
use crate::{build, chromium, node, paths, process};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::fs;
use std::process::Command;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Bench {
    /// From the click to the first page, near and far
    Open,
    /// From the click to the list of conversations, and from a message to its line
    Inbox,
    /// Broadcasts from the socket to the list
    Ingest,
    /// From send() to the bubble, to sent, to the other side
    Send,
    /// What open chats hold, and what they say while idle
    Memory,
    /// What a page downloads
    Size,
    /// The database
    Sql,
}

/// Runs `benches`, or all of them, `pairs` rounds each.
pub fn run(benches: &[Bench], pairs: u32) -> Result<()> {
    let wanted = |bench: &Bench| benches.is_empty() || benches.contains(bench);
    if benches.is_empty() || benches.iter().any(|bench| *bench != Bench::Sql) {
        pages(benches, pairs)?;
    }
    if wanted(&Bench::Sql) {
        sql()?;
    }
    Ok(())
}

fn pages(benches: &[Bench], pairs: u32) -> Result<()> {
    let dir = node::install("tests/bench")?;
    let chromium = chromium::browser()?;
    build::package()?;
    let out = paths::target().join("bench");
    fs::create_dir_all(&out).with_context(|| format!("could not make {}", out.display()))?;
    let stack = Stack::start_release()?;
    let at = &stack.addresses;
    let mut command = Command::new("node");
    command.args(["bench.js", "--pairs", &pairs.to_string()]);
    for bench in benches.iter().filter(|bench| **bench != Bench::Sql) {
        command.arg(bench.to_possible_value().context("every bench has a name")?.get_name());
    }
    command
        .env("SUPABASE_URL", &at.url)
        .env("SUPABASE_ANON_KEY", &at.anon_key)
        .env("SUPABASE_SERVICE_ROLE_KEY", &at.service_role_key)
        .env("ADMIN_URL", &at.admin_url)
        .env("DATABASE_URL", &at.database_url)
        .env("CHROMIUM", chromium)
        .env("BENCH_OUT", &out)
        .current_dir(dir);
    let ran = process::attempt("benchmarks in Chromium", &mut command)?;
    // Without what it said of its progress.
    for line in ran.output().lines().filter(|line| !line.starts_with('…')) {
        println!("{line}");
    }
    anyhow::ensure!(ran.success, "the benchmarks stopped: the whole log is {}", ran.log.display());
    println!("JSON and plots: {}", out.display());
    Ok(())
}

fn sql() -> Result<()> {
    node::install("tests/stand-in")?;
    let ran = process::attempt(
        "benchmarks of the database",
        Command::new("cargo")
            .args(["run", "--release", "--package", "sql-tests", "--bin", "bench"])
            .current_dir(paths::root()),
    )?;
    print!("{}", ran.output());
    anyhow::ensure!(ran.success, "the benchmarks of the database stopped: the whole log is {}", ran.log.display());
    Ok(())
}
