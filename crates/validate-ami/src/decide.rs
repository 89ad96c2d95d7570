//! The decisions of validate-ami, without I/O: which candidate wins, and whether it must be
//! written.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Image, ImageState};
use contract::ids::ImageId;
use contract::output::StepOutput;
use contract::placed::PlacedValue;
use contract::steps::{
    Decision, DecisionOutcome, Provenance, Refusal, Rejected, Validated, Verdict, Via,
};
use contract::target::{Candidate, Group, Images, Promotion, Selection, Target};
use contract::{Gather, Named};
use step::{json_bytes, rows_within, truncated};

use crate::checks::{self, CheckInput, Ec2State};
use crate::provenance::{self, LaunchSources, PROVENANCE};
use crate::{Error, Policy, expiring, plan};

/// The maximum number of images in an error's message. A rollback has hundreds of candidates, and
/// Step Functions limits an error's cause to 32,768 characters.
const MAX_LISTED: usize = 10;
/// What the rejected images of one image parameter may have in bytes.
const MAX_REJECTED_BYTES: usize = 2 * 1024;
/// The maximum length of the message about one image parameter among others.
const MAX_REFUSAL_CHARS: usize = 1_000;

/// The value in place in an image parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentValue {
    /// The value that reaches the launch template. It may be any text, for example an operator's
    /// placeholder.
    pub value: PlacedValue,
    /// The SSM parameter that a stack's parameter takes its value from.
    pub via: Option<Via>,
}

/// The facts that a decision is based on, and the operator's policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// About the images.
    pub known: &'a Ec2State,
    /// About their origins.
    pub sources: &'a LaunchSources,
    /// The operator's policy.
    pub policy: &'a Policy,
}

/// Whether a parameter of this type takes several values: `CommaDelimitedList`, `List<…>`, and both
/// read from Parameter Store, `AWS::SSM::Parameter::Value<List<…>>` (user guide, "Parameters").
#[must_use]
pub(crate) fn is_list_type(kind: &str) -> bool {
    kind.contains("List<") || kind.contains("CommaDelimitedList")
}

/// The value, unless it is several.
///
/// # Errors
/// [`Error::HoldsList`]
pub(crate) fn one_value(value: String, parameter: String) -> Result<PlacedValue, Error> {
    let value = PlacedValue::from(value);
    if value.is_list() {
        let kind = "several values, separated by commas".to_owned();
        return Err(Error::HoldsList { parameter, kind });
    }
    Ok(value)
}

/// The images to read: every candidate, and the images in place.
#[must_use]
pub(crate) fn image_ids<'a>(
    target: &Target,
    in_place: impl IntoIterator<Item = &'a CurrentValue>,
) -> Vec<ImageId> {
    let candidates = target.images().into_iter().flat_map(|(_, images)| &images.candidates);
    let candidates = candidates.map(|candidate| candidate.image_id.clone());
    // The value may be an operator's placeholder, which is not an image.
    let current = in_place.into_iter().filter_map(|in_place| in_place.value.image());
    let ids: BTreeSet<_> = candidates.chain(current).gather();
    ids.into_iter().collect()
}

/// Decides about every image parameter of the target. Parameters for which no image can be promoted
/// are reported beside the others.
///
/// # Errors
/// [`Error::AllRefused`] when nothing can be promoted for any; any error that concerns the whole
/// target, such as an image that is still pending.
pub(crate) fn decisions(
    promotion: &Promotion,
    mut in_place: BTreeMap<String, Result<CurrentValue, Error>>,
    evidence: Evidence<'_>,
) -> Result<Validated, Error> {
    let (mut images, mut refused) = (Vec::new(), Vec::new());
    let target = &promotion.target;
    for (parameter, candidates) in target.images() {
        let Some(in_place) = in_place.remove(parameter) else { continue };
        let decided =
            in_place.and_then(|it| decision(promotion, parameter, candidates, &it, evidence));
        match decided {
            Ok(decision) => images.push(decision),
            Err(error) if error.is_of_one_parameter() => refused.push(Refusal {
                parameter: parameter.to_owned(),
                name: error.name(),
                message: truncated(error.to_string(), MAX_REFUSAL_CHARS),
            }),
            Err(error) => return Err(error),
        }
    }
    match refused.first() {
        Some(first) if images.is_empty() => {
            let messages: Vec<_> = refused.iter().map(|one| one.message.as_str()).collect();
            Err(Error::AllRefused { name: first.name, message: messages.join("; ") })
        }
        _ => {
            let (forward, backward) =
                (plan::forward(target, &images), plan::backward(target, &images));
            Ok(fitted(Validated { images, refused, forward, backward }))
        }
    }
}

