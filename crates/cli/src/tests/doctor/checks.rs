//! One thing wrong at a time: the row that says so, and what it says to change.

use std::collections::BTreeMap;

use aws_sdk_backup::types::BackupSelection;

use super::super::parts;
use super::fixture;
use crate::deployment::Parts;
use crate::doctor::backups::Plan;
use crate::doctor::checks::{self, Case, Facts, StackFacts};
use crate::doctor::template::parse;
use crate::doctor::{Diagnosis, Finding, Verdict, show, status};
use crate::inventory::Tags;
use crate::inventory::groups::{Group, Version};
use crate::inventory::values::Parameter;
use crate::target::Target;

const IMAGE: &str = "ami-0123456789abcdef0";

/// A target, and everything about it, to break.
#[derive(Clone)]
struct Ready {
    target: Target,
    parts: Parts,
    facts: Facts,
    plans: Result<Vec<Plan>, String>,
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn plan(days: Option<i64>) -> Plan {
    let selection = BackupSelection::builder().selection_name("all").iam_role_arn("arn:role");
    Plan {
        name: "nightly".into(),
        rules: [("daily".to_owned(), days)].into(),
        selections: vec![selection.resources("*").build().unwrap()],
    }
}

fn ready(target: Target, fixture_name: &str, image: &str, tag: (&str, &str)) -> Ready {
    let version = Version {
        named: "1".into(),
        number: 1,
        latest: 1,
        image: Some(image.into()),
        tags: tags(&[tag]),
        ..Version::default()
    };
    let group = Group {
        name: "web-Group-1".into(),
        stack: Some("driftless-web".into()),
        root: Some("driftless-web".into()),
        logical_id: Some("Group".into()),
        instances: vec!["i-1".into()],
        versions: vec![version],
        ..Group::default()
    };
    let stack = StackFacts {
        problem: None,
        root: None,
        role: Some("arn:role".into()),
        parameters: BTreeMap::from([("ImageId".into(), IMAGE.into())]),
        types: ["AWS::AutoScaling::AutoScalingGroup".into()].into(),
        template: parse(&fixture(fixture_name)).map_err(|error| error.to_string()),
    };
    let parameter = Parameter {
        kind: "String".into(),
        data_type: "aws:ec2:image".into(),
        value: IMAGE.into(),
        written: None,
    };
    Ready {
        facts: Facts {
            parameter: matches!(target, Target::Parameter(_)).then_some(parameter),
            owner: None,
            groups: vec![group],
            instances: [("i-1".to_owned(), tags(&[tag]))].into(),
            stacks: [("driftless-web".to_owned(), stack)].into(),
            has_images: false,
        },
        target,
        parts: parts(),
        plans: Ok(vec![plan(Some(35))]),
    }
}

fn by_parameter() -> Ready {
    let name = "/driftless/web";
    let tag = ("ImageIdParameterName", name);
    ready(Target::Parameter(name.into()), "parameter", "resolve:ssm:/driftless/web", tag)
}

fn by_stack() -> Ready {
    let tag = ("StackName", "driftless-web");
    ready(Target::Stack("driftless-web".into()), "stack", IMAGE, tag)
}

impl Ready {
    fn findings(&self) -> Vec<Finding> {
        let Self { target, parts, facts, plans } = self;
        checks::all(&Case { target, parts, facts, plans })
    }

    fn group(&mut self) -> &mut Group {
        self.facts.groups.first_mut().unwrap()
    }

    fn version(&mut self) -> &mut Version {
        self.group().versions.first_mut().unwrap()
    }

    fn stack(&mut self) -> &mut StackFacts {
        self.facts.stacks.get_mut("driftless-web").unwrap()
    }

