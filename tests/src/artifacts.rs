//! Owns the zip files of the functions. Development builds are large (40 MB each), so one is
//! zipped again only when its program has changed.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::paths;

/// Zips `bootstrap` as cargo-lambda does, with the fastest compression and no time stamp: equal
/// programs give equal files.
const ZIP: &str = "import sys, zipfile as z; i = z.ZipInfo('bootstrap'); \
    i.external_attr = 0o755 << 16; i.compress_type = z.ZIP_DEFLATED; \
    z.ZipFile(sys.argv[2], 'w', compresslevel=1).writestr(i, open(sys.argv[1], 'rb').read(), \
    compresslevel=1)";

/// The zip files of these functions, in the same order.
pub fn zipped(functions: &[String]) -> Result<Vec<PathBuf>> {
    let folder = paths::own().join("functions");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    thread::scope(|scope| {
        let each: Vec<_> = functions
            .iter()
            .map(|function| scope.spawn(|| zip_if_changed(&folder, function)))
            .collect();
        each.into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("zipping panicked"))?)
            .collect()
    })
}

fn zip_if_changed(folder: &Path, function: &str) -> Result<PathBuf> {
    let program = paths::target().join("lambda").join(function).join("bootstrap");
    let hash = hash(&program)
        .with_context(|| format!("reading {} (`cargo xtask build` makes it)", program.display()))?;
    let zip = folder.join(format!("{function}-{hash:016x}.zip"));
    if zip.exists() {
        return Ok(zip);
    }
    for old in fs::read_dir(folder)?.flatten() {
        let name = old.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(function)).unwrap_or_default();
        if rest.starts_with('-') && rest.len() == "-0123456789abcdef.zip".len() {
            let _ = fs::remove_file(old.path());
        }
    }
    // Another harness may do the same now; each writes a file of its own and renames it.
    let unfinished = zip.with_extension(std::process::id().to_string());
    let status = Command::new(paths::venv_program("python")?)
        .args(["-c", ZIP])
        .args([&program, &unfinished])
        .status()
        .context("starting Python")?;
    ensure!(status.success(), "zipping {} failed", program.display());
    fs::rename(&unfinished, &zip).context("renaming the zip file")?;
    Ok(zip)
}

/// A hash for telling builds apart, which no one tries to trick.
fn hash(file: &Path) -> Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut hasher = DefaultHasher::new();
    loop {
        let part = reader.fill_buf()?;
        if part.is_empty() {
            return Ok(hasher.finish());
        }
        hasher.write(part);
        let length = part.len();
        reader.consume(length);
    }
}
