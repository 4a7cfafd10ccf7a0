use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use supabase_local::postgres::PostgresOptions;
use supabase_local::{Options, Settings, Stack};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The local stand-in for Supabase. Prints one line of JSON when it is ready and ends with its standard input.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of the API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the admin API for tests; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    admin_port: u16,
    /// An existing PostgreSQL to use, as a superuser, instead of starting one
    #[arg(long)]
    database_url: Option<String>,
    /// The HS256 secret, at least 32 characters
    #[arg(long)]
    jwt_secret: Option<String>,
    /// Where PostgreSQL keeps its data; by default a temporary folder that goes with it
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// A folder of *.sql files to apply as the role postgres
    #[arg(long)]
    migrations: Option<PathBuf>,
    /// A folder with bin/postgres, instead of the one that npm ci installs
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// What the answer to a refused join is held back
    #[arg(long, default_value_t = 5000)]
    refused_join_ms: u64,
    /// What the answer to a refused handshake is held back
    #[arg(long, default_value_t = 2000)]
    refused_connect_ms: u64,
    /// How long a channel waits for replication, if it asked to be told of it, before it is closed
    #[arg(long, default_value_t = 60_000)]
    replication_ready_ms: u64,
    /// The lifetime of access tokens
    #[arg(long, default_value_t = 3600)]
    jwt_expiry_s: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    // Before anything is started, so that no signal finds a child without a parent.
    let end = end_of_life()?;
    let stack = tokio::select! {
        stack = Stack::start(options(arguments)) => stack?,
        () = end.wait() => return Ok(()),
    };
    let line = serde_json::to_string(&stack.endpoints)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())?;
    end.wait().await;
    stack.stop().await
}

fn options(arguments: Arguments) -> Options {
    Options {
        port: arguments.port,
        admin_port: arguments.admin_port,
        database_url: arguments.database_url,
        postgres: PostgresOptions {
            binaries: arguments.postgres,
            data_dir: arguments.data_dir,
            ..PostgresOptions::default()
        },
        migrations: arguments.migrations,
        jwt_secret: arguments.jwt_secret,
        settings: Settings {
            refused_join: Duration::from_millis(arguments.refused_join_ms),
            refused_connect: Duration::from_millis(arguments.refused_connect_ms),
            replication_ready: Duration::from_millis(arguments.replication_ready_ms),
            jwt_expiry: Duration::from_secs(arguments.jwt_expiry_s),
            ..Settings::default()
        },
    }
}

struct EndOfLife(tokio::sync::watch::Receiver<bool>);

impl EndOfLife {
    async fn wait(&self) {
        let _ = self.0.clone().wait_for(|over| *over).await;
    }
}

/// SIGINT, SIGTERM, or the end of standard input, which comes when the parent is gone however it went.
fn end_of_life() -> anyhow::Result<EndOfLife> {
    let (over, receiver) = tokio::sync::watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let (closed, input) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin();
        while stdin.read(&mut buffer).is_ok_and(|n| n > 0) {}
        let _ = closed.send(());
    });
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = input => {}
        }
        let _ = over.send(true);
    });
    Ok(EndOfLife(receiver))
}
