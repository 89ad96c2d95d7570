//! plan-update: the tables are in `decide`, the handler against rules is here.

mod decide;
mod properties;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ErrorMetadata;
use aws_sdk_cloudformation::operation::create_change_set::{
    CreateChangeSetError, CreateChangeSetOutput,
};
use aws_sdk_cloudformation::operation::delete_change_set::DeleteChangeSetOutput;
use aws_sdk_cloudformation::operation::describe_change_set::{
    DescribeChangeSetError, DescribeChangeSetOutput,
};
use aws_sdk_cloudformation::operation::describe_stacks::{
    DescribeStacksError, DescribeStacksOutput,
};
use aws_sdk_cloudformation::operation::get_template::GetTemplateOutput;
use aws_sdk_cloudformation::operation::get_template_summary::GetTemplateSummaryOutput;
use aws_sdk_cloudformation::types::{
    Capability, Change, ChangeAction, ChangeSetStatus, ChangeSource, Parameter, Replacement,
    ResourceAttribute, ResourceChange, ResourceChangeDetail, ResourceTargetDefinition, Stack,
    StackStatus, Tag, TemplateStage,
};
use contract::steps::{Change as ImageChange, PlanInput, PlanReport, Progress, Rows};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use crate::{Error, handle};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";
const ID: &str = "arn:aws:cloudformation:eu-west-1:111122223333:changeSet/driftless-run-1/1";
const TEMPLATE: &str = "AWS::EC2::LaunchTemplate";
const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";
const NO_CHANGES: &str = "The submitted information didn't contain changes. Submit different information to create a change set.";

fn image(parameter: &str) -> ImageChange {
    ImageChange {
        parameter: parameter.into(),
        before: OLD.into(),
        after: NEW.parse().unwrap(),
        via: None,
    }
}

fn input(change_set_id: Option<&str>) -> PlanInput {
    PlanInput {
        stack_name: "web".parse().unwrap(),
        images: vec![image("ImageId")],
        execution: "run_1".into(),
        change_set_id: change_set_id.map(Into::into),
    }
}

/// A detail of a change: the property, and the parameter or attribute that causes it.
fn detail(property: &str, source: ChangeSource, cause: &str) -> ResourceChangeDetail {
    let target = ResourceTargetDefinition::builder()
        .attribute(ResourceAttribute::Properties)
        .name(property)
        .build();
    ResourceChangeDetail::builder()
        .target(target)
        .change_source(source)
        .causing_entity(cause)
        .build()
}

fn modify(resource_type: &str, details: Vec<ResourceChangeDetail>) -> ResourceChange {
    ResourceChange::builder()
        .action(ChangeAction::Modify)
        .logical_resource_id("It")
        .resource_type(resource_type)
        .replacement(Replacement::False)
        .set_details(Some(details))
        .build()
}

fn template_change() -> ResourceChange {
    let by_image = detail("LaunchTemplateData", ChangeSource::ParameterReference, "ImageId");
    let direct = detail("LaunchTemplateData", ChangeSource::DirectModification, "");
    modify(TEMPLATE, vec![by_image, direct])
}

fn group_change() -> ResourceChange {
    let cause = "Template.LatestVersionNumber";
    modify(GROUP, vec![detail("LaunchTemplate", ChangeSource::ResourceAttribute, cause)])
}

fn stack_with(change: impl Fn(&mut Stack) + Send + Sync + 'static) -> Rule {
    mock!(Client::describe_stacks).match_requests(|r| r.stack_name() == Some("web")).then_output(
        move || {
            let parameter = |key: &str, value: &str| {
                Parameter::builder().parameter_key(key).parameter_value(value).build()
            };
            let mut stack = Stack::builder()
                .stack_name("web")
                .stack_id("arn:web")
                .stack_status(StackStatus::UpdateComplete)
                .parameters(parameter("ImageId", OLD))
                .parameters(parameter("Secret", "****"))
                .tags(Tag::builder().key("team").value("web").build())
                .tags(Tag::builder().key("aws:servicecatalog:x").value("y").build())
                .build();
            change(&mut stack);
            DescribeStacksOutput::builder().stacks(stack).build()
        },
    )
}

