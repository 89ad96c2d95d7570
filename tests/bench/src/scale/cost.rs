//! What a night costs on AWS by list price, from the counts: each group is promoted once, by its
//! backup's event, and a reconcile finds everything in place.

use serde::Serialize;

use super::{Size, number, ratio};

/// The list prices of us-east-1 in US dollars, of <https://aws.amazon.com/step-functions/pricing/>
/// and <https://aws.amazon.com/lambda/pricing/> (Arm).
pub(super) const PRICES: &str = "us-east-1, as of November 2026";
const STATE_TRANSITION: f64 = 0.025 / 1_000.0;
const INVOCATION: f64 = 0.20 / 1_000_000.0;
const GB_SECOND: f64 = 0.000_013_333_4;
/// A request of an Express workflow, and a GB-second, of which each workflow has a sixteenth a second.
const EXPRESS_REQUEST: f64 = 1.0 / 1_000_000.0;
const EXPRESS_GB_SECOND: f64 = 0.000_016_67;
const EXPRESS_MEMORY_GB: f64 = 0.0625;
/// The functions' memory (`MemorySize: 256` in `template.yaml`).
const MEMORY_GB: f64 = 0.25;

/// The numbers of groups whose nights are priced.
const GROUPS: [usize; 3] = [1, 30, 1000];

/// The cost of a night.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Night {
    pub groups: usize,
    pub transitions: f64,
    pub invocations: f64,
    pub gb_seconds: f64,
    pub dollars: f64,
}

/// The nights by what a target cost with this number of targets.
pub(super) fn nights(size: &Size) -> Vec<Night> {
    let (promoting, unchanged) = (&size.promoting.counts, &size.unchanged.counts);
    let targets = size.targets;
    let each = |promoted: usize, left: usize| ratio(promoted, targets) + ratio(left, targets);
    let transitions = each(promoting.promotions.transitions, unchanged.transitions());
    let invoked = promoting.promotions.invocations + promoting.announcements.invocations;
    let invocations = each(invoked, unchanged.invocations());
    let told = [&promoting.announcements, &unchanged.announcements];
    let seconds = promoting.promotions.seconds_of_functions
        + promoting.announcements.seconds_of_functions
        + unchanged.seconds_of_functions();
    let requests = each(told[0].executions, told[1].executions);
    let express = told.map(|one| one.seconds).iter().sum::<f64>() / number(targets);
    let express = requests * EXPRESS_REQUEST + express * EXPRESS_MEMORY_GB * EXPRESS_GB_SECOND;
    let night = |groups: usize| {
        let of = |each: f64| each * number(groups);
        let (transitions, invocations) = (of(transitions), of(invocations));
        let gb_seconds = of(seconds / number(targets)) * MEMORY_GB;
        let dollars = transitions * STATE_TRANSITION
            + invocations * INVOCATION
            + gb_seconds * GB_SECOND
            + of(express);
        Night { groups, transitions, invocations, gb_seconds, dollars }
    };
    GROUPS.map(night).into()
}
