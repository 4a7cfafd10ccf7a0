//! `cargo xtask stack`: the local stand-in for Supabase, with the product's SQL in it.

use crate::process::{self, Service};
use crate::{node, paths};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(90);

/// The line that `supabase-local` prints when it is ready.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    pub url: String,
    pub anon_key: String,
    pub publishable_key: String,
    pub service_role_key: String,
    pub database_url: String,
    pub admin_url: String,
    pub jwt_secret: String,
}

impl Addresses {
    /// As tests in Node.js know them.
    pub fn environment(&self) -> [(&'static str, &str); 6] {
        [
            ("SUPABASE_URL", &self.url),
            ("SUPABASE_ANON_KEY", &self.anon_key),
            ("SUPABASE_SERVICE_ROLE_KEY", &self.service_role_key),
            ("ADMIN_URL", &self.admin_url),
            ("DATABASE_URL", &self.database_url),
            ("JWT_SECRET", &self.jwt_secret),
        ]
    }
}

pub struct Stack {
    pub service: Service,
    pub addresses: Addresses,
    /// The line itself, for those who read it elsewhere.
    pub line: String,
}

impl Stack {
    /// Starts it on `port`, 0 for a free one, with the migrations of `sql/` applied.
    pub fn start(port: u16) -> Result<Stack> {
        Stack::start_built(port, &[], "debug")
    }

    /// As fast as it gets.
    pub fn start_release() -> Result<Stack> {
        Stack::start_built(0, &["--release"], "release")
    }

    fn start_built(port: u16, profile: &[&str], folder: &str) -> Result<Stack> {
        node::install("tests/stand-in")?;
        process::run(
            "stand-in for Supabase",
            Command::new("cargo")
                .args(["build", "--package", "supabase-local"])
                .args(profile)
                .current_dir(paths::root()),
        )?;
        let (mut service, stdout) = Service::start_with_stdout(
            "supabase-local",
            Command::new(paths::target().join(folder).join("supabase-local"))
                .args(["--port", &port.to_string(), "--migrations"])
                .arg(paths::root().join("sql"))
                .current_dir(paths::root()),
        )?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            _ = lines.read_line(&mut line);
            _ = sender.send(line);
            // Whoever writes to a closed pipe dies of it.
            _ = lines.read_to_end(&mut Vec::new());
        });
        let line = match receiver.recv_timeout(READY_WITHIN) {
            Ok(line) if !line.trim().is_empty() => line.trim().to_owned(),
            Ok(_) => {
                thread::sleep(Duration::from_millis(200));
                service.must_run()?;
                bail!("the stand-in closed its output without a word: see {}", service.log.display())
            }
            Err(_) => bail!(
                "the stand-in was not ready within {} s:\n{}  whole log: {}",
                READY_WITHIN.as_secs(),
                process::tail(&service.log, 30),
                service.log.display()
            ),
        };
        let addresses = serde_json::from_str(&line)
            .with_context(|| format!("the stand-in's first line is not what it promises: {line}"))?;
        Ok(Stack { service, addresses, line })
    }
}

pub fn run(port: u16) -> Result<()> {
    let mut stack = Stack::start(port)?;
    let at = &stack.addresses;
    println!(
        "
Supabase, as far as chopped-chat needs it (a development tool, not Supabase):

  URL               {}
  anon key          {}
  publishable key   {}
  service role key  {}
  database          {}
  admin (faults)    {}
  JWT secret        {}

Ctrl-C ends it.",
        at.url, at.anon_key, at.publishable_key, at.service_role_key, at.database_url, at.admin_url, at.jwt_secret
    );
    process::wait_for_ctrl_c(&mut [&mut stack.service])
}
