//! What every SDK crate has of its own and that is the same in all: the library that resolves endpoints,
//! with the table of AWS's partitions. "Loading the partition JSON is expensive", AWS says there, and each
//! crate loads its own; a function with five clients would do it five times. So it is a crate, once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::module::{Kind, Module};
use crate::published::Sdk;
use crate::trimmed::{self, Files};
use crate::unused;

/// The folder and the file of the library in an SDK's sources.
const LIBRARY: &str = "endpoint_lib";
const ROOT: &str = "endpoint_lib.rs";
/// The name of the crate.
const NAME: &str = "sdk-endpoints";

/// Has the files of an SDK use the crate.
pub(crate) fn share(files: &mut Files) {
    files.retain(|path, _| !path.starts_with(Path::new("src").join(LIBRARY)));
    let import = "pub(crate) use ::sdk_endpoints::endpoint_lib::*;\n";
    files.insert(Path::new("src").join(ROOT), import.to_owned());
    if let Some(manifest) = files.get_mut(Path::new("Cargo.toml")) {
        *manifest +=
            &format!("\n[dependencies.{NAME}]\nversion = \"0.0.0\"\npath = \"../endpoints\"\n");
    }
}

/// The files of the crate: those of the SDK whose table is the longest, and so the newest.
///
/// # Errors
///
/// If the SDKs' libraries are not the same but for the table.
pub(crate) fn files(sdks: &[Sdk]) -> Result<Files> {
    let root = |sdk: &Sdk| fs::read_to_string(sdk.source.join("src").join(ROOT));
    let newest = sdks.iter().max_by_key(|sdk| root(sdk).map_or(0, |text| text.len()));
    let newest = newest.context("no SDK")?;
    let library = published(newest)?;
    for sdk in sdks {
        ensure!(
            published(sdk)? == library,
            "{}'s {LIBRARY} is not {}'s",
            sdk.name(),
            newest.name()
        );
    }
    let mut files = Files::new();
    files.insert("src/lib.rs".into(), "#![allow(warnings)]\n\npub mod endpoint_lib;\n".to_owned());
    let all = library.into_iter().chain([(ROOT.into(), root(newest)?)]);
    for (path, text) in all {
        files.insert(Path::new("src").join(path), public(text)?);
    }
    files.insert("Cargo.toml".into(), manifest(newest, &files)?);
    let license = fs::read_to_string(newest.source.join("LICENSE")).context("its license")?;
    files.insert("LICENSE".into(), license);
    Ok(files)
}

fn published(sdk: &Sdk) -> Result<Files> {
    let files = trimmed::read(&sdk.source.join("src").join(LIBRARY))?;
    Ok(files.into_iter().map(|(path, text)| (Path::new(LIBRARY).join(path), text)).collect())
}

/// The text without tests and documentation, for other crates.
fn public(text: String) -> Result<String> {
    let module = Module::parsed(text)?;
    let tests = module.items.iter().filter(|part| matches!(part.kind, Kind::Test));
    let cuts = tests.map(|part| part.bytes.clone()).collect();
    let text = trimmed::without_documentation(&unused::cut(&module.text, cuts));
    Ok(text.replace("pub(crate)", "pub"))
}

/// A manifest with the dependencies that the sources name.
fn manifest(sdk: &Sdk, files: &Files) -> Result<String> {
    let published = fs::read_to_string(sdk.source.join("Cargo.toml")).context("its manifest")?;
    let mut manifest = format!(
        "[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2021\"\nlicense = \"Apache-2.0\"\n\
         publish = false\n"
    );
    for section in published.split("\n[").filter(|section| section.starts_with("dependencies.")) {
        let name = section.split([']', '.']).nth(1).unwrap_or_default().replace('-', "_");
        if files.values().any(|text| text.contains(&name)) {
            manifest += &format!("\n[{}\n", section.trim_end());
        }
    }
    Ok(manifest)
}
