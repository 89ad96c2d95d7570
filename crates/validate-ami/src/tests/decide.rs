//! Which image wins.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ArchitectureValues, Image, ImageState};
use contract::steps::{Decision, DecisionOutcome, ProvenanceVerdict, Validated, Via};
use contract::target::{Candidate, ImageParameter, Images, Promotion, Run, Selection, Target};
use contract::{ErrorName, Named};

use super::{
    MID, NEW, OLD, candidate, decide_first, first, group, image, known, origin, policy, selecting,
    target, unknown_origin,
};
use crate::decide::{CurrentValue, Evidence, decisions, image_ids};
use crate::provenance::LaunchSources;
use crate::{Error, Policy};

fn candidates(ids: &[&str]) -> Vec<Candidate> {
    ids.iter().map(|id| candidate(id)).collect()
}

fn all() -> Vec<Image> {
    vec![image(OLD).build(), image(MID).build(), image(NEW).build()]
}

fn in_place(value: &str) -> CurrentValue {
    CurrentValue { value: value.into(), via: None }
}

fn decide(
    target: &Promotion,
    before: &str,
    images: Vec<Image>,
    policy: &Policy,
) -> Result<Decision, Error> {
    let (known, sources) = (known(images), LaunchSources::default());
    let evidence = Evidence { known: &known, sources: &sources, policy };
    decide_first(target, &in_place(before), evidence)
}

fn usual() -> Policy {
    policy("", "true")
}

#[track_caller]
fn decides(target: &Promotion, before: &str, images: Vec<Image>, after: &str) -> DecisionOutcome {
    let decision = decide(target, before, images, &usual()).unwrap();
    assert_eq!(decision.after.as_str(), after);
    decision.outcome
}

#[test]
fn the_newest_that_passes_wins() {
    use DecisionOutcome::{Promote, Superseded, Unchanged};
    for (given, before, after, outcome) in [
        (&[NEW, MID], OLD, NEW, Promote),
        (&[NEW, MID], NEW, NEW, Unchanged),
        (&[MID, OLD], NEW, NEW, Superseded),
        (&[NEW, MID], "placeholder", NEW, Promote),
        (&[MID, OLD], OLD, MID, Promote),
    ] {
        assert_eq!(decides(&target(candidates(given)), before, all(), after), outcome);
    }
}

#[test]
fn an_older_image_replaces_a_newer_one_only_when_that_does_not_boot_or_on_demand() {
    let old = || target(candidates(&[OLD]));
    let gone = vec![image(OLD).build()];
    assert_eq!(decides(&old(), NEW, gone, OLD), DecisionOutcome::Promote);
    let disabled = vec![image(OLD).build(), image(NEW).state(ImageState::Disabled).build()];
    assert_eq!(decides(&old(), NEW, disabled, OLD), DecisionOutcome::Promote);
    let on_demand = selecting(Selection::AllowOlder, old());
    assert_eq!(decides(&on_demand, NEW, all(), OLD), DecisionOutcome::Promote);
}

#[test]
fn a_newer_one_that_does_not_pass_is_passed_over_and_reported() {
    let images = vec![image(MID).build(), image(NEW).state(ImageState::Failed).build()];
    let decided = decide(&target(candidates(&[NEW, MID])), OLD, images, &usual()).unwrap();
    assert_eq!(decided.after.as_str(), MID);
    assert_eq!(decided.rejected.rows.len(), 1);
    assert_eq!(decided.rejected.rows[0].image_id.as_str(), NEW);
    assert_eq!(decided.rejected.rows[0].failed[0].actual, "failed");
}

#[test]
fn a_check_that_is_turned_off_rejects_nothing() {
    let public = || vec![image(NEW).public(true).build()];
    let target = target(candidates(&[NEW]));
    let error = decide(&target, OLD, public(), &usual()).unwrap_err();
    assert!(error.to_string().ends_with("public is true, not false"), "{error}");
    let decided = decide(&target, OLD, public(), &policy("public", "true")).unwrap();
    assert_eq!(decided.outcome, DecisionOutcome::Promote);
}

#[test]
fn a_newer_one_that_is_being_made_is_waited_for() {
    let images = vec![image(MID).build(), image(NEW).state(ImageState::Pending).build()];
    let error = decide(&target(candidates(&[NEW, MID])), OLD, images, &usual()).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImagePending);
}

#[test]
fn when_none_passes_every_verdict_is_told() {
    let images = vec![image(NEW).state(ImageState::Failed).build()];
    let error = decide(&target(candidates(&[NEW, MID])), OLD, images, &usual()).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageRejected);
    let text = error.to_string();
    assert!(text.contains(&format!("{NEW}: state is failed, not available")), "{text}");
    assert!(text.contains(&format!("{MID}: state is missing")), "{text}");
}

