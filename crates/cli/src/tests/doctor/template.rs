//! What a template says of a group's image and version.

use super::fixture;
use crate::doctor::template::{GroupSource, Node, group, parse};

fn source(launch_template: &str, follows_newest: bool, parameters: &[&str]) -> GroupSource {
    GroupSource {
        launch_template: Some(launch_template.into()),
        follows_newest,
        image_parameters: parameters.iter().map(|name| (*name).into()).collect(),
    }
}

#[test]
fn the_fixtures_say_where_the_image_comes_from() {
    for (name, id, expected) in [
        ("stack", "Group", source("LaunchTemplate", true, &["ImageId"])),
        ("parameter", "Group", source("LaunchTemplate", true, &["ImageIdParameterName"])),
        ("ignores-image", "Group", source("LaunchTemplate", true, &["OtherImageId"])),
        ("two-groups", "WorkerGroup", source("WorkerLaunchTemplate", true, &["WorkerImageId"])),
    ] {
        let template = parse(&fixture(name)).unwrap();
        assert_eq!(group(&template, id), Some(expected), "{name}");
        assert_eq!(group(&template, "Nothing"), None, "{name}");
    }
}

#[test]
fn every_form_of_a_function_is_read() {
    for (image, expected) in [
        ("!Ref A", &["A"][..]),
        ("{Ref: A}", &["A"]),
        ("!If [C, !Ref A, !Ref B]", &["A", "B"]),
        ("{\"Fn::If\": [\"C\", {\"Ref\": \"A\"}, \"ami-1\"]}", &["A"]),
        ("!Sub 'resolve:ssm:${A}'", &["A"]),
        ("!Sub ['${X}${!Y}', {X: !Ref A}]", &["X", "A"]),
        ("!FindInMap [M, !Ref 'AWS::Region', Image]", &["AWS::Region"]),
        ("ami-1", &[]),
    ] {
        let node = parse(&format!("ImageId: {image}")).unwrap();
        assert_eq!(node.at(&["ImageId"]).unwrap().references(), expected, "{image}");
    }
}

#[test]
fn only_the_newest_version_follows_a_promotion() {
    for (version, expected) in [
        ("!GetAtt T.LatestVersionNumber", true),
        ("!GetAtt [T, LatestVersionNumber]", true),
        ("{\"Fn::GetAtt\": [\"T\", \"LatestVersionNumber\"]}", true),
        ("!GetAtt T.DefaultVersionNumber", false),
        ("'1'", false),
        ("!Ref Version", false),
    ] {
        let text = format!(
            "Resources: {{T: {{Properties: {{LaunchTemplateData: {{ImageId: !Ref I}}}}}}, G: {{Properties: \
             {{LaunchTemplate: {{LaunchTemplateId: !Ref T, Version: {version}}}}}}}}}"
        );
        let found = group(&parse(&text).unwrap(), "G").unwrap();
        assert_eq!(found, source("T", expected, &["I"]), "{version}");
    }
}

#[test]
fn a_mixed_instances_policy_has_the_launch_template_inside() {
    let text = "Resources: {G: {Properties: {MixedInstancesPolicy: {LaunchTemplate: \
                {LaunchTemplateSpecification: {LaunchTemplateId: !Ref T, Version: !GetAtt \
                T.LatestVersionNumber}}}}}}";
    let found = group(&parse(text).unwrap(), "G").unwrap();
    assert_eq!(found, source("T", true, &[]));
}

#[test]
fn what_is_no_template_is_an_error() {
    for text in ["", "a: [", "a: *b"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    assert_eq!(parse("hello").unwrap(), Node::Text("hello".into()));
}
