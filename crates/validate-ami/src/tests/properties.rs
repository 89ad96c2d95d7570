//! What holds for any candidates, whatever is in place and whatever EC2 returns for them: the
//! newest that passes wins, and nothing older than what is in place unless somebody wants that.

use aws_sdk_ec2::types::{Image, ImageState};
use contract::steps::{Decision, DecisionOutcome, Rows};
use contract::target::{Candidate, Promotion, Selection};
use contract::{ErrorName, Named};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use testkit::arbitrary::text;

use super::{
    candidate, decide_first, group, image, known, origin, policy, selecting, target, unknown_origin,
};
use crate::decide::{CurrentValue, Evidence, image_ids};
use crate::provenance::LaunchSources;
use crate::{Error, Policy};

/// The images there are, by number: the state, the night, whether it is public, and where it
/// comes from.
type Images = Vec<(u8, ImageState, u8, bool, u8)>;

fn id(number: u8) -> String {
    format!("ami-{number:017x}")
}

fn date(night: u8) -> String {
    format!("2026-11-{night:02}T03:00:00.000Z")
}

fn images() -> impl Strategy<Value = Images> {
    let state = prop_oneof![
        6 => Just(ImageState::Available),
        1 => Just(ImageState::Pending),
        1 => Just(ImageState::Disabled),
        1 => Just(ImageState::Failed),
        1 => text().prop_map(|text| ImageState::from(text.as_str())),
    ];
    let public = prop::bool::weighted(0.1);
    btree_map(0..12_u8, (state, 1..6_u8, public, 0..6_u8), 0..8).prop_map(|images| {
        images
            .into_iter()
            .map(|(n, (state, night, public, from))| (n, state, night, public, from))
            .collect()
    })
}

/// A decision's evidence.
#[derive(Debug, Clone)]
struct Case {
    target: Promotion,
    before: String,
    known: Vec<Image>,
    policy: Policy,
}

/// Of the images some are candidates, newest first as resolve-tags has them; EC2 lists most.
fn cases() -> impl Strategy<Value = Case> {
    let before =
        prop_oneof![4 => (0..12_u8).prop_map(id), 1 => text(), 1 => Just("none".to_owned())];
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.3), any::<bool>());
    (images(), vec(0..10_u8, 12), before, flags).prop_map(|(images, chance, before, flags)| {
        let (rollback, allow_older, allow_unverified) = flags;
        let is_candidate = |n: u8| chance[usize::from(n)] != 0;
        let is_known = |n: u8| chance[usize::from(n)] != 1;
        let mut candidates: Vec<_> =
            images.iter().filter(|i| is_candidate(i.0)).map(meant).collect();
        candidates
            .sort_by(|a, b| (&b.creation_date, &b.image_id).cmp(&(&a.creation_date, &a.image_id)));
        let selection = match (rollback, allow_older) {
            (true, _) => Selection::Rollback,
            (false, true) => Selection::AllowOlder,
            (false, false) => Selection::Newest,
        };
        let target = selecting(selection, target(candidates));
        let known = images.iter().filter(|i| is_known(i.0)).map(described).collect();
        let policy = policy("", if allow_unverified { "true" } else { "false" });
        Case { target, before, known, policy }
    })
}

fn meant(&(number, _, night, _, from): &(u8, ImageState, u8, bool, u8)) -> Candidate {
    let origin = match from {
        0 => origin(None),
        1 => origin(Some(group("stranger", Some("other")))),
        2 => unknown_origin(),
        _ => origin(Some(group("group", Some("web")))),
    };
    let image_id = id(number).parse().unwrap();
    Candidate { image_id, creation_date: date(night), origin, ..candidate(&id(number)) }
}

fn described((number, state, night, public, _): &(u8, ImageState, u8, bool, u8)) -> Image {
    let image = image(&id(*number)).creation_date(date(*night)).state(state.clone());
    image.public(*public).build()
}

fn decide(case: &Case) -> Result<Decision, Error> {
    let mut known = known(case.known.clone());
    for image in known.images.values() {
        for device in image.block_device_mappings() {
            let id = device.ebs().and_then(|volume| volume.snapshot_id()).unwrap();
            known.snapshots.insert(id.to_owned(), super::snapshot(id, None));
        }
    }
    let sources = LaunchSources::default();
    let evidence = Evidence { known: &known, sources: &sources, policy: &case.policy };
    let in_place = CurrentValue { value: case.before.as_str().into(), via: None };
    let asked = image_ids(&case.target.target, [&in_place]);
    assert!(case.candidates().iter().all(|candidate| asked.contains(&candidate.image_id)));
    decide_first(&case.target, &in_place, evidence)
}