/// Candidates, the newest a backup of an instance outside of any group.
fn from_elsewhere(ids: &[&str]) -> Promotion {
    let mut candidates = candidates(ids);
    candidates[0].origin = origin(None);
    target(candidates)
}

#[test]
fn an_image_from_elsewhere_is_passed_over_even_while_it_is_being_made() {
    for state in [ImageState::Available, ImageState::Pending] {
        let images = vec![image(OLD).build(), image(MID).build(), image(NEW).state(state).build()];
        let decided = decide(&from_elsewhere(&[NEW, MID]), OLD, images, &usual()).unwrap();
        assert_eq!((decided.after.as_str(), decided.outcome), (MID, DecisionOutcome::Promote));
        assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Verified);
        assert!(decided.rejected.rows[0].failed.iter().any(|row| row.check == "provenance"));
    }
}

#[test]
fn an_image_from_elsewhere_fails_the_target_when_nothing_else_is_left_to_promote() {
    let text = format!(
        "the newest image must not be promoted to ImageId: {NEW}: provenance is i-1, which is in no group, \
         not a group of stack web"
    );
    for (ids, before) in [
        // None passes, what passes is in place, what is in place is newer than what passes.
        (&[NEW][..], OLD),
        (&[NEW, MID], MID),
        (&[NEW, OLD], MID),
        (&[NEW, OLD], NEW),
    ] {
        let error = decide(&from_elsewhere(ids), before, all(), &usual()).unwrap_err();
        assert_eq!(error.name(), ErrorName::TargetNotPermitted, "{ids:?} over {before}");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn an_image_from_elsewhere_that_is_older_than_what_is_in_place_harms_nobody() {
    let target = from_elsewhere(&[MID, OLD]);
    assert_eq!(decides(&target, NEW, all(), NEW), DecisionOutcome::Superseded);
}

#[test]
fn an_image_of_unknown_origin_is_the_operators_to_permit() {
    let mut candidates = candidates(&[NEW]);
    candidates[0].origin = unknown_origin();
    let target = target(candidates);
    let decided = decide(&target, OLD, all(), &usual()).unwrap();
    assert_eq!(decided.outcome, DecisionOutcome::Promote);
    assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Unverified);
    assert_eq!(decided.provenance.reason.as_deref(), Some("instance i-1 is gone"));

    let error = decide(&target, OLD, all(), &policy("", "false")).unwrap_err();
    assert_eq!(error.name(), ErrorName::TargetNotPermitted);
    assert!(error.to_string().contains("instance i-1 is gone"), "{error}");
}

fn rollback(ids: &[&str]) -> Promotion {
    selecting(Selection::Rollback, target(candidates(ids)))
}

#[test]
fn a_rollback_goes_to_the_newest_that_passes_and_is_older_than_what_is_in_place() {
    let without = |gone: &str| {
        let is_there = |image: &Image| image.image_id() != Some(gone);
        all().into_iter().filter(is_there).collect::<Vec<_>>()
    };
    let rejected = vec![
        image(OLD).build(),
        image(MID).state(ImageState::Disabled).build(),
        image(NEW).build(),
    ];
    for (given, before, images, after) in [
        (&[NEW, MID, OLD][..], NEW, all(), MID),
        (&[NEW, MID, OLD], MID, all(), OLD),
        (&[NEW, MID, OLD], NEW, rejected, OLD),
        // Not a candidate any more, but EC2 has its date.
        (&[NEW, OLD], MID, all(), OLD),
        // Gone from EC2, but it has a place among the candidates.
        (&[NEW, MID, OLD], MID, without(MID), OLD),
        // Gone altogether.
        (&[MID, OLD], NEW, without(NEW), MID),
        (&[MID, OLD], "placeholder", all(), MID),
    ] {
        let target = rollback(given);
        assert_eq!(decides(&target, before, images, after), DecisionOutcome::Promote);
    }
}

#[test]
fn a_rollback_with_nowhere_to_go_says_so() {
    let error = decide(&rollback(&[NEW, MID]), MID, all(), &usual()).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageRejected);
    assert_eq!(
        error.to_string(),
        format!("no image for ImageId is older than {MID}, which is in place")
    );
    let error =
        decide(&rollback(&[NEW, OLD]), NEW, vec![image(NEW).build()], &usual()).unwrap_err();
    assert!(error.to_string().contains("state is missing"), "{error}");
}

#[test]
fn a_decision_goes_through_the_ssm_parameter_that_the_stack_reads() {
    let target = target(candidates(&[NEW]));
    let (known, sources, policy) = (known(all()), LaunchSources::default(), usual());
    let evidence = Evidence { known: &known, sources: &sources, policy: &policy };
    let via = Some(Via { parameter_name: "/golden/web".parse().unwrap(), before: MID.into() });
    let in_place = CurrentValue { value: OLD.into(), via: via.clone() };
    let decided = decide_first(&target, &in_place, evidence).unwrap();
    assert_eq!(decided.before.expose(), OLD);
    assert_eq!(decided.via, via);
}

