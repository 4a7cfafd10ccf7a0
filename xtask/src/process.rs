//! Child processes: each leads a process group of its own, its output goes to `target/logs/`, and none outlives xtask.

use crate::paths;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child may take to end by itself once it was told to.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
const STILL_RUNNING_EVERY: Duration = Duration::from_secs(30);

struct Groups {
    leaders: Vec<Pid>,
    ending: bool,
}

static GROUPS: Mutex<Groups> = Mutex::new(Groups { leaders: Vec::new(), ending: false });

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on SIGINT, SIGTERM and SIGHUP end every child, then xtask.
pub fn end_children_on_signals() -> Result<()> {
    // What a child leaves behind when it ends (a browser, a database) becomes a child of ours and is found by `end_all`.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true).context("could not become the reaper of orphans")?;
    ctrlc::set_handler(|| {
        eprintln!("\nending…");
        end_all();
        std::process::exit(130);
    })
    .context("could not install the signal handler")
}

/// Ends every child and every descendant. Nothing can be started afterwards.
pub fn end_all() {
    stand_still_if_ending();
    let leaders = {
        let mut groups = groups();
        groups.ending = true;
        std::mem::take(&mut groups.leaders)
    };
    for leader in &leaders {
        _ = killpg(*leader, Signal::SIGTERM);
    }
    let deadline = Instant::now() + GRACE;
    while leaders.iter().any(|leader| is_running(*leader)) && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    for leader in &leaders {
        _ = killpg(*leader, Signal::SIGKILL);
    }
    kill_descendants();
}

/// While one thread ends the children and then the process, the others must not take the deaths for failures.
fn stand_still_if_ending() {
    while groups().ending {
        thread::park_timeout(Duration::from_secs(1));
    }
}

fn is_running(leader: Pid) -> bool {
    // ECHILD: the thread that started it has collected it.
    matches!(waitpid(leader, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}

#[cfg(target_os = "linux")]
fn kill_descendants() {
    let deadline = Instant::now() + GRACE;
    loop {
        while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
        let left = descendants();
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in left {
            _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(POLL);
    }
}

#[cfg(target_os = "linux")]
fn descendants() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parents: Vec<(i32, i32)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // pid (name) state ppid …, and the name may hold anything.
            let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
            let state = rest.next()?;
            let parent: i32 = rest.next()?.parse().ok()?;
            (state != "Z").then_some((pid, parent))
        })
        .collect();
    let mut found = vec![Pid::this().as_raw()];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(c, _)| c));
        next += 1;
    }
    found.drain(1..).map(Pid::from_raw).collect()
}

#[cfg(not(target_os = "linux"))]
fn kill_descendants() {
    _ = kill(Pid::this(), None);
}

fn spawn(command: &mut Command) -> Result<Child> {
    stand_still_if_ending();
    let mut groups = groups();
    let child = command.process_group(0).spawn().with_context(|| {
        format!("could not start `{}`: is it installed and on PATH?", command.get_program().to_string_lossy())
    })?;
    groups.leaders.push(Pid::from_raw(child.id() as i32));
    Ok(child)
}

fn forget(leader: Pid) {
    groups().leaders.retain(|other| *other != leader);
}

fn log_file(name: &str) -> Result<(PathBuf, File)> {
    let dir = paths::target().join("logs");
    fs::create_dir_all(&dir).with_context(|| format!("could not make {}", dir.display()))?;
    let path = dir.join(format!("{}.log", name.replace([' ', '/'], "-")));
    let file = File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
    Ok((path, file))
}

/// The last lines of a log, indented.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| format!("    {line}\n")).collect()
}

/// A command that ran to its end.
pub struct Ran {
    pub success: bool,
    pub log: PathBuf,
}

impl Ran {
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// Runs `command` to its end, with a progress line named `title`; its output goes to a log of that name.
pub fn attempt(title: &str, command: &mut Command) -> Result<Ran> {
    let (log, file) = log_file(title)?;
    let both = file.try_clone().context("could not share the log file")?;
    command.stdin(Stdio::null()).stdout(both).stderr(file);
    print!("  {title:<44}");
    flush();
    let started = Instant::now();
    let mut spoke = started;
    let mut child = spawn(command)?;
    let leader = Pid::from_raw(child.id() as i32);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => {
                stand_still_if_ending();
                return Err(error).context("could not wait for a child");
            }
        }
        if spoke.elapsed() > STILL_RUNNING_EVERY {
            spoke = Instant::now();
            let last = tail(&log, 1);
            let last: String = last.trim().chars().take(90).collect();
            print!("\n    {:>4} s: {last}", started.elapsed().as_secs());
            flush();
        }
        thread::sleep(POLL);
    };
    stand_still_if_ending();
    forget(leader);
    let word = if status.success() { "" } else { "  FAILED" };
    println!("{:>7.1} s{word}", started.elapsed().as_secs_f32());
    Ok(Ran { success: status.success(), log })
}

