//! The decisions of list-targets, without I/O: which targets a round has, and what starts each
//! promotion.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use contract::bounds::MAX_EXECUTION_NAME_CHARS;
use contract::event::{TargetNames, TargetRun};
use contract::ids::ParameterName;
use contract::steps::{ListInput, Listed, Start};
use fnv::FnvHasher;
use tags::{Destination, Instance, Instances, Settings};

/// The maximum number of targets of one round. collect-results and report keep what they say of
/// them below what Step Functions passes on.
pub(crate) const MAX_TARGETS: usize = 300;
/// The maximum length of a round as JSON: Step Functions passes 256 KiB from one state to the next.
const MAX_BYTES: usize = 200_000;
/// The maximum number of groups that a promotion is told of. One with more lists them itself.
pub(crate) const MAX_GROUPS: usize = 50;

/// The groups that boot from each parameter.
pub(crate) type Readers = BTreeMap<ParameterName, Vec<String>>;

/// The live instances that name a target which no image names: their backups may have lost their
/// tags.
pub(crate) fn without_image<'a>(
    settings: &Settings,
    instances: &'a Instances,
    named: &BTreeSet<Destination>,
) -> Vec<&'a String> {
    let is_missing = |(_, instance): &(&String, &Instance)| {
        let leads = settings.leads(&instance.tags).unwrap_or_default();
        leads.destinations.iter().any(|destination| !named.contains(destination))
    };
    instances.iter().filter(is_missing).map(|(id, _)| id).collect()
}

/// The targets after the last round's, and where this round ends if there are more.
pub(crate) fn round(
    named: BTreeSet<Destination>,
    after: Option<&str>,
) -> (Vec<Destination>, Option<String>) {
    // The set has them in the order of their keys.
    let is_left = |target: &Destination| after.is_none_or(|after| key(target).as_str() > after);
    let mut left = named.into_iter().filter(is_left);
    let targets: Vec<_> = left.by_ref().take(MAX_TARGETS).collect();
    let next = left.next().and_then(|_| targets.last().map(key));
    (targets, next)
}

/// The start of each promotion, as many as fit into a round.
pub(crate) fn listed(
    input: &ListInput,
    targets: Vec<Destination>,
    next: Option<String>,
    readers: &Readers,
) -> Listed {
    let mut listed = Listed { targets: Vec::new(), next };
    let mut bytes = 0;
    let mut last = None;
    for target in targets {
        let start = start(input, &target, readers);
        bytes += serde_json::to_string(&start).map_or(MAX_BYTES, |text| text.len() + 1);
        if bytes > MAX_BYTES {
            listed.next = last;
            break;
        }
        last = Some(key(&target));
        listed.targets.push(start);
    }
    listed
}

fn start(input: &ListInput, target: &Destination, readers: &Readers) -> Start {
    let (names, groups) = match target {
        Destination::Parameter(name) => {
            let groups = readers.get(name).cloned().unwrap_or_default();
            let names =
                TargetNames { parameter_name: Some(name.clone()), ..TargetNames::default() };
            (names, Some(groups).filter(|groups| groups.len() <= MAX_GROUPS))
        }
        Destination::Stack(name) => {
            (TargetNames { stack_name: Some(name.clone()), ..TargetNames::default() }, None)
        }
    };
    Start {
        name: execution_name(&input.execution, target),
        input: TargetRun {
            target: names,
            allow_older: false,
            instance_refresh: false,
            dry_run: input.run.dry_run,
            verify: input.run.verify,
            groups,
            started_by: Some(input.execution.clone()),
        },
    }
}

/// The order of the targets, and where a round ends.
fn key(target: &Destination) -> String {
    let pattern = match target {
        Destination::Parameter(_) => "parameter",
        Destination::Stack(_) => "stack",
    };
    format!("{pattern} {}", target.name())
}

/// A name that people recognise, and that the same reconcile gives to no other target. CloudWatch
/// Logs takes only letters, digits, hyphens and underscores (`StartExecution`, name).
fn execution_name(reconcile: &str, target: &Destination) -> String {
    let mut hasher = FnvHasher::default();
    (reconcile, key(target)).hash(&mut hasher);
    let hash = format!("-{:016x}", hasher.finish());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name = target.name().trim_start_matches('/');
    let name = name.chars().map(|c| if is_plain(c) { c } else { '-' });
    let name: String = name.take(MAX_EXECUTION_NAME_CHARS - hash.len()).collect();
    name + &hash
}
