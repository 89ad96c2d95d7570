//! The handler with several image parameters, groups and hundreds of candidates: what one of them
//! means for the others, and how few calls they take.

use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Parameter as StackParameter, Stack};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_snapshots::DescribeSnapshotsOutput;
use aws_sdk_ec2::types::Filter;
use contract::steps::{DecisionOutcome, Validated};
use contract::target::{Candidate, ImageParameter, Images, Promotion, Target};
use contract::{ErrorName, Named};
use testkit::mocks::mock;

use super::handle::{Rules, ssm_has_nothing};
use super::{
    NEW, OLD, candidate, date, first, group, image, origin, parameter_target, snapshot, target,
};

/// The stack target with one more image parameter, of these candidates.
fn with_parameter(mut promotion: Promotion, key: &str, candidates: Vec<Candidate>) -> Promotion {
    let images = Images { candidates, groups: vec![] };
    let Target::Stack { parameters, .. } = &mut promotion.target else { panic!("a stack") };
    parameters.push(ImageParameter { key: key.parse().unwrap(), images });
    promotion
}

/// The names by which parameters were refused.
fn names(validated: &Validated) -> Vec<(&str, ErrorName)> {
    validated.refused.iter().map(|one| (one.parameter.as_str(), one.name)).collect()
}

#[tokio::test]
async fn one_bad_parameter_keeps_no_other_from_its_image() {
    let stack = || {
        let of = |key: &str, value: &str, resolved: Option<&str>| {
            let parameter = StackParameter::builder().parameter_key(key).parameter_value(value);
            parameter.set_resolved_value(resolved.map(str::to_owned)).build()
        };
        let parameters = vec![
            of("ImageId", OLD, None),
            of("StrangeImage", OLD, None),
            of("GoneImage", OLD, None),
            of("ReadImage", "/golden/gone", Some(OLD)),
        ];
        let stack = Stack::builder().set_parameters(Some(parameters)).build();
        DescribeStacksOutput::builder().stacks(stack).build()
    };
    let stack = mock!(aws_sdk_cloudformation::Client::describe_stacks).then_output(stack);
    let rules = Rules { stack, parameter: ssm_has_nothing(), ..Rules::new() };

    let mut strange = candidate(NEW);
    strange.origin = origin(Some(group("stranger", Some("other"))));
    let own = |id| vec![candidate(id)];
    let target = with_parameter(target(own(NEW)), "StrangeImage", vec![strange]);
    let target = with_parameter(target, "ReadImage", own(NEW));
    let target = with_parameter(target, "OtherImage", own(NEW));
    let validated = rules.validated(target).await.unwrap();
    assert_eq!(validated.images.len(), 1);
    assert_eq!(validated.images[0].parameter, "ImageId");
    assert_eq!(validated.images[0].outcome, DecisionOutcome::Promote);
    let expected = [
        ("StrangeImage", ErrorName::TargetNotPermitted),
        ("ReadImage", ErrorName::ParameterNotFound),
        ("OtherImage", ErrorName::ParameterKeyNotFound),
    ];
    assert_eq!(names(&validated), expected);
    assert!(validated.refused[1].message.contains("/golden/gone"), "{validated:?}");
}

#[tokio::test]
async fn when_no_parameter_is_decided_about_the_first_names_the_error_and_each_is_told() {
    let target = with_parameter(target(vec![]), "OtherImage", vec![candidate(NEW)]);
    let error = Rules::new().validated(target).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageRejected);
    let text = error.to_string();
    assert!(text.starts_with("no image for ImageId passes"), "{text}");
    assert!(text.contains("; stack web has no parameter OtherImage"), "{text}");
}

#[tokio::test]
async fn the_group_of_a_stranger_is_not_the_targets() {
    let mut target = target(vec![candidate(NEW)]);
    let own = group("web-Group", Some("web"));
    first(&mut target).groups = vec![own.clone(), group("stranger", Some("other"))];
    assert_eq!(Rules::new().run(target).await.unwrap().groups, [own]);
}

#[tokio::test]
async fn groups_are_asked_for_at_once_and_a_launch_template_of_several_once() {
    let groups = mock!(aws_sdk_autoscaling::Client::describe_auto_scaling_groups)
        .match_requests(|r| r.auto_scaling_group_names() == ["by-stack", "group", "web-2"])
        .then_output(|| {
            let group = |name: &str, template| {
                let template = LaunchTemplateSpecification::builder().launch_template_id(template);
                AutoScalingGroup::builder()
                    .auto_scaling_group_name(name)
                    .launch_template(template.version("3").build())
                    .build()
            };
            let groups = vec![group("group", "lt-1"), group("web-2", "lt-1")];
            let by_stack = AutoScalingGroup::builder().auto_scaling_group_name("by-stack").build();
            DescribeAutoScalingGroupsOutput::builder()
                .set_auto_scaling_groups(Some(groups))
                .auto_scaling_groups(by_stack)
                .build()
        });
    let mut target = parameter_target(vec![candidate(NEW)]);
    let fed = vec![group("group", Some("web")), group("web-2", None)];
    let by_stack = group("by-stack", Some("web"));
    first(&mut target).groups = [vec![by_stack], fed.clone()].concat();
    let rules = Rules { groups, ..Rules::new() };
    assert_eq!(rules.run(target).await.unwrap().groups, fed);
    let [groups, _, _, _, template, ..] = rules.calls();
    assert_eq!((groups, template), (1, 1));
}

#[tokio::test]
async fn hundreds_of_candidates_and_groups_are_asked_for_in_as_few_calls_as_may_be() {
    let ids: Vec<_> = (0..300).rev().map(|n| format!("ami-{n:017}")).collect();
    let few = |filters: &[Filter]| filters.iter().all(|filter| filter.values().len() <= 200);
    let images = mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(move |request| few(request.filters()))
        .then_compute_output(|request| {
            let images = request.filters()[0].values().iter().map(|id| image(id).build());
            DescribeImagesOutput::builder().set_images(Some(images.collect())).build()
        });
    let snapshots = mock!(aws_sdk_ec2::Client::describe_snapshots)
        .match_requests(move |request| few(request.filters()))
        .then_compute_output(|request| {
            let snapshots = request.filters()[0].values().iter().map(|id| snapshot(id, None));
            DescribeSnapshotsOutput::builder().set_snapshots(Some(snapshots.collect())).build()
        });
    let groups = mock!(aws_sdk_autoscaling::Client::describe_auto_scaling_groups)
        .match_requests(|request| matches!(request.auto_scaling_group_names().len(), 1..=50))
        .then_output(|| DescribeAutoScalingGroupsOutput::builder().build());
    let rules = Rules { groups, images, snapshots, ..Rules::new() };
    let candidates = ids.iter().map(|id| Candidate { creation_date: date(OLD), ..candidate(id) });
    let mut target = parameter_target(candidates.collect());
    first(&mut target).groups = (0..60).map(|n| group(&format!("web-{n}"), None)).collect();
    assert_eq!(rules.run(target).await.unwrap().after.as_str(), ids[0]);
    assert_eq!(rules.calls(), [2, 2, 2, 1, 0, 0, 0, 1, 0]);
}
