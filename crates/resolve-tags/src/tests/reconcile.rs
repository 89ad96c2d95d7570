//! A reconcile: every target of the account from one listing, within what a state may carry.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{Filter, Image, Instance, InstanceType, Reservation};
use contract::target::{Origin, Pattern, Promotion, Run};
use serde_json::{Value, json};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::handler::{asks_for_pages, ec2_image, ec2_tags, filter, is_live};
use super::{
    FIRST, SECOND, THIRD, TO_PARAMETER, TO_STACK, TO_STACKS_DB, candidates, permitting, promotions,
    reason,
};
use crate::decide::MAX_CANDIDATES_PER_RUN;
use crate::handle;

const TARGETS: usize = 100;
const NIGHTS: u8 = 12;

fn is_tagged() -> Filter {
    filter("tag-key", &["ImageIdParameterName", "StackName"])
}

/// The account's tagged images, in pages of as many as are asked for.
fn account(images: Vec<Image>) -> Rule {
    mock!(Client::describe_images)
        .match_requests(|r| {
            r.owners() == ["self"] && r.filters() == [is_tagged()] && asks_for_pages(r.max_results)
        })
        .then_compute_output(move |request| {
            let from = request.next_token().map_or(0, |token| token.parse().unwrap());
            let to =
                images.len().min(from + usize::try_from(request.max_results.unwrap()).unwrap());
            let next = (to < images.len()).then(|| to.to_string());
            let page = DescribeImagesOutput::builder().set_images(Some(images[from..to].to_vec()));
            page.set_next_token(next).build()
        })
}

fn live(found: Vec<Instance>) -> DescribeInstancesOutput {
    let reservation = Reservation::builder().set_instances(Some(found)).build();
    DescribeInstancesOutput::builder().reservations(reservation).build()
}

fn tagged_instances(found: Vec<Instance>) -> Rule {
    mock!(Client::describe_instances)
        .match_requests(|r| {
            r.filters() == [is_tagged(), is_live()] && asks_for_pages(r.max_results)
        })
        .then_output(move || live(found.clone()))
}

/// None of these instances lives; EC2 takes 200 values in a filter.
fn untagged_sources() -> Rule {
    mock!(Client::describe_instances)
        .match_requests(|r| {
            let [by_id, live] = r.filters() else { return false };
            let few = by_id.values().len() <= 200;
            by_id.name() == Some("instance-id") && few && live == &is_live()
        })
        .then_output(|| live(vec![]))
}

/// No backup has lost its tags; EC2 takes 200 values in a filter.
fn none_lost() -> Rule {
    mock!(Client::describe_images)
        .match_requests(|r| {
            let [by_source, by_name] = r.filters() else { return false };
            let few = by_source.values().len() <= 200;
            by_source.name() == Some("source-instance-id") && few && by_name.name() == Some("name")
        })
        .then_output(|| DescribeImagesOutput::builder().build())
}

/// Half of the targets are parameters, half are stacks.
fn tag_of(target: usize) -> (&'static str, String) {
    if target.is_multiple_of(2) {
        (
            "ImageIdParameterName",
            format!("/driftless/production/checkout-service-{target:03}/image"),
        )
    } else {
        ("StackName", format!("production-checkout-service-{target:03}"))
    }
}

/// The live instance of a target's group.
fn instance_of(target: usize) -> Instance {
    let (tag, name) = tag_of(target);
    let stack = format!("production-checkout-service-{target:03}");
    let group = format!("{stack}-WebServerGroup-1A2B3C4D5E6F7");
    let tags = ec2_tags(&[
        (tag, &name),
        ("aws:autoscaling:groupName", &group),
        ("aws:cloudformation:stack-name", &stack),
    ]);
    Instance::builder()
        .instance_id(format!("i-{target:017x}"))
        .instance_type(InstanceType::M7gd12xlarge)
        .set_tags(Some(tags))
        .build()
}

/// Each target's image of each night; `source` selects the instance.
fn images(source: impl Fn(usize, u8) -> String) -> Vec<Image> {
    let every = (1..=NIGHTS).flat_map(|night| (0..TARGETS).map(move |target| (target, night)));
    every
        .map(|(target, night)| {
            let (tag, name) = tag_of(target);
            let mut image =
                ec2_image(&format!("ami-{target:015x}{night:02x}"), night, &[(tag, &name)]);
            image.source_instance_id = Some(source(target, night));
            image
        })
        .collect()
}

async fn reconciled(images: Vec<Image>, input: Value) -> Vec<Promotion> {
    let rules = [account(images), tagged_instances(vec![]), untagged_sources()];
    let [images, instances, sources] = rules;
    let ec2 = mock_client!(aws_sdk_ec2, [images, instances, sources]);
    promotions(handle(&ec2, &permitting("/", ""), input).await.unwrap())
}

