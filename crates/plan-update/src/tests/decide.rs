//! Every status of a change set, and what a plan may hold.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    ChangeAction, ChangeSetStatus, ChangeSource, Replacement, ResourceAttribute, ResourceChange,
    ResourceChangeDetail, ResourceTargetDefinition,
};
use contract::ErrorName;

use super::{GROUP, NO_CHANGES, TEMPLATE, detail, group_change, image, modify, template_change};
use crate::decide::{Plan, change_set_name, finding, plan, planned};

#[test]
fn a_name_is_of_the_allowed_form() {
    assert_eq!(change_set_name("run_1:a"), "driftless-run-1-a");
    assert!(change_set_name(&"x".repeat(80)).len() <= 128);
}

#[test]
fn every_status_of_the_api_is_sorted_on_purpose() {
    let answer = |status: &str, reason: Option<&str>| {
        let answer = DescribeChangeSetOutput::builder().status(ChangeSetStatus::from(status));
        plan(Some(&answer.set_status_reason(reason.map(Into::into)).build()))
    };
    for name in ChangeSetStatus::values() {
        let expected = match *name {
            "CREATE_COMPLETE" => Plan::Ready,
            "CREATE_PENDING" | "CREATE_IN_PROGRESS" => Plan::Pending,
            "DELETE_PENDING" | "DELETE_IN_PROGRESS" | "DELETE_COMPLETE" => Plan::Gone,
            "FAILED" | "DELETE_FAILED" => Plan::Failed("why".into()),
            other => panic!("{other} is new"),
        };
        assert_eq!(answer(name, Some("why")), expected, "{name}");
    }
    for reason in [NO_CHANGES, "No updates are to be performed."] {
        assert_eq!(answer("FAILED", Some(reason)), Plan::Ready);
    }
    assert_eq!(answer("FAILED", None), Plan::Failed("no reason given".into()));
    assert_eq!(plan(None), Plan::Gone);
}

#[test]
fn a_launch_template_and_the_groups_version_of_it_may_change() {
    let cause = "Template.LatestVersionNumber";
    let mixed = detail("MixedInstancesPolicy", ChangeSource::ResourceAttribute, cause);
    for changes in [
        vec![],
        vec![template_change(), group_change()],
        vec![template_change(), modify(GROUP, vec![mixed])],
    ] {
        assert_eq!(finding("web", &changes, &[image("ImageId")], &BTreeSet::new()), None);
    }
}

#[test]
fn anything_more_is_listed() {
    let only = |action: ChangeAction, kind: &str| {
        let change = ResourceChange::builder().action(action).logical_resource_id("It");
        change.resource_type(kind).build()
    };
    let replaced = |replacement| {
        let mut change = template_change();
        change.replacement = Some(replacement);
        change
    };
    let by = |kind, property, source, cause| modify(kind, vec![detail(property, source, cause)]);
    let tags = ResourceTargetDefinition::builder().attribute(ResourceAttribute::Tags).build();
    let tags = modify(GROUP, vec![ResourceChangeDetail::builder().target(tags).build()]);
    let direct = || ChangeSource::DirectModification;
    for (change, expected) in [
        (only(ChangeAction::Add, TEMPLATE), format!("Add It ({TEMPLATE})")),
        (only(ChangeAction::Remove, GROUP), format!("Remove It ({GROUP})")),
        (only(ChangeAction::Dynamic, GROUP), format!("Dynamic It ({GROUP})")),
        (only(ChangeAction::Modify, GROUP), format!("Modify It ({GROUP})")),
        (
            replaced(Replacement::True),
            format!("Modify It ({TEMPLATE}), LaunchTemplateData, replacement True"),
        ),
        (
            replaced(Replacement::Conditional),
            format!("Modify It ({TEMPLATE}), LaunchTemplateData, replacement Conditional"),
        ),
        (by(GROUP, "MaxSize", direct(), ""), format!("Modify It ({GROUP}), MaxSize")),
        // What the other type may.
        (
            by(TEMPLATE, "LaunchTemplate", direct(), ""),
            format!("Modify It ({TEMPLATE}), LaunchTemplate"),
        ),
        (tags, format!("Modify It ({GROUP}), Tags")),
        (
            by("AWS::EC2::Instance", "ImageId", ChangeSource::ParameterReference, "ImageId"),
            "Modify It (AWS::EC2::Instance), ImageId".to_owned(),
        ),
        // An SSM-typed parameter that is read anew.
        (
            by(TEMPLATE, "LaunchTemplateData", ChangeSource::ParameterReference, "Size"),
            format!("Modify It ({TEMPLATE}), LaunchTemplateData, by parameter Size"),
        ),
        (
            by("AWS::CloudFormation::Stack", "Parameters", ChangeSource::Automatic, ""),
            "Modify It (AWS::CloudFormation::Stack), Parameters".to_owned(),
        ),
    ] {
        let found =
            finding("web", &[template_change(), change], &[image("ImageId")], &BTreeSet::new())
                .unwrap();
        assert_eq!(found.name, ErrorName::PlanTouchesMore);
        assert_eq!(
            found.message,
            format!(
                "an update of stack web would change more than launch templates and the versions of them that groups use: {expected}"
            )
        );
    }
}

#[test]
fn what_cloudformation_lists_of_every_plan_is_permitted() {
    let mut group =
        modify(GROUP, vec![detail("LaunchTemplate", ChangeSource::ResourceAttribute, "Template")]);
    group.replacement = Some(Replacement::Conditional);
    let nested =
        ResourceTargetDefinition::builder().attribute(ResourceAttribute::Properties).build();
    let nested = ResourceChangeDetail::builder()
        .target(nested)
        .change_source(ChangeSource::Automatic)
        .build();
    let nested = modify("AWS::CloudFormation::Stack", vec![nested]);
    assert_eq!(
        finding(
            "web",
            &[template_change(), group.clone(), nested],
            &[image("ImageId")],
            &BTreeSet::new()
        ),
        None
    );
    group.replacement = Some(Replacement::True);
    assert!(
        finding("web", &[template_change(), group], &[image("ImageId")], &BTreeSet::new())
            .is_some()
    );
}

#[test]
fn a_property_is_reported_once() {
    let change = planned(&template_change());
    assert_eq!((change.logical_id.as_str(), change.action.as_str()), ("It", "Modify"));
    assert_eq!(change.replacement.as_deref(), Some("False"));
    assert_eq!(change.properties, ["LaunchTemplateData"]);
}