/// Without the verdicts on the chosen images, all of which passed, if there is no room for them.
pub(crate) fn fitted(mut validated: Validated) -> Validated {
    if json_bytes(&validated) > Validated::MAX_BYTES {
        for image in &mut validated.images {
            image.checks.clear();
        }
    }
    validated
}

/// Decides about one image parameter: the newest candidate that passes wins; for a rollback, the
/// newest that passes and is older than the image in place.
///
/// # Errors
/// [`Error::ImagePending`] when a newer one is still pending; [`Error::ImageRejected`] when none
/// passes; [`Error::NothingOlder`] when there is no older image to roll back to;
/// [`Error::TargetNotPermitted`] when nothing can be promoted because the newest does not come from
/// a group that the target feeds; [`Error::ImageExpiring`] when the image in place stays, although
/// AWS Backup deletes it soon.
pub(crate) fn decision(
    promotion: &Promotion,
    parameter: &str,
    images: &Images,
    in_place: &CurrentValue,
    evidence: Evidence<'_>,
) -> Result<Decision, Error> {
    let decided = choice(promotion, parameter, images, in_place, evidence);
    match expiring::in_place(parameter, &in_place.value, evidence) {
        Some(expiring) => expiring.unless_replaced(decided),
        None => decided,
    }
}

fn choice(
    Promotion { target, run }: &Promotion,
    parameter: &str,
    images: &Images,
    in_place: &CurrentValue,
    evidence: Evidence<'_>,
) -> Result<Decision, Error> {
    let before = &in_place.value;
    let current_id = before.image();
    let current = current_id.as_ref().and_then(|id| evidence.known.images.get(id));
    let is_rollback = run.selection == Selection::Rollback;
    let eligible = if is_rollback {
        rollback_candidates(&images.candidates, before.expose(), current)
    } else {
        images.candidates.iter().collect()
    };
    if eligible.is_empty() && is_rollback {
        let (parameter, before) = (parameter.to_owned(), before.to_string());
        return Err(Error::NothingOlder { parameter, before });
    }
    let Evidence { sources, policy, .. } = evidence;
    let groups = provenance::groups_fed_by(target, &images.groups, sources, &policy.account);
    let chosen = newest_passing(target, parameter, &eligible, &groups, current, evidence)?;
    let may_be_older = run.selection != Selection::Newest;
    let (after, outcome) = match current_id {
        Some(id) if id == chosen.candidate.image_id => (id, DecisionOutcome::Unchanged),
        Some(id) if !may_be_older && current.is_some_and(|i| must_stay(i, chosen.candidate)) => {
            (id, DecisionOutcome::Superseded)
        }
        _ => (chosen.candidate.image_id.clone(), DecisionOutcome::Promote),
    };
    // If another image is promoted, the report has the rejected ones.
    if let (Some(refused), Some(newest), Some(current)) =
        (not_permitted(&chosen.rejected), eligible.first(), current)
        && outcome != DecisionOutcome::Promote
        && current.creation_date().is_none_or(|date| newest.creation_date.as_str() >= date)
    {
        return Err(Error::TargetNotPermitted {
            parameter: parameter.to_owned(),
            verdicts: sentence(refused),
        });
    }
    Ok(Decision {
        parameter: parameter.to_owned(),
        before: before.clone(),
        after,
        outcome,
        checks: chosen.verdicts,
        provenance: chosen.provenance,
        via: in_place.via.clone(),
        rejected: rows_within(chosen.rejected, MAX_REJECTED_BYTES),
        groups,
    })
}

