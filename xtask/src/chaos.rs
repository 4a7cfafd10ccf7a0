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
    /// How often to play each outage of 20 s, for the table of recoveries; some three minutes for each time
    #[arg(long, default_value_t = 3)]
    recoveries: u32,
}

/// True if chopped-chat lost, doubled and swapped nothing.
pub fn run(options: &Options) -> Result<bool> {
    build::package()?;
    let stack = Stack::start(0)?;
    Ok(process::watch(&mut program(&stack, options.rounds, options.seed, options.recoveries)?)?.success())
}

/// Its rounds on `stack`, with the package that is built.
pub fn program(stack: &Stack, rounds: u32, seed: Option<u32>, recoveries: u32) -> Result<Command> {
    let dir = node::install("tests/e2e")?;
    // The peer's library.
    node::install("tests/supabase-js")?;
    let mut command = Command::new("node");
    command.arg("chaos/chaos.js").arg(format!("--rounds={rounds}")).arg(format!("--recoveries={recoveries}"));
    command.args(seed.map(|seed| format!("--seed={seed}")));
    command.envs(stack.addresses.environment()).env("CHROMIUM", chromium::browser()?).current_dir(dir);
    Ok(command)
}