impl Case {
    fn image(&self, id: &str) -> Option<&Image> {
        self.known.iter().find(|image| image.image_id() == Some(id))
    }

    fn candidates(&self) -> &[Candidate] {
        &self.target.target.images()[0].1.candidates
    }
}

proptest! {
    #[test]
    fn what_is_decided_is_a_candidate_or_in_place(case in cases()) {
        if let Ok(decision) = decide(&case) {
            let is_candidate = case.candidates().iter().any(|c| c.image_id == decision.after);
            let is_in_place = decision.after.as_str() == case.before;
            prop_assert_eq!(decision.before.expose(), &case.before);
            prop_assert_eq!(is_in_place, decision.outcome != DecisionOutcome::Promote);
            prop_assert!(is_in_place || is_candidate);
        }
    }

    #[test]
    fn what_is_promoted_is_available_private_and_from_where_it_belongs(case in cases()) {
        if let Ok(decision) = decide(&case)
            && decision.outcome == DecisionOutcome::Promote
        {
            let image = case.image(decision.after.as_str()).expect("known");
            prop_assert_eq!(image.state(), Some(&ImageState::Available));
            prop_assert_eq!(image.public(), Some(false));
            prop_assert!(decision.checks.iter().all(|check| check.passed));
            prop_assert!(case.policy.permits(&decision.provenance));
        }
    }

    #[test]
    fn an_older_image_never_takes_the_place_of_a_newer_one_unasked(case in cases()) {
        let Some(current) = case.image(&case.before) else { return Ok(()) };
        let boots = current.state() == Some(&ImageState::Available);
        if let Ok(decision) = decide(&case)
            && decision.outcome == DecisionOutcome::Promote
        {
            let after = case.image(decision.after.as_str()).expect("known").creation_date();
            prop_assert!(after >= current.creation_date() || case.target.run.selection != Selection::Newest || !boots);
            // And a rollback goes nowhere else.
            let age = |image: &Image| (image.creation_date.clone(), image.image_id.clone());
            let chosen = case.image(decision.after.as_str()).expect("known");
            prop_assert!(case.target.run.selection != Selection::Rollback || age(chosen) < age(current));
        }
    }

    #[test]
    fn no_newer_candidate_that_passes_is_passed_over(case in cases()) {
        if let Ok(decision) = decide(&case)
            && case.target.run.selection != Selection::Rollback
            && decision.outcome != DecisionOutcome::Superseded
        {
            let newer = case.candidates().iter().take_while(|c| c.image_id != decision.after);
            let newer: Vec<_> = newer.map(|candidate| &candidate.image_id).collect();
            let Rows { rows, more } = &decision.rejected;
            let rejected: Vec<_> = rows.iter().map(|one| &one.image_id).collect();
            prop_assert_eq!(newer.len(), rejected.len() + more);
            // One that is too long for the report is only counted.
            prop_assert!(newer.starts_with(&rejected));
            prop_assert!(decision.rejected.rows.iter().all(|one| !one.failed.is_empty()));
        }
    }

    #[test]
    fn a_decision_that_was_carried_out_stays(case in cases()) {
        if let Ok(decision) = decide(&case)
            && case.target.run.selection != Selection::Rollback
        {
            let again = Case { before: decision.after.to_string(), ..case.clone() };
            match decide(&again) {
                Ok(again) => {
                    prop_assert_eq!(again.after, decision.after);
                    prop_assert!(again.outcome != DecisionOutcome::Promote);
                }
                // If nothing can be promoted, an unrelated newer image must be reported.
                Err(error) => prop_assert_eq!(error.name(), ErrorName::TargetNotPermitted),
            }
        }
    }

    #[test]
    fn what_is_refused_has_a_name(case in cases()) {
        if let Err(error) = decide(&case) {
            use ErrorName::{ImagePending, ImageRejected, TargetNotPermitted};
            let expected = [ImagePending, ImageRejected, TargetNotPermitted];
            prop_assert!(expected.contains(&error.name()), "{}", error);
        }
    }
}
