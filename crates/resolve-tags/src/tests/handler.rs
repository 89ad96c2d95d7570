//! The handler against rules: what is asked of EC2, and what comes of each answer.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ErrorMetadata;
use aws_sdk_ec2::operation::describe_images::{DescribeImagesError, DescribeImagesOutput};
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{Filter, InstanceType, Reservation, Tag};
use contract::target::{Origin, Promotion, Run, Selection};
use contract::{ErrorName, Named};
use serde_json::json;
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::{
    FIRST, SECOND, TO_PARAMETER, TO_STACK, backup, candidates, promotions, reason, settings,
};
use crate::handle;

pub(super) fn ec2_tags(tagged: &[(&str, &str)]) -> Vec<Tag> {
    tagged.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect()
}

pub(super) fn ec2_image(id: &str, night: u8, tagged: &[(&str, &str)]) -> aws_sdk_ec2::types::Image {
    aws_sdk_ec2::types::Image::builder()
        .image_id(id)
        .creation_date(format!("2026-11-{night:02}T03:00:00.000Z"))
        .source_instance_id("i-source")
        .set_tags(Some(ec2_tags(tagged)))
        .build()
}

pub(super) fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(ToString::to_string).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

pub(super) fn is_live() -> Filter {
    filter("instance-state-name", &["pending", "running", "stopping", "stopped"])
}

/// Without a page size EC2 would not make pages.
pub(super) fn asks_for_pages(max_results: Option<i32>) -> bool {
    max_results.is_some_and(|most| most <= 1000)
}

/// EC2 has this image under this id.
pub(super) fn knows(id: &'static str, tagged: &'static [(&str, &str)]) -> Rule {
    mock!(Client::describe_images)
        .match_requests(move |r| r.image_ids() == [id] && r.filters.is_none())
        .then_output(move || {
            DescribeImagesOutput::builder().images(ec2_image(id, 1, tagged)).build()
        })
}

/// The account's own images with this tag come on two pages.
pub(super) fn lists(
    tag: &'static str,
    value: &'static str,
    tagged: &'static [(&str, &str)],
) -> Rule {
    mock!(Client::describe_images)
        .match_requests(move |r| {
            r.owners() == ["self"]
                && r.filters() == [filter(&format!("tag:{tag}"), &[&format!("*{value}*")])]
                && r.image_ids.is_none()
                && asks_for_pages(r.max_results)
        })
        .then_compute_output(move |request| match request.next_token() {
            None => DescribeImagesOutput::builder()
                .images(ec2_image(FIRST, 1, tagged))
                .next_token("second page")
                .build(),
            Some(_) => DescribeImagesOutput::builder().images(ec2_image(SECOND, 2, tagged)).build(),
        })
}

/// One live instance that this filter finds, in the group of the same name.
pub(super) fn runs(name: &'static str, value: &'static str, found: Option<&'static str>) -> Rule {
    let tagged = move |group| {
        let mut tags = vec![("aws:autoscaling:groupName", group)];
        if let Some(tag) = name.strip_prefix("tag:") {
            tags.push((tag, value));
        }
        ec2_tags(&tags)
    };
    mock!(Client::describe_instances)
        .match_requests(move |r| {
            let value = if name == "instance-id" { value.to_owned() } else { format!("*{value}*") };
            r.filters() == [filter(name, &[&value]), is_live()] && asks_for_pages(r.max_results)
        })
        .then_output(move || {
            let instances = found.map(|id| {
                let tags = Some(tagged(id));
                let instance = aws_sdk_ec2::types::Instance::builder().instance_id(id);
                instance.instance_type(InstanceType::T3Small).set_tags(tags).build()
            });
            let reservation = Reservation::builder().set_instances(Some(Vec::from_iter(instances)));
            DescribeInstancesOutput::builder().reservations(reservation.build()).build()
        })
}