fn flush() {
    _ = std::io::stdout().flush();
}

/// As `attempt`, but a failure is an error that shows the end of the log.
pub fn run(title: &str, command: &mut Command) -> Result<Ran> {
    let ran = attempt(title, command)?;
    if !ran.success {
        bail!("{title} failed:\n{}  whole log: {}", tail(&ran.log, 40), ran.log.display());
    }
    Ok(ran)
}

/// Runs `command` to its end; what it prints is what the person wanted, so it goes where ours does.
pub fn watch(command: &mut Command) -> Result<ExitStatus> {
    let mut child = spawn(command.stdin(Stdio::null()))?;
    let status = child.wait().context("could not wait for a child");
    stand_still_if_ending();
    forget(Pid::from_raw(child.id() as i32));
    status
}

/// Runs `command` to its end and hands out what it printed, which goes to no log.
pub fn output(command: &mut Command) -> Result<Output> {
    let child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let leader = Pid::from_raw(child.id() as i32);
    let output = child.wait_with_output().context("could not wait for a child");
    stand_still_if_ending();
    forget(leader);
    output
}

/// A child that runs beside us until it is dropped.
pub struct Service {
    name: String,
    pub log: PathBuf,
    child: Child,
}

impl Service {
    /// Its output goes to the log of that name; its standard input stays open as long as the service is wanted.
    pub fn start(name: &str, command: &mut Command) -> Result<Service> {
        let (log, file) = log_file(name)?;
        let both = file.try_clone().context("could not share the log file")?;
        command.stdout(both).stderr(file);
        Self::spawn(name, log, command)
    }

    /// As `start`, but hands its standard output to the caller; only standard error is logged.
    pub fn start_with_stdout(name: &str, command: &mut Command) -> Result<(Service, ChildStdout)> {
        let (log, file) = log_file(name)?;
        command.stdout(Stdio::piped()).stderr(file);
        let mut service = Self::spawn(name, log, command)?;
        let stdout = service.child.stdout.take().context("a child without standard output")?;
        Ok((service, stdout))
    }

    fn spawn(name: &str, log: PathBuf, command: &mut Command) -> Result<Service> {
        let child = spawn(command.stdin(Stdio::piped()))?;
        Ok(Service { name: name.to_owned(), log, child })
    }

    /// An error, with the end of its log, when it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        let state = self.child.try_wait();
        stand_still_if_ending();
        match state.context("could not look at a child")? {
            None => Ok(()),
            Some(status) => bail!("{}", self.ended(status)),
        }
    }

    fn ended(&self, status: ExitStatus) -> String {
        format!("{} ended ({status}):\n{}  whole log: {}", self.name, tail(&self.log, 30), self.log.display())
    }

    /// Waits until `url` answers with any status below 500.
    pub fn wait_for(&mut self, url: &str, at_most: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            self.must_run()?;
            let last = match minreq::get(url).with_timeout(30).send() {
                Ok(answer) if answer.status_code < 500 => return Ok(()),
                Ok(answer) => format!("status {}", answer.status_code),
                Err(error) => error.to_string(),
            };
            if started.elapsed() > at_most {
                bail!(
                    "{} did not answer at {url} within {} s ({last}):\n{}  whole log: {}",
                    self.name,
                    at_most.as_secs(),
                    tail(&self.log, 30),
                    self.log.display()
                );
            }
            thread::sleep(4 * POLL);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        stand_still_if_ending();
        let leader = Pid::from_raw(self.child.id() as i32);
        drop(self.child.stdin.take());
        _ = killpg(leader, Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        _ = killpg(leader, Signal::SIGKILL);
        _ = self.child.wait();
        forget(leader);
    }
}

/// Waits until one of `services` ends, which is an error; Ctrl-C ends the wait and xtask with it.
pub fn wait_for_ctrl_c(services: &mut [&mut Service]) -> Result<()> {
    loop {
        for service in &mut *services {
            service.must_run()?;
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// Opens `url` in the person's browser, if there is one to open it in.
pub fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        "xdg-open"
    } else {
        return;
    };
    if !std::io::stdout().is_terminal() {
        return;
    }
    // The browser is the person's, not ours: it stays when we end.
    _ = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
}