fn stack() -> Rule {
    stack_with(|_| {})
}

fn summary(transforms: &'static [&'static str]) -> Rule {
    mock!(Client::get_template_summary).then_output(|| {
        let transforms = transforms.iter().map(ToString::to_string).collect();
        GetTemplateSummaryOutput::builder()
            .capabilities(Capability::CapabilityNamedIam)
            .set_declared_transforms(Some(transforms))
            .build()
    })
}

fn creates() -> Rule {
    mock!(Client::create_change_set)
        .match_requests(|request| {
            let [image, secret] = request.parameters() else { return false };
            let [tag] = request.tags() else { return false };
            request.stack_name() == Some("web")
                && request.change_set_name() == Some("driftless-run-1")
                && request.client_token() == Some("driftless-run-1")
                && request.use_previous_template() == Some(true)
                && request.template_body().is_none()
                && image.parameter_value() == Some(NEW)
                && secret.use_previous_value() == Some(true)
                && secret.parameter_value().is_none()
                && (tag.key(), tag.value()) == (Some("team"), Some("web"))
                && request.capabilities() == [Capability::CapabilityNamedIam]
                && request.role_arn().is_none()
                && request.notification_arns.is_none()
        })
        .then_output(|| CreateChangeSetOutput::builder().id(ID).build())
}

fn refuses_to_create(code: &'static str, text: &'static str) -> Rule {
    mock!(Client::create_change_set).then_error(move || {
        let meta = ErrorMetadata::builder().code(code).message(text).build();
        CreateChangeSetError::generic(meta)
    })
}

/// Two pages: the launch template on the first, the group on the second.
fn ready() -> Rule {
    let page = |change: ResourceChange, next: Option<&str>| {
        let change = Change::builder().resource_change(change).build();
        DescribeChangeSetOutput::builder()
            .status(ChangeSetStatus::CreateComplete)
            .changes(change)
            .set_next_token(next.map(Into::into))
            .build()
    };
    mock!(Client::describe_change_set)
        .match_requests(|r| r.stack_name() == Some("web") && r.change_set_name() == Some(ID))
        .sequence()
        .output(move || page(template_change(), Some("more")))
        .output(move || page(group_change(), None))
        .build()
}

fn stands(status: ChangeSetStatus, reason: &'static str) -> Rule {
    mock!(Client::describe_change_set).then_output(move || {
        let answer = DescribeChangeSetOutput::builder().status(status.clone());
        answer.status_reason(reason).build()
    })
}

fn deletes() -> Rule {
    mock!(Client::delete_change_set)
        .match_requests(|r| r.stack_name() == Some("web") && r.change_set_name() == Some(ID))
        .then_output(|| DeleteChangeSetOutput::builder().build())
}

fn begun(id: &str) -> PlanReport {
    let (status, change_set_id) = (Progress::InProgress, Some(id.to_owned()));
    PlanReport { status, change_set_id, changes: Rows::default(), finding: None }
}

#[tokio::test]
async fn the_first_look_makes_a_change_set_of_what_an_update_would_send() {
    let (creates, describe) = (creates(), stack());
    let client = mock_client!(aws_sdk_cloudformation, [describe, summary(&[]), creates]);
    assert_eq!(handle(&client, input(None)).await.unwrap(), begun(ID));
    assert_eq!(creates.num_calls(), 1);
}

#[tokio::test]
async fn a_template_with_language_extensions_is_sent() {
    let body = "Transform: AWS::LanguageExtensions";
    let template = mock!(Client::get_template)
        .then_output(move || GetTemplateOutput::builder().template_body(body).build());
    let creates = mock!(Client::create_change_set)
        .match_requests(move |request| {
            request.template_body() == Some(body) && request.use_previous_template().is_none()
        })
        .then_output(|| CreateChangeSetOutput::builder().id(ID).build());
    let summary = summary(&["AWS::LanguageExtensions"]);
    let client = mock_client!(aws_sdk_cloudformation, [stack(), summary, template, creates]);
    assert_eq!(handle(&client, input(None)).await.unwrap(), begun(ID));
}

