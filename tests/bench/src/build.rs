//! `cargo xtask bench build`: what it costs to build the functions for release from nothing, and how
//! large they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{emulator, paths};
use serde::Serialize;

use crate::cold::Format;
use crate::figures::{MAX_BINARY, MAX_ZIP, Size, megabytes};
use crate::table;

/// Minutes on two cores, from nothing.
const MAX_MINUTES: f64 = 8.0;
/// Gigabytes of all compilers at once.
const MAX_MEMORY: f64 = 6.0;
/// How often the compilers' memory is read.
const TICK: Duration = Duration::from_millis(500);
/// proc(5), `/proc/PID/stat`, counted from the field after the name: the process group, the CPU time of
/// the children that were waited for (user and system, in ticks), and the resident pages.
const GROUP: usize = 2;
const CHILDREN: [usize; 2] = [13, 14];
const PAGES: usize = 21;
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

/// The options of the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Build only this function; every function otherwise.
    #[arg(long)]
    function: Option<String>,
    /// Exit with status 1 if something exceeds its bound.
    #[arg(long)]
    check: bool,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// All figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// Of cargo and all compilers.
    cpu_seconds: f64,
    minutes: f64,
    cores: usize,
    /// Gigabytes of all compilers at once.
    peak_memory_gb: f64,
    functions: Vec<Built>,
    findings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    name: String,
    binary_mb: f64,
    zip_mb: f64,
}

/// Returns whether nothing exceeds its bound, or it was not asked for.
pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(Path::new("/proc/self/stat").exists(), "this needs Linux: it reads /proc");
    let folder = emulator::scratch_folder()?;
    let figures = figures(options, &folder);
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    let figures = figures?;
    match options.format {
        Format::Table => print!("{}", printed(&figures)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    Ok(figures.findings.is_empty() || !options.check)
}

fn figures(options: &Options, folder: &Path) -> Result<Figures> {
    fs::create_dir_all(folder).context("creating a folder for the build")?;
    let began = Instant::now();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked"]).current_dir(paths::root());
    // Without a package, cargo builds the functions: the workspace's default members.
    cargo.args(options.function.iter().flat_map(|name| ["--package", name]));
    cargo.env("CARGO_TARGET_DIR", folder);
    // A group of its own, by which its compilers are known.
    let mut cargo = cargo.process_group(0).spawn().context("starting cargo")?;
    let (cpu_seconds, peak) = watched(&mut cargo)?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let programs = programs(folder)?;
    let functions = programs.iter().zip(Size::of(&programs)?).map(|(program, size)| Built {
        name: program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        binary_mb: megabytes(size.binary),
        zip_mb: megabytes(size.zip),
    });
    let functions: Vec<_> = functions.collect();
    let mut figures = Figures {
        cpu_seconds,
        minutes,
        cores: thread::available_parallelism().map_or(1, usize::from),
        peak_memory_gb: peak,
        functions,
        findings: Vec::new(),
    };
    figures.findings = findings(&figures);
    Ok(figures)
}

/// The programs, wherever cargo has put them: a configured target has a folder of its own.
fn programs(target: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let inner = fs::read_dir(target).context("reading the build's folder")?;
    let inner: Vec<_> = inner.filter_map(|entry| Some(entry.ok()?.path())).collect();
    for folder in inner.into_iter().chain([target.to_owned()]) {
        for entry in fs::read_dir(folder.join("release")).into_iter().flatten().flatten() {
            let is_program = entry.path().extension().is_none()
                && entry
                    .metadata()
                    .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
            found.extend(is_program.then(|| entry.path()));
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no function was built");
    Ok(found)
}

/// Waits for the build, and returns the CPU seconds and the most gigabytes at once.
fn watched(cargo: &mut Child) -> Result<(f64, f64)> {
    let before = ticks_of_children()?;
    let mut peak: f64 = 0.0;
    loop {
        peak = peak.max(resident_pages(cargo.id()));
        if let Some(status) = cargo.try_wait().context("asking for cargo")? {
            ensure!(status.success(), "the build failed: {status}");
            let ticks = ticks_of_children()? - before;
            return Ok((ticks / TICKS_PER_SECOND, peak * PAGE_BYTES / 1e9));
        }
        thread::sleep(TICK);
    }
}

/// The CPU time of all processes that this one, and those that it has started, have waited for.
fn ticks_of_children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    Ok(CHILDREN.into_iter().filter_map(|index| field(&text, index)).sum())
}

/// The resident pages of all processes of a group.
fn resident_pages(group: u32) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    // A process may end meanwhile.
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let of_group = stats.filter(|text| field(text, GROUP) == Some(f64::from(group)));
    of_group.filter_map(|text| field(&text, PAGES)).sum()
}

/// A field of `/proc/PID/stat`, counted from the one after the name, which may have spaces.
fn field(text: &str, index: usize) -> Option<f64> {
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(index)?.parse().ok()
}

fn findings(figures: &Figures) -> Vec<String> {
    let mut findings = Vec::new();
    let mut check = |what: String, found: f64, most: f64| {
        if found > most {
            findings.push(format!("{what}: {found:.1}, at most {most:.1}"));
        }
    };
    check("minutes".to_owned(), figures.minutes, MAX_MINUTES);
    check("gigabytes of memory".to_owned(), figures.peak_memory_gb, MAX_MEMORY);
    for one in &figures.functions {
        check(format!("{}: megabytes", one.name), one.binary_mb, MAX_BINARY);
        check(format!("{}: megabytes zipped", one.name), one.zip_mb, MAX_ZIP);
    }
    findings
}

fn printed(figures: &Figures) -> String {
    let rows = figures.functions.iter().map(|one| {
        vec![one.name.clone(), format!("{:.2}", one.binary_mb), format!("{:.2}", one.zip_mb)]
    });
    let table = table::of(&["Function", "Program MB", "Zip MB"], rows, Some(0));
    let mut text = format!(
        "\n{table}\nBuilt from nothing in {:.1} minutes on {} cores: {:.0} CPU seconds, at most {:.1} GB of \
         memory.\n",
        figures.minutes, figures.cores, figures.cpu_seconds, figures.peak_memory_gb
    );
    for finding in &figures.findings {
        text += &format!("over its bound: {finding}\n");
    }
    text
}
