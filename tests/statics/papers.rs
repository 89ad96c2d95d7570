//! The papers: every link leads somewhere, and what they list is what there is.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::{none, text};

const PAPERS: [&str; 12] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/aws-errors.md",
    "docs/building.md",
    "docs/calls.md",
    "docs/errors.md",
    "docs/glossary.md",
    "docs/operations.md",
    "docs/releasing.md",
    "tests/emulator/README.md",
];

/// The targets of a paper's links, without those to the web.
fn links(paper: &str) -> Vec<String> {
    let text = text(paper);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let targets = targets.map(|(target, _)| target.to_owned());
    targets.filter(|target| !target.starts_with("http")).collect()
}

/// The anchors of a paper's headings, as GitHub makes them.
fn anchors(paper: &Path) -> BTreeSet<String> {
    let text = text(paper);
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let kept = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
            _ => None,
        };
        heading.trim_start_matches('#').trim().chars().filter_map(kept).collect()
    };
    headings.map(anchor).collect()
}

/// A path from the top of the repository, without `..`.
fn resolved(paper: &str, target: &str) -> PathBuf {
    let mut path = Path::new(paper).parent().expect("a folder").to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_link_leads_somewhere() {
    none(PAPERS.iter().flat_map(|paper| {
        links(paper).into_iter().filter_map(move |link| {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() { PathBuf::from(paper) } else { resolved(paper, file) };
            let exists = harness::paths::root().join(&path).exists();
            let is_there = exists && (anchor.is_empty() || anchors(&path).contains(anchor));
            (!is_there).then(|| format!("{paper}: {link}"))
        })
    }));
}

#[test]
fn the_checks_that_can_be_disabled_are_listed() {
    let checks = text("crates/validate-ami/src/checks.rs");
    let table = checks.split("const CHECKS").nth(1).expect("the table of checks");
    let table = table.split("];").next().expect("its end");
    let named = table.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    // These are constants, because the step needs their names elsewhere too.
    let constants = ["STATE", "BACKUP", "LIFETIME"].map(str::to_lowercase);
    let known: BTreeSet<_> = named.map(str::to_owned).chain(constants).collect();
    let operations = text("docs/operations.md");
    let row = operations.lines().find(|line| line.starts_with("| `DisabledChecks`"));
    let row = row.expect("the parameter DisabledChecks");
    let listed = row.split('`').skip(3).step_by(2).map(str::to_owned);
    assert_eq!(listed.collect::<BTreeSet<_>>(), known);
}