    fn parameter(&mut self) -> &mut Parameter {
        self.facts.parameter.as_mut().unwrap()
    }
}

/// What breaks it, the row, and part of what to change.
type Broken = (fn(&mut Ready), &'static str, &'static str);

#[track_caller]
fn each_is_found(ready: &Ready, broken: &[Broken]) {
    for (index, (breaks, check, expected)) in broken.iter().enumerate() {
        let mut one = ready.clone();
        breaks(&mut one);
        let findings = one.findings();
        let wrong: Vec<_> = findings.iter().filter(|it| it.verdict == Verdict::Change).collect();
        let [finding] = wrong.as_slice() else { panic!("{index} {check}: {findings:#?}") };
        assert_eq!(finding.check, *check, "{index}: {findings:#?}");
        let change = finding.change.as_deref().unwrap();
        assert!(change.contains(expected), "{check}: no {expected:?} in {change:?}");
        let (pattern, name) = (one.target.pattern(), one.target.name().to_owned());
        assert_eq!(status(&[Diagnosis { pattern, name, findings }]), 1);
    }
}

#[test]
fn a_ready_group_needs_no_change() {
    for (ready, expected) in [
        (
            by_parameter(),
            &["prefix", "parameter", "outside stacks", "group", "tags", "drift detection"][..],
        ),
        (
            by_stack(),
            &["prefix", "stack", "group", "image parameter", "image", "version", "service role"],
        ),
    ] {
        let findings = ready.findings();
        assert!(findings.iter().all(|one| one.verdict == Verdict::Ok), "{findings:#?}");
        let checks: Vec<_> = findings.iter().map(|one| one.check).collect();
        assert_eq!(checks.get(..expected.len()), Some(expected));
        assert!(checks.ends_with(&["backup plan", "lifetime"]), "{checks:?}");
        let (pattern, name) = (ready.target.pattern(), ready.target.name().to_owned());
        assert_eq!(status(&[Diagnosis { pattern, name, findings }]), 0);
    }
}

#[test]
fn each_prerequisite_of_a_parameter_is_checked() {
    each_is_found(
        &by_parameter(),
        &[
            (
                |it| it.parts.settings.parameter_prefix = "/golden/".into(),
                "prefix",
                "ParameterPathPrefix",
            ),
            (|it| it.facts.parameter = None, "parameter", "--data-type aws:ec2:image"),
            (|it| it.parameter().kind = "StringList".into(), "parameter", "delete-parameter"),
            (|it| it.parameter().data_type = "text".into(), "parameter", "--overwrite"),
            (|it| it.parameter().value = "todo".into(), "parameter", "--overwrite"),
            (|it| it.facts.owner = Some("web".into()), "outside stacks", "DeletionPolicy: Retain"),
            (
                |it| it.version().image = Some("resolve:ssm:/driftless/web:1".into()),
                "group",
                "ImageId: resolve:ssm:/driftless/web",
            ),
        ],
    );
}

#[test]
fn each_prerequisite_of_a_stack_is_checked() {
    let template = |name: &str| parse(&fixture(name)).map_err(|error| error.to_string());
    let mut fixed = by_stack();
    fixed.stack().template =
        parse(&fixture("stack").replace("!GetAtt LaunchTemplate.LatestVersionNumber", "'1'"))
            .map_err(|error| error.to_string());
    each_is_found(&fixed, &[(|_| {}, "version", "!GetAtt LaunchTemplate.LatestVersionNumber")]);
    let mut ignored = by_stack();
    ignored.stack().template = template("ignores-image");
    each_is_found(
        &ignored,
        &[(
            |it| {
                it.version().tags.insert("ImageIdParameterKey".into(), "ImageId".into());
            },
            "image",
            "ImageId: !Ref ImageId",
        )],
    );
    each_is_found(
        &by_stack(),
        &[
            (|it| it.parts.settings.stack_prefix = "golden-".into(), "prefix", "StackNamePrefix"),
            (|it| it.facts.stacks.clear(), "stack", "correct the name"),
            (|it| it.stack().root = Some("root".into()), "stack", "tag the instances with root"),
            (|it| it.stack().problem = Some("rolled back".into()), "stack", "repair"),
            (|it| it.facts.groups.clear(), "group", "docs/templates/stack.yaml"),
            (|it| it.stack().parameters.clear(), "image parameter", "Type: AWS::EC2::Image::Id"),
            (|it| it.version().latest = 3, "version", "update the stack once"),
            (|it| it.stack().role = None, "service role", "AllowStackResourceUpdates=true"),
            (
                |it| {
                    it.stack().types.insert("AWS::S3::Bucket".into());
                },
                "drift detection",
                "DriftDetectionPolicyArn=",
            ),
        ],
    );
}

#[test]
fn a_list_is_no_image_parameter() {
    let mut list = by_stack();
    let text = fixture("stack").replace("AWS::EC2::Image::Id", "List<AWS::EC2::Image::Id>");
    list.stack().template = parse(&text).map_err(|error| error.to_string());
    each_is_found(&list, &[(|_| {}, "image parameter", "Type: AWS::EC2::Image::Id")]);
}

#[test]
fn a_group_with_another_parameter_lacks_the_tag_that_says_so() {
    let mut other = by_stack();
    other.stack().template = parse(&fixture("two-groups")).map_err(|error| error.to_string());
    other.group().logical_id = Some("WebGroup".into());
    let lines = "- Key: ImageIdParameterKey\n              Value: WebImageId";
    let findings = other.findings();
    let image = findings.iter().find(|one| one.check == "image").unwrap();
    assert!(image.change.as_deref().unwrap().contains(lines), "{image:?}");
}

#[test]
fn tags_and_backups_are_checked_for_both_patterns() {
    for ready in [by_parameter(), by_stack()] {
        each_is_found(
            &ready,
            &[
                (|it| it.version().tags.clear(), "tags", "TagSpecifications:"),
                (
                    |it| it.facts.instances = [("i-1".to_owned(), Tags::new())].into(),
                    "tags",
                    "aws ec2 create-tags --resources i-1",
                ),
                (|it| it.plans = Ok(vec![]), "backup plan", "ConditionType: STRINGEQUALS"),
                (|it| it.plans = Ok(vec![plan(Some(2))]), "lifetime", "DeleteAfterDays: 3 or more"),
            ],
        );
    }
}

#[test]
fn what_cannot_be_checked_is_no_reason_to_change_anything() {
    for (breaks, check) in [
        ((|it| it.plans = Err("denied".into())) as fn(&mut Ready), "backup plan"),
        (
            |it| {
                it.plans = Ok(vec![]);
                it.facts.has_images = true;
            },
            "backup plan",
        ),
        (|it| it.stack().template = Err("not YAML".into()), "image"),
    ] {
        let mut one = by_stack();
        breaks(&mut one);
        let findings = one.findings();
        assert!(findings.iter().all(|one| one.verdict != Verdict::Change), "{findings:#?}");
        let is_unknown = |one: &Finding| one.check == check && one.verdict == Verdict::Unknown;
        assert!(findings.iter().any(is_unknown), "{findings:#?}");
    }
    let mut endless = by_stack();
    endless.plans = Ok(vec![plan(None)]);
    assert!(endless.findings().iter().all(|one| one.verdict == Verdict::Ok));
}

#[test]
fn what_to_change_is_below_the_table_as_it_is_pasted() {
    let mut one = by_parameter();
    one.version().tags.clear();
    let (pattern, name) = (one.target.pattern(), one.target.name().to_owned());
    let text = show::text(&Diagnosis { pattern, name, findings: one.findings() }, Some(100));
    assert!(text.starts_with("parameter /driftless/web: 1 thing must change\n"), "{text}");
    let lines =
        "\nChange for tags:\n  LaunchTemplate:\n    Properties:\n      LaunchTemplateData:\n";
    assert!(text.contains(lines), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
