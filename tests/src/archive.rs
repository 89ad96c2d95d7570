//! Deploys the archive of a release with the AWS CLI, as docs/releasing.md says: with nothing but what is in
//! it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::deploy::{aws, bucket, function_names, text};
use crate::driftless::{PREFIXES, STACK};
use crate::{Cloud, Driftless, Stack, artifacts, emulator, paths, unique};

impl Driftless {
    /// Another one from the archive that `.ci/package` makes, in a new account of the same local
    /// AWS.
    ///
    /// # Errors
    /// This is the real AWS, or it could not be deployed.
    pub async fn from_archive(&self) -> Result<Self> {
        let cloud = self.cloud.fresh_account().context("only a local AWS has further accounts")?;
        let stack = Stack::by_name(&cloud, &unique(STACK));
        let name = stack.name.clone();
        tokio::task::spawn_blocking(move || deploy(&cloud, &name)).await??;
        Self::of(&stack).await
    }
}

fn deploy(cloud: &Cloud, stack: &str) -> Result<()> {
    // It is removed with the local AWS's own folder.
    let folder = emulator::scratch_folder()?.join(cloud.account());
    let archive = packaged(&folder)?;
    let unpacked = folder.join("unpacked");
    python(&["-m", "zipfile", "-e", text(&archive)?, text(&unpacked)?])?;
    let release = unpacked.join(archive.file_stem().context("the archive has no name")?);

    let bucket = bucket(cloud);
    aws(cloud, &["s3api", "create-bucket", "--bucket", &bucket])?;
    let (template, packaged) = (release.join("template.yaml"), release.join("packaged.yaml"));
    let package = ["cloudformation", "package", "--s3-bucket", &bucket];
    let files = ["--template-file", text(&template)?, "--output-template-file", text(&packaged)?];
    aws(cloud, &[package.as_slice(), &files].concat())?;
    // The template is longer than a request may be (51,200 bytes).
    let deploy = ["cloudformation", "deploy", "--stack-name", stack, "--s3-bucket", &bucket];
    let what = ["--template-file", text(&packaged)?, "--capabilities", "CAPABILITY_IAM"];
    let prefix = format!("ParameterPathPrefix={}", PREFIXES.parameter);
    let overrides = ["CAPABILITY_AUTO_EXPAND", "--parameter-overrides", &prefix];
    aws(cloud, &[deploy.as_slice(), &what, &overrides].concat()).map(drop)
}

/// The archive for this machine's architecture, with the functions of the last build.
fn packaged(folder: &Path) -> Result<PathBuf> {
    let template = fs::read_to_string(paths::root().join("template.yaml"));
    let template = template.context("reading template.yaml")?;
    let functions: Vec<_> = function_names(&template).into_iter().map(str::to_owned).collect();
    let programs = artifacts::unzipped(folder, &functions)?;
    let package = paths::root().join(".ci").join("package");
    let architecture = std::env::consts::ARCH;
    let arguments = ["functions", architecture, text(folder)?, text(&programs)?];
    let made = python(&[[text(&package)?].as_slice(), &arguments].concat())?;
    Ok(PathBuf::from(made.trim()))
}

fn python(arguments: &[&str]) -> Result<String> {
    let output = Command::new(paths::venv_program("python")?).args(arguments).output();
    let output = output.context("starting Python")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "python {}: {}", arguments.join(" "), errors.trim());
    String::from_utf8(output.stdout).context("Python's output is not UTF-8")
}
