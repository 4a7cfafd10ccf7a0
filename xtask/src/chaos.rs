//! `cargo xtask chaos`: two people type in Chromium while everything fails, with chopped-chat and with the plan's client.

use crate::stack::Stack;
use crate::{build, chromium, node, process};
use anyhow::Result;
use clap::Args;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// How many rounds to play
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// The first round's seed; drawn from the clock if absent
    #[arg(long)]
    seed: Option<u32>,
}

/// True if chopped-chat lost, doubled and swapped nothing.
pub fn run(options: &Options) -> Result<bool> {
    let dir = node::install("tests/e2e")?;
    // The peer's library.
    node::install("tests/supabase-js")?;
    let chromium = chromium::browser()?;
    build::package()?;
    let stack = Stack::start(0)?;
    let mut command = Command::new("node");
    command.arg("chaos/chaos.js").arg(format!("--rounds={}", options.rounds));
    command.args(options.seed.map(|seed| format!("--seed={seed}")));
    let ran = process::watch(command.envs(stack.addresses.environment()).env("CHROMIUM", chromium).current_dir(dir))?;
    Ok(ran.success())
}
