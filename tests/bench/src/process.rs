//! A function's process, and what the kernel knows of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// What a process sleeps through when it has nothing to do. Its CPU time is read only then: while it
/// runs, the kernel's figure is behind.
const QUIET: Duration = Duration::from_millis(2);

/// A running function; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    /// Whether callgrind runs it, which writes what it has counted when it is told to end.
    is_counted: bool,
}

impl Process {
    /// Starts a program with nothing in its environment but these variables; in callgrind, if there is a
    /// file for what it counts.
    pub(crate) fn start(
        program: &Path,
        arguments: &[PathBuf],
        variables: &BTreeMap<String, String>,
        counts: Option<&Path>,
    ) -> Result<Self> {
        let mut command = match counts {
            Some(file) => callgrind(program, file),
            None => Command::new(program),
        };
        command.args(arguments).env_clear().envs(variables).stdin(Stdio::null());
        // Its log is not of interest, but to write it is part of its work.
        let log = fs::File::create("/dev/null").context("opening /dev/null")?;
        command.stdout(log.try_clone().context("sharing /dev/null")?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { child, is_counted: counts.is_some() })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("asking for a process")?.is_some())
    }

    /// The CPU time of all its threads until now, once it has nothing more to do.
    pub(crate) fn cpu_when_idle(&self) -> Result<Duration> {
        let mut before = self.cpu()?;
        loop {
            thread::sleep(QUIET);
            let now = self.cpu()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
    }

    /// proc(5), `/proc/PID/schedstat`: the first number is the time on a CPU, in nanoseconds.
    fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(self.proc("task")).context("reading a process's threads")? {
            let path = thread?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            let time: u64 = text.split(' ').next().unwrap_or_default().parse()?;
            nanoseconds += time;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status =
            fs::read_to_string(self.proc("status")).context("reading a process's status")?;
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else {
            bail!("a process without VmHWM")
        };
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    fn terminate(&self) -> io::Result<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }
}

/// Runs a program in callgrind, which counts its instructions by function.
fn callgrind(program: &Path, file: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    command.arg(program);
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = if self.is_counted { self.terminate() } else { self.child.kill() };
        let _ = self.child.wait();
    }
}
