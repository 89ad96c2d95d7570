//! The plans there and back.

use contract::output::StepOutput;
use contract::placed::PlacedValue;
use contract::steps::{
    Decision, DecisionOutcome, Plan, Provenance, ProvenanceVerdict, Rejected, Rows, Validated,
    Verdict, Via,
};
use contract::target::{Candidate, Target};

use step::rows_within;

use super::{MID, NEW, OLD, group, parameter_target as parameter_promotion, target as promotion};
use crate::decide::fitted;
use crate::plan::{backward, forward};

fn target(candidates: Vec<Candidate>) -> Target {
    promotion(candidates).target
}

fn decision(before: &str, outcome: DecisionOutcome) -> Decision {
    Decision {
        parameter: "ImageId".into(),
        before: before.into(),
        after: NEW.parse().unwrap(),
        outcome,
        checks: Vec::new(),
        provenance: Provenance { verdict: ProvenanceVerdict::Verified, reason: None },
        via: None,
        rejected: Rows::default(),
        groups: vec![group("web-1", Some("web"))],
    }
}

fn of_parameter(before: &str) -> (Target, Decision) {
    let target = parameter_promotion(Vec::new()).target;
    let parameter = target.name().to_owned();
    (target, Decision { parameter, ..decision(before, DecisionOutcome::Promote) })
}

/// Each write: the parameter, what it replaces, what it puts there.
fn writes(plan: &Plan) -> Vec<(&str, &str, &str)> {
    plan.writes
        .iter()
        .map(|w| (w.parameter_name.as_str(), w.before.expose(), w.after.as_str()))
        .collect()
}

fn changes(plan: &Plan) -> Vec<(&str, &str, bool)> {
    plan.changes.iter().map(|c| (c.before.expose(), c.after.as_str(), c.via.is_some())).collect()
}

/// The image that the first group must boot.
fn expected(plan: &Plan) -> &str {
    plan.proof.groups[0].expected.as_str()
}

#[test]
fn a_stack_is_updated_there_and_back() {
    let (target, images) = (target(Vec::new()), [decision(OLD, DecisionOutcome::Promote)]);
    let (there, back) = (forward(&target, &images), backward(&target, &images).unwrap());
    assert_eq!(changes(&there), [(OLD, NEW, false)]);
    assert_eq!(changes(&back), [(NEW, OLD, false)]);
    assert!(there.writes.is_empty() && back.writes.is_empty());
    assert_eq!(there.stacks[0].stack_name.as_str(), target.name());
    assert_eq!((expected(&there), expected(&back)), (NEW, OLD));
}

#[test]
fn a_parameter_is_written_there_and_back_and_its_groups_stacks_are_proved() {
    let (target, decision) = of_parameter(OLD);
    let images = [decision];
    let (there, back) = (forward(&target, &images), backward(&target, &images).unwrap());
    assert_eq!(writes(&there), [(target.name(), OLD, NEW)]);
    assert_eq!(writes(&back), [(target.name(), NEW, OLD)]);
    let stacks: Vec<_> = there.stacks.iter().map(|s| Some(s.stack_name.clone())).collect();
    assert_eq!(stacks, [group("web-1", Some("web")).stack_name]);
}

/// Each image parameter's image, and the one that it replaces.
fn guarded(plan: &Plan) -> Vec<(&str, &str, Option<&str>)> {
    let held = plan.guard.images.iter();
    held.map(|held| {
        (held.parameter.as_str(), held.image.as_str(), held.replaced.as_ref().map(|id| id.as_str()))
    })
    .collect()
}

