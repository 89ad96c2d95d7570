//! The published SDK crates that this workspace depends on.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// What the names of AWS's SDK crates begin with.
const PREFIX: &str = "aws-sdk-";

/// A published crate.
pub(crate) struct Sdk {
    /// `ec2`.
    pub(crate) service: String,
    /// The folder of the published crate.
    pub(crate) source: PathBuf,
}

impl Sdk {
    /// The name of the crate.
    pub(crate) fn name(&self) -> String {
        format!("{PREFIX}{}", self.service)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
}

/// The SDK crates that the workspace depends on, downloaded.
///
/// # Errors
///
/// If cargo cannot say where they are.
pub(crate) fn sdks(root: &Path) -> Result<Vec<Sdk>> {
    let workspace = metadata(root, &["--no-deps"])?;
    let dependencies = workspace.packages.iter().flat_map(|package| &package.dependencies);
    let versions: BTreeMap<&str, &str> = dependencies
        .filter(|dependency| dependency.name.starts_with(PREFIX))
        .map(|dependency| (dependency.name.as_str(), dependency.req.trim_start_matches('^')))
        .collect();
    // Of a workspace of its own: the patch must not answer.
    let folder = workspace.target_directory.join("sdk-trim");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let mut manifest = String::from(
        "[package]\nname = \"published\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n",
    );
    for (name, version) in &versions {
        manifest += &format!("{name} = \"={version}\"\n");
    }
    let file = folder.join("Cargo.toml");
    if fs::read_to_string(&file).ok().as_ref() != Some(&manifest) {
        // What the SDKs depend on is here already, in these versions.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))
            .context("copying Cargo.lock")?;
        fs::write(file, manifest)?;
    }
    let published = metadata(&folder, &[]).or_else(|_| metadata(&folder, &["--offline"]))?;
    let mut sdks = Vec::new();
    for name in versions.into_keys() {
        let Some(package) = published.packages.iter().find(|package| package.name == name) else {
            bail!("cargo has not downloaded {name}");
        };
        let source = package.manifest_path.parent().context("a manifest without a folder")?;
        let service = name.trim_start_matches(PREFIX).to_owned();
        sdks.push(Sdk { service, source: source.to_owned() });
    }
    Ok(sdks)
}

fn metadata(folder: &Path, arguments: &[&str]) -> Result<Metadata> {
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("running cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata in {}: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")
}
