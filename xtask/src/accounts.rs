//! The demo's accounts, by the backend's script that makes and removes them.

use crate::example::Project;
use crate::{node, process};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, IsTerminal, Write};
use std::process::Command;

/// The password of all of them on the stand-in, whose accounts live as long as it runs.
pub const LOCAL_PASSWORD: &str = "chopped-demo";

pub struct Account {
    pub email: String,
    pub password: String,
}

/// Makes them; with `password`, or each with a random one of its own. What the script prints goes to no log.
pub fn make(project: &Project, password: Option<&str>) -> Result<Vec<Account>> {
    let mut command = script(project)?;
    match password {
        Some(password) => command.env("DEMO_PASSWORD", password),
        None => command.env_remove("DEMO_PASSWORD"),
    };
    let accounts = run(&mut command)?
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(email, password)| Account { email: email.to_owned(), password: password.to_owned() })
        .collect();
    Ok(accounts)
}

/// Deletes every account that the demo ever made in `project`; says which.
pub fn remove(project: &Project) -> Result<String> {
    run(script(project)?.arg("--remove"))
}

/// Whether the person at the terminal wants accounts in their project. Where nobody can be asked it is an error.
pub fn ask(project: &Project) -> Result<()> {
    let what = format!(
        "The demo makes four accounts in {}, or gives those that it made there before new passwords: \
         ana, ben, cleo and dan, each @example.com. `cargo xtask demo --remove-accounts` deletes them.",
        project.url
    );
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("{what} Say --accounts to agree");
    }
    print!("{what}\nGo on? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}

fn script(project: &Project) -> Result<Command> {
    let dir = node::install("www-example/backend")?;
    let mut command = Command::new("node");
    command
        .arg("scripts/demo-accounts.mjs")
        .current_dir(dir)
        .env("NEXT_PUBLIC_SUPABASE_URL", &project.url)
        .env("NEXT_PUBLIC_SUPABASE_ANON_KEY", &project.anon_key)
        .env("SUPABASE_SERVICE_ROLE_KEY", &project.service_role_key);
    Ok(command)
}

/// What the script prints; where it fails, its sentence is the error.
fn run(command: &mut Command) -> Result<String> {
    let output = process::output(command).context("could not run scripts/demo-accounts.mjs")?;
    if !output.status.success() {
        // supabase-js has a word about old versions of Node.js before it.
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().lines().last().unwrap_or("scripts/demo-accounts.mjs failed without a word"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
