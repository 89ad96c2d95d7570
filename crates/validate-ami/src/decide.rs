//! What validate-ami decides, without a call: which candidate wins, and whether it is to be
//! written.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Image, ImageState};
use contract::ids::ImageId;
use contract::steps::{Decision, DecisionOutcome, Rejected, Verdict};
use contract::target::{Candidate, ImageParameter, Target};

use crate::{Error, checks};

/// The images to be looked at: every candidate, and what is in place.
#[must_use]
pub fn wanted(target: &Target, in_place: &BTreeMap<String, String>) -> Vec<ImageId> {
    let candidates = target.parameters.iter().flat_map(|parameter| &parameter.candidates);
    let candidates = candidates.map(|candidate| candidate.image_id.clone());
    // An operator may have begun with a placeholder, which is no image.
    let current = target.parameters.iter().filter_map(|p| in_place.get(&p.parameter)?.parse().ok());
    let mut ids: Vec<_> = candidates.chain(current).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Decides about one image parameter: the newest candidate that passes wins.
///
/// # Errors
/// [`Error::ImagePending`] when a newer one than that is still being made;
/// [`Error::ImageRejected`] when none passes.
pub fn decision(
    parameter: &ImageParameter,
    before: &str,
    images: &BTreeMap<ImageId, Image>,
    allow_older: bool,
) -> Result<Decision, Error> {
    let in_use = before.parse::<ImageId>().ok().and_then(|id| images.get(&id));
    let (chosen, verdicts, rejected) = newest_passing(parameter, in_use, images)?;
    let decision = |after: &ImageId, outcome| Decision {
        parameter: parameter.parameter.clone(),
        before: before.to_owned(),
        after: after.clone(),
        outcome,
        checks: verdicts,
        rejected,
        groups: parameter.groups.clone(),
    };
    if chosen.image_id.as_str() == before {
        return Ok(decision(&chosen.image_id, DecisionOutcome::Unchanged));
    }
    match in_use {
        Some(current) if !allow_older && is_newer(current, chosen) => {
            // It parsed above, or there would be no image.
            let stays = before.parse().unwrap_or_else(|_| chosen.image_id.clone());
            Ok(decision(&stays, DecisionOutcome::Superseded))
        }
        _ => Ok(decision(&chosen.image_id, DecisionOutcome::Promote)),
    }
}

/// The newest candidate that passes every check, its verdicts, and the newer ones that do not.
fn newest_passing<'a>(
    parameter: &'a ImageParameter,
    in_use: Option<&Image>,
    images: &BTreeMap<ImageId, Image>,
) -> Result<(&'a Candidate, Vec<Verdict>, Vec<Rejected>), Error> {
    let mut rejected = Vec::new();
    for candidate in &parameter.candidates {
        let image = images.get(&candidate.image_id);
        // Its completion may have been told already: to pass it over would be to lose it.
        if image.is_some_and(|image| image.state == Some(ImageState::Pending)) {
            return Err(Error::ImagePending(candidate.image_id.clone()));
        }
        let verdicts =
            image.map_or_else(|| vec![checks::gone()], |image| checks::verdicts(image, in_use));
        if verdicts.iter().all(|verdict| verdict.passed) {
            return Ok((candidate, verdicts, rejected));
        }
        let failed = verdicts.into_iter().filter(|verdict| !verdict.passed).collect();
        rejected.push(Rejected { image_id: candidate.image_id.clone(), failed });
    }
    let verdicts = rejected.iter().map(sentence).collect::<Vec<_>>().join("; ");
    Err(Error::ImageRejected { parameter: parameter.parameter.clone(), verdicts })
}

/// Whether what is in place is newer and would boot. EC2's dates are ISO 8601 in UTC, so text
/// order is time order.
fn is_newer(current: &Image, chosen: &Candidate) -> bool {
    current.state == Some(ImageState::Available)
        && current.creation_date().is_some_and(|date| date > chosen.creation_date.as_str())
}

fn sentence(rejected: &Rejected) -> String {
    let failed = rejected.failed.iter().map(|verdict| {
        format!("{} is {}, not {}", verdict.check, verdict.actual, verdict.expected)
    });
    format!("{}: {}", rejected.image_id, failed.collect::<Vec<_>>().join(", "))
}
