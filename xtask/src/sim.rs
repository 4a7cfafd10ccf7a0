//! `cargo xtask sim`: the engine under faults, from seeds.

use crate::{paths, process};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// How many seeds to play
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed; drawn from the clock if absent
    #[arg(long)]
    base: Option<u64>,
    /// Play this one seed and print what happens
    #[arg(long)]
    trace: Option<u64>,
    /// Break the engine on purpose, in each way in turn, and want each caught
    #[arg(long)]
    mutants: bool,
    /// With --trace: break the engine in this one way meanwhile, such as NoDedupe
    #[arg(long, requires = "trace")]
    mutation: Option<String>,
}

#[derive(Args)]
pub struct Replay {
    /// What session.recording() of chopped-chat/debug gave
    file: PathBuf,
}

/// True if the engine did the same again.
pub fn replay(options: &Replay) -> Result<bool> {
    let file = options.file.canonicalize().with_context(|| format!("no file {}", options.file.display()))?;
    let ran = process::watch(program(false)?.arg("--replay").arg(file))?;
    Ok(ran.success())
}

/// True if every run kept its promise.
pub fn run(options: &Options) -> Result<bool> {
    let mut arguments = vec![format!("--seeds={}", options.seeds)];
    arguments.extend(options.base.map(|base| format!("--base={base}")));
    arguments.extend(options.trace.map(|trace| format!("--trace={trace}")));
    arguments.extend(options.mutants.then(|| "--mutants".to_owned()));
    arguments.extend(options.mutation.as_ref().map(|name| format!("--mutation={name}")));
    let mut command = program(options.mutants || options.mutation.is_some())?;
    let ran = process::watch(command.args(arguments))?;
    Ok(ran.success())
}

/// The simulation, compiled; with deliberate faults in it for `mutants`.
pub fn program(mutants: bool) -> Result<Command> {
    let (title, features, dir) = match mutants {
        true => ("simulation with mutations", "mutations", "sim-mutants"),
        false => ("simulation", "", "sim"),
    };
    // Folders of their own: a change of features would compile the other one anew each time.
    let target = paths::target().join(dir);
    process::run(
        title,
        Command::new("cargo")
            .args(["build", "--release", "--package", "sim", "--features", features])
            .env("CARGO_TARGET_DIR", &target)
            .current_dir(paths::root()),
    )?;
    Ok(Command::new(target.join("release/sim")))
}
