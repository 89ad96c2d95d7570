//! Deploys `template.yaml` into a local AWS as a user would: with `aws cloudformation package`, and
//! then the packaged template with CloudFormation. (On AWS the tests use the stack that `sam
//! deploy` has deployed; see `driftless`.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cloud::Cloud;
use crate::stack::{Request, Stack};
use crate::{artifacts, emulator, paths, unique};

/// The folder in which `template.yaml` expects a folder for each function.
const FUNCTIONS: &str = "target/lambda/";
/// The folder in which it expects the state machine's definition.
const DEFINITIONS: &str = "statemachine/";
/// The same as `sam deploy` needs: the template creates roles and has a transform.
const CAPABILITIES: [&str; 2] = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];

/// Which programs the functions get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// Those of the last build.
    Built,
    /// Those of another release: whatever it is given, each fails with this error.
    Failing(&'static str),
}

/// Deploys the template under this stack name, or updates that stack. `folder` is for temporary
/// files; it must exist as long as the stack.
///
/// # Errors
/// The functions are not built, packaging failed, or the stack did not become complete.
pub async fn template(
    cloud: &Cloud,
    folder: &Path,
    stack: &str,
    parameters: &[(&str, &str)],
    programs: Programs,
) -> Result<Stack> {
    let (packaging, folder) = (cloud.clone(), folder.to_owned());
    let packaged = move || package(&packaging, &folder, programs);
    let packaged = tokio::task::spawn_blocking(packaged).await??;
    let request =
        Request { name: stack, template: &packaged, parameters, capabilities: &CAPABILITIES };
    Stack::deploy(cloud, &request).await
}

/// Uploads a template to S3 in a local AWS with Driftless deployed, and returns its URL. For
/// templates that a request cannot contain: nested and long ones.
///
/// # Errors
/// This is the real AWS, or the bucket is not there.
pub async fn upload(cloud: &Cloud, template: &str) -> Result<String> {
    let endpoint =
        cloud.endpoint().context("there is a bucket for templates only in a local AWS")?;
    let (bucket, key) = (bucket(cloud), unique("template"));
    let file = emulator::scratch_folder()?.join(&key);
    fs::write(&file, template).context("writing the template")?;
    let address = format!("{endpoint}/{bucket}/{key}");
    let cloud = cloud.clone();
    tokio::task::spawn_blocking(move || {
        let put = ["s3api", "put-object", "--bucket", &bucket, "--key", &key];
        aws(&cloud, &[put.as_slice(), &["--body", text(&file)?]].concat()).map(drop)
    })
    .await??;
    Ok(address)
}

pub(crate) fn bucket(cloud: &Cloud) -> String {
    format!("driftless-artifacts-{}", cloud.account())
}

/// The template with its functions and definition uploaded.
fn package(cloud: &Cloud, folder: &Path, programs: Programs) -> Result<String> {
    let source = paths::root().join("template.yaml");
    let template =
        fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    let bucket = bucket(cloud);
    let prepared = folder.join("template.yaml");
    let packaged = folder.join("packaged.json");
    // Both take about equally long.
    std::thread::scope(|scope| {
        let bucket = scope.spawn(|| aws(cloud, &["s3api", "create-bucket", "--bucket", &bucket]));
        fs::write(&prepared, with_absolute_paths(&template, folder, programs)?)
            .context("writing the template")?;
        bucket.join().map_err(|_| anyhow::anyhow!("creating the bucket panicked"))?.map(drop)
    })?;
    let (prepared, output) = (text(&prepared)?, text(&packaged)?);
    aws(
        cloud,
        &[
            "cloudformation",
            "package",
            "--template-file",
            prepared,
            "--s3-bucket",
            &bucket,
            "--output-template-file",
            output,
            "--use-json",
        ],
    )?;
    let packaged = fs::read_to_string(&packaged).context("reading the packaged template")?;
    let packaged: Value =
        serde_json::from_str(&packaged).context("the packaged template is not JSON")?;
    // A request may have a template of 51,200 bytes (`CreateStack`, `TemplateBody`); as YAML it is
    // longer. `sam deploy` uploads the template, so on AWS there is no such limit.
    Ok(packaged.to_string())
}

/// The template with absolute paths to the files to upload: the target directory may be anywhere,
/// and the functions are already zipped.
fn with_absolute_paths(template: &str, folder: &Path, programs: Programs) -> Result<String> {
    let functions: Vec<String> = function_names(template).into_iter().map(str::to_owned).collect();
    ensure!(!functions.is_empty(), "template.yaml has no function under {FUNCTIONS}");
    let zips: Vec<PathBuf> = artifacts::zipped(folder, &functions, programs)?;
    let mut result = template.to_owned();
    for (function, zip) in functions.iter().zip(&zips) {
        let zip = text(zip)?;
        for written in [format!("{FUNCTIONS}{function}/\n"), format!("{FUNCTIONS}{function}\n")] {
            result = result.replace(&written, &format!("{zip}\n"));
        }
    }
    let definitions = paths::root().join(DEFINITIONS);
    Ok(result.replace(&format!(" {DEFINITIONS}"), &format!(" {}", text(&definitions)?)))
}

pub(crate) fn function_names(template: &str) -> BTreeSet<&str> {
    template
        .split(FUNCTIONS)
        .skip(1)
        .filter_map(|rest| rest.split(['/', '\n', ' ', '#']).next())
        .collect()
}

/// Runs the AWS CLI against this cloud, without the user's own environment, and returns its output.
pub(crate) fn aws(cloud: &Cloud, arguments: &[&str]) -> Result<String> {
    let output = Command::new(paths::venv_program("aws")?)
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        // Ignore the user's configuration: there is no such file.
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        // Retrying does not help if the local AWS has ended.
        .env("AWS_MAX_ATTEMPTS", "1")
        .envs(cloud.variables())
        .output()
        .context("starting the AWS CLI")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "aws {}: {}", arguments.join(" "), errors.trim());
    String::from_utf8(output.stdout).context("the AWS CLI's output is not UTF-8")
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_their_folder() {
        let template = "CodeUri: target/lambda/update-stack/\n  x: 1\nCodeUri: target/lambda/a\n";
        assert_eq!(function_names(template), BTreeSet::from(["a", "update-stack"]));
    }
}
