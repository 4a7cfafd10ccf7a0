//! `cargo xtask`: builds, runs and tests chopped-chat.

mod accounts;
mod apt;
mod arrows;
mod bench;
mod build;
mod chaos;
mod chromium;
mod demo;
mod example;
mod firefox;
mod node;
mod paths;
mod process;
mod sim;
mod stack;
mod test;
mod toolchain;
mod tools;
mod webkit;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and tests chopped-chat")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the example: two people chat in your browser
    Demo(demo::Options),
    /// Run the tests: all of them, or the suites that are named
    Test(test::Options),
    /// Measure it beside what one would use instead; all of it rewrites the README's tables
    Bench {
        /// What to measure; everything if nothing is named
        benches: Vec<bench::Bench>,
        /// Rounds of each, one after the other
        #[arg(long, default_value_t = 15)]
        pairs: u32,
    },
    /// Play the engine against a model server under faults, from seeds
    Sim(sim::Options),
    /// Run what a page of chopped-chat/debug recorded through the engine: does it do the same?
    Replay(sim::Replay),
    /// Two people type in Chromium while everything fails: chopped-chat beside the baseline client
    Chaos(chaos::Options),
    /// Build the npm package into pkg/
    Build {
        /// Build it a second time from nothing, and compare the bytes
        #[arg(long)]
        verify: bool,
    },
    /// Run the local stand-in for Supabase alone
    Stack {
        /// Port of its API; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = process::end_children_on_signals().and_then(|()| match arguments.command {
        Task::Demo(options) => demo::run(&options).map(|()| true),
        Task::Test(options) => test::run(&options),
        Task::Bench { benches, pairs } => bench::run(&benches, pairs).map(|()| true),
        Task::Sim(options) => sim::run(&options),
        Task::Replay(options) => sim::replay(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Build { verify } => build::run(verify).map(|()| true),
        Task::Stack { port } => stack::run(port).map(|()| true),
    });
    process::end_all();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