#[test]
fn what_is_in_place_is_guarded_there_and_back() {
    let target = target(Vec::new());
    let stays = Decision {
        parameter: "B".into(),
        before: MID.into(),
        after: MID.parse().unwrap(),
        ..decision(MID, DecisionOutcome::Unchanged)
    };
    let images = [decision(OLD, DecisionOutcome::Promote), stays];
    let (there, back) = (forward(&target, &images), backward(&target, &images).unwrap());
    assert_eq!(there.guard.scope, there.proof.scope);
    assert_eq!(guarded(&there), [("ImageId", NEW, Some(OLD)), ("B", MID, None)]);
    assert_eq!(guarded(&back), [("ImageId", OLD, Some(NEW)), ("B", MID, None)]);
    // A placeholder is no image that could be released.
    let placeholder = [decision("none", DecisionOutcome::Promote)];
    assert_eq!(guarded(&forward(&target, &placeholder)), [("ImageId", NEW, None)]);
}

#[test]
fn a_parameter_that_the_stack_reads_is_written_first_and_goes_back_to_what_it_had() {
    let target = target(Vec::new());
    let via = Some(Via { parameter_name: "/golden/web".parse().unwrap(), before: MID.into() });
    let images = [Decision { via, ..decision(OLD, DecisionOutcome::Promote) }];
    let (there, back) = (forward(&target, &images), backward(&target, &images).unwrap());
    assert_eq!(changes(&there), [(OLD, NEW, true)]);
    assert_eq!(writes(&there), [("/golden/web", MID, NEW)]);
    assert_eq!(changes(&back), [(NEW, MID, true)]);
    assert_eq!(writes(&back), [("/golden/web", NEW, MID)]);
    assert_eq!(expected(&back), MID);
}

#[test]
fn what_is_not_promoted_stays_on_both_ways() {
    let target = target(Vec::new());
    for outcome in [DecisionOutcome::Unchanged, DecisionOutcome::Superseded] {
        let images = [decision(NEW, outcome)];
        for plan in [forward(&target, &images), backward(&target, &images).unwrap()] {
            assert!(plan.changes.is_empty() && plan.writes.is_empty());
            assert_eq!(expected(&plan), NEW);
        }
    }
}

#[test]
fn there_is_no_way_back_to_what_is_no_image() {
    let (parameter, of_parameter) = of_parameter("none");
    assert_eq!(writes(&forward(&parameter, std::slice::from_ref(&of_parameter))).len(), 1);
    assert_eq!(backward(&parameter, &[of_parameter]), None);
    let stack = target(Vec::new());
    let both =
        [decision(OLD, DecisionOutcome::Promote), decision("none", DecisionOutcome::Promote)];
    assert_eq!(backward(&stack, &both), None, "one update puts all back");
    // What stays where it is needs no way back.
    let placeholder = Decision {
        before: PlacedValue::from("none"),
        ..decision("none", DecisionOutcome::Unchanged)
    };
    assert!(backward(&stack, &[placeholder]).is_some());
}

#[test]
fn the_decisions_about_a_template_of_twenty_groups_fit() {
    let target = target(Vec::new());
    let verdict = Verdict {
        check: "architecture".into(),
        expected: "x86_64".into(),
        actual: "x86_64".into(),
        passed: true,
    };
    let image = |n: usize| Decision {
        parameter: format!("WebServerNumber{n}ImageId"),
        checks: vec![verdict.clone(); 14],
        rejected: rows_within(
            vec![Rejected { image_id: MID.parse().unwrap(), failed: vec![verdict.clone(); 2] }; 4],
            2_048,
        ),
        groups: vec![group(
            &format!("company-production-web-{n}-Group-FCA5F44628CAF"),
            Some("web"),
        )],
        ..decision(OLD, DecisionOutcome::Promote)
    };
    let validated = |count: usize| {
        let images: Vec<_> = (0..count).map(image).collect();
        let (forward, backward) = (forward(&target, &images), backward(&target, &images));
        fitted(Validated { images, refused: Vec::new(), forward, backward })
    };
    let (few, many) = (validated(9), validated(20));
    assert_eq!((few.images[0].checks.len(), many.images[0].checks.len()), (14, 0));
    for validated in [few, many] {
        let bytes = step::json_bytes(&validated);
        assert!(bytes <= Validated::MAX_BYTES, "{bytes} bytes");
    }
}
