//! `cargo xtask demo`: the example, on the stand-in or on the Supabase project that the environment names.

use crate::example::{Example, Mode, Project};
use crate::process::{self, Service};
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
}

pub fn run(options: &Options) -> Result<()> {
    let real = real_project()?;
    let mut stack = None;
    let project = match real {
        Some(project) => {
            println!(
                "On the Supabase project {}. It must have the SQL of sql/: paste the files in order of their names into the
dashboard's SQL editor, or copy them to supabase/migrations/ and run `supabase db push` (sql/README.md).\n",
                project.url
            );
            project
        }
        None => {
            let started = stack.insert(Stack::start(options.supabase_port)?);
            Project {
                url: started.addresses.url.clone(),
                anon_key: started.addresses.anon_key.clone(),
                service_role_key: started.addresses.service_role_key.clone(),
            }
        }
    };
    let mut example = Example::start(&project, Mode::Development, options.app_port, options.backend_port)?;

    let links =
        [format!("{}/?as=ana", example.app_url("localhost")), format!("{}/?as=ben", example.app_url("127.0.0.1"))];
    println!("\nTwo people, two windows:\n\n  Ana  {}\n  Ben  {}\n\nCtrl-C ends it.", links[0], links[1]);
    if !options.no_open {
        links.iter().for_each(|link| process::open_in_browser(link));
    }
    let mut services: Vec<&mut Service> = vec![&mut example.app, &mut example.backend];
    services.extend(stack.as_mut().map(|stack| &mut stack.service));
    process::wait_for_ctrl_c(&mut services)
}

/// The project of the environment. Part of one is a mistake, not a wish for the stand-in.
fn real_project() -> Result<Option<Project>> {
    const NAMES: [&str; 3] = ["NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"];
    let values = NAMES.map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    match values {
        [Some(url), Some(anon_key), Some(service_role_key)] => Ok(Some(Project { url, anon_key, service_role_key })),
        [None, None, None] => Ok(None),
        _ => bail!("set all of {} to use a Supabase project, or none to use the local stand-in", NAMES.join(", ")),
    }
}
