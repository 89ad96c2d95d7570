//! The papers: every link leads somewhere, and what they list is what there is.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::{none, text};

/// The guide to moving an existing group.
const MOVING: &str = "docs/moving.md";
const PAPERS: [&str; 15] = [
    "README.md",
    "README.ja.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/aws-errors.md",
    "docs/building.md",
    "docs/calls.md",
    "docs/errors.md",
    "docs/glossary.md",
    MOVING,
    "docs/operations.md",
    "docs/releasing.md",
    "sdk/README.md",
    "tests/emulator/README.md",
];

/// The targets of a text's links.
pub fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target)
}

/// The targets of a paper's links, without those to the web.
fn links(paper: &str) -> Vec<String> {
    let text = text(paper);
    let targets = link_targets(&text).filter(|target| !target.starts_with("http"));
    targets.map(str::to_owned).collect()
}

/// The lines of a text, each with the language of the code block that it is in; `None` if it is in
/// none.
pub fn lines(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut language = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), language) {
            (None, _) => lines.push((language, line)),
            (Some(begins), None) => language = Some(begins),
            (Some(_), Some(_)) => language = None,
        }
    }
    lines
}

/// A line of a code block without its comment.
pub fn without_comment(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line).trim_end()
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

#[test]
fn the_templates_lines_in_the_guide_are_those_to_copy() {
    let templates = ["parameter", "stack"].map(|name| text(format!("docs/templates/{name}.yaml")));
    let templates = templates.concat();
    let known: BTreeSet<_> = templates.lines().map(str::trim).collect();
    let guide = text(MOVING);
    let shown = lines(&guide).into_iter().filter(|(language, _)| *language == Some("yaml"));
    let shown: Vec<_> = shown.map(|(_, line)| without_comment(line).trim()).collect();
    assert!(!shown.is_empty(), "{MOVING} shows no lines of a template");
    let unknown = shown.iter().filter(|line| !known.contains(*line));
    none(unknown.map(|line| format!("{MOVING}: {line}")));
}

/// What follows `driftless` in a text's commands, each up to the end of its code span or line.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let rest = text.split("driftless ").skip(1);
    rest.filter_map(|rest| rest.split(['`', '\n']).next())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
    words.filter(|word| !word.is_empty())
}

#[test]
fn the_commands_in_the_guide_are_explained() {
    let (guide, operations) = (text(MOVING), text("docs/operations.md"));
    let names = commands(&operations).filter_map(|command| words(command).next());
    let options = words(&operations).filter(|word| word.starts_with("--"));
    let known: BTreeSet<_> = names.chain(options).collect();
    let used: Vec<_> = commands(&guide)
        .flat_map(|command| words(command).enumerate())
        .filter(|(index, word)| *index == 0 || word.starts_with("--"))
        .collect();
    assert!(!used.is_empty(), "{MOVING} has no commands");
    let unknown = used.iter().filter(|(_, word)| !known.contains(word));
    none(unknown.map(|(_, word)| format!("{MOVING}: {word}")));
}
