//! The handler against rules: what is asked, and what comes of it.

use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::operation::get_template_summary::GetTemplateSummaryOutput;
use aws_sdk_cloudformation::types::{Parameter as StackParameter, ParameterDeclaration, Stack};
use aws_sdk_ec2::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ec2::operation::describe_instance_types::DescribeInstanceTypesOutput;
use aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput;
use aws_sdk_ec2::operation::describe_snapshots::DescribeSnapshotsOutput;
use aws_sdk_ec2::types::{Filter, LaunchTemplateVersion, ResponseLaunchTemplateData};
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::types::error::ParameterNotFound;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use contract::steps::{Decision, DecisionOutcome, ProvenanceVerdict, ValidateInput, Validated};
use contract::target::Promotion;
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::backups::{jobs_say, points, vault_keeps};
use super::groups;
use super::{
    MID, NEW, OLD, candidate, group, image, origin, parameter_target, policy, snapshot, t3_micro,
    target,
};
use crate::{Clients, Error, handle};

/// What the services answer. A request that no rule matches fails the test.
pub(super) struct Rules {
    pub(super) groups: Rule,
    pub(super) images: Rule,
    pub(super) snapshots: Rule,
    pub(super) types: Rule,
    pub(super) template: Rule,
    pub(super) stack: Rule,
    pub(super) nested: Rule,
    pub(super) parameter: Rule,
    /// Every group of the account, and the launch templates' versions that they may use.
    pub(super) all_groups: Rule,
    pub(super) all_templates: Rule,
    pub(super) summary: Rule,
    pub(super) jobs: Rule,
    pub(super) points: Rule,
    pub(super) vault: Rule,
}

impl Rules {
    /// Nothing wrong: the older image is in place, and the group boots from the target.
    pub(super) fn new() -> Self {
        Self {
            groups: group_boots_from("lt-1"),
            images: images(),
            snapshots: snapshots(),
            types: types(),
            template: template_says("resolve:ssm:/golden/web"),
            stack: stack_has("ImageId", OLD, None),
            nested: nested_stack_has_root("web"),
            parameter: ssm_has(OLD),
            all_groups: groups::all_groups_are(vec![]),
            all_templates: groups::all_templates_say(vec![]),
            summary: image_is_a("AWS::EC2::Image::Id"),
            jobs: jobs_say(None),
            points: points(),
            vault: vault_keeps(None),
        }
    }

    pub(super) async fn run(&self, target: Promotion) -> Result<Decision, Error> {
        self.validated(target).await.map(|validated| validated.images.into_iter().next().unwrap())
    }

    pub(super) async fn validated(&self, target: Promotion) -> Result<Validated, Error> {
        let Self { groups, images, snapshots, types, template, .. } = self;
        let Self { stack, nested, parameter, summary, all_groups, all_templates, .. } = self;
        let Self { jobs, points, vault, .. } = self;
        let clients = Clients {
            autoscaling: mock_client!(aws_sdk_autoscaling, [groups, all_groups]),
            backup: mock_client!(aws_sdk_backup, [jobs, points, vault]),
            cloudformation: mock_client!(aws_sdk_cloudformation, [stack, nested, summary]),
            ec2: mock_client!(aws_sdk_ec2, [images, snapshots, types, template, all_templates]),
            ssm: mock_client!(aws_sdk_ssm, [parameter]),
        };
        handle(&clients, &policy("", "true"), ValidateInput { promotion: target }).await
    }

    /// How often each was asked, in the order of the fields, without those of all groups.
    pub(super) fn calls(&self) -> [usize; 9] {
        let Self { groups, images, snapshots, types, template, .. } = self;
        let Self { stack, nested, parameter, summary, .. } = self;
        [groups, images, snapshots, types, template, stack, nested, parameter, summary]
            .map(|rule| rule.num_calls())
    }
}

fn is_filtered(filters: &[Filter], name: &str, values: &[&str]) -> bool {
    matches!(filters, [filter] if filter.name() == Some(name) && filter.values() == values)
}

/// Both images, whatever state they are in; the older is asked for only where it is in place.
fn images() -> Rule {
    mock!(aws_sdk_ec2::Client::describe_images)
        .match_requests(|request| {
            let asked = |ids| is_filtered(request.filters(), "image-id", ids);
            (asked(&[OLD, NEW]) || asked(&[NEW]) || asked(&[OLD]))
                && request.include_disabled() == Some(true)
                && request.include_deprecated() == Some(true)
        })
        .then_output(|| {
            let images = vec![image(OLD).build(), image(NEW).build()];
            DescribeImagesOutput::builder().set_images(Some(images)).build()
        })
}

fn snapshots() -> Rule {
    mock!(aws_sdk_ec2::Client::describe_snapshots)
        .match_requests(|request| {
            let ids = [OLD, NEW].map(|id| format!("snap-of-{id}"));
            is_filtered(request.filters(), "snapshot-id", &[&ids[0], &ids[1]])
                && request.owner_ids() == ["self"]
        })
        .then_output(|| {
            let snapshots = [OLD, NEW].map(|id| snapshot(&format!("snap-of-{id}"), None));
            DescribeSnapshotsOutput::builder().set_snapshots(Some(snapshots.into())).build()
        })
}

