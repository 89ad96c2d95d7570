//! instance-refresh: every status, and the handler against rules.

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::operation::describe_instance_refreshes::DescribeInstanceRefreshesOutput;
use aws_sdk_autoscaling::operation::start_instance_refresh::{
    StartInstanceRefreshError, StartInstanceRefreshOutput,
};
use aws_sdk_autoscaling::types::error::InstanceRefreshInProgressFault;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance as GroupInstance, InstanceRefresh, InstanceRefreshStatus,
    LifecycleState,
};
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{Instance, Reservation};
use contract::steps::{GroupRefresh, Progress, RefreshInput, RefreshReport};
use contract::{ErrorName, Named};
use step::mock_client;
use step::testing::{Rule, mock};

use crate::decide::{Look, look, progress};
use crate::{Clients, Error, handle};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn group(refresh_id: Option<&str>, status: Option<&str>) -> GroupRefresh {
    GroupRefresh {
        group_name: "web".into(),
        expected: NEW.parse().unwrap(),
        refresh_id: refresh_id.map(Into::into),
        status: status.map(Into::into),
    }
}

fn refresh(status: &str) -> InstanceRefresh {
    let status = InstanceRefreshStatus::from(status);
    InstanceRefresh::builder()
        .instance_refresh_id("r-1")
        .status(status)
        .status_reason("why")
        .build()
}

fn runs(image: &'static str) -> (Rule, Rule) {
    let groups = mock!(AutoScaling::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names() == ["web"])
        .then_output(|| {
            let instance = GroupInstance::builder()
                .instance_id("i-1")
                .lifecycle_state(LifecycleState::InService)
                .build();
            let group = AutoScalingGroup::builder().instances(instance).build();
            DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(group).build()
        });
    let instances = mock!(aws_sdk_ec2::Client::describe_instances)
        .match_requests(|request| request.instance_ids() == ["i-1"])
        .then_output(move || {
            let instance = Instance::builder().instance_id("i-1").image_id(image).build();
            let reservation = Reservation::builder().instances(instance).build();
            DescribeInstancesOutput::builder().reservations(reservation).build()
        });
    (groups, instances)
}

fn describes(status: &'static str, by_id: bool) -> Rule {
    mock!(AutoScaling::describe_instance_refreshes)
        .match_requests(move |request| {
            request.auto_scaling_group_name() == Some("web")
                && request.instance_refresh_ids().is_empty() != by_id
        })
        .then_output(move || {
            DescribeInstanceRefreshesOutput::builder().instance_refreshes(refresh(status)).build()
        })
}

fn starts() -> Rule {
    mock!(AutoScaling::start_instance_refresh)
        .match_requests(|request| {
            let preferences = request.preferences();
            // What AWS refuses for a group whose image is an SSM parameter is never sent.
            request.desired_configuration().is_none()
                && preferences.is_some_and(|preferences| {
                    preferences.min_healthy_percentage() == Some(0)
                        && preferences.max_healthy_percentage() == Some(100)
                        && preferences.skip_matching().is_none()
                        && preferences.auto_rollback().is_none()
                })
        })
        .then_output(|| StartInstanceRefreshOutput::builder().instance_refresh_id("r-1").build())
}

fn one_runs_already() -> Rule {
    mock!(AutoScaling::start_instance_refresh).then_error(|| {
        let code = "InstanceRefreshInProgress";
        let meta = aws_sdk_autoscaling::error::ErrorMetadata::builder().code(code).build();
        let fault = InstanceRefreshInProgressFault::builder().meta(meta).build();
        StartInstanceRefreshError::InstanceRefreshInProgressFault(fault)
    })
}

async fn run(
    group: GroupRefresh,
    running: (Rule, Rule),
    refreshes: Rule,
    start: Rule,
) -> Result<RefreshReport, Error> {
    let (groups, instances) = running;
    let clients = Clients {
        autoscaling: mock_client!(aws_sdk_autoscaling, [groups, refreshes, start]),
        ec2: mock_client!(aws_sdk_ec2, [instances]),
    };
    handle(&clients, RefreshInput { groups: vec![group] }).await
}

#[test]
fn every_status_of_the_api_is_sorted_on_purpose() {
    for name in InstanceRefreshStatus::values() {
        let found = look("web", Some(&refresh(name)));
        match *name {
            "Successful" => assert_eq!(found.unwrap(), Look::Ended),
            "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful" => {
                let error = found.unwrap_err();
                assert_eq!(error.name(), ErrorName::InstanceRefreshFailed);
                assert!(error.to_string().ends_with(&format!("ended {name}: why")), "{error}");
            }
            running => assert_eq!(found.unwrap(), Look::Running(running.to_owned())),
        }
    }
    assert_eq!(look("web", None).unwrap(), Look::Ended);
}

#[test]
fn all_groups_have_to_be_over() {
    let (done, not_needed) = (group(Some("r"), Some("Successful")), group(None, Some("NotNeeded")));
    assert_eq!(progress(&[done.clone(), not_needed]), Progress::Complete);
    assert_eq!(progress(&[done, group(Some("r"), Some("Baking"))]), Progress::InProgress);
    assert_eq!(progress(&[]), Progress::Complete);
}

#[tokio::test]
async fn instances_that_run_the_image_are_left_alone() {
    let start = starts();
    let report = run(group(None, None), runs(NEW), describes("Successful", true), start.clone());
    assert_eq!(report.await.unwrap().groups[0].status.as_deref(), Some("NotNeeded"));
    assert_eq!(start.num_calls(), 0);
}

#[tokio::test]
async fn instances_that_run_another_are_refreshed() {
    let report = run(group(None, None), runs(OLD), describes("Successful", true), starts()).await;
    let report = report.unwrap();
    assert_eq!(report.status, Progress::InProgress);
    assert_eq!(report.groups, [group(Some("r-1"), Some("Pending"))]);
}

#[tokio::test]
async fn a_running_refresh_is_adopted() {
    let refreshes = describes("InProgress", false);
    let report = run(group(None, None), runs(OLD), refreshes, one_runs_already()).await.unwrap();
    assert_eq!(report.groups, [group(Some("r-1"), Some("Pending"))]);
}

#[tokio::test]
async fn a_refresh_is_followed_to_its_end() {
    let followed = group(Some("r-1"), Some("Pending"));
    for (status, expected) in [("InProgress", "InProgress"), ("Successful", "Successful")] {
        let refreshes = describes(status, true);
        let report = run(followed.clone(), runs(NEW), refreshes, starts()).await.unwrap();
        assert_eq!(report.groups[0].status.as_deref(), Some(expected));
    }
    let report = run(followed, runs(OLD), describes("Failed", true), starts()).await;
    assert_eq!(report.unwrap_err().name(), ErrorName::InstanceRefreshFailed);
}

#[tokio::test]
async fn an_adopted_refresh_that_began_too_early_is_followed_by_another() {
    let followed = group(Some("r-0"), Some("InProgress"));
    let start = starts();
    let refreshes = describes("Successful", true);
    let report = run(followed, runs(OLD), refreshes, start.clone()).await.unwrap();
    assert_eq!(report.groups, [group(Some("r-1"), Some("Pending"))]);
    assert_eq!(start.num_calls(), 1);
}