/// A live instance with these tags and no group.
pub(super) fn tagged_instance(id: &'static str, tagged: &'static [(&str, &str)]) -> Rule {
    mock!(Client::describe_instances)
        .match_requests(move |r| r.filters() == [filter("instance-id", &[id]), is_live()])
        .then_output(move || {
            let tags = Some(ec2_tags(tagged));
            let instance = aws_sdk_ec2::types::Instance::builder().instance_id(id).set_tags(tags);
            let reservation = Reservation::builder().instances(instance.build()).build();
            DescribeInstancesOutput::builder().reservations(reservation).build()
        })
}

/// No backup of this tagged instance has lost its tags.
pub(super) fn none_lost(instance: &'static str) -> Rule {
    lost(instance, None)
}

/// A backup of this tagged instance that has lost its tags.
pub(super) fn lost(instance: &'static str, image: Option<&'static str>) -> Rule {
    mock!(Client::describe_images)
        .match_requests(move |r| {
            let source = filter("source-instance-id", &[instance]);
            r.owners() == ["self"]
                && r.filters() == [source, filter("name", &["AwsBackup_*"])]
                && asks_for_pages(r.max_results)
        })
        .then_output(move || {
            let images = image.map(|id| {
                let mut image = ec2_image(id, 3, &[]);
                image.source_instance_id = Some(instance.to_owned());
                image
            });
            DescribeImagesOutput::builder().set_images(Some(Vec::from_iter(images))).build()
        })
}

/// The group of each candidate, and why there is none.
fn origins(promotion: &Promotion) -> Vec<(Option<&str>, Option<&str>)> {
    let images = promotion.target.images().into_iter();
    let origins = images.flat_map(|(_, it)| &it.candidates).map(|candidate| &candidate.origin);
    let named = origins.map(|origin| match origin {
        Origin::Group { group, .. } => (Some(group.group_name.as_str()), None),
        Origin::NoGroup { .. } => (None, None),
        Origin::Unknown { reason } => (None, Some(reason.as_str())),
    });
    named.collect()
}

fn groups(promotion: &Promotion) -> Vec<&str> {
    promotion.target.images()[0].1.groups.iter().map(|group| group.group_name.as_str()).collect()
}

#[tokio::test]
async fn a_hint_lets_all_tagged_images_compete() {
    let hinted = knows(FIRST, TO_PARAMETER);
    let tagged = lists("ImageIdParameterName", "/golden/web", TO_PARAMETER);
    let by_tag = runs("tag:ImageIdParameterName", "/golden/web", Some("i-tagged"));
    let by_id = runs("instance-id", "i-source", Some("i-source"));
    let lost = none_lost("i-tagged");
    let ec2 = mock_client!(aws_sdk_ec2, [hinted, tagged, by_tag, by_id, lost]);
    let resolved = promotions(handle(&ec2, &settings(), backup(|_| ())).await.unwrap());
    let [target] = &resolved[..] else { panic!("{resolved:?}") };
    assert_eq!(candidates(target), [("/golden/web", vec![SECOND, FIRST])]);
    assert_eq!(groups(target), ["i-source", "i-tagged"]);
    assert_eq!(target.target.images()[0].1.groups[0].instance_type.as_deref(), Some("t3.small"));
    assert_eq!(origins(target), [(Some("i-source"), None); 2]);
    assert_eq!((hinted.num_calls(), tagged.num_calls(), by_id.num_calls()), (1, 2, 1));
}