fn types() -> Rule {
    mock!(aws_sdk_ec2::Client::describe_instance_types)
        .match_requests(|request| is_filtered(request.filters(), "instance-type", &["t3.micro"]))
        .then_output(|| DescribeInstanceTypesOutput::builder().instance_types(t3_micro()).build())
}

fn ssm_has(value: &'static str) -> Rule {
    ssm_has_a(ParameterType::String, value)
}

fn ssm_has_a(kind: ParameterType, value: &'static str) -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter)
        .match_requests(|request| request.name() == Some("/golden/web"))
        .then_output(move || {
            let parameter = Parameter::builder().r#type(kind.clone()).value(value).build();
            GetParameterOutput::builder().parameter(parameter).build()
        })
}

pub(super) fn ssm_has_nothing() -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter).then_error(|| {
        let meta = aws_sdk_ssm::error::ErrorMetadata::builder().code("ParameterNotFound").build();
        GetParameterError::ParameterNotFound(ParameterNotFound::builder().meta(meta).build())
    })
}

/// The stack `web` with `Size` and this parameter.
fn stack_has(key: &'static str, value: &'static str, resolved: Option<&'static str>) -> Rule {
    mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .match_requests(|request| request.stack_name() == Some("web"))
        .then_output(move || {
            let size = StackParameter::builder().parameter_key("Size").parameter_value("1");
            let image = StackParameter::builder()
                .parameter_key(key)
                .parameter_value(value)
                .set_resolved_value(resolved.map(str::to_owned));
            let stack = Stack::builder().parameters(size.build()).parameters(image.build());
            DescribeStacksOutput::builder().stacks(stack.build()).build()
        })
}

/// The type of the stack's image parameter.
fn image_is_a(kind: &'static str) -> Rule {
    mock!(aws_sdk_cloudformation::Client::get_template_summary)
        .match_requests(|request| request.stack_name() == Some("web"))
        .then_output(move || {
            let image = ParameterDeclaration::builder().parameter_key("ImageId");
            GetTemplateSummaryOutput::builder()
                .parameters(image.parameter_type(kind).build())
                .build()
        })
}

fn group_boots_from(template: &'static str) -> Rule {
    mock!(aws_sdk_autoscaling::Client::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names() == ["group"])
        .then_output(move || {
            let template = LaunchTemplateSpecification::builder()
                .launch_template_id(template)
                .version("3")
                .build();
            let group = AutoScalingGroup::builder()
                .auto_scaling_group_name("group")
                .launch_template(template);
            DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(group.build()).build()
        })
}

fn template_says(image_id: &'static str) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_launch_template_versions)
        .match_requests(|request| {
            request.launch_template_id() == Some("lt-1")
                && request.versions() == ["3"]
                && request.resolve_alias().is_none()
        })
        .then_output(move || {
            let data = ResponseLaunchTemplateData::builder().image_id(image_id).build();
            let version = LaunchTemplateVersion::builder().launch_template_data(data).build();
            DescribeLaunchTemplateVersionsOutput::builder()
                .launch_template_versions(version)
                .build()
        })
}

fn nested_stack_has_root(root: &'static str) -> Rule {
    mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .match_requests(|request| request.stack_name() == Some("web-Group-1X"))
        .then_output(move || {
            let arn = format!("arn:aws:cloudformation:eu-west-1:111122223333:stack/{root}/1-2-3");
            let stack = Stack::builder().stack_name("web-Group-1X").root_id(arn).build();
            DescribeStacksOutput::builder().stacks(stack).build()
        })
}

#[tokio::test]
async fn a_parameter_is_promoted_with_one_call_of_each_kind() {
    let rules = Rules::new();
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    assert_eq!(decided.outcome, DecisionOutcome::Promote);
    assert_eq!((decided.before.expose(), decided.after.as_str()), (OLD, NEW));
    assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Verified);
    assert_eq!(decided.checks.len(), 12, "all but encryption: {:#?}", decided.checks);
    assert_eq!(rules.calls(), [1, 1, 1, 1, 1, 0, 0, 1, 0]);
    let Rules { jobs, points, vault, .. } = rules;
    assert_eq!([jobs, points, vault].map(|rule| rule.num_calls()), [1, 1, 1]);
}

#[tokio::test]
async fn a_stack_is_promoted_without_a_look_at_its_groups() {
    let rules = Rules::new();
    let decided = rules.run(target(vec![candidate(NEW)])).await.unwrap();
    assert_eq!(decided.outcome, DecisionOutcome::Promote);
    assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Verified);
    assert_eq!(decided.via, None);
    assert_eq!(rules.calls(), [0, 1, 1, 1, 0, 1, 0, 0, 1]);
}

#[tokio::test]
async fn a_backup_of_a_group_that_does_not_read_the_parameter_is_refused() {
    let rules = Rules { template: template_says(MID), ..Rules::new() };
    let error = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::TargetNotPermitted);
    let text = error.to_string();
    assert!(text.contains(&format!("whose launch template boots {MID}")), "{text}");
}