#[tokio::test]
async fn images_that_are_in_place_need_no_change_set() {
    let in_place = stack_with(|stack| {
        stack.parameters.as_mut().unwrap()[0].parameter_value = Some(NEW.into());
    });
    let client = mock_client!(aws_sdk_cloudformation, [in_place]);
    let report = handle(&client, input(None)).await.unwrap();
    assert_eq!(
        (report.status, report.change_set_id, report.finding),
        (Progress::Complete, None, None)
    );
}

#[tokio::test]
async fn a_repeated_first_look_finds_its_own_change_set() {
    let exists = refuses_to_create("AlreadyExistsException", "ChangeSet driftless-run-1 …");
    let client = mock_client!(aws_sdk_cloudformation, [stack(), summary(&[]), exists]);
    assert_eq!(handle(&client, input(None)).await.unwrap(), begun("driftless-run-1"));
}

#[tokio::test]
async fn a_change_set_that_is_ready_is_read_to_its_end_and_deleted() {
    let (ready, deletes) = (ready(), deletes());
    let client = mock_client!(aws_sdk_cloudformation, [ready, deletes]);
    let report = handle(&client, input(Some(ID))).await.unwrap();
    assert_eq!((report.status, report.change_set_id), (Progress::Complete, None));
    let types: Vec<_> =
        report.changes.rows.iter().map(|change| change.resource_type.as_str()).collect();
    assert_eq!(types, [TEMPLATE, GROUP]);
    assert_eq!(report.finding, None);
    assert_eq!((ready.num_calls(), deletes.num_calls()), (2, 1));
}

/// The change set says Conditional, as for any group; the template says that it is replaced.
#[tokio::test]
async fn a_group_that_its_update_policy_replaces_is_named() {
    for (will_replace, expected) in [("true", Some(ErrorName::PlanTouchesMore)), ("false", None)] {
        let mut change = group_change();
        change.replacement = Some(Replacement::Conditional);
        let ready = mock!(Client::describe_change_set).then_output(move || {
            let change = Change::builder().resource_change(change.clone()).build();
            let answer = DescribeChangeSetOutput::builder().status(ChangeSetStatus::CreateComplete);
            answer.changes(change).build()
        });
        let policy = format!("{{AutoScalingReplacingUpdate: {{WillReplace: {will_replace}}}}}");
        let template = format!("Resources:\n  It:\n    UpdatePolicy: {policy}\n");
        let template = mock!(Client::get_template)
            .match_requests(|request| request.template_stage() == Some(&TemplateStage::Processed))
            .then_output(move || GetTemplateOutput::builder().template_body(&template).build());
        let client = mock_client!(aws_sdk_cloudformation, [ready, template, deletes()]);
        let finding = handle(&client, input(Some(ID))).await.unwrap().finding;
        assert_eq!(finding.as_ref().map(|finding| finding.name), expected);
        if let Some(finding) = finding {
            assert!(finding.message.contains("It"), "{}", finding.message);
            assert!(finding.message.contains("AutoScalingReplacingUpdate"), "{}", finding.message);
        }
    }
}

#[tokio::test]
async fn one_that_is_not_ready_is_looked_at_again() {
    let deletes = deletes();
    for status in [ChangeSetStatus::CreatePending, ChangeSetStatus::CreateInProgress] {
        let client = mock_client!(aws_sdk_cloudformation, [stands(status, ""), deletes]);
        assert_eq!(handle(&client, input(Some(ID))).await.unwrap(), begun(ID));
    }
    assert_eq!(deletes.num_calls(), 0);
}

