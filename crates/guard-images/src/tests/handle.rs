//! The handler against rules.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ErrorMetadata;
use aws_sdk_ec2::operation::create_tags::{CreateTagsError, CreateTagsOutput};
use aws_sdk_ec2::operation::delete_tags::DeleteTagsOutput;
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::disable_image_deregistration_protection::{
    DisableImageDeregistrationProtectionError, DisableImageDeregistrationProtectionOutput,
};
use aws_sdk_ec2::operation::enable_image_deregistration_protection::EnableImageDeregistrationProtectionOutput;
use aws_sdk_ec2::types::{Filter, Image, Tag};
use contract::steps::{GroupLaunch, GuardInput, Guarded, Rows};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::{NEW, OFF, OLD, ON, guard, image, keys, stack};
use crate::decide::MARK;
use crate::{Error, handle};

pub(super) const ACCOUNT: &str = "111122223333";

fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(ToString::to_string).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// EC2 lists these images for this filter.
fn lists(name: &'static str, values: Vec<String>, found: Vec<Image>) -> Rule {
    mock!(Client::describe_images)
        .match_requests(move |request| {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            let is_own = request.owners() == ["self"];
            request.filters() == [filter(name, &values)]
                && is_own == (name == "tag-key")
                && request.include_disabled() == Some(true)
                && request.include_deprecated() == Some(true)
        })
        .then_output(move || {
            DescribeImagesOutput::builder().set_images(Some(found.clone())).build()
        })
}

fn of_ids(ids: &[&str], found: Vec<Image>) -> Rule {
    lists("image-id", ids.iter().map(ToString::to_string).collect(), found)
}

/// The images with the target's tag.
fn tagged(found: Vec<Image>) -> Rule {
    lists("tag-key", vec![keys().1], found)
}

fn keys_of(tags: &[Tag]) -> Vec<&str> {
    tags.iter().filter_map(Tag::key).collect()
}

fn adds(id: &'static str, keys: Vec<String>) -> Rule {
    mock!(Client::create_tags)
        .match_requests(move |r| r.resources() == [id] && keys_of(r.tags()) == keys)
        .then_output(|| CreateTagsOutput::builder().build())
}

fn removes(id: &'static str, keys: Vec<String>) -> Rule {
    mock!(Client::delete_tags)
        .match_requests(move |r| r.resources() == [id] && keys_of(r.tags()) == keys)
        .then_output(|| DeleteTagsOutput::builder().build())
}

fn enables(id: &'static str) -> Rule {
    mock!(Client::enable_image_deregistration_protection)
        .match_requests(move |r| r.image_id() == Some(id) && r.with_cooldown() != Some(true))
        .then_output(|| EnableImageDeregistrationProtectionOutput::builder().build())
}

fn disables(id: &'static str) -> Rule {
    mock!(Client::disable_image_deregistration_protection)
        .match_requests(move |r| r.image_id() == Some(id))
        .then_output(|| DisableImageDeregistrationProtectionOutput::builder().build())
}

async fn run(client: &Client, groups: usize) -> Result<Guarded, Error> {
    let launch = GroupLaunch {
        group_name: "web".into(),
        expected: NEW.parse().unwrap(),
        boots: Some(NEW.into()),
        image_state: Some("available".into()),
    };
    let groups = Rows::first(vec![launch; groups]);
    handle(client, ACCOUNT, GuardInput { guard: guard(stack()), groups }).await
}

fn done(protected: &[&str], released: &[&str]) -> Guarded {
    let ids = |all: &[&str]| all.iter().map(|id| id.parse().unwrap()).collect();
    Guarded { protected: ids(protected), released: ids(released) }
}

#[tokio::test]
async fn the_new_image_is_protected_and_the_old_ones_are_released() {
    const FORGOTTEN: &str = "ami-0000000000000000c";
    let (_, key, _) = keys();
    let both = vec![key.clone(), MARK.0.to_owned()];
    let tags: Vec<_> = both.iter().map(String::as_str).collect();
    let client = mock_client!(
        aws_sdk_ec2,
        [
            of_ids(&[NEW, OLD], vec![image(NEW, OFF, &[]), image(OLD, ON, &tags)]),
            // What an earlier run could not release.
            tagged(vec![image(OLD, ON, &tags), image(FORGOTTEN, ON, &tags)]),
            adds(NEW, both.clone()),
            enables(NEW),
            disables(OLD),
            removes(OLD, both.clone()),
            disables(FORGOTTEN),
            removes(FORGOTTEN, both),
        ]
    );
    assert_eq!(run(&client, 1).await.unwrap(), done(&[NEW], &[OLD, FORGOTTEN]));
}

