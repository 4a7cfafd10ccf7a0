//! `cargo xtask chaos`: two people type in Chromium while everything fails, with chopped-chat and with the baseline client.

use crate::stack::Stack;
use crate::{build, chromium, node, paths, process, sim};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// How many rounds to play
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// The first round's seed; drawn from the clock if absent
    #[arg(long)]
    seed: Option<u32>,
    /// How often to play each outage of 20 s, for the table of recoveries; some three minutes for each time
    #[arg(long, default_value_t = 3)]
    recoveries: u32,
    /// How many inboxes to play
    #[arg(long, default_value_t = 20)]
    inboxes: u32,
}

/// True if chopped-chat lost, doubled and swapped nothing.
pub fn run(options: &Options) -> Result<bool> {
    build::package()?;
    let stack = Stack::start(0)?;
    let mut program = program(&stack, options.rounds, options.seed)?;
    program.arg(format!("--recoveries={}", options.recoveries)).arg(format!("--inboxes={}", options.inboxes));
    let played = process::watch(&mut program)?.success();
    Ok(replay()? && played)
}

/// What a page of each round recorded, replayed in a native engine. True if all of it was the same again.
pub fn replay() -> Result<bool> {
    let mut good = true;
    let folder = recordings();
    let program = sim::program(false)?;
    let files = fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))?;
    for file in files.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let title = format!("replay {}", file.file_name().unwrap_or_default().display());
        let ran = process::attempt(&title, Command::new(program.get_program()).arg("--replay").arg(&file))?;
        println!("    {}", process::tail(&ran.log, 1).trim());
        good &= ran.success;
    }
    Ok(good)
}

fn recordings() -> PathBuf {
    paths::target().join("recordings")
}

/// Its rounds on `stack`, with the package that is built.
pub fn program(stack: &Stack, rounds: u32, seed: Option<u32>) -> Result<Command> {
    let dir = node::install("tests/e2e")?;
    // The peer's library.
    node::install("tests/supabase-js")?;
    let mut command = Command::new("node");
    command.arg("chaos/chaos.js").arg(format!("--rounds={rounds}"));
    let recordings = recordings();
    _ = fs::remove_dir_all(&recordings);
    fs::create_dir_all(&recordings).with_context(|| format!("could not make {}", recordings.display()))?;
    command.arg("--recordings").arg(recordings);
    command.args(seed.map(|seed| format!("--seed={seed}")));
    command.envs(stack.addresses.environment()).env("CHROMIUM", chromium::browser()?).current_dir(dir);
    Ok(command)
}