#[tokio::test]
async fn every_partition_leads_to_the_same_targets() {
    let mut found = Vec::new();
    for (partition, region) in
        [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
    {
        const BOTH: &[(&str, &str)] = &[TO_PARAMETER[0], TO_STACK[0]];
        let hinted = knows(FIRST, BOTH);
        let to_parameter = lists("ImageIdParameterName", "/golden/web", BOTH);
        let to_stack = lists("StackName", "web", BOTH);
        let in_parameter = runs("tag:ImageIdParameterName", "/golden/web", Some("i-tagged"));
        let in_stack = runs("tag:StackName", "web", None);
        let by_id = runs("instance-id", "i-source", Some("i-source"));
        let (images, lost) = ((hinted, to_parameter, to_stack), none_lost("i-tagged"));
        let ec2 = mock_client!(
            aws_sdk_ec2,
            [images.0, images.1, images.2, in_parameter, in_stack, by_id, lost]
        );
        let of = |service: &str, account: &str, resource: &str| {
            format!("arn:{partition}:{service}:{region}:{account}:{resource}")
        };
        let account = "111122223333";
        let event = backup(|event| {
            event["region"] = json!(region);
            event["resources"] = json!([of("ec2", "", &format!("image/{FIRST}"))]);
            let detail = &mut event["detail"];
            detail["resourceArn"] = json!(of("ec2", account, "instance/i-source"));
            detail["backupVaultArn"] = json!(of("backup", account, "backup-vault:nightly"));
            detail["iamRoleArn"] = json!(format!("arn:{partition}:iam::{account}:role/backup"));
        });
        let resolved = promotions(handle(&ec2, &settings(), event).await.unwrap());
        assert_eq!(resolved.len(), 2, "{partition}: {resolved:?}");
        found.push(resolved);
    }
    assert!(found.iter().all(|resolved| *resolved == found[0]), "{found:?}");
}

#[tokio::test]
async fn what_the_event_says_goes_with_its_image_alone() {
    let hinted = knows(FIRST, TO_STACK);
    let tagged = lists("StackName", "web", TO_STACK);
    let by_tag = runs("tag:StackName", "web", None);
    let by_id = runs("instance-id", "i-source", None);
    let ec2 = mock_client!(aws_sdk_ec2, [hinted, tagged, by_tag, by_id]);
    let event = backup(|event| event["detail"]["statusMessage"] = json!("VSS failed"));
    let target = promotions(handle(&ec2, &settings(), event).await.unwrap()).remove(0);
    assert_eq!(candidates(&target), [("ImageId", vec![SECOND, FIRST])]);
    let images = target.target.images()[0].1;
    let [newer, hinted] = &images.candidates[..] else { panic!("{target:?}") };
    assert_eq!(newer.status_message, None);
    assert_eq!(hinted.status_message.as_deref(), Some("VSS failed"));
    assert_eq!(origins(&target), [(None, Some("instance i-source is gone")); 2]);
}

#[tokio::test]
async fn a_source_that_carries_the_tag_is_not_looked_up_again() {
    let by_tag = runs("tag:StackName", "web", Some("i-source"));
    let rules = [knows(FIRST, TO_STACK), lists("StackName", "web", TO_STACK)];
    let [hinted, tagged] = rules;
    let lost = none_lost("i-source");
    let ec2 = mock_client!(aws_sdk_ec2, [hinted, tagged, by_tag, lost]);
    let resolved = promotions(handle(&ec2, &settings(), backup(|_| ())).await.unwrap());
    assert_eq!(groups(&resolved[0]), ["i-source"]);
    assert_eq!(by_tag.num_calls(), 1);
}

#[tokio::test]
async fn a_pinned_image_competes_with_no_other_in_both_its_targets() {
    const BOTH: &[(&str, &str)] = &[TO_PARAMETER[0], TO_STACK[0]];
    let pinned = knows(FIRST, BOTH);
    let in_parameter = runs("tag:ImageIdParameterName", "/golden/web", None);
    let in_stack = runs("tag:StackName", "web", None);
    let by_id = runs("instance-id", "i-source", None);
    let ec2 = mock_client!(aws_sdk_ec2, [pinned, in_parameter, in_stack, by_id]);
    let run = json!({"imageId": FIRST, "allowOlder": true, "dryRun": true});
    let targets = promotions(handle(&ec2, &settings(), run).await.unwrap());
    let [parameter, stack] = &targets[..] else { panic!("{targets:?}") };
    assert_eq!(candidates(parameter), [("/golden/web", vec![FIRST])]);
    assert_eq!(candidates(stack), [("ImageId", vec![FIRST])]);
    let run = Run { selection: Selection::AllowOlder, dry_run: true, ..Run::default() };
    assert_eq!((parameter.run, stack.run), (run, run));
    assert_eq!(pinned.num_calls(), 1);
}

#[tokio::test]
async fn a_run_of_a_named_target_lists_its_images() {
    let tagged = lists("StackName", "web", TO_STACK);
    let by_tag = runs("tag:StackName", "web", Some("i-source"));
    let lost = none_lost("i-source");
    let ec2 = mock_client!(aws_sdk_ec2, [tagged, by_tag, lost]);
    let run = json!({"rollback": {"stackName": "web"}, "instanceRefresh": true});
    let targets = promotions(handle(&ec2, &settings(), run).await.unwrap());
    let [target] = &targets[..] else { panic!("{targets:?}") };
    assert_eq!(candidates(target), [("ImageId", vec![SECOND, FIRST])]);
    assert_eq!(origins(target), [(Some("i-source"), None); 2]);
    let run = Run { selection: Selection::Rollback, instance_refresh: true, ..Run::default() };
    assert_eq!(target.run, run);
    assert_eq!((tagged.num_calls(), by_tag.num_calls()), (2, 1));
}

#[tokio::test]
async fn a_rollback_of_what_no_image_names_fails_with_the_field() {
    let nothing =
        mock!(Client::describe_images).then_output(|| DescribeImagesOutput::builder().build());
    let nobody = runs("tag:ImageIdParameterName", "/golden/wbe", None);
    let ec2 = mock_client!(aws_sdk_ec2, [nothing, nobody]);
    let run = json!({"rollback": {"parameterName": "/golden/wbe"}});
    let error = handle(&ec2, &settings(), run).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidInput);
    assert!(error.to_string().starts_with("rollback.parameterName: expected"), "{error}");
}

