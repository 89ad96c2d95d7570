//! The paths of the sources, and of the files in the target directory.

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
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
    /// The target triple of this machine, as cargo names its build folder.
    host: String,
}

impl Paths {
    /// Finds the paths with cargo and rustc, which respect `CARGO_TARGET_DIR` and cargo's
    /// configuration.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("finding the root of the repository")?
            .to_owned();
        let metadata = output(Command::new(cargo()).current_dir(&root).args([
            "metadata",
            "--format-version=1",
            "--no-deps",
        ]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("parsing the output of cargo metadata")?;
        let target = metadata
            .get("target_directory")
            .and_then(serde_json::Value::as_str)
            .context("the output of cargo metadata has no target directory")?
            .into();
        let version = output(Command::new("rustc").current_dir(&root).arg("-vV"))?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("the output of rustc -vV has no host")?
            .to_owned();
        Ok(Self { root, target, host })
    }

    /// A program of the development build.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join(&self.host).join("debug").join(name)
    }

    /// Its link, in a folder where another build's cargo-lambda does not move it away.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.target.join("driftless").join(name)
    }

    /// The functions that a local AWS runs: `NAME/bootstrap`. The harness reads them here.
    pub(crate) fn functions(&self) -> PathBuf {
        self.target.join("driftless").join("functions")
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

    /// Makes a command use the same folders.
    pub(crate) fn with_paths<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target)
    }
}

/// The cargo that runs this program.
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
    String::from_utf8(output.stdout).with_context(|| format!("reading the output of {command:?}"))
}
