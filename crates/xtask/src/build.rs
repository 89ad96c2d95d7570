//! Builds the functions for a local AWS, and then the programs that run on this machine.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, Line};
use crate::paths::{self, Paths};
use crate::progress::Progress;
use crate::setup;

/// The first words of cargo's status lines, which the progress bar replaces.
const STATUS_WORDS: [&str; 14] = [
    "Compiling",
    "Checking",
    "Documenting",
    "Generated",
    "Downloading",
    "Downloaded",
    "Locking",
    "Updating",
    "Adding",
    "Fresh",
    "Finished",
    "Executable",
    "Installing",
    "Installed",
];

/// Sets up, then builds the functions, the harness and `driftless`.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    setup::run(paths)?;
    // Of the whole workspace: for a part of it cargo may choose other features, and compile the SDKs
    // again.
    let ours = [paths::HARNESS, paths::CLI];
    let programs = paths.functions.iter().map(String::as_str).chain(ours);
    let programs = programs.flat_map(|name| ["--bin", name]);
    let arguments: Vec<_> = ["build", "--workspace"].into_iter().chain(programs).collect();
    cargo(paths, "Building the functions and the harness", &arguments)?;
    for name in &paths.functions {
        place(paths, name).with_context(|| format!("placing {name}"))?;
    }
    for name in ours {
        keep(paths, name).with_context(|| format!("keeping {name}"))?;
    }
    Ok(())
}

/// Links a function to where a local AWS takes it from. That is not where `template.yaml` has its
/// `CodeUri`: the next `sam deploy` would upload development builds for this machine.
fn place(paths: &Paths, name: &str) -> io::Result<()> {
    let function = paths.local_function(name);
    fs::create_dir_all(function.parent().unwrap_or(&function))?;
    link(&paths.built(name), &function)
}

/// Links a program into a folder where another build's cargo-lambda does not move it away.
fn keep(paths: &Paths, name: &str) -> io::Result<()> {
    link(&paths.built(name), &paths.kept(name))
}

fn link(program: &Path, kept: &Path) -> io::Result<()> {
    if kept.exists() {
        fs::remove_file(kept)?;
    }
    fs::hard_link(program, kept)
}

/// Builds every test, so that running them is not interrupted by compiling.
pub(crate) fn tests(paths: &Paths) -> Result<()> {
    cargo(paths, "Building tests", &["test", "--workspace", "--no-run"])?;
    replay(paths)
}

/// Builds the program that replays executions.
pub(crate) fn replay(paths: &Paths) -> Result<()> {
    cargo(paths, "Building the replay", &["build", "--workspace", "--bin", paths::REPLAY])?;
    keep(paths, paths::REPLAY).context("keeping the replay")
}

/// Builds the benchmark.
pub(crate) fn bench(paths: &Paths) -> Result<()> {
    cargo(paths, "Building the benchmark", &["build", "--workspace", "--bin", paths::BENCH])?;
    keep(paths, paths::BENCH).context("keeping the benchmark")
}

/// Builds the functions as they are deployed, but for this machine, and what the benchmark compares
/// them with.
pub(crate) fn release(paths: &Paths) -> Result<()> {
    // All in one command: alone, the floor would have dependencies with other features.
    let packages = paths.functions.iter().map(String::as_str).chain([paths::FLOOR[0]]);
    let packages = packages.flat_map(|package| ["--package", package]);
    let arguments: Vec<_> = ["build", "--release"].into_iter().chain(packages).collect();
    cargo(paths, "Building for release", &arguments)?;
    let folder = paths.released();
    fs::create_dir_all(&folder).context("creating the folder of the release build")?;
    for name in paths.functions.iter().map(String::as_str).chain(paths::FLOOR) {
        link(&paths.built_for_release(name), &folder.join(name))
            .with_context(|| format!("keeping {name}"))?;
    }
    Ok(())
}

/// Runs a cargo command that builds, with a bar.
pub(crate) fn cargo(paths: &Paths, what: &str, arguments: &[&str]) -> Result<()> {
    with_bar(paths, what, Command::new(paths::cargo()).args(arguments))
        .with_context(|| format!("cargo {}", arguments.join(" ")))
}

/// Runs a prepared cargo command with a bar.
pub(crate) fn with_bar(paths: &Paths, what: &str, command: &mut Command) -> Result<()> {
    let color = if io::stderr().is_terminal() { "always" } else { "never" };
    // Only cargo knows the number of steps; read it from cargo's own bar.
    paths
        .with_paths(command)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "160")
        .env("CARGO_TERM_COLOR", color);
    command::run(command, Progress::start(what), |line| cargo_line(line, Line::Show))
}

/// Classifies a line of cargo's output; a line that is not a status is `other`.
fn cargo_line(line: &str, other: Line) -> Line {
    let plain = console::strip_ansi_codes(line);
    let text = plain.trim_start();
    if text.is_empty() {
        return Line::Drop;
    }
    if let Some((done, total, now)) = bar(text) {
        return Line::Step(done, total, now);
    }
    let word = text.split_whitespace().next().unwrap_or_default();
    // Statuses are right-aligned; diagnostics begin at the margin or with other words.
    if STATUS_WORDS.contains(&word) && plain.starts_with(' ') {
        return Line::Drop;
    }
    if word == "Blocking" { Line::Note(text.to_owned()) } else { other }
}

/// Reads `Building [==>  ] 12/213: serde, syn`.
fn bar(text: &str) -> Option<(u64, u64, String)> {
    let (_, rest) = text.strip_prefix("Building [")?.split_once(']')?;
    let (count, now) = rest.trim().split_once(':').unwrap_or((rest.trim(), ""));
    let (done, total) = count.split_once('/')?;
    Some((done.trim().parse().ok()?, total.trim().parse().ok()?, now.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo lambda build --release` writes to `lambda` in the target directory, and `sam deploy`
    /// uploads from there.
    #[test]
    fn a_local_build_does_not_lie_where_sam_takes_its_code() {
        let paths = Paths::find().unwrap();
        let template = fs::read_to_string(paths.root.join("template.yaml")).unwrap();
        let code: Vec<_> =
            template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: ")).collect();
        assert_eq!(code.len(), paths.functions.len());
        for (uri, name) in code.into_iter().zip(&paths.functions) {
            let code = paths.target.join(Path::new(uri).strip_prefix("target").unwrap());
            assert!(!paths.local_function(name).starts_with(code.parent().unwrap()), "{uri}");
        }
    }

    #[test]
    fn cargos_own_bar_is_read() {
        let line = "    Building [=====>      ] 12/213: serde, aws-sdk-ec2(build)";
        assert_eq!(bar(line.trim()), Some((12, 213, "serde, aws-sdk-ec2(build)".to_owned())));
        assert_eq!(bar("Building [===] 3/4"), Some((3, 4, String::new())));
    }

    #[test]
    fn statuses_are_not_shown_and_diagnostics_are() {
        let is_shown = |line| matches!(cargo_line(line, Line::Show), Line::Show);
        assert!(!is_shown("   Compiling serde v1.0.0"));
        assert!(!is_shown("\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m serde v1.0.0"));
        assert!(is_shown("error[E0425]: cannot find value `x`"));
        assert!(is_shown("   Compiles nothing"));
        assert!(is_shown("  --> src/main.rs:1:1"));
    }
}