#[tokio::test]
async fn what_is_skipped_is_not_looked_up() {
    let of_volume = backup(|event| event["detail"]["resourceType"] = json!("EBS"));
    let resolved = handle(&mock_client!(aws_sdk_ec2, []), &settings(), of_volume).await.unwrap();
    assert_eq!(reason(resolved), "the backup's resource type is EBS, not EC2");
}

#[tokio::test]
async fn an_image_without_a_target_tag_is_skipped() {
    let untagged = knows(FIRST, &[("Name", "web")]);
    let by_id = runs("instance-id", "i-source", None);
    let ec2 = mock_client!(aws_sdk_ec2, [untagged, by_id]);
    let reason = reason(handle(&ec2, &settings(), backup(|_| ())).await.unwrap());
    assert!(reason.ends_with("and its instance i-source is gone"), "{reason}");
    assert!(reason.contains(FIRST) && reason.contains("StackName"), "{reason}");
}

#[tokio::test]
async fn an_image_that_ec2_does_not_know_is_not_found() {
    let run = || json!({"imageId": FIRST});
    let nothing = mock!(Client::describe_images).then_output(|| {
        // Recently deregistered images are left out of the answer.
        DescribeImagesOutput::builder().build()
    });
    let error =
        handle(&mock_client!(aws_sdk_ec2, [nothing]), &settings(), run()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageNotFound);
    for (code, expected) in [
        ("InvalidAMIID.NotFound", ErrorName::ImageNotFound),
        ("InvalidAMIID.Unavailable", ErrorName::ImageNotFound),
        ("UnauthorizedOperation", ErrorName::AccessDenied),
        ("RequestLimitExceeded", ErrorName::ServiceUnavailable),
        ("InvalidAMIID.Malformed", ErrorName::UnexpectedAnswer),
    ] {
        let refusal = mock!(Client::describe_images).then_error(move || {
            DescribeImagesError::generic(ErrorMetadata::builder().code(code).build())
        });
        let error =
            handle(&mock_client!(aws_sdk_ec2, [refusal]), &settings(), run()).await.unwrap_err();
        assert_eq!(error.name(), expected, "{code}");
    }
}

#[tokio::test]
async fn a_malformed_tag_of_the_hinted_image_is_invalid_input() {
    let hinted = knows(FIRST, &[("StackName", "web server")]);
    let error = handle(&mock_client!(aws_sdk_ec2, [hinted]), &settings(), backup(|_| ()))
        .await
        .unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidInput);
    assert!(error.to_string().starts_with("tags.StackName: "), "{error}");
}
