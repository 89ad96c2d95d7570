//! Which targets tags name, and when images in place end.

use aws_config::SdkConfig;
use aws_sdk_backup::operation::describe_recovery_point::DescribeRecoveryPointOutput;
use aws_sdk_backup::operation::list_recovery_points_by_resource::ListRecoveryPointsByResourceOutput;
use aws_sdk_backup::primitives::DateTime;
use aws_sdk_backup::types::{CalculatedLifecycle, RecoveryPointByResource};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::parts;
use crate::inventory::values::Expiry;
use crate::inventory::{Clients, Image, Tags, named, targets_in};
use crate::target::Target;

#[test]
fn a_tag_names_a_target_by_its_name_or_its_arn() {
    for (value, expected) in [
        ("/driftless/web", "/driftless/web"),
        ("arn:aws:ssm:eu-west-1:111122223333:parameter/driftless/web", "/driftless/web"),
        ("arn:aws:cloudformation:eu-west-1:111122223333:stack/driftless-web/1-2", "driftless-web"),
        ("driftless-web", "driftless-web"),
    ] {
        assert_eq!(named(value), expected, "{value}");
    }
}

#[test]
fn a_tag_outside_the_prefixes_names_no_target() {
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    let parameter = Target::Parameter("/driftless/web".into());
    let stack = Target::Stack("driftless-web".into());
    for (pairs, expected) in [
        (vec![], vec![]),
        (vec![("ImageIdParameterName", " /driftless/web ")], vec![parameter.clone()]),
        (vec![("StackName", "wordpress-prod")], vec![]),
        (
            vec![("StackName", "driftless-web"), ("ImageIdParameterName", "/driftless/web")],
            vec![parameter, stack],
        ),
    ] {
        assert_eq!(targets_in(&tags(&pairs), &parts().settings), expected, "{pairs:?}");
    }
}

/// What is read of an image's end where AWS Backup answers like this.
async fn expiry(rules: &[Rule]) -> anyhow::Result<Expiry> {
    let config =
        SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let clients = Clients { backup: client!(aws_sdk_backup, rules), ..Clients::new(&config) };
    let image = Image { id: "ami-1".into(), instance: Some("i-1".into()), ..Image::default() };
    clients.expiry(&image, &parts()).await
}

fn listed() -> Rule {
    let point = RecoveryPointByResource::builder().backup_vault_name("vault");
    let point = point.recovery_point_arn("arn:aws:ec2:eu-west-1::image/ami-1").build();
    let listed = ListRecoveryPointsByResourceOutput::builder().recovery_points(point);
    mock!(aws_sdk_backup::Client::list_recovery_points_by_resource)
        .then_output(move || listed.clone().build())
}

/// AWS Backup refuses with this code.
fn refusal(code: &'static str) -> HttpResponse {
    let body = format!(r#"{{"message": "not authorized to perform: backup:{code}"}}"#);
    let mut response = HttpResponse::new(400.try_into().unwrap(), body.into());
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}

#[tokio::test]
async fn an_expiry_that_may_not_be_read_is_no_error() {
    let lifecycle = CalculatedLifecycle::builder().delete_at(DateTime::from_secs(60)).build();
    let point = DescribeRecoveryPointOutput::builder().calculated_lifecycle(lifecycle);
    let described = mock!(aws_sdk_backup::Client::describe_recovery_point)
        .then_output(move || point.clone().build());
    assert_eq!(expiry(&[listed(), described]).await.unwrap(), Expiry::At(60));

    let list = |code| {
        mock!(aws_sdk_backup::Client::list_recovery_points_by_resource)
            .then_http_response(move || refusal(code))
    };
    let describe = mock!(aws_sdk_backup::Client::describe_recovery_point)
        .then_http_response(|| refusal("AccessDeniedException"));
    let denied = Expiry::Denied("not authorized to perform: backup:AccessDeniedException".into());
    assert_eq!(expiry(&[list("AccessDeniedException")]).await.unwrap(), denied);
    assert_eq!(expiry(&[listed(), describe]).await.unwrap(), denied);
    assert_eq!(expiry(&[list("ResourceNotFoundException")]).await.unwrap(), Expiry::Never);
    assert!(expiry(&[list("InvalidParameterValueException")]).await.is_err());
}