#[test]
fn every_image_is_asked_for_once_and_a_placeholder_never() {
    let target = target(candidates(&[NEW, OLD]));
    let wanted_with = |value: &str| image_ids(&target.target, &[in_place(value)]);
    assert_eq!(wanted_with(OLD).len(), 2);
    assert_eq!(wanted_with(MID).len(), 3);
    assert_eq!(wanted_with("placeholder").len(), 2);
}

#[test]
fn only_groups_that_the_target_feeds_say_what_an_image_has_to_boot_on() {
    let images = || vec![image(NEW).architecture(ArchitectureValues::Arm64).build()];
    let of = |stack| {
        let groups = vec![group("group", Some(stack))];
        let mut target = target(candidates(&[NEW]));
        first(&mut target).groups = groups;
        target
    };
    let error = decide(&of("web"), OLD, images(), &usual()).unwrap_err();
    assert!(error.to_string().contains("instanceType is arm64"), "{error}");
    let decided = decide(&of("db"), OLD, images(), &usual()).unwrap();
    assert_eq!((decided.outcome, decided.groups), (DecisionOutcome::Promote, vec![]));
}

#[test]
fn what_is_told_of_hundreds_of_candidates_fits_into_an_error() {
    let ids: Vec<_> = (0..300).rev().map(|n| format!("ami-{n:017}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let text = decide(&rollback(&ids), "placeholder", vec![], &usual()).unwrap_err().to_string();
    assert!(text.contains(ids[9]) && !text.contains(ids[10]), "{text}");
    assert!(text.ends_with("; and 290 older ones"), "{text}");
}

#[test]
fn a_target_fails_only_when_all_is_refused_with_the_first_name_and_every_text() {
    use ErrorName::{ImageRejected, ParameterNotFound};
    let states =
        [(NEW, ImageState::Available), (MID, ImageState::Failed), (OLD, ImageState::Pending)];
    let images = states.map(|(id, state)| image(id).state(state).build());
    let (known, sources, policy) = (known(images.into()), LaunchSources::default(), usual());
    let evidence = Evidence { known: &known, sources: &sources, policy: &policy };
    let decided = |images: &[Option<&str>]| {
        let (mut parameters, mut found) = (Vec::new(), BTreeMap::new());
        for (parameter, image) in ["WebImage", "DbImage", "AppImage"].into_iter().zip(images) {
            let images = Images { candidates: candidates(image.as_slice()), groups: vec![] };
            parameters.push(ImageParameter { key: parameter.parse().unwrap(), images });
            let gone = Error::ParameterNotFound("/golden/gone".into());
            found.insert(parameter.to_owned(), image.map(|_| in_place("-")).ok_or(gone));
        }
        let target = Target::Stack { name: "web".parse().unwrap(), parameters };
        let promotion = Promotion { target, run: Run::default() };
        let validated = decisions(&promotion, found, evidence);
        validated.map(|Validated { images, refused, .. }| {
            let images = images.into_iter().map(|image| image.parameter);
            let refused = refused.into_iter().map(|refusal| (refusal.parameter, refusal.name));
            (images.collect::<Vec<_>>(), refused.collect::<Vec<_>>())
        })
    };
    let refused = |parameter: &str, name| (parameter.to_owned(), name);
    for (images, promoted, refused) in [
        (&[Some(NEW)][..], &["WebImage"][..], vec![]),
        (&[Some(NEW), Some(NEW)], &["WebImage", "DbImage"], vec![]),
        (&[Some(NEW), Some(MID)], &["WebImage"], vec![refused("DbImage", ImageRejected)]),
        (
            &[Some(MID), None, Some(NEW)],
            &["AppImage"],
            vec![refused("WebImage", ImageRejected), refused("DbImage", ParameterNotFound)],
        ),
    ] {
        let promoted = promoted.iter().map(ToString::to_string).collect();
        assert_eq!(decided(images).unwrap(), (promoted, refused), "{images:?}");
    }
    for (images, name) in [
        (&[Some(MID)][..], ImageRejected),
        (&[None], ParameterNotFound),
        (&[Some(MID), None], ImageRejected),
        (&[None, Some(MID)], ParameterNotFound),
    ] {
        let error = decided(images).unwrap_err();
        assert_eq!(error.name(), name, "{images:?}");
        let text = error.to_string();
        let count = text.matches("no image for").count() + text.matches("does not exist").count();
        assert_eq!(count, images.len(), "{text}");
    }
    // All go into one update.
    let error = decided(&[Some(NEW), None, Some(OLD)]).unwrap_err();
    assert_eq!(error.name(), ErrorName::ImagePending);
}
