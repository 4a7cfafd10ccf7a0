//! The ways of installing, as people install: the SQL editor, psql, and the genuine Supabase CLI in versions that send a
//! file differently (tests/sql/cli). Whichever it is, the files apply, apply again, and give up a lock that can't be had.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sql_tests::Person::{Ana, Ben};
use sql_tests::catalog::{CATALOG, CONTENTS, text};
use sql_tests::{Actor, Database, file_name, migration_files};
use tokio::process::Command;
use tokio::task::JoinSet;

/// What waits longer for a lock than any of our files may, even on a busy machine.
const HUNG: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A file is one simple query.
    SqlEditor,
    /// Each statement by itself; goes on after an error.
    Psql,
    /// A transaction around the file, which the file's own commit ends.
    PsqlSingleTransaction,
    /// Up to 2.114 a transaction around the file; then each statement by itself, with nothing after an error.
    Cli(&'static str),
}

const WAYS: &[Way] = &[
    Way::SqlEditor,
    Way::Psql,
    Way::PsqlSingleTransaction,
    Way::Cli("supabase-2.114"),
    Way::Cli("supabase-2.122"),
    Way::Cli("supabase-3.1"),
];

/// Applies files to a database, one way, and knows which the CLI has applied.
struct Installer {
    way: Way,
    url: String,
    project: PathBuf,
}

impl Installer {
    fn new(way: Way, database: &Database) -> Result<Installer> {
        let name = database.url.rsplit('/').next().unwrap_or_default();
        let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::create_dir_all(project.join("supabase/migrations"))?;
        Ok(Installer { way, url: format!("{}?sslmode=disable", database.url), project })
    }

    /// Applies the last of `files`, whose others are applied, or all. The error is what the tool said.
    async fn apply(&self, files: &[PathBuf], all: bool) -> Result<()> {
        let new = if all { files } else { &files[files.len() - 1..] };
        let applied = async {
            match self.way {
                Way::SqlEditor => {
                    let editor = supabase_local::postgres::connect(&self.url).await?;
                    for file in new {
                        editor.batch_execute(&std::fs::read_to_string(file)?).await?;
                    }
                }
                Way::Psql | Way::PsqlSingleTransaction => {
                    for file in new {
                        let mut arguments: Vec<OsString> = vec!["-X".into(), "-d".into(), self.url.clone().into()];
                        if self.way == Way::PsqlSingleTransaction {
                            arguments.push("-1".into());
                        }
                        arguments.extend(["-f".into(), file.into()]);
                        let said = self.run("psql", &arguments).await?;
                        // It ends well whatever its statements came to.
                        ensure!(!said.contains("ERROR:"), "{said}");
                    }
                }
                Way::Cli(_) => {
                    for file in files {
                        std::fs::copy(file, self.project.join("supabase/migrations").join(file_name(file)))?;
                    }
                    self.cli(&["db", "push", "--yes"]).await?;
                }
            }
            Ok(())
        };
        tokio::time::timeout(HUNG, applied).await.context("it hung")?
    }

    /// Has the CLI, which applies a file once, believe that it applied none.
    async fn forget(&self, files: &[PathBuf]) -> Result<()> {
        let Way::Cli(_) = self.way else { return Ok(()) };
        let mut arguments = vec!["migration", "repair", "--status", "reverted", "--yes"];
        arguments.extend(files.iter().filter_map(|file| file_name(file).split('_').next()));
        self.cli(&arguments).await
    }

    async fn cli(&self, arguments: &[&str]) -> Result<()> {
        let Way::Cli(version) = self.way else { bail!("this is no CLI") };
        let mut all: Vec<_> = arguments.iter().map(OsString::from).collect();
        // The third version has one option for all targets.
        if version == "supabase-3.1" {
            all.push(format!("--remote={}", self.url).into());
        } else {
            all.extend(["--db-url".into(), self.url.clone().into()]);
        }
        self.run(cli(version), &all).await.map(drop)
    }

    async fn run(&self, program: impl AsRef<OsStr>, arguments: &[OsString]) -> Result<String> {
        let program = program.as_ref();
        let output = Command::new(program)
            .args(arguments)
            .current_dir(&self.project)
            .env("HOME", &self.project)
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", program.display()))?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        ensure!(output.status.success(), "{said}");
        Ok(said)
    }
}