#[tokio::test]
async fn a_hundred_targets_are_one_listing_of_images_and_one_of_instances() {
    // Each night the instance had died, and only the last night's still lives.
    let of_night = |target, night| match night {
        NIGHTS => format!("i-{target:017x}"),
        _ => format!("i-dead{target:011x}{night:02x}"),
    };
    let account = account(images(of_night));
    let tagged = tagged_instances((0..TARGETS).map(instance_of).collect());
    let untagged = untagged_sources();
    let lost = none_lost();
    let ec2 = mock_client!(aws_sdk_ec2, [account, tagged, untagged, lost]);
    let targets =
        promotions(handle(&ec2, &permitting("/", ""), json!({"reconcile": true})).await.unwrap());

    let names: BTreeSet<_> = targets.iter().map(|promotion| promotion.target.name()).collect();
    assert_eq!((targets.len(), names.len()), (TARGETS, TARGETS));
    for target in &targets {
        let [(_, parameter)] = target.target.images()[..] else { panic!("{target:?}") };
        assert_eq!(parameter.candidates.len(), MAX_CANDIDATES_PER_RUN / TARGETS);
        assert_eq!(parameter.groups.len(), 1);
        let origin = &parameter.candidates[0].origin;
        assert_eq!(origin.group(), parameter.groups.first(), "{target:?}");
        let before = &parameter.candidates[1].origin;
        assert!(matches!(before, Origin::Unknown { .. }), "{before:?}");
    }
    let pages = (TARGETS * usize::from(NIGHTS)).div_ceil(500);
    let chunks = (TARGETS * usize::from(NIGHTS - 1)).div_ceil(200);
    assert_eq!((account.num_calls(), tagged.num_calls()), (pages, 1));
    assert_eq!(untagged.num_calls(), chunks);
}

#[tokio::test]
async fn a_hundred_targets_stay_far_below_what_a_state_may_carry() {
    // The longest answer: every image's instance still lives, so its group is known.
    let account = account(images(|target, _| format!("i-{target:017x}")));
    let tagged = tagged_instances((0..TARGETS).map(instance_of).collect());
    let lost = none_lost();
    let ec2 = mock_client!(aws_sdk_ec2, [account, tagged, lost]);
    let resolved = handle(&ec2, &permitting("/", ""), json!({"reconcile": true})).await.unwrap();
    let length = serde_json::to_string(&resolved).unwrap().len();
    assert_eq!(promotions(resolved).len(), TARGETS);
    // Step Functions passes 256 KiB on from one state to the next.
    assert!(length < 150_000, "{length}");
}

#[tokio::test]
async fn a_reconcile_gathers_each_targets_images() {
    const BOTH: &[(&str, &str)] = &[TO_PARAMETER[0], TO_STACK[0]];
    let account = || {
        vec![
            ec2_image(FIRST, 1, TO_STACKS_DB),
            ec2_image(SECOND, 2, BOTH),
            ec2_image(THIRD, 3, TO_STACK),
        ]
    };
    for (input, dry_run) in [
        (json!({"reconcile": true}), false),
        (json!({"reconcile": true, "dryRun": true}), true),
        (json!({"dryRun": true}), true),
    ] {
        let targets = reconciled(account(), input).await;
        let [parameter, stack] = &targets[..] else { panic!("{targets:?}") };
        let patterns = (parameter.target.pattern(), stack.target.pattern());
        assert_eq!(patterns, (Pattern::Parameter, Pattern::Stack));
        assert_eq!(candidates(parameter), [("/golden/web", vec![SECOND])]);
        let keys = [("DbImage", vec![FIRST]), ("ImageId", vec![THIRD, SECOND])];
        assert_eq!(candidates(stack), keys);
        let run = Run { dry_run, ..Run::default() };
        assert!(targets.iter().all(|target| target.run == run));
    }
}

#[tokio::test]
async fn an_image_with_a_malformed_tag_is_left_out_of_a_reconcile() {
    let malformed: [&[(&str, &str)]; 3] = [
        &[("StackName", "not a stack")],
        &[("StackName", "web"), ("ImageIdParameterKey", "no key")],
        &[("ImageIdParameterName", "/a*")],
    ];
    for tagged in malformed {
        let account = vec![ec2_image(FIRST, 1, tagged), ec2_image(SECOND, 2, TO_STACK)];
        let targets = reconciled(account, json!({"reconcile": true})).await;
        let [target] = &targets[..] else { panic!("{targets:?}") };
        assert_eq!(candidates(target), [("ImageId", vec![SECOND])]);
    }
}

#[tokio::test]
async fn an_account_without_targets_is_skipped_with_the_reason() {
    for images in [vec![], vec![ec2_image(FIRST, 1, &[("StackName", "not a stack")])]] {
        let (account, tagged) = (account(images), tagged_instances(vec![]));
        let ec2 = mock_client!(aws_sdk_ec2, [account, tagged]);
        let resolved =
            handle(&ec2, &permitting("/", ""), json!({"reconcile": true})).await.unwrap();
        let reason = reason(resolved);
        assert!(reason.contains("by its tag ImageIdParameterName or StackName"), "{reason}");
    }
}