#[tokio::test]
async fn a_group_of_a_nested_stack_is_its_roots() {
    let from_nested = || {
        let mut candidate = candidate(NEW);
        candidate.origin = origin(Some(group("group", Some("web-Group-1X"))));
        target(vec![candidate])
    };
    let decided = Rules::new().run(from_nested()).await.unwrap();
    assert_eq!(decided.provenance.verdict, ProvenanceVerdict::Verified);

    let rules = Rules { nested: nested_stack_has_root("web-Group"), ..Rules::new() };
    let error = rules.run(from_nested()).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::TargetNotPermitted);
}

#[tokio::test]
async fn a_stacks_parameter_may_read_an_ssm_parameter() {
    let stack = stack_has("ImageId", "/golden/web", Some(OLD));
    let rules = Rules { stack, parameter: ssm_has(MID), ..Rules::new() };
    let decided = rules.run(target(vec![candidate(NEW)])).await.unwrap();
    assert_eq!((decided.before.expose(), decided.after.as_str()), (OLD, NEW));
    let via = decided.via.unwrap();
    assert_eq!((via.parameter_name.as_str(), via.before.expose()), ("/golden/web", MID));

    let arn = "arn:aws:ssm:eu-west-1:444455556666:parameter/golden/web";
    let rules = Rules { stack: stack_has("ImageId", arn, Some(OLD)), ..Rules::new() };
    let error = rules.run(target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);
    assert!(error.to_string().contains(arn), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let rules = Rules { parameter: ssm_has_nothing(), ..Rules::new() };
    let error = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterNotFound);

    let rules = Rules { stack: stack_has("WebImageId", OLD, None), ..Rules::new() };
    let error = rules.run(target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ParameterKeyNotFound);
    assert_eq!(
        error.to_string(),
        "stack web has no parameter ImageId; its parameters are: Size, WebImageId"
    );

    let none = mock!(aws_sdk_cloudformation::Client::describe_stacks)
        .then_output(|| DescribeStacksOutput::builder().build());
    let rules = Rules { stack: none, ..Rules::new() };
    let error = rules.run(target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::StackNotFound);
}

#[tokio::test]
async fn a_secret_is_neither_told_nor_replaced() {
    let hidden = || ssm_has_a(ParameterType::SecureString, "AQICAHh");
    let through = Rules {
        stack: stack_has("ImageId", "/golden/web", Some(OLD)),
        parameter: hidden(),
        ..Rules::new()
    };
    for (rules, target) in [
        (Rules { parameter: hidden(), ..Rules::new() }, parameter_target(vec![candidate(NEW)])),
        (through, target(vec![candidate(NEW)])),
        (
            Rules { stack: stack_has("ImageId", "****", None), ..Rules::new() },
            target(vec![candidate(NEW)]),
        ),
    ] {
        let error = rules.run(target).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::TargetNotPermitted);
        assert!(!error.to_string().contains("AQICAHh"), "{error}");
    }
}

#[tokio::test]
async fn a_list_is_never_replaced_by_one_image() {
    const TWO: &str = "ami-0000000000000000a,ami-0000000000000000b";
    let list_of = |kind| Rules { summary: image_is_a(kind), ..Rules::new() };
    let by_stack = || target(vec![candidate(NEW)]);
    let by_parameter = || parameter_target(vec![candidate(NEW)]);
    let string_list = || ssm_has_a(ParameterType::StringList, OLD);
    let through = || stack_has("ImageId", "/golden/web", Some(OLD));
    for (rules, target, told) in [
        (list_of("List<AWS::EC2::Image::Id>"), by_stack(), "a value of type List<AWS"),
        (list_of("CommaDelimitedList"), by_stack(), "a value of type CommaDelimitedList"),
        (
            list_of("AWS::SSM::Parameter::Value<List<AWS::EC2::Image::Id>>"),
            by_stack(),
            "a value of type AWS::SSM::Parameter::Value<List<AWS::EC2::Image::Id>>",
        ),
        (
            Rules { stack: stack_has("ImageId", TWO, None), ..Rules::new() },
            by_stack(),
            "several values, separated by commas",
        ),
        (
            Rules { stack: through(), parameter: string_list(), ..Rules::new() },
            by_stack(),
            "parameter /golden/web holds a value of type StringList",
        ),
        (
            Rules { stack: through(), parameter: ssm_has(TWO), ..Rules::new() },
            by_stack(),
            "parameter /golden/web holds several values",
        ),
        (
            Rules { parameter: string_list(), ..Rules::new() },
            by_parameter(),
            "a value of type StringList",
        ),
        (
            Rules { parameter: ssm_has(TWO), ..Rules::new() },
            by_parameter(),
            "several values, separated by commas",
        ),
    ] {
        let error = rules.run(target).await.unwrap_err();
        assert_eq!(error.name(), ErrorName::ParameterHoldsList, "{error}");
        let text = error.to_string();
        assert!(text.contains(told) && !text.contains("ami-"), "{text}");
    }
}
