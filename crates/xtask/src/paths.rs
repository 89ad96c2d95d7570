//! Owns the paths of the sources, of the target directory, and of what is kept in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The harness's program.
pub(crate) const HARNESS: &str = "harness";
/// The program that replays executions.
pub(crate) const REPLAY: &str = "replay";
/// The operators' program.
pub(crate) const CLI: &str = "driftless";

/// The folders and programs that tasks share.
pub(crate) struct Paths {
    /// The top of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
    /// The target triple of this machine, as cargo names its build folder.
    host: String,
}

impl Paths {
    /// Asks cargo and the compiler. `CARGO_TARGET_DIR` and cargo's configuration are honoured.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("xtask is two folders below the top of the repository")?
            .to_owned();
        let metadata = output(Command::new(cargo()).current_dir(&root).args([
            "metadata",
            "--format-version=1",
            "--no-deps",
        ]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("reading what cargo metadata says")?;
        let target = metadata
            .get("target_directory")
            .and_then(serde_json::Value::as_str)
            .context("cargo metadata names no target directory")?
            .into();
        let version = output(Command::new("rustc").current_dir(&root).arg("-vV"))?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc -vV names no host")?
            .to_owned();
        Ok(Self { root, target, host })
    }

    /// A program of the development build.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join(&self.host).join("debug").join(name)
    }

    /// The same where no other build's cargo-lambda moves it away, once it is built.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.target.join("driftless").join(name)
    }

    /// Programs that are built for the checks, each in a folder of its own.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("driftless").join("tools")
    }

    /// Where the local AWS records the executions of the workflow tests.
    pub(crate) fn histories(&self) -> PathBuf {
        self.target.join("driftless").join("histories")
    }

    /// The Python environment with the local AWS.
    pub(crate) fn venv(&self) -> PathBuf {
        self.target.join("driftless").join("venv")
    }

    /// A program of the Python environment.
    pub(crate) fn venv_program(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// The local AWS's sources.
    pub(crate) fn emulator(&self) -> PathBuf {
        self.root.join("tests").join("emulator")
    }

    /// Makes a program use the same folders.
    pub(crate) fn hand_on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target)
    }
}

/// The cargo that runs this.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// The output of a short command.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("reading what {command:?} prints"))
}
