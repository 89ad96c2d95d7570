//! Sets up the Python environment with the local AWS and the AWS CLI, pinned with hashes and separate
//! from everything else on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, Line};
use crate::paths::Paths;
use crate::progress::Progress;

/// The oldest Python that the local AWS and the AWS CLI support.
const OLDEST_PYTHON: (u32, u32) = (3, 10);
/// The newest minor version to look for by name; `python3` itself may be newer.
const NEWEST_NAMED: u32 = 15;

/// The file with the packages.
const REQUIREMENTS: &str = "requirements.txt";

/// Creates the environment, unless it already matches the requirement files.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    let expected = fingerprint(paths)?;
    let stamp = paths.venv().join("driftless-requirements");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == expected) {
        return Ok(());
    }
    let python = find_python()?;
    if paths.venv().exists() {
        fs::remove_dir_all(paths.venv()).context("removing the outdated Python environment")?;
    }
    eprintln!("Setting up the local AWS in {}", paths.venv().display());
    let mut venv = Command::new(&python);
    venv.args(["-m", "venv"]).arg(paths.venv());
    command::run(&mut venv, Progress::start("Python environment"), |_| Line::Keep)
        .context("creating the Python environment")?;
    install(paths).context(
        "installing the packages (the first set-up needs network access or a package mirror)",
    )?;
    // Last, so that an interrupted set-up begins again.
    fs::write(&stamp, expected).context("marking the environment as complete")
}

/// What is installed, in full.
fn fingerprint(paths: &Paths) -> Result<String> {
    let path = paths.emulator().join(REQUIREMENTS);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

fn install(paths: &Paths) -> Result<()> {
    let path = paths.emulator().join(REQUIREMENTS);
    let total = count_packages(&path)?;
    let mut pip = Command::new(paths.venv_program("python"));
    pip.args(["-m", "pip", "install", "--require-hashes", "--disable-pip-version-check"])
        .args(["--no-input", "--progress-bar=off", "-r"])
        .arg(&path);
    let mut collected = 0;
    let progress = Progress::start("Python packages");
    command::run(&mut pip, progress, |line| {
        if let Some(package) = line.strip_prefix("Collecting ") {
            collected += 1;
            let package = package.split_whitespace().next().unwrap_or(package);
            return Line::Step(collected.min(total), total, package.to_owned());
        }
        if line.starts_with("Installing collected packages") {
            return Line::Step(total, total, "unpacking".to_owned());
        }
        Line::Keep
    })
}

fn count_packages(requirements: &Path) -> Result<u64> {
    let text = fs::read_to_string(requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    Ok(text.lines().filter(|line| line.contains("==")).count() as u64)
}

/// The first Python on the PATH that is new enough and can create environments.
fn find_python() -> Result<PathBuf> {
    let (_, oldest) = OLDEST_PYTHON;
    let named = (oldest..=NEWEST_NAMED).rev().map(|minor| format!("python3.{minor}"));
    let mut found = Vec::new();
    for name in std::iter::once("python3".to_owned()).chain(named) {
        match inspect(&name) {
            Some(Python { version, complete: true }) if version >= OLDEST_PYTHON => {
                return Ok(name.into());
            }
            Some(Python { version: (major, minor), complete }) => {
                let lacks = if complete { "" } else { " without the modules venv and ensurepip" };
                found.push(format!("{name} is {major}.{minor}{lacks}"));
            }
            None => {}
        }
    }
    let found = if found.is_empty() { "none was found".to_owned() } else { found.join(", ") };
    bail!(
        "Python {}.{} or newer with venv is needed on the PATH (as python3 or python3.x): {found}",
        OLDEST_PYTHON.0,
        OLDEST_PYTHON.1
    )
}

struct Python {
    version: (u32, u32),
    /// Whether it can create environments; some distributions put that in another package.
    complete: bool,
}

fn inspect(program: &str) -> Option<Python> {
    const SCRIPT: &str = "import sys, importlib.util as u; print(*sys.version_info[:2], \
                        all(u.find_spec(m) for m in ('venv', 'ensurepip')))";
    let output = Command::new(program).args(["-c", SCRIPT]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace();
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Python { version, complete: words.next()? == "True" })
}
