//! Images whose own tags do not say where they belong: another's tags, and lost ones.

use contract::{ErrorName, Named};
use serde_json::json;
use testkit::mock_client;

use super::handler::{knows, lists, lost, none_lost, runs, tagged_instance};
use super::{FIRST, SECOND, THIRD, TO_PARAMETER, backup, candidates, promotions, reason, settings};
use crate::handle;

#[tokio::test]
async fn what_others_mean_by_the_tags_is_skipped_by_event_and_refused_by_hand() {
    const FOREIGN: &[(&str, &str)] = &[("StackName", "Wordpress (prod)")];
    let said = "the tag StackName names \"Wordpress (prod)\", and Driftless may only touch stacks \
                whose names begin with \"web\"";
    let ec2 = mock_client!(aws_sdk_ec2, [knows(FIRST, FOREIGN)]);
    let resolved = handle(&ec2, &settings(), backup(|_| ())).await.unwrap();
    assert_eq!(reason(resolved), format!("image {FIRST}: {said}"));

    let ec2 = mock_client!(aws_sdk_ec2, [knows(FIRST, FOREIGN)]);
    let error = handle(&ec2, &settings(), json!({"imageId": FIRST})).await.unwrap_err();
    assert_eq!((error.name(), error.to_string()), (ErrorName::TargetNotPermitted, said.into()));
}

#[tokio::test]
async fn a_foreign_tag_does_not_keep_the_other_targets_out() {
    const BOTH: &[(&str, &str)] = &[TO_PARAMETER[0], ("StackName", "wordpress")];
    let hinted = knows(FIRST, BOTH);
    let tagged = lists("ImageIdParameterName", "/golden/web", BOTH);
    let by_tag = runs("tag:ImageIdParameterName", "/golden/web", Some("i-source"));
    let lost = none_lost("i-source");
    let ec2 = mock_client!(aws_sdk_ec2, [hinted, tagged, by_tag, lost]);
    let resolved = promotions(handle(&ec2, &settings(), backup(|_| ())).await.unwrap());
    let [target] = &resolved[..] else { panic!("{resolved:?}") };
    assert_eq!(candidates(target), [("/golden/web", vec![SECOND, FIRST])]);
}

#[tokio::test]
async fn a_target_outside_the_prefixes_is_refused_without_a_call() {
    for (input, said) in [
        (json!({"target": {"stackName": "wordpress"}}), "target names \"wordpress\""),
        (json!({"rollback": {"parameterName": "/x"}}), "rollback names \"/x\""),
    ] {
        let ec2 = mock_client!(aws_sdk_ec2, []);
        let error = handle(&ec2, &settings(), input).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::TargetNotPermitted);
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[tokio::test]
async fn an_image_that_has_lost_its_tags_belongs_where_its_instance_belongs() {
    for input in [backup(|_| ()), json!({"imageId": FIRST})] {
        let pinned = input.get("imageId").is_some();
        let untagged = knows(FIRST, &[("Name", "web")]);
        let by_id = tagged_instance("i-source", TO_PARAMETER);
        let listed = lists("ImageIdParameterName", "/golden/web", TO_PARAMETER);
        let by_tag = runs("tag:ImageIdParameterName", "/golden/web", Some("i-source"));
        let others = lost("i-source", Some(THIRD));
        let ec2 = mock_client!(aws_sdk_ec2, [untagged, by_id, listed, by_tag, others]);
        let targets = promotions(handle(&ec2, &settings(), input).await.unwrap());
        let [target] = &targets[..] else { panic!("{targets:?}") };
        let competing = if pinned { vec![FIRST] } else { vec![THIRD, SECOND, FIRST] };
        assert_eq!(candidates(target), [("/golden/web", competing)]);
        let images = &target.target.images()[0].1.candidates;
        let lost: Vec<_> = images.iter().map(|image| image.tags_of.as_deref()).collect();
        let source = Some("i-source");
        assert_eq!(lost, if pinned { vec![source] } else { vec![source, None, source] });
    }
}

#[tokio::test]
async fn a_run_of_a_named_target_finds_the_images_that_have_lost_its_name() {
    let listed = lists("ImageIdParameterName", "/golden/web", &[]);
    let by_tag = runs("tag:ImageIdParameterName", "/golden/web", Some("i-web"));
    let ec2 = mock_client!(aws_sdk_ec2, [listed, by_tag, lost("i-web", Some(THIRD))]);
    let run = json!({"target": {"parameterName": "/golden/web"}});
    let targets = promotions(handle(&ec2, &settings(), run).await.unwrap());
    assert_eq!(candidates(&targets[0]), [("/golden/web", vec![THIRD])]);
}

#[tokio::test]
async fn what_is_tagged_for_driftless_and_belongs_nowhere_is_named() {
    const KEY: &[(&str, &str)] = &[("ImageIdParameterKey", "WebImageId")];
    for (on_image, on_instance) in [(KEY, &[][..]), (&[][..], KEY)] {
        let rules = [knows(FIRST, on_image), tagged_instance("i-source", on_instance)];
        let [image, by_id] = rules;
        let ec2 = mock_client!(aws_sdk_ec2, [image, by_id]);
        let error = handle(&ec2, &settings(), backup(|_| ())).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::ImageUnplaced);
        let said =
            "neither does its instance i-source, although the tag ImageIdParameterKey is there";
        assert!(error.to_string().ends_with(said), "{error}");
    }
}

#[tokio::test]
async fn a_tagged_instances_mistake_stays_loud() {
    const WRONG: &[(&str, &str)] = &[("StackName", "web server")];
    let ec2 = mock_client!(
        aws_sdk_ec2,
        [knows(FIRST, &[("Name", "web")]), tagged_instance("i-source", WRONG)]
    );
    let error = handle(&ec2, &settings(), backup(|_| ())).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidInput);
}
