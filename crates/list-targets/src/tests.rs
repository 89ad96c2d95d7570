//! list-targets: which targets make a round, what starts each promotion, and how few calls it takes.

mod handler;

use std::collections::BTreeSet;

use contract::event::ReconcileRun;
use contract::output::StepOutput;
use contract::steps::{ListInput, Listed};
use tags::Destination;

use crate::decide::{self, MAX_GROUPS, MAX_TARGETS, Readers};

fn parameter(name: &str) -> Destination {
    Destination::Parameter(name.parse().unwrap())
}

fn stack(name: &str) -> Destination {
    Destination::Stack(name.parse().unwrap())
}

fn input(execution: &str) -> ListInput {
    ListInput { run: ReconcileRun::default(), execution: execution.to_owned(), after: None }
}

fn listed(execution: &str, targets: Vec<Destination>) -> Listed {
    decide::listed(&input(execution), targets, None, &Readers::new())
}

fn many(count: usize) -> BTreeSet<Destination> {
    (0..count).map(|n| parameter(&format!("/golden/{n:05}"))).collect()
}

#[test]
fn rounds_have_every_target_once() {
    for count in [0, 1, MAX_TARGETS, MAX_TARGETS + 1, 3 * MAX_TARGETS + 7] {
        let mut named = many(count);
        named.insert(stack("web"));
        let (mut seen, mut after, mut rounds) = (Vec::new(), None, 0);
        loop {
            let (targets, next) = decide::round(named.clone(), after.as_deref());
            assert!(targets.len() <= MAX_TARGETS);
            seen.extend(targets);
            rounds += 1;
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), named.len());
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), named);
        assert_eq!(rounds, (count + 1).div_ceil(MAX_TARGETS));
    }
}

/// Parameter Store allows names of 1,011 characters.
#[test]
fn a_round_of_very_long_names_is_shorter() {
    let long = |n: usize| parameter(&format!("/{n:05}/{}", "x".repeat(1_000)));
    let targets: Vec<_> = (0..MAX_TARGETS).map(long).collect();
    let first = listed("nightly", targets.clone());
    assert!(step::json_bytes(&first) <= Listed::MAX_BYTES);
    let kept = first.targets.len();
    assert!(kept < MAX_TARGETS, "{kept}");
    let named = targets.iter().cloned().collect();
    let (rest, next) = decide::round(named, first.next.as_deref());
    assert_eq!((rest, next), (targets[kept..].to_vec(), None));
}

#[test]
fn an_execution_is_named_after_its_target_and_its_reconcile() {
    let targets = vec![
        parameter("/golden/web"),
        parameter("/golden-web"),
        stack("golden-web"),
        parameter(&format!("/{}", "x".repeat(1_000))),
    ];
    let names = |execution| -> Vec<String> {
        listed(execution, targets.clone()).targets.into_iter().map(|start| start.name).collect()
    };
    let of_monday = names("monday");
    assert_eq!(of_monday, names("monday"), "a start that is retried finds what runs");
    assert!(of_monday[0].starts_with("golden-web-"), "{of_monday:?}");
    let all: BTreeSet<_> = of_monday.iter().cloned().chain(names("tuesday")).collect();
    assert_eq!(all.len(), 2 * targets.len());
    for name in all {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(name.len() <= 80 && name.chars().all(is_plain), "{name}");
    }
}

#[test]
fn a_promotion_is_told_of_its_parameters_groups_unless_there_are_too_many() {
    let named = |count: usize| (0..count).map(|n| format!("group-{n}")).collect::<Vec<_>>();
    for (found, told) in [
        (None, Some(vec![])),
        (Some(named(2)), Some(named(2))),
        (Some(named(MAX_GROUPS + 1)), None),
    ] {
        let readers = found.map(|groups| ("/golden/web".parse().unwrap(), groups));
        let readers = readers.into_iter().collect();
        let targets = vec![parameter("/golden/web"), stack("web")];
        let listed = decide::listed(&input("nightly"), targets, None, &readers);
        let groups: Vec<_> = listed.targets.into_iter().map(|start| start.input.groups).collect();
        assert_eq!(groups, [told, None]);
    }
}

#[test]
fn every_promotion_runs_as_the_reconcile_does() {
    for (dry_run, verify) in [(false, false), (true, false), (false, true)] {
        let input = ListInput { run: ReconcileRun { dry_run, verify }, ..input("nightly") };
        let listed = decide::listed(&input, vec![stack("web")], None, &Readers::new());
        let run = &listed.targets[0].input;
        assert_eq!((run.dry_run, run.verify), (dry_run, verify));
        assert!(!run.allow_older && !run.instance_refresh);
    }
}
