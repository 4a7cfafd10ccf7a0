//! `cargo xtask demo`: the example, on the stand-in or on the Supabase project that the environment names.

use crate::accounts::{self, LOCAL_PASSWORD};
use crate::example::{Example, Mode, Project};
use crate::process;
use crate::stack::Stack;
use anyhow::{Result, bail};
use clap::Args;
use std::env;

#[derive(Args)]
pub struct Options {
    /// Port of the app; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    app_port: u16,
    /// Port of the backend; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    backend_port: u16,
    /// Port of the stand-in for Supabase; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    supabase_port: u16,
    /// Do not open the browser
    #[arg(long)]
    no_open: bool,
    /// For working on the example: it follows the sources, and is slower than what one would deploy
    #[arg(long)]
    dev: bool,
    /// On a Supabase project: make the demo's accounts there without asking
    #[arg(long)]
    accounts: bool,
    /// On a Supabase project: delete the accounts that the demo made there, and end
    #[arg(long, conflicts_with = "accounts")]
    remove_accounts: bool,
}

pub fn run(options: &Options) -> Result<()> {
    match real_project()? {
        Some(project) if options.remove_accounts => {
            print!("{}", accounts::remove(&project)?);
            Ok(())
        }
        None if options.remove_accounts => {
            bail!("--remove-accounts is for a Supabase project: set {} to name it", NAMES.join(", "))
        }
        Some(project) => on_project(&project, options),
        None => on_stand_in(options),
    }
}

fn on_stand_in(options: &Options) -> Result<()> {
    let mut stack = Stack::start(options.supabase_port)?;
    let project = Project {
        url: stack.addresses.url.clone(),
        anon_key: stack.addresses.anon_key.clone(),
        service_role_key: stack.addresses.service_role_key.clone(),
    };
    accounts::make(&project, Some(LOCAL_PASSWORD))?;
    let mut example = start(&project, Some(LOCAL_PASSWORD), options)?;
    let [ana, ben] = links(&example);
    println!("\nTwo people, two windows:\n\n  Ana  {ana}\n  Ben  {ben}\n\nCtrl-C ends it.");
    if !options.no_open {
        [ana, ben].iter().for_each(|link| process::open_in_browser(link));
    }
    process::wait_for_ctrl_c(&mut [&mut example.app, &mut example.backend, &mut stack.service])
}

fn on_project(project: &Project, options: &Options) -> Result<()> {
    if !options.accounts {
        accounts::ask(project)?;
    }
    let accounts = accounts::make(project, None)?;
    let mut example = start(project, None, options)?;
    println!("\nOn {}, with accounts whose passwords are for this run, and are shown this once:\n", project.url);
    for account in &accounts {
        println!("  {:<18}  {}", account.email, account.password);
    }
    let [ana, ben] = links(&example);
    // Behind the # it goes to no server, and the page takes it out of the address.
    let key = |n: usize| accounts.get(n).map(|account| format!("#{}", account.password)).unwrap_or_default();
    println!("\nTwo people, two windows, signed in:\n\n  Ana  {ana}{}\n  Ben  {ben}{}", key(0), key(1));
    println!("\nCtrl-C ends it. `cargo xtask demo --remove-accounts` deletes the accounts.");
    if !options.no_open {
        [ana, ben].iter().for_each(|link| process::open_in_browser(link));
    }
    process::wait_for_ctrl_c(&mut [&mut example.app, &mut example.backend])
}

fn start(project: &Project, password: Option<&str>, options: &Options) -> Result<Example> {
    let mode = if options.dev { Mode::Development } else { Mode::Production };
    Example::start(project, mode, password, options.app_port, options.backend_port)
}

/// Two names of this machine are two cookie jars: so two people chat in one browser.
fn links(example: &Example) -> [String; 2] {
    [format!("{}/?as=ana", example.app_url("localhost")), format!("{}/?as=ben", example.app_url("127.0.0.1"))]
}

const NAMES: [&str; 3] = ["NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"];

/// The project of the environment. Part of one is a mistake, not a wish for the stand-in.
fn real_project() -> Result<Option<Project>> {
    let values = NAMES.map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    match values {
        [Some(url), Some(anon_key), Some(service_role_key)] => Ok(Some(Project { url, anon_key, service_role_key })),
        [None, None, None] => Ok(None),
        _ => bail!("set all of {} to use a Supabase project, or none to use the local stand-in", NAMES.join(", ")),
    }
}
