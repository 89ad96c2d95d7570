//! Cuts AWS's SDK crates down to the operations that this workspace calls, and writes them to
//! `sdk/<service>`, which `[patch.crates-io]` puts in the place of the published crates. The files are
//! AWS's own, without the items that no called operation reaches and without documentation: the
//! published crate of EC2 has 1.2 million lines, and takes ten minutes of CPU and 9 GB to compile.
//!
//! * [`published`]: the published crates.
//! * [`names`]: what the workspace's sources name, such as the operations that they call.
//! * [`unused`]: members of structures and values of enums that they do not name.
//! * [`module`]: one source file, as its items and what they refer to.
//! * [`reach`]: which items the called operations reach.
//! * [`endpoints`]: what all crates have alike, as a crate of its own.
//! * [`trimmed`]: the files of the trimmed crate.

mod endpoints;
mod module;
mod names;
mod published;
mod reach;
#[cfg(test)]
mod tests;
mod trimmed;
mod unused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::names::Names;

/// Writes the trimmed SDK crates.
#[derive(Parser)]
struct Arguments {
    /// Writes nothing; prints which crates would change, and exits with status 1.
    #[arg(long)]
    check: bool,
    /// The root of the repository.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let names = Names::of(&arguments.root)?;
    let sdks = published::sdks(&arguments.root)?;
    let mut crates = vec![("endpoints", endpoints::files(&sdks)?)];
    for sdk in &sdks {
        eprintln!("Trimming {}", sdk.name());
        let files = trimmed::files(sdk, &names);
        let mut files = files.with_context(|| format!("trimming {}", sdk.name()))?;
        endpoints::share(&mut files);
        crates.push((&sdk.service, files));
    }
    let mut stale = Vec::new();
    for (name, files) in crates {
        let folder = arguments.root.join("sdk").join(name);
        if trimmed::read(&folder)? == files {
            continue;
        }
        if !arguments.check {
            replace(&folder, &files)?;
            println!("wrote sdk/{name}: {} files", files.len());
        }
        stale.push(format!("sdk/{name}"));
    }
    if arguments.check && !stale.is_empty() {
        eprintln!("{} would change: run `cargo xtask generate`", stale.join(" and "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn replace(folder: &Path, files: &trimmed::Files) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for (file, text) in files {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