impl Drop for Installer {
    fn drop(&mut self) {
        // What stays is in the build's own folder.
        let _ = std::fs::remove_dir_all(&self.project);
    }
}

/// Where a version of the CLI is, once installed. tests/sql/cli has it for Linux on x64.
fn cli(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/node_modules").join(version).join("bin/supabase")
}

/// The ways that this machine has.
async fn ways() -> Result<Vec<Way>> {
    let mut ways = WAYS.to_vec();
    if Command::new("psql").arg("--version").output().await.is_err() {
        print("no psql on PATH: its two ways are left out");
        ways.retain(|way| !matches!(way, Way::Psql | Way::PsqlSingleTransaction));
    }
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        ensure!(cli("supabase-3.1").is_file(), "there is no Supabase CLI: run `npm ci` in tests/sql/cli");
    } else {
        print("no Supabase CLI for this machine: its three ways are left out");
        ways.retain(|way| !matches!(way, Way::Cli(_)));
    }
    Ok(ways)
}

/// Written past the test runner, which keeps what a passing test prints to itself.
fn print(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "ways of installing: {line}");
}

/// Notes which limits a statement runs under, and with which others in one transaction: `watch.ddl` where it changes a
/// schema, `watch.updates` where messages.
const WATCH: &str = "
    create schema watch;
    create table watch.ddl (tag text, object text, lock_timeout text, transaction xid8 default pg_current_xact_id());
    create table watch.updates (statement_timeout text);
    create function watch.ddl() returns event_trigger language plpgsql security definer as $$ begin
      insert into watch.ddl select command_tag, object_identity, current_setting('lock_timeout')
        from pg_event_trigger_ddl_commands() where schema_name is distinct from 'supabase_migrations' and object_identity <> 'supabase_migrations';
    end $$;
    create event trigger watch on ddl_command_end execute function watch.ddl();
    create function watch.drops() returns event_trigger language plpgsql security definer as $$ begin
      insert into watch.ddl select 'DROP ' || upper(object_type), object_identity, current_setting('lock_timeout')
        from pg_event_trigger_dropped_objects() where original;
    end $$;
    create event trigger watch_drops on sql_drop execute function watch.drops();
    create function watch.update() returns trigger language plpgsql security definer as $$ begin
      insert into watch.updates values (current_setting('statement_timeout')); return null;
    end $$;";

const UNLIMITED: &str =
    "select distinct tag || ' ' || object || ': ' || lock_timeout from watch.ddl where lock_timeout <> '5s'";

/// On Supabase a statement about a policy locks sign-ins until its transaction ends: nothing but policies is in there.
const BESIDE_A_POLICY: &str = "
    select distinct tag || ' ' || object from watch.ddl
     where tag not like '% POLICY' and transaction in (select transaction from watch.ddl where tag like '% POLICY')";

const DOWN: &str = include_str!("../../../sql/down.sql");

