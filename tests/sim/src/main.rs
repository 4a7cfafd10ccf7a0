//! `sim`: plays seeds until one fails or all are done.

use clap::Parser;
use sim::{Coverage, run};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Engines against a model server under faults, many times over.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to play.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed; drawn from the clock if absent.
    #[arg(long)]
    base: Option<u64>,
    /// Plays this one seed and prints what happens.
    #[arg(long)]
    trace: Option<u64>,
    /// Breaks the engine in this one way meanwhile. Needs the feature `mutations`.
    #[arg(long, requires = "trace")]
    mutation: Option<String>,
    /// Runs a recording of chopped-chat/debug through an engine, prints what happens and whether it is the same.
    #[arg(long)]
    replay: Option<std::path::PathBuf>,
    /// Breaks the engine on purpose, in each way in turn, and wants each caught. Needs the feature `mutations`.
    #[arg(long)]
    mutants: bool,
    /// Threads; as many as there are processors if absent.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.mutation
        && let Err(why) = mutate(name)
    {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    if let Some(file) = &arguments.replay {
        return replay(file);
    }
    if let Some(seed) = arguments.trace {
        return match run(seed, true) {
            Ok(summary) => {
                for line in &summary.trace {
                    println!("{line}");
                }
                println!("seed {seed} holds: {} sends, {} requests", summary.sent, summary.requests);
                ExitCode::SUCCESS
            }
            Err(failure) => {
                for line in &failure.trace {
                    println!("{line}");
                }
                println!("seed {seed} fails {}", failure.why);
                ExitCode::FAILURE
            }
        };
    }
    if arguments.mutants {
        return mutants(arguments.seeds);
    }
    let base = arguments.base.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(1, |d| d.as_secs() % 1_000_000_000 * 1_000_000)
    });
    println!("base seed {base}");
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new((Coverage::default(), [0u64; 4]));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut coverage = Coverage::default();
                let mut sums = [0; 4];
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= arguments.seeds || failed.load(Ordering::Relaxed) {
                        break;
                    }
                    match run(base + n, false) {
                        Ok(summary) => {
                            coverage.add(&summary.coverage);
                            let counts = [summary.sent, summary.requests, summary.joins, summary.connects];
                            for (sum, count) in sums.iter_mut().zip(counts) {
                                *sum += count;
                            }
                        }
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            println!("seed {} fails {}", base + n, failure.why);
                            println!("replay: cargo xtask sim --trace {}", base + n);
                        }
                    }
                    if n > 0 && n.is_multiple_of(20_000) {
                        println!("{n} runs, {:.0} s", start.elapsed().as_secs_f64());
                    }
                }
                let mut total = total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                total.0.add(&coverage);
                for (sum, count) in total.1.iter_mut().zip(sums) {
                    *sum += count;
                }
            });
        }
    });
    let (coverage, [sent, requests, joins, connects]) = total.into_inner().unwrap_or_else(|e| e.into_inner());
    let mut missing = false;
    for (name, count) in coverage.counts() {
        println!("{count:>12}  {name}");
        missing |= count == 0;
    }
    println!(
        "{sent} sends, {requests} requests, {joins} joins, {connects} connects in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    if failed.into_inner() {
        return ExitCode::FAILURE;
    }
    // Some of it is rare: only seeds that are always the same, or very many, must reach all of it.
    if missing && (arguments.base.is_some() && arguments.seeds >= 1_000 || arguments.seeds >= 50_000) {
        println!("something was never reached");
        return ExitCode::FAILURE;
    }
    println!("{} runs: 0 lost, 0 doubled, 0 swapped", arguments.seeds);
    ExitCode::SUCCESS
}

/// Runs a recording through an engine.
fn replay(file: &std::path::Path) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("could not read {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    match chopped_chat::replay::replay(&text) {
        Ok(report) => {
            for line in &report.trace {
                println!("{line}");
            }
            println!("{} inputs, {} outputs the same", report.inputs, report.outputs);
            match report.differs {
                None => ExitCode::SUCCESS,
                Some(difference) => {
                    println!("differs at {difference}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(why) => {
            eprintln!("{}: {why}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// Switches a mutation on, in this thread.
#[cfg(feature = "mutations")]
fn mutate(name: &str) -> Result<(), String> {
    use chopped_chat::mutation::{Mutation, set};
    match Mutation::ALL.iter().find(|mutation| format!("{mutation:?}") == name) {
        Some(mutation) => {
            set(Some(*mutation));
            Ok(())
        }
        None => Err(format!("no mutation is named {name}; there are {:?}", Mutation::ALL)),
    }
}

#[cfg(not(feature = "mutations"))]
fn mutate(_: &str) -> Result<(), String> {
    Err("build with --features mutations".into())
}

/// Plays seeds against each mutation until one fails.
#[cfg(feature = "mutations")]
fn mutants(seeds: u64) -> ExitCode {
    use chopped_chat::mutation::{Mutation, set};
    let mut missed = 0;
    for mutation in Mutation::ALL {
        let name = format!("{mutation:?}");
        set(Some(*mutation));
        let caught = (0..seeds).find_map(|seed| {
            // A mutation may also run into a check of the model or of the engine's own arithmetic.
            let result = std::panic::catch_unwind(|| run(seed, false));
            match result {
                Ok(Ok(_)) => None,
                Ok(Err(failure)) => Some((seed, failure.why)),
                Err(_) => Some((seed, "panicked".into())),
            }
        });
        match caught {
            Some((seed, why)) => {
                let why = why.lines().next().unwrap_or_default().to_owned();
                println!("caught after {:>6} seeds  {name:<22} {why}", seed + 1);
            }
            None => {
                missed += 1;
                println!("MISSED in {seeds:>6} seeds  {name}");
            }
        }
    }
    println!("{} passed, {missed} failed", Mutation::ALL.len() - missed);
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "mutations"))]
fn mutants(_: u64) -> ExitCode {
    eprintln!("build with --features mutations: cargo run --release -p sim --features mutations -- --mutants");
    ExitCode::FAILURE
}
