//! The published SDK crates, and which operations of them this workspace calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A published crate, and what of it is called.
pub(crate) struct Sdk {
    /// `ec2`.
    pub(crate) service: String,
    /// The folder of the published crate.
    pub(crate) source: PathBuf,
    /// `describe_images`, as the client's methods are named.
    pub(crate) operations: Vec<String>,
}

impl Sdk {
    /// The name of the crate.
    pub(crate) fn name(&self) -> String {
        crate_of(&self.service)
    }
}

fn crate_of(service: &str) -> String {
    format!("aws-sdk-{service}")
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    metadata: Option<Trimmed>,
}

#[derive(Deserialize)]
struct Trimmed {
    /// The called operations, by service.
    sdk: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
}

/// The crates that `[workspace.metadata.sdk]` lists, downloaded.
///
/// # Errors
///
/// If cargo cannot say where they are.
pub(crate) fn sdks(root: &Path) -> Result<Vec<Sdk>> {
    let workspace = metadata(root, &["--no-deps"])?;
    let trimmed = workspace.metadata.context("no [workspace.metadata.sdk] in Cargo.toml")?.sdk;
    let requirement = |service: &str| {
        let name = crate_of(service);
        let all = workspace.packages.iter().flat_map(|package| &package.dependencies);
        let found = all.into_iter().find(|dependency| dependency.name == name);
        found.map(|found| found.req.trim_start_matches(['^', '=']).to_owned())
            .with_context(|| format!("no crate of the workspace depends on {name}"))
    };
    // Of a workspace of its own: the patch must not answer.
    let folder = workspace.target_directory.join("sdk-trim");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let mut manifest = String::from(
        "[package]\nname = \"published\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n",
    );
    for service in trimmed.keys() {
        let version = requirement(service)?;
        manifest += &format!("{} = \"={version}\"\n", crate_of(service));
    }
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let published = metadata(&folder, &[])?;
    let mut sdks = Vec::new();
    for (service, operations) in trimmed {
        let name = crate_of(&service);
        let Some(package) = published.packages.iter().find(|package| package.name == name) else {
            bail!("cargo has not downloaded {name}");
        };
        let source = package.manifest_path.parent().context("a manifest without a folder")?;
        ensure!(package.version == requirement(&service)?, "{name} {}", package.version);
        sdks.push(Sdk { service, source: source.to_owned(), operations });
    }
    Ok(sdks)
}

fn metadata(folder: &Path, arguments: &[&str]) -> Result<Metadata> {
    let output = Command::new(env!("CARGO"))
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
