//! The paths of the sources, and of the files in the target directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The harness's program.
pub(crate) const HARNESS: &str = "harness";
/// The program that replays executions.
pub(crate) const REPLAY: &str = "replay";
/// The benchmark's program.
pub(crate) const BENCH: &str = "bench";
/// The functions that it compares with, which are built like the functions.
pub(crate) const FLOOR: [&str; 2] = ["bench-floor", "bench-empty"];
/// The operators' program.
pub(crate) const CLI: &str = "driftless";

/// The folders and programs that tasks share.
pub(crate) struct Paths {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
    /// The packages of the functions, each of which has one program of the same name.
    pub(crate) functions: Vec<String>,
    /// The target triple of this machine, as cargo names its build folder.
    host: String,
}

/// The output of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

impl Paths {
    /// Finds the paths with cargo and rustc, which respect `CARGO_TARGET_DIR` and cargo's
    /// configuration.
    pub(crate) fn find() -> Result<Self> {
        // As `cargo run` sets it: two checkouts that share a target directory share this program.
        let manifest = env::var_os("CARGO_MANIFEST_DIR");
        let root = manifest
            .as_deref()
            .map_or(Path::new(env!("CARGO_MANIFEST_DIR")), Path::new)
            .ancestors()
            .nth(2)
            .context("finding the root of the repository")?
            .to_owned();
        let metadata = output(Command::new(cargo()).current_dir(&root).args([
            "metadata",
            "--format-version=1",
            "--no-deps",
        ]))?;
        let Metadata { target_directory: target, packages, workspace_default_members } =
            serde_json::from_str(&metadata).context("parsing the output of cargo metadata")?;
        let functions = packages.into_iter().filter(|package| {
            // The default members are the functions.
            workspace_default_members.contains(&package.id)
        });
        let functions = functions.map(|package| package.name).collect();
        let version = output(Command::new("rustc").current_dir(&root).arg("-vV"))?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("the output of rustc -vV has no host")?
            .to_owned();
        Ok(Self { root, target, functions, host })
    }

    /// A program of the development build.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join(&self.host).join("debug").join(name)
    }

    /// A program of the release build.
    pub(crate) fn built_for_release(&self, name: &str) -> PathBuf {
        self.target.join(&self.host).join("release").join(name)
    }

    /// Its link, in a folder where another build's cargo-lambda does not move it away.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.target.join("driftless").join(name)
    }

    /// The program of a function that a local AWS runs. The harness reads it here.
    pub(crate) fn local_function(&self, name: &str) -> PathBuf {
        self.target.join("driftless").join("functions").join(name).join("bootstrap")
    }

    /// Links to the programs of the release build. The benchmark reads them here.
    pub(crate) fn released(&self) -> PathBuf {
        self.target.join("driftless").join("release")
    }

    /// Programs that are built for the checks, each in a folder of its own.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("driftless").join("tools")
    }

    /// Where the local AWS records the executions of `bench scale`.
    pub(crate) fn recordings_of_scale(&self) -> PathBuf {
        self.target.join("driftless").join("scale")
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