#[tokio::test(flavor = "multi_thread")]
async fn every_way_applies_all_files_twice() -> Result<()> {
    let expected = text(&Database::installed().await?.owner().await?, CATALOG).await?;
    let mut running = JoinSet::new();
    for way in ways().await? {
        let expected = expected.clone();
        running.spawn(async move { twice(way, &expected).await.with_context(|| format!("{way:?}")) });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

async fn twice(way: Way, expected: &str) -> Result<()> {
    let database = Database::new_project().await?;
    let superuser = database.superuser().await?;
    superuser.batch_execute(&format!("{WATCH}; truncate watch.ddl")).await?;
    let installer = Installer::new(way, &database)?;
    let files = migration_files()?;
    for _ in 0..2 {
        installer.apply(&files, true).await?;
        ensure!(text(&superuser, CATALOG).await? == expected, "it came to something else");
        installer.forget(&files).await?;
    }
    let kinds = text(&superuser, "select distinct tag from watch.ddl order by 1").await?;
    for kind in ["ALTER TABLE", "CREATE FUNCTION", "CREATE INDEX", "CREATE POLICY", "CREATE TABLE", "CREATE TRIGGER"] {
        ensure!(kinds.lines().any(|line| line == kind), "no {kind} was seen among {kinds}");
    }
    database.owner().await?.batch_execute(DOWN).await?;
    let unlimited = text(&superuser, UNLIMITED).await?;
    ensure!(unlimited.is_empty(), "would wait for a lock for ever:\n{unlimited}");
    let beside = text(&superuser, BESIDE_A_POLICY).await?;
    ensure!(beside.is_empty(), "holds up sign-ins, in a transaction with a policy's statement:\n{beside}");
    print(&format!("{way:?}: {} files, twice", files.len()));
    Ok(())
}

/// The upgrade is what has much to lose. Somebody is reading for as long as each file is tried at first; where the file
/// gives up, people go on, and it applies once they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_gives_up_a_lock_and_people_go_on() -> Result<()> {
    let upgraded = Database::of_the_plan().await?;
    upgraded.install().await?;
    let expected = text(&upgraded.owner().await?, CATALOG).await?;
    let mut running = JoinSet::new();
    for way in ways().await? {
        let expected = expected.clone();
        running.spawn(async move { locked_out(way, &expected).await.with_context(|| format!("{way:?}")) });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

async fn locked_out(way: Way, expected: &str) -> Result<()> {
    let database = Database::of_the_plan().await?;
    let superuser = database.superuser().await?;
    let name = text(&superuser, "select current_database()::text").await?;
    superuser
        .batch_execute(&format!(
            "{WATCH}
             create trigger watch after update on public.chat_messages for each statement execute function watch.update();
             alter role postgres in database {name} set statement_timeout = '10min';
             truncate watch.ddl"
        ))
        .await?;
    let contents = text(&superuser, CONTENTS).await?;
    let installer = Installer::new(way, &database)?;
    let files = migration_files()?;
    let mut gave_up = Vec::new();
    for upto in 1..=files.len() {
        let file = file_name(&files[upto - 1]);
        let mut reader = database.superuser().await?;
        let reading = reader.transaction().await?;
        reading.execute("select from public.chat_messages", &[]).await?;
        let first = installer.apply(&files[..upto], false).await;
        if let Err(error) = first {
            let said = format!("{error:#} {error:?}");
            ensure!(said.contains("lock timeout"), "{file}: {said}");
            gave_up.push(file);
            for person in [Ana, Ben] {
                let other = if person == Ana { "ben" } else { "ana" };
                let send = "select from public.insert_chat_message('ana__ben', $1, $2, 'meanwhile')";
                let sent = database.run(Actor::User(person), send, &[&person.mongo_id(), &other]).await;
                sent.with_context(|| format!("after {file} gave up"))?;
                let read = "select from public.chat_messages where thread_id = 'ana__ben'";
                let read = database.run(Actor::User(person), read, &[]).await?;
                ensure!(read.len() >= 200, "after {file} gave up {person:?} reads {}", read.len());
            }
            reading.rollback().await?;
            let again = installer.apply(&files[..upto], false).await;
            again.with_context(|| format!("{file}, once nobody reads"))?;
        }
    }
    // The others lock no table against readers.
    let locking: Vec<_> = files
        .iter()
        .map(|file| file_name(file))
        .filter(|name| !["numbering", "limits", "batches", "sync", "inbox"].iter().any(|word| name.contains(word)))
        .collect();
    ensure!(gave_up == locking, "only these gave up: {gave_up:?}");

    let unlimited = text(&superuser, UNLIMITED).await?;
    ensure!(unlimited.is_empty(), "would wait for a lock for ever:\n{unlimited}");

    superuser
        .batch_execute(
            "delete from public.chat_messages where body = 'meanwhile'; drop trigger watch on public.chat_messages",
        )
        .await?;
    ensure!(text(&superuser, CONTENTS).await? == contents, "messages changed");
    let catalog = text(&superuser, CATALOG).await?;
    ensure!(catalog == expected, "it came to something else:\n{catalog}\ninstead of\n{expected}");
    let updates = text(&superuser, "select distinct statement_timeout from watch.updates").await?;
    ensure!(updates == "0", "numbering ran under a statement_timeout of {updates}");
    print(&format!("{way:?}: a lock that can't be had, at {} files", gave_up.len()));
    Ok(())
}
