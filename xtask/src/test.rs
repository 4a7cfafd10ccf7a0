//! `cargo xtask test`: every suite, one count.

use crate::accounts::{self, LOCAL_PASSWORD};
use crate::example::{Example, Mode, Project};
use crate::process::{self, Ran};
use crate::stack::Stack;
use crate::toolchain::{self, WasmToolchain};
use crate::{apt, arrows, build, chaos, chromium, firefox, node, paths, sim, tools, webkit};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::env;
use std::fs;
use std::process::Command;

#[derive(Args)]
pub struct Options {
    /// Suites to run, and behind them a part of a test's name: only the tests whose names contain it run
    #[arg(value_name = "SUITE|NAME", long_help = help())]
    words: Vec<String>,
}

fn help() -> String {
    let suites = Suite::value_variants().iter().filter_map(Suite::to_possible_value);
    let lines = suites.map(|suite| {
        let about = suite.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {:<12} {about}\n", suite.get_name())
    });
    format!(
        "Suites to run; all of them if none is named:\n\n{}\nBehind them a part of a test's name, such as\n  \
         cargo xtask test browser a_lone_message\nOnly the tests whose names contain it run; of lint and sim, the checks whose titles do.",
        lines.collect::<String>()
    )
}

impl Options {
    /// The suites, and the name.
    fn read(&self) -> Result<(Vec<Suite>, Option<&str>)> {
        let suites: Vec<Suite> = self.words.iter().map_while(|word| Suite::from_str(word, false).ok()).collect();
        match &self.words[suites.len()..] {
            [] => Ok((suites, None)),
            [name] => Ok((suites, Some(name))),
            [name, ..] => bail!("{name} is no suite, and a name is one word: see cargo xtask test --help"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Suite {
    /// Formatting, clippy for both targets, TypeScript
    Lint,
    /// What needs no server: the engine and xtask, the package's and the backend's own tests
    Unit,
    /// The engine under faults, from seeds, and its deliberate faults caught
    Sim,
    /// The migrations under every role
    Sql,
    /// The stand-in for Supabase, its REST beside a genuine PostgREST
    StandIn,
    /// The genuine supabase-js: the stand-in as it sees it, and a ChatSession in Chromium on the other side
    SupabaseJs,
    /// The shell in Chromium, against the stand-in
    Browser,
    /// The packed package in every bundler, and its size
    Package,
    /// Two people in Chromium, on the whole example; and what stands for Safari
    E2e,
}

/// True if all passed. The last line it prints is `N passed, N failed`.
pub fn run(options: &Options) -> Result<bool> {
    let (suites, name) = options.read()?;
    let mut total = Count::default();
    for suite in Suite::value_variants() {
        if !suites.is_empty() && !suites.contains(suite) {
            continue;
        }
        let title = suite.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        println!("{title}");
        let mut count = Count { name: name.map(str::to_owned), ..Count::default() };
        if let Err(error) = suite.run(&mut count) {
            println!("  {title}: {error:#}");
            count.failed += 1;
        }
        println!("  {title}: {count}\n");
        total.passed += count.passed;
        total.failed += count.failed;
    }
    println!("{total}");
    if let (Some(name), Count { passed: 0, failed: 0, .. }) = (name, &total) {
        bail!("no test's name contains {name:?}");
    }
    Ok(total.failed == 0)
}

impl Suite {
    fn run(self, count: &mut Count) -> Result<()> {
        match self {
            Suite::Lint => lint(count),
            Suite::Unit => {
                cargo_test(
                    count,
                    &["--package", "chopped-chat", "--features", "chopped-chat/changes", "--package", "xtask"],
                )?;
                npm_test(count, "pkg-template", "tests")?;
                npm_test(count, "www-example/backend", ".tests-built/tests")
            }
            Suite::Sim => simulation(count),
            Suite::Sql => {
                // Its PostgreSQL is the stand-in's.
                node::install("tests/stand-in")?;
                // What people install with.
                node::install("tests/sql/cli")?;
                if let Err(error) = psql() {
                    println!("  two ways of installing are left out: {error:#}");
                }
                cargo_test(count, &["--package", "sql-tests"])
            }
            Suite::StandIn => {
                node::install("tests/stand-in")?;
                cargo_test(count, &["--package", "supabase-local"])?;
                postgrest(count)
            }
            Suite::SupabaseJs => supabase_js(count),
            Suite::Browser => browser(count),
            Suite::Package => package(count),
            Suite::E2e => e2e(count),
        }
    }
}

/// Debian's package where there is no psql yet.
fn psql() -> Result<()> {
    match Command::new("psql").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => apt::ensure(&["postgresql-client"]),
    }
}

fn lint(count: &mut Count) -> Result<()> {
    let deny = ["--", "--deny", "warnings"];
    count.command("cargo fmt", || Ok(cargo(["fmt", "--all", "--check"])))?;
    count.command("clippy", || {
        let mut command = cargo(["clippy", "--workspace", "--all-targets"]);
        command.args(deny);
        Ok(command)
    })?;
    for (title, features) in [("clippy for wasm32", ""), ("clippy for wasm32, with all of it", "changes,recording")] {
        count.command(title, || {
            let mut command = WasmToolchain::ready()?.cargo()?;
            command
                // The unit tests are native.
                .args(["clippy", "--package", "chopped-chat", "--lib", "--test", "browser"])
                .args(["--features", features, "--target", toolchain::TARGET])
                .args(deny)
                .current_dir(paths::root());
            Ok(command)
        })?;
    }
    if count.wants("arrows") {
        let complaints = arrows::complaints()?;
        complaints.iter().for_each(|complaint| println!("  arrows: {complaint}"));
        count.verdict(complaints.is_empty());
    }
    let folders = ["pkg-template", "www-example/app", "www-example/backend", "tests/e2e"];
    let title = |folder: &str| format!("tsc in {folder}");
    if folders.iter().any(|folder| count.wants(&title(folder))) {
        // The app's types are the package's.
        build::package()?;
    }
    for folder in folders {
        let checked = count.command(&title(folder), || {
            let mut command = Command::new("npm");
            command.args(["run", "typecheck"]).current_dir(node::install(folder)?);
            Ok(command)
        });
        if let Err(error) = checked {
            println!("  {folder}: {error:#}");
            count.failed += 1;
        }
    }
    Ok(())
}

fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(paths::root());
    command
}

fn simulation(count: &mut Count) -> Result<()> {
    // The stories of what each input must lead to.
    cargo_test(count, &["--package", "sim"])?;
    let mut sim = |title: &str, arguments: &[&str]| -> Result<()> {
        if !count.wants(title) {
            return Ok(());
        }
        let ran = process::attempt(title, sim::program(arguments.contains(&"--mutants"))?.args(arguments))?;
        // To play fresh ones again.
        if let Some(line) = ran.output().lines().find(|line| line.starts_with("base seed")) {
            println!("    {line}");
        }
        count.check(ran);
        Ok(())
    };
    sim("seeds 1 to 2000", &["--base=1", "--seeds=2000"])?;
    sim("2000 fresh seeds", &["--seeds=2000"])?;
    // The rarest one shows once in some thousands of seeds.
    sim("mutants", &["--mutants", "--seeds=20000"])
}

fn cargo_test(count: &mut Count, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--no-fail-fast"]).args(arguments).args(count.after_dashes()).current_dir(paths::root());
    count.tests(process::attempt(&format!("cargo test {}", arguments.join(" ")), &mut command)?);
    Ok(())
}

/// The tests in `tests`, a folder in `folder`, once what its `pretest` makes is there.
fn npm_test(count: &mut Count, folder: &str, tests: &str) -> Result<()> {
    let dir = node::install(folder)?;
    let title = format!("npm test in {folder}");
    let pretest = format!("npm run pretest in {folder}");
    process::run(&pretest, Command::new("npm").args(["run", "pretest", "--if-present"]).current_dir(&dir))?;
    let mut command = Command::new("node");
    command.arg("--test").args(count.node_pattern()).arg(tests).current_dir(dir);
    count.tests(process::attempt(&title, &mut command)?);
    Ok(())
}

/// The stand-in's REST beside a genuine PostgREST.
fn postgrest(count: &mut Count) -> Result<()> {
    let dir = node::install("tests/postgrest")?;
    let stack = Stack::start(0)?;
    let ran = process::attempt("beside PostgREST", node_test(&stack, count).current_dir(dir))?;
    for line in ran.output().lines().filter(|line| line.contains("requests compared")) {
        println!("  {}", line.trim_start_matches("ℹ ").trim());
    }
    count.tests(ran);
    Ok(())
}

fn supabase_js(count: &mut Count) -> Result<()> {
    let dir = node::install("tests/supabase-js")?;
    let chromium = chromium::browser()?;
    build::package()?;
    let stack = Stack::start(0)?;
    let mut command = node_test(&stack, count);
    count.tests(process::attempt("supabase-js tests", command.env("CHROMIUM", chromium).current_dir(dir))?);
    Ok(())
}

/// `node --test` that knows the stack. One file at a time: faults are the whole server's. Forced to end with its last
/// test: supabase-js keeps timers for 10 s.
fn node_test(stack: &Stack, count: &Count) -> Command {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-force-exit", "--test-reporter=spec"])
        .args(count.node_pattern())
        .envs(stack.addresses.environment());
    command
}

fn browser(count: &mut Count) -> Result<()> {
    let toolchain = WasmToolchain::ready()?;
    let tools = [tools::wasm_bindgen()?, tools::wasm_pack()?];
    let capabilities = json!({ "goog:chromeOptions": { "args": chromium::FLAGS, "binary": chromium::browser()? } });
    let webdriver = paths::target().join("webdriver.json");
    fs::write(&webdriver, capabilities.to_string())
        .with_context(|| format!("could not write {}", webdriver.display()))?;

    let stack = Stack::start(0)?;
    let mut command = Command::new(tools[1].join("wasm-pack"));
    toolchain.apply(&mut command, &tools)?;
    command
        // Any other mode would ask rustup for the target.
        .args(["test", "--mode", "no-install", "--headless", "--chrome"])
        .arg("--chromedriver")
        .arg(chromium::driver()?)
        .arg(paths::root())
        .args(["--test", "browser"])
        .args(count.after_dashes())
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &webdriver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "1200")
        // Where a failed test's message is, not where the runner gave up.
        .env("RUST_BACKTRACE", "0")
        // Compiled into the tests by `option_env!`: a page has no environment.
        .env("CHAT_TEST_STACK", &stack.line);
    count.tests(process::attempt("wasm-pack test", &mut command)?);
    Ok(())
}

fn package(count: &mut Count) -> Result<()> {
    let dir = node::install("tests/package")?;
    let chromium = chromium::browser()?;
    let firefox = firefox::browser().map(|program| ("FIREFOX", program));
    if firefox.is_none() {
        println!("  no Firefox on PATH: left out (set FIREFOX to the path of one)");
    }
    build::package()?;
    let stack = Stack::start(0)?;
    // Named one by one: what the tests unpack beside themselves are no tests.
    let files = fs::read_dir(&dir)
        .with_context(|| format!("could not list {}", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|name| name.to_string_lossy().ends_with(".test.js"));
    let mut command = node_test(&stack, count);
    let ran = process::attempt(
        "package tests",
        command.args(files).env("CHROMIUM", chromium).envs(firefox).current_dir(dir),
    )?;
    // The sizes and the table of bundlers.
    print!(
        "{}",
        ran.output()
            .lines()
            .filter(|line| line.contains("KiB") || line.contains('│'))
            .fold(String::new(), |all, line| all + "  " + line + "\n")
    );
    count.tests(ran);
    Ok(())
}

fn e2e(count: &mut Count) -> Result<()> {
    let dir = node::install("tests/e2e")?;
    let chromium = chromium::browser()?;
    let webkit = webkit::driver();
    if let Err(error) = &webkit {
        println!("  no WebKit, left out: {error:#}");
    }
    let firefox = firefox::browser();
    if firefox.is_none() {
        println!("  no Firefox on PATH: left out (set FIREFOX to the path of one)");
    }
    let screenshots = paths::target().join("screenshots");
    fs::create_dir_all(&screenshots).with_context(|| format!("could not make {}", screenshots.display()))?;
    build::package()?;
    let stack = Stack::start(0)?;
    let project = Project {
        url: stack.addresses.url.clone(),
        anon_key: stack.addresses.anon_key.clone(),
        service_role_key: stack.addresses.service_role_key.clone(),
    };
    accounts::make(&project, Some(LOCAL_PASSWORD))?;
    let example = Example::start(&project, Mode::Production, Some(LOCAL_PASSWORD), 0, 0)?;
    let ran = process::attempt(
        "end-to-end tests",
        node_test(&stack, count)
            .env("APP_URL", example.app_url("localhost"))
            .env("BACKEND_URL", example.backend_url())
            .env("CHROMIUM", chromium)
            .envs(webkit.ok().map(|driver| ("WEBKIT_DRIVER", driver)))
            .envs(firefox.map(|program| ("FIREFOX", program)))
            .env("SCREENSHOTS", &screenshots)
            // For what the command itself answers.
            .env("XTASK", env::current_exe().context("where is xtask?")?)
            .current_dir(dir),
    )?;
    if !ran.success {
        for service in [&stack.service, &example.backend, &example.app] {
            println!("  {}:\n{}", service.log.display(), process::tail(&service.log, 15));
        }
    }
    count.tests(ran);
    let title = "chaos, 3 rounds";
    if count.wants(title) {
        count.check(process::attempt(title, chaos::program(&stack, 3, None)?.arg("--inboxes=2"))?);
        count.verdict(chaos::replay()?);
    }
    Ok(())
}

/// How many tests passed and failed, of those that are wanted.
#[derive(Default, Debug, PartialEq)]
struct Count {
    /// A part of the names of the tests to run; all of them run without.
    name: Option<String>,
    passed: u32,
    failed: u32,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Count {
    /// Whether a check of this title is to run.
    fn wants(&self, title: &str) -> bool {
        self.name.as_ref().is_none_or(|name| title.contains(name.as_str()))
    }

    /// What cargo hands on to its tests.
    fn after_dashes(&self) -> impl Iterator<Item = &str> {
        self.name.iter().flat_map(|name| ["--", name])
    }

    /// What Node.js takes: a pattern.
    fn node_pattern(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        let escaped: String =
            name.chars().flat_map(|c| (!c.is_alphanumeric()).then_some('\\').into_iter().chain([c])).collect();
        Some(format!("--test-name-pattern={escaped}"))
    }

    /// Makes and runs a command that is one check, if it is to run.
    fn command(&mut self, title: &str, make: impl FnOnce() -> Result<Command>) -> Result<()> {
        if self.wants(title) {
            let mut command = make()?;
            self.check(process::attempt(title, &mut command)?);
        }
        Ok(())
    }

    /// A command that is one check.
    fn check(&mut self, ran: Ran) {
        self.verdict(ran.success);
        if !ran.success {
            show(&ran);
        }
    }

    fn verdict(&mut self, good: bool) {
        if good {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// A test runner that says how many tests passed and failed. One that ran none has failed.
    fn tests(&mut self, ran: Ran) {
        let output = ran.output();
        // What the attack matrix tried, and the ways of installing.
        for line in output.lines().filter(|line| line.contains("cells tried") || line.starts_with("ways of installing"))
        {
            println!("  {line}");
        }
        let mut count = Count::read(&output);
        if count.failed == 0 && !ran.success {
            count.failed = 1;
        } else if count == Count::default() && self.name.is_none() {
            println!("  ran no test");
            count.failed = 1;
        }
        if count.failed > 0 {
            show(&ran);
        }
        self.passed += count.passed;
        self.failed += count.failed;
    }

    /// Sums the closing lines of cargo test, wasm-bindgen-test and node's spec and TAP reporters.
    fn read(output: &str) -> Count {
        let mut count = Count::default();
        for line in output.lines() {
            if let Some(result) = line.trim_start().strip_prefix("test result: ") {
                let number = |word: &str| -> u32 {
                    result
                        .split([';', '.'])
                        .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                        .unwrap_or(0)
                };
                count.passed += number("passed");
                count.failed += number("failed");
            } else if let Some(summary) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
                match summary.split_once(' ') {
                    Some(("pass", number)) => count.passed += number.parse().unwrap_or(0),
                    Some(("fail" | "cancelled", number)) => {
                        count.failed += number.parse().unwrap_or(0);
                    }
                    _ => {}
                }
            }
        }
        count
    }
}

fn show(ran: &Ran) {
    println!("{}  whole log: {}", process::tail(&ran.log, 60), ran.log.display());
}

#[cfg(test)]
mod tests {
    use super::Count;

    fn count(output: &str) -> (u32, u32) {
        let Count { passed, failed, .. } = Count::read(output);
        (passed, failed)
    }

    #[test]
    fn cargo_lines_are_summed() {
        let output = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s
noise 99 passed
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s";
        assert_eq!(count(output), (15, 2));
    }

    #[test]
    fn node_lines_are_summed_and_a_cancelled_test_failed() {
        assert_eq!(count("ℹ tests 9\nℹ pass 6\nℹ fail 1\nℹ cancelled 2\nℹ skipped 0"), (6, 3));
        assert_eq!(count("# tests 4\n# pass 4\n# fail 0\n# cancelled 0"), (4, 0));
    }

    #[test]
    fn output_without_a_count_counts_nothing() {
        assert_eq!(count("error[E0425]: cannot find value"), (0, 0));
    }
}