/// The candidate that wins.
struct Chosen<'a> {
    candidate: &'a Candidate,
    verdicts: Vec<Verdict>,
    provenance: Provenance,
    /// The newer candidates that do not pass.
    rejected: Vec<Rejected>,
}

/// The newest candidate that may be promoted and passes every check.
fn newest_passing<'a>(
    target: &Target,
    parameter: &str,
    eligible: &[&'a Candidate],
    groups: &[Group],
    in_use: Option<&Image>,
    Evidence { known, sources, policy }: Evidence<'_>,
) -> Result<Chosen<'a>, Error> {
    let mut rejected = Vec::new();
    for &candidate in eligible {
        let provenance =
            provenance::provenance(target, &candidate.origin, sources, &policy.account);
        let is_permitted = policy.permits(&provenance);
        let image = known.images.get(&candidate.image_id);
        // The event of its completion may already have been handled, so skipping the image would
        // lose it.
        if is_permitted && image.is_some_and(|image| image.state() == Some(&ImageState::Pending)) {
            return Err(Error::ImagePending(candidate.image_id.clone()));
        }
        let input = |image| CheckInput { candidate, image, in_use, groups, known, policy };
        let mut verdicts =
            image.map_or_else(|| vec![checks::gone()], |image| checks::verdicts(input(image)));
        if !is_permitted {
            verdicts.push(provenance::verdict(target, &provenance));
        }
        if verdicts.iter().all(|verdict| verdict.passed) {
            return Ok(Chosen { candidate, verdicts, provenance, rejected });
        }
        let failed = verdicts.into_iter().filter(|verdict| !verdict.passed).collect();
        rejected.push(Rejected { image_id: candidate.image_id.clone(), failed });
    }
    let verdicts = if rejected.is_empty() { NONE.to_owned() } else { sentences(&rejected) };
    let parameter = parameter.to_owned();
    Err(match not_permitted(&rejected) {
        Some(_) => Error::TargetNotPermitted { parameter, verdicts },
        None => Error::ImageRejected { parameter, verdicts },
    })
}

/// What is said of a parameter without any candidate.
const NONE: &str = "there is none";

/// The newest candidate, if it was rejected because of its provenance.
fn not_permitted(rejected: &[Rejected]) -> Option<&Rejected> {
    rejected.first().filter(|newest| newest.failed.iter().any(|v| v.check == PROVENANCE))
}

/// The candidates that a rollback may choose from. If EC2 no longer lists the image in place, its
/// position among the candidates, which are newest first, shows which ones are older.
fn rollback_candidates<'a>(
    candidates: &'a [Candidate],
    before: &str,
    current: Option<&Image>,
) -> Vec<&'a Candidate> {
    let is_before = |candidate: &Candidate| candidate.image_id.as_str() == before;
    if let Some(date) = current.and_then(Image::creation_date) {
        // The id breaks a tie, as it does in the candidates' order.
        let age = |c: &Candidate| (c.creation_date.as_str(), c.image_id.as_str()) < (date, before);
        candidates.iter().filter(|candidate| age(candidate)).collect()
    } else {
        let newer = candidates.iter().position(is_before).map_or(0, |place| place + 1);
        candidates.iter().skip(newer).collect()
    }
}

/// Whether the image in place is newer and would boot. EC2's dates are ISO 8601 in UTC, so text
/// order is time order.
fn must_stay(current: &Image, chosen: &Candidate) -> bool {
    current.state() == Some(&ImageState::Available)
        && current.creation_date().is_some_and(|date| date > chosen.creation_date.as_str())
}

fn sentences(rejected: &[Rejected]) -> String {
    let mut sentences: Vec<_> = rejected.iter().take(MAX_LISTED).map(sentence).collect();
    if rejected.len() > MAX_LISTED {
        sentences.push(format!("and {} older ones", rejected.len() - MAX_LISTED));
    }
    sentences.join("; ")
}

pub(crate) fn sentence(rejected: &Rejected) -> String {
    let failed = rejected.failed.iter().map(|verdict| {
        format!("{} is {}, not {}", verdict.check, verdict.actual, verdict.expected)
    });
    format!("{}: {}", rejected.image_id, failed.collect::<Vec<_>>().join(", "))
}