#[tokio::test]
async fn nothing_is_written_twice() {
    let (_, key, _) = keys();
    let in_place = || vec![image(NEW, ON, &[&key, MARK.0])];
    let found = [in_place(), vec![image(OLD, OFF, &[])]].concat();
    let client = mock_client!(aws_sdk_ec2, [of_ids(&[NEW, OLD], found), tagged(in_place())]);
    assert_eq!(run(&client, 1).await.unwrap(), Guarded::default());
}

#[tokio::test]
async fn without_a_group_both_stay_protected() {
    let (_, key, _) = keys();
    let old = || vec![image(OLD, ON, &[&key, MARK.0])];
    let found = [old(), vec![image(NEW, OFF, &[])]].concat();
    let client = mock_client!(
        aws_sdk_ec2,
        [
            of_ids(&[NEW, OLD], found),
            tagged(old()),
            adds(NEW, vec![key, MARK.0.to_owned()]),
            enables(NEW),
        ]
    );
    assert_eq!(run(&client, 0).await.unwrap(), done(&[NEW], &[]));
}

/// Two targets let go of one image at the same moment, and each has seen the other's tag.
#[tokio::test]
async fn the_last_of_two_targets_releases_the_image() {
    let (_, key, other) = keys();
    let new = || image(NEW, ON, &[&key, MARK.0]);
    let shared = image(OLD, ON, &[&key, &other, MARK.0]);
    for (left, is_last) in [(vec![MARK.0], true), (vec![&other, MARK.0], false)] {
        let mark = || vec![MARK.0.to_owned()];
        let [disabling, unmarking] = [disables(OLD), removes(OLD, mark())];
        let client = mock_client!(
            aws_sdk_ec2,
            [
                of_ids(&[NEW, OLD], vec![new(), shared.clone()]),
                tagged(vec![]),
                removes(OLD, vec![key.clone()]),
                of_ids(&[OLD], vec![image(OLD, ON, &left)]),
                disabling,
                unmarking,
            ]
        );
        let released: &[&str] = if is_last { &[OLD] } else { &[] };
        assert_eq!(run(&client, 1).await.unwrap(), done(&[], released));
        assert_eq!(disabling.num_calls() + unmarking.num_calls(), 2 * usize::from(is_last));
    }
}

#[tokio::test]
async fn an_image_of_another_account_is_left_alone() {
    let shared = Image::builder().image_id(NEW).owner_id("999999999999").build();
    let client = mock_client!(aws_sdk_ec2, [of_ids(&[NEW, OLD], vec![shared]), tagged(vec![])]);
    assert_eq!(run(&client, 1).await.unwrap(), Guarded::default());
}

#[tokio::test]
async fn an_old_image_that_is_gone_by_now_needs_no_release() {
    let (_, key, _) = keys();
    let tags = [key.as_str(), MARK.0];
    let found = vec![image(NEW, ON, &tags), image(OLD, ON, &tags)];
    let gone = mock!(Client::disable_image_deregistration_protection).then_error(|| {
        let error = ErrorMetadata::builder().code("InvalidAMIID.NotFound").build();
        DisableImageDeregistrationProtectionError::generic(error)
    });
    let client = mock_client!(aws_sdk_ec2, [of_ids(&[NEW, OLD], found), tagged(vec![]), gone]);
    assert_eq!(run(&client, 1).await.unwrap(), Guarded::default());
}

#[tokio::test]
async fn an_image_without_room_for_tags_is_named_and_nothing_is_released() {
    let (_, key, _) = keys();
    let full = mock!(Client::create_tags).then_error(|| {
        CreateTagsError::generic(ErrorMetadata::builder().code("TagLimitExceeded").build())
    });
    let found = vec![image(NEW, OFF, &[]), image(OLD, ON, &[&key, MARK.0])];
    let client = mock_client!(aws_sdk_ec2, [of_ids(&[NEW, OLD], found), tagged(vec![]), full]);
    let error = run(&client, 1).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageTagsFull);
    assert!(error.to_string().contains(NEW), "{error}");
}
