//! The process of a local AWS: starts it on a free port, waits until it is ready, and leaves no
//! process behind.
//!
//! It has a process group of its own, which includes the functions' processes. It ends when the
//! process that started it ends, for whatever reason: its standard input is a pipe, and the local
//! AWS kills its group when the other end closes (`OVERLAY_EXIT_WITH_STDIN`). A detached one has a
//! locked file as its standard input instead: the lock shows whether it is running, even if another
//! program has reused its process ID.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::cloud::{Cloud, LOCAL_ACCOUNT, LOCAL_REGION};
use crate::paths;

/// The timeout of a start. It takes seconds, but much longer on a busy machine with cold caches.
const START: Duration = Duration::from_mins(5);
/// The timeout of a stop.
const STOP: Duration = Duration::from_secs(3);
/// How often to poll.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// Wait states and the delays of retries take this fraction of their time: the product waits
/// seconds for operations that take a tenth of a second here.
pub const WAIT_SCALE: f64 = 0.02;
/// The fraction for tests that need only the end of a wait of hours.
pub const NO_WAIT_SCALE: f64 = 0.0002;
/// What it has of this program's environment. With the last two, which xtask sets, it records
/// executions, and what is answered to calls.
const HANDED_ON: [&str; 4] = ["PATH", "HOME", "OVERLAY_HISTORIES", "OVERLAY_ANSWERS"];
/// How much of the log is shown when it does not start.
const LOG_TAIL_LINES: usize = 30;
/// Ports to try; another program may take a free one before the local AWS does.
const PORTS_TO_TRY: usize = 3;

/// How long a local AWS lives.
#[derive(Debug)]
pub enum Lifetime {
    /// It ends when this program ends.
    Attached,
    /// It runs until it is stopped. It holds the lock on this file, whose contents are [`Running`].
    Detached(File),
}

/// The contents of a detached one's lock file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// Its process ID, which is also its process group ID.
    pub pid: u32,
    /// Its address.
    pub endpoint: String,
}

/// A running local AWS; dropping it ends it.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    is_left: bool,
    /// Its address.
    pub endpoint: String,
    /// The folder of its log and temporary files.
    pub folder: PathBuf,
}

impl Emulator {
    /// Starts one and waits until it responds. It has `folder` for itself, and empties it first.
    /// `wait_scale` is the fraction of their time that Wait states take.
    ///
    /// # Errors
    /// It does not start; the error contains the end of its log.
    pub async fn start(folder: &Path, life: Lifetime, wait_scale: f64) -> Result<Self> {
        let mut last = None;
        for _ in 0..PORTS_TO_TRY {
            match Self::start_once(folder, &life, wait_scale).await {
                Ok(emulator) => return Ok(emulator),
                Err(error) if format!("{error:#}").contains("already in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no port was tried")?)
    }

    async fn start_once(folder: &Path, life: &Lifetime, wait_scale: f64) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).context("emptying the local AWS's folder")?;
        }
        fs::create_dir_all(folder.join("tmp")).context("creating the local AWS's folder")?;
        let port = free_port()?;
        let child = command(folder, port, life)?
            .env("SFN_WAIT_SCALE", wait_scale.to_string())
            .spawn()
            .context("starting the local AWS (python -m overlay)")?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut emulator = Self { child, is_left: false, endpoint, folder: folder.to_owned() };
        if let Lifetime::Detached(file) = life {
            // Immediately, because `down` needs the file even if this program is killed now.
            let running = Running { pid: emulator.child.id(), endpoint: emulator.endpoint.clone() };
            let text = serde_json::to_vec(&running)?;
            file.write_all_at(&text, 0).context("writing the lock file")?;
        }
        emulator.healthy().await?;
        Ok(emulator)
    }

    /// Keeps a detached one running when this program ends.
    pub fn leave(mut self) {
        self.is_left = true;
    }

    async fn healthy(&mut self) -> Result<()> {
        let cloud = Cloud::local(&self.endpoint);
        let control = cloud.control().context("a local AWS has a control API")?;
        let started = Instant::now();
        while !control.is_healthy().await {
            if let Some(status) =
                self.child.try_wait().context("checking the local AWS's process")?
            {
                bail!("the local AWS did not start ({status}):\n{}", self.log_tail());
            }
            if started.elapsed() > START {
                let log = self.log_tail();
                bail!("the local AWS does not respond after {} s:\n{log}", START.as_secs());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(log_file(&self.folder)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        let _: Option<ExitStatus> = stop_group(self.child.id(), || self.child.try_wait().ok()?);
        // Ignore files that cannot be removed; they are in the target directory.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The log file of a local AWS in this folder.
#[must_use]
pub fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// A folder for an attached local AWS, named after this process. Also removes the folders of
/// processes that no longer exist, because a killed process could not remove its own.
///
/// # Errors
/// The target directory cannot be read or written.
pub fn scratch_folder() -> Result<PathBuf> {
    let all = paths::own().join("run");
    fs::create_dir_all(&all).with_context(|| format!("creating {}", all.display()))?;
    for entry in fs::read_dir(&all).with_context(|| format!("reading {}", all.display()))? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|name| name.parse().ok()).is_some_and(is_gone) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(all.join(std::process::id().to_string()))
}

/// Ends the process group of a detached one, by force if it takes too long.
pub fn stop(pid: u32, mut is_ended: impl FnMut() -> bool) {
    stop_group(pid, || is_ended().then_some(()));
}

/// Whether no such process exists.
fn is_gone(pid: u32) -> bool {
    group(pid).is_none_or(|pid| test_kill_process(pid).is_err())
}

fn stop_group<T>(pid: u32, mut ended: impl FnMut() -> Option<T>) -> Option<T> {
    let group = group(pid)?;
    for signal in [Signal::TERM, Signal::KILL] {
        // An error means that it has already ended.
        let _ = kill_process_group(group, signal);
        let asked = Instant::now();
        while asked.elapsed() < STOP {
            if let Some(status) = ended() {
                // Its functions may have outlived it.
                let _ = kill_process_group(group, Signal::KILL);
                return Some(status);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    None
}

fn group(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn free_port() -> Result<u16> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(probe.local_addr()?.port())
}

/// The functions inherit this environment, so it starts empty.
fn command(folder: &Path, port: u16, life: &Lifetime) -> Result<Command> {
    let log = File::create(log_file(folder)).context("creating the local AWS's log")?;
    let mut command = Command::new(paths::venv_program("python")?);
    command
        .args(["-m", "overlay"])
        .current_dir(paths::root().join("tests").join("emulator"))
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| HANDED_ON.iter().any(|one| name == one)))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TMPDIR", folder.join("tmp"))
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("AUTH", "true")
        .env("MINISTACK_ACCOUNT_ID", LOCAL_ACCOUNT)
        .env("MINISTACK_REGION", LOCAL_REGION)
        .stdout(log.try_clone().context("sharing the log")?)
        .stderr(log)
        .process_group(0);
    match life {
        Lifetime::Attached => command.stdin(Stdio::piped()).env("OVERLAY_EXIT_WITH_STDIN", "1"),
        Lifetime::Detached(lock) => command.stdin(lock.try_clone().context("sharing the lock")?),
    };
    Ok(command)
}
