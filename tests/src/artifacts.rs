//! Creates the zip files of the functions. A local AWS runs on this machine, so the uploaded
//! `bootstrap` only starts the program: development builds are large (40 MB each), and each account
//! of a local AWS would keep all of them.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::deploy::Programs;
use crate::paths;

/// Zips each `bootstrap`, given as the zip file's name and its contents. Like cargo-lambda, but
/// without a time stamp, so equal contents give equal files.
const ZIP: &str = "import sys, zipfile as z
for name, text in zip(sys.argv[1::2], sys.argv[2::2]):
    i = z.ZipInfo('bootstrap')
    i.external_attr = 0o755 << 16
    z.ZipFile(name, 'w').writestr(i, text)";

/// Lambda's side is the Runtime API (Lambda developer guide, "Using the Lambda runtime API").
const FAILING: &str = "import json, os, sys, urllib.request as http
invocations = f\"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation\"
error = json.dumps({'errorType': sys.argv[1], 'errorMessage': 'of another release'}).encode()
while True:
    with http.urlopen(f'{invocations}/next') as invocation:
        request = invocation.headers['Lambda-Runtime-Aws-Request-Id']
    http.urlopen(http.Request(f'{invocations}/{request}/error', error, method='POST'))";

/// The zip files of these functions, in the same order. `folder` must exist as long as the
/// functions are deployed: it keeps the programs, so a later build does not change them.
pub(crate) fn zipped(
    folder: &Path,
    functions: &[String],
    programs: Programs,
) -> Result<Vec<PathBuf>> {
    let folder = folder.join("functions");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut zip = Command::new(paths::venv_program("python")?);
    zip.args(["-c", ZIP]);
    let mut zips = Vec::new();
    for function in functions {
        let (name, command) = match programs {
            Programs::Built => {
                let program = keep(&folder, function)?;
                (program.with_extension("zip"), vec![utf8(&program)?.to_owned()])
            }
            Programs::Failing(error) => {
                let python = paths::venv_program("python")?;
                let command = [utf8(&python)?, "-c", FAILING, error].map(str::to_owned);
                (folder.join(format!("{function}-{error}.zip")), command.to_vec())
            }
        };
        zip.arg(&name).arg(bootstrap(&command));
        zips.push(name);
    }
    let status = zip.status().context("starting Python")?;
    ensure!(status.success(), "zipping the functions failed");
    Ok(zips)
}

/// A folder with the `bootstrap` of each of these functions, as `cargo lambda build` leaves them.
/// `folder` must exist as long as the functions are deployed.
pub(crate) fn unzipped(folder: &Path, functions: &[String]) -> Result<PathBuf> {
    let kept = folder.join("functions");
    let programs = folder.join("programs");
    fs::create_dir_all(&kept).with_context(|| format!("creating {}", kept.display()))?;
    for function in functions {
        let program = keep(&kept, function)?;
        let own = programs.join(function);
        fs::create_dir_all(&own).with_context(|| format!("creating {}", own.display()))?;
        fs::write(own.join("bootstrap"), bootstrap(&[utf8(&program)?.to_owned()]))
            .with_context(|| format!("writing the program of {function}"))?;
    }
    Ok(programs)
}

/// Links the function's program under a name that is unique to this build.
fn keep(folder: &Path, function: &str) -> Result<PathBuf> {
    let program = paths::function(function);
    let found = program
        .metadata()
        .with_context(|| format!("{} (`cargo xtask build` builds it)", program.display()))?;
    let kept = folder.join(format!("{function}-{}", build(&found)));
    match fs::hard_link(&program, &kept) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // Another file system; unusual, as both are in the target directory.
            fs::copy(&program, &kept).context("copying a function").map(drop)?;
        }
        _ => {}
    }
    Ok(kept)
}

/// Identifies a build.
fn build(program: &Metadata) -> String {
    format!("{:x}-{:x}{:09}", program.ino(), program.mtime(), program.mtime_nsec())
}

/// A script that is replaced by the program with its arguments.
fn bootstrap(command: &[String]) -> String {
    let quoted = command.iter().map(|word| format!(" '{}'", word.replace('\'', r"'\''")));
    format!("#!/bin/sh\nexec{}\n", quoted.collect::<String>())
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("the target directory's path is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_the_shell() {
        let text = bootstrap(&["/it's here/step".to_owned()]);
        assert_eq!(text, "#!/bin/sh\nexec '/it'\\''s here/step'\n");
    }
}
