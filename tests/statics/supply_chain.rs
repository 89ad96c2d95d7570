//! Dependencies and CI actions are pinned to the exact bytes that were reviewed.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{none, text};

const WORKFLOWS: &str = ".github/workflows";

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A requirement with its options for pip, each on one line.
fn requirements(file: &str) -> Vec<String> {
    let text = text(format!("tests/emulator/{file}")).replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// `name[extra]==1.0 --hash=…` and `name>=1` are both `name`.
fn name(requirement: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    requirement.split(|c| !is_name(c)).next().unwrap_or_default()
}

#[test]
fn crates_come_from_the_registry_with_checksums() {
    let lock = text("Cargo.lock");
    none(lock.split("[[package]]").skip(1).filter_map(|package| {
        let field = |name: &str| {
            let line =
                package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"'))
        };
        let is_ours = field("source").is_none();
        let is_pinned = field("source")
            == Some("registry+https://github.com/rust-lang/crates.io-index")
            && field("checksum").is_some_and(|sum| is_hex(sum, 64));
        (!is_ours && !is_pinned).then(|| field("name").unwrap_or_default())
    }));
}

#[test]
fn the_local_aws_is_pinned_with_hashes() {
    none(requirements("requirements.txt").into_iter().filter(|line| {
        let mut words = line.split_whitespace();
        let is_exact = words.next().is_some_and(|word| word.contains("=="));
        // What is after a semicolon says for which Python and system.
        let mut hashes = words.filter_map(|word| word.strip_prefix("--hash=sha256:")).peekable();
        !is_exact || hashes.peek().is_none() || !hashes.all(|hash| is_hex(hash, 64))
    }));
}

#[test]
fn the_local_aws_installs_what_it_requires() {
    let installed = requirements("requirements.txt");
    let installed: BTreeSet<_> = installed.iter().map(|line| name(line)).collect();
    let asked = requirements("requirements.in");
    none(asked.iter().filter(|line| !installed.contains(name(line))));
}

/// The roots that the functions trust are among those that every Python client of AWS trusts: one that
/// is withdrawn there must go here too.
#[test]
fn botocore_trusts_the_embedded_roots() {
    let found = crate::python("roots.py", &json!(text("crates/aws/src/amazon-roots.pem")));
    assert_eq!(found, json!([5, 0]));
}

/// The replay's JSONata.
#[test]
fn a_copy_is_what_its_readme_says() {
    const FOLDER: &str = "tests/replay/vendor/jsonata";
    let readme = text(format!("{FOLDER}/README.md"));
    let sum = readme.lines().map(str::trim).find(|line| is_hex(line, 64)).expect("a SHA-256");
    let file = harness::paths::root().join(FOLDER).join("jsonata.min.js");
    assert_eq!(crate::python("sha256.py", &json!(file)), sum);
}

#[test]
fn actions_are_pinned_by_commit() {
    let folder = harness::paths::root().join(WORKFLOWS).read_dir().unwrap();
    none(folder.flat_map(|entry| {
        let file = entry.unwrap().file_name();
        let workflow = text(format!("{WORKFLOWS}/{}", file.display()));
        let uses = workflow.lines().filter_map(|line| {
            line.trim().trim_start_matches("- ").strip_prefix("uses:").map(str::trim)
        });
        // A tag can be moved to another commit; which one was meant is for people.
        let is_pinned = |action: &&str| {
            let (action, tag) = action.split_once(" # v").unwrap_or_default();
            !tag.is_empty() && action.split_once('@').is_some_and(|(_, commit)| is_hex(commit, 40))
        };
        let loose = uses.filter(|action| !is_pinned(action));
        loose.map(|action| format!("{}: {action}", file.display())).collect::<Vec<_>>()
    }));
}

#[test]
fn a_second_version_has_its_reason() {
    let deny = text(".cargo/deny.toml");
    let skipped = deny.lines().filter(|line| line.trim().starts_with("{ crate ="));
    none(skipped.filter(|line| !line.contains(", reason = \"")));
}