#[tokio::test]
async fn one_that_failed_is_deleted_whatever_its_reason() {
    for (reason, expected) in [
        (NO_CHANGES, Ok(Progress::Complete)),
        ("No updates are to be performed.", Ok(Progress::Complete)),
        ("Transform AWS::Include failed", Err(ErrorName::PlanFailed)),
        // aws-cloudformation/rain#744, aws/aws-cdk-cli#1000
        (
            "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation].",
            Err(ErrorName::UpdateNotPermitted),
        ),
        // aws/serverless-application-model#179
        (
            "User: me is not authorized to perform: cloudformation:CreateChangeSet on resource: it",
            Err(ErrorName::AccessDenied),
        ),
    ] {
        let deletes = deletes();
        let failed = stands(ChangeSetStatus::Failed, reason);
        let client = mock_client!(aws_sdk_cloudformation, [failed, deletes]);
        let report = handle(&client, input(Some(ID))).await;
        if let Err(error) = &report {
            assert!(error.to_string().ends_with(reason), "{error}");
        }
        assert_eq!(report.map(|r| r.status).map_err(|e| e.name()), expected, "{reason}");
        assert_eq!(deletes.num_calls(), 1);
    }
}

#[tokio::test]
async fn one_that_is_gone_is_made_anew() {
    let unknown = mock!(Client::describe_change_set).then_error(|| {
        let meta = ErrorMetadata::builder().code("ChangeSetNotFound").build();
        DescribeChangeSetError::generic(meta)
    });
    for gone in [unknown, stands(ChangeSetStatus::DeleteComplete, "")] {
        let client = mock_client!(aws_sdk_cloudformation, [gone, stack(), summary(&[]), creates()]);
        assert_eq!(handle(&client, input(Some("arn:gone"))).await.unwrap(), begun(ID));
    }
}

async fn fails(rules: [Rule; 2], change: fn(&mut PlanInput)) -> Error {
    let [stack, create] = rules;
    let mut input = input(None);
    change(&mut input);
    let client = mock_client!(aws_sdk_cloudformation, [stack, summary(&[]), create]);
    handle(&client, input).await.unwrap_err()
}

#[tokio::test]
async fn what_forbids_a_plan_is_named() {
    let busy = "Stack:arn:web is in UPDATE_IN_PROGRESS state and can not be updated.";
    let in_state = |status: StackStatus| stack_with(move |s| s.stack_status = Some(status.clone()));
    let missing = mock!(Client::describe_stacks).then_error(|| {
        let meta = ErrorMetadata::builder().code("ValidationError");
        DescribeStacksError::generic(meta.message("Stack with id web does not exist").build())
    });
    let nested = stack_with(|stack| stack.root_id = Some("arn:a:b:c:d:stack/top/1".into()));
    let changed = stack_with(|stack| {
        stack.parameters.as_mut().unwrap()[0].parameter_value = Some("ami-1a2b3c4d".into());
    });
    let same: fn(&mut PlanInput) = |_| {};
    for (rules, change, name) in [
        ([in_state(StackStatus::UpdateInProgress), creates()], same, ErrorName::StackBusy),
        ([stack(), refuses_to_create("ValidationError", busy)], same, ErrorName::StackBusy),
        ([in_state(StackStatus::RollbackComplete), creates()], same, ErrorName::StackNotUpdatable),
        ([missing, creates()], same, ErrorName::StackNotFound),
        ([nested, creates()], same, ErrorName::StackNested),
        ([changed, creates()], same, ErrorName::ConcurrentWrite),
        ([stack(), creates()], |i| i.images = vec![image("X")], ErrorName::ParameterKeyNotFound),
        ([stack(), refuses_to_create("AccessDenied", "no")], same, ErrorName::AccessDenied),
        ([stack(), refuses_to_create("ValidationError", "?")], same, ErrorName::UnexpectedAnswer),
    ] {
        let error = fails(rules, change).await;
        assert_eq!(error.name(), name, "{error}");
    }
}
