//! The files of a trimmed crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::module::Module;
use crate::names::Names;
use crate::published::Sdk;
use crate::reach::{self, ModulePath, Reached};
use crate::unused::{self, Unused};

/// Texts by path.
pub(crate) type Files = BTreeMap<PathBuf, String>;

/// Sections of the manifest that are of the published crate's own tests.
const LEFT_OUT: &[&str] = &["[dev-dependencies", "[[test]]", "[package.metadata", "[hints]"];

/// The files of the crate, with what its called operations reach.
///
/// # Errors
///
/// If a file cannot be read or is not Rust.
pub(crate) fn files(sdk: &Sdk, names: &Names) -> Result<Files> {
    let sources = sdk.source.join("src");
    // Twice: what of a type is unused depends on which operations reach it.
    let whole = Reached::by(sources.clone(), names, None)?;
    let unused = Unused::of(&whole, names);
    let reached = Reached::by(sources, names, Some(&unused))?;
    let mut files = Files::new();
    for (path, module) in &reached.modules {
        files.insert(Path::new("src").join(reach::file(path)), text(&reached, path, module));
    }
    let manifest =
        fs::read_to_string(sdk.source.join("Cargo.toml")).context("reading its manifest")?;
    files.insert("Cargo.toml".into(), self::manifest(&manifest));
    let license = fs::read_to_string(sdk.source.join("LICENSE")).context("reading its license")?;
    files.insert("LICENSE".into(), license);
    Ok(files)
}

/// The file without the items that are not kept.
fn text(reached: &Reached, path: &ModulePath, module: &Module) -> String {
    let mut cuts = Vec::new();
    for (index, part) in module.items.iter().enumerate() {
        if reached.kept.contains(&(path.clone(), index)) {
            let unused =
                part.registrations.iter().filter(|(_, named)| !reached.is_kept(path, named));
            cuts.extend(unused.map(|(bytes, _)| bytes.clone()));
        } else {
            cuts.push(part.bytes.clone());
        }
    }
    without_documentation(&unused::cut(&module.text, cuts))
}

/// A text without its documentation, and without more than one blank line in a row.
pub(crate) fn without_documentation(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let is_documentation = trimmed.starts_with("///") || trimmed.starts_with("//!");
        let is_second_blank = trimmed.is_empty() && lines.last().is_none_or(|last| last.is_empty());
        if !is_documentation && !is_second_blank {
            // What nothing reaches is left out; warnings about it are of no use.
            lines.push(if line == "#![warn(missing_docs)]" {
                "#![allow(warnings)]"
            } else {
                line.trim_end()
            });
        }
    }
    lines.join("\n").trim_end().to_owned() + "\n"
}

fn manifest(text: &str) -> String {
    let mut keeps = true;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            keeps = !LEFT_OUT.iter().any(|section| line.starts_with(section));
        }
        if keeps && !line.starts_with("readme = ") {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The files that are there, so that what is left over of an earlier version is a difference.
///
/// # Errors
///
/// If they cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("reading {}", path.display()))?;
                files.insert(path.strip_prefix(folder)?.to_owned(), text);
            }
        }
    }
    Ok(files)
}
