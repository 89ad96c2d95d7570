//! The crates: which crate depends on which, and which files each has.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::{none, text};

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .current_dir(harness::paths::root())
        .no_deps()
        .exec()
        .expect("cargo metadata")
});

fn dependencies(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

/// Every crate of a step, by name: what the shell is a dependency of.
pub fn step_crates() -> BTreeSet<String> {
    let is_step = |package: &&Package| {
        dependencies(package).contains("step") && package.targets.iter().any(|it| it.is_bin())
    };
    let steps = METADATA.packages.iter().filter(is_step);
    steps.map(|package| package.name.to_string()).collect()
}

/// The Rust sources of a crate, from the top of the repository, without those of tests alone.
pub fn sources(name: &str) -> Vec<PathBuf> {
    let mut sources = rust_files(&format!("crates/{name}/src"));
    sources.retain(|path| {
        path.components().all(|part| part.as_os_str() != "tests") && !path.ends_with("tests.rs")
    });
    sources
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(folder) = open.pop() {
        for entry in harness::paths::root().join(&folder).read_dir().expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() => open.push(path),
                _ if path.extension().is_some_and(|extension| extension == "rs") => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found
}

/// The name of a step's state and function: `update-stack` is `UpdateStack`.
pub fn pascal_case(step: &str) -> String {
    let words = step.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

#[test]
fn dependencies_point_to_the_contract() {
    let ours: BTreeSet<_> =
        METADATA.packages.iter().map(|package| package.name.to_string()).collect();
    let steps = step_crates();
    none(METADATA.packages.iter().filter_map(|package| {
        let allowed: &[&str] = match package.name.as_str() {
            "bench-floor" | "contract" | "sdk-trim" => &[],
            "bench" => &["contract", "harness"],
            "step" | "aws" => &["contract", "testkit"],
            // `status` and `doctor` say what a group boots, which the functions must find alike.
            "cli" => &["aws", "contract", "sentences"],
            "testkit" | "harness" | "replay" | "sentences" | "xtask" => &["contract"],
            "tags" => &["aws", "contract", "step"],
            "report" => &["contract", "sentences", "step"],
            name if steps.contains(name) => &["aws", "contract", "step", "tags", "testkit"],
            name => return Some(format!("{name} has no place in the order of dependencies")),
        };
        let all = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        let wrong: Vec<_> =
            all.filter(|name| ours.contains(*name) && !allowed.contains(name)).collect();
        (!wrong.is_empty()).then(|| format!("{} depends on {}", package.name, wrong.join(", ")))
    }));
}

#[test]
fn no_function_is_built_with_the_testkit() {
    let with_testkit = METADATA.packages.iter().filter(|p| dependencies(p).contains("testkit"));
    none(with_testkit.map(|package| package.name.to_string()));
}

/// What only one crate needs belongs in that crate. (`refusals` is the one place for predicates on
/// texts, whichever crate needs them.) A function that `aws` itself calls has one caller more.
#[test]
fn public_items_of_aws_have_callers_in_two_crates() {
    const DECLARATIONS: [&str; 6] =
        ["pub fn ", "pub async fn ", "pub struct ", "pub enum ", "pub type ", "pub trait "];
    let has_word = |text: &str, name: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let callers = |name: &str| {
        let is_caller =
            |caller: &&String| sources(caller).iter().any(|path| has_word(&text(path), name));
        let declares = |line: &str| {
            let is_it = |kind: &&str| line.starts_with(&format!("{kind}{name}"));
            DECLARATIONS.iter().any(is_it) || line.starts_with("impl ")
        };
        let calls = |line: &str| {
            let is_code = !line.trim_start().starts_with("//") && !line.contains("use ");
            is_code && has_word(line, name) && !declares(line)
        };
        let is_called_inside = sources("aws").iter().any(|path| {
            let text = text(path);
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            code.lines().any(calls)
        });
        let cli = "cli".to_owned();
        let callers = step_crates();
        let callers = callers.iter().chain([&cli]);
        callers.filter(is_caller).count() + usize::from(is_called_inside)
    };
    let shared = sources("aws").into_iter().filter(|path| !path.ends_with("refusals.rs"));
    none(shared.flat_map(|path| {
        let text = text(&path);
        // What stands at the beginning of a line; a method is its type's.
        let declared = text.lines().filter_map(|line| {
            let rest = DECLARATIONS.iter().find_map(|kind| line.strip_prefix(kind))?;
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
        });
        let lonely = declared.filter(|name| callers(name) < 2);
        lonely.map(|name| format!("{}: {name}", path.display())).collect::<Vec<_>>()
    }));
}

#[test]
fn the_operators_program_has_few_clients() {
    let cli = METADATA.packages.iter().find(|package| package.name.as_str() == "cli");
    let clients = dependencies(cli.expect("cli")).into_iter();
    let clients = clients.filter(|name| name.starts_with("aws-sdk-"));
    // Each takes its time to compile, EC2's minutes.
    assert_eq!(
        clients.collect::<Vec<_>>(),
        ["autoscaling", "backup", "cloudformation", "ec2", "sfn", "sqs", "ssm"]
            .map(|service| format!("aws-sdk-{service}"))
    );
}

#[test]
fn the_contract_does_no_io() {
    let contract = METADATA.packages.iter().find(|package| package.name.as_str() == "contract");
    let dependencies = dependencies(contract.expect("contract"));
    none(dependencies.iter().filter(|name| {
        name.starts_with("aws") || name.contains("tokio") || name.contains("lambda")
    }));
}

/// cargo-lambda 1.9 chooses `abort` where the profile says nothing, and no panic would have a name then.
#[test]
fn a_release_says_that_panics_unwind() {
    let manifest = text("Cargo.toml");
    let profile = manifest.split("[profile.release]").nth(1).expect("a release profile");
    assert!(profile.split("\n[").next().expect("it").contains("panic = \"unwind\""), "{profile}");
}

#[test]
fn what_is_built_by_default_is_the_steps() {
    let default = METADATA.workspace_default_packages();
    let default: BTreeSet<_> = default.iter().map(|package| package.name.to_string()).collect();
    assert_eq!(default, step_crates());
}

#[test]
fn versions_are_only_in_the_workspace() {
    none(METADATA.packages.iter().flat_map(|package| {
        let manifest = text(&package.manifest_path);
        let mut in_dependencies = false;
        let mut wrong = Vec::new();
        for line in manifest
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies && !line.contains("workspace = true") {
                wrong.push(format!("{}: {line}", package.name));
            }
        }
        wrong
    }));
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    none(METADATA.packages.iter().filter_map(|package| {
        let manifest = text(&package.manifest_path);
        let lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
        let mut section = lines.take_while(|line| !line.starts_with('['));
        (!section.any(|line| line == "workspace = true")).then(|| package.name.to_string())
    }));
}

#[test]
fn every_step_has_the_same_files() {
    none(step_crates().iter().flat_map(|step| {
        let files = rust_files(&format!("crates/{step}/src"));
        let expected = ["main.rs", "lib.rs", "decide.rs", "error.rs", "tests.rs"].into_iter();
        let missing =
            expected.filter(|name| !files.iter().any(|path| path.ends_with(format!("src/{name}"))));
        missing.map(|name| format!("{step} has no {name}")).collect::<Vec<_>>()
    }));
}

#[test]
fn main_only_wires() {
    let lines = |step: &String| text(format!("crates/{step}/src/main.rs")).lines().count();
    none(
        step_crates()
            .iter()
            .filter(|step| lines(step) > 20)
            .map(|step| format!("{step}: {} lines", lines(step))),
    );
}

#[test]
fn files_stay_short_and_begin_with_their_purpose() {
    let files = [rust_files("crates"), rust_files("tests")].concat();
    none(files.iter().flat_map(|path| {
        let text = text(path);
        let lines = text.lines().count();
        let long = (lines >= 400).then(|| format!("{}: {lines} lines", path.display()));
        let mute = (!text.starts_with("//! "))
            .then(|| format!("{} does not begin with //!", path.display()));
        long.into_iter().chain(mute)
    }));
}
