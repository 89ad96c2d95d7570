//! instance-refresh: the order, every status, what is next, and the handler against rules.

mod properties;

use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_autoscaling::error::ErrorMetadata;
use aws_sdk_autoscaling::operation::describe_auto_scaling_groups::DescribeAutoScalingGroupsOutput;
use aws_sdk_autoscaling::operation::describe_instance_refreshes::DescribeInstanceRefreshesOutput;
use aws_sdk_autoscaling::operation::start_instance_refresh::{
    StartInstanceRefreshError, StartInstanceRefreshOutput,
};
use aws_sdk_autoscaling::types::builders::InstanceBuilder as GroupInstanceBuilder;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance as GroupInstance, InstanceRefresh, InstanceRefreshStatus,
    LifecycleState,
};
use aws_sdk_ec2::operation::describe_instances::{DescribeInstancesError, DescribeInstancesOutput};
use aws_sdk_ec2::types::{Instance, InstanceState, InstanceStateName, Reservation};
use contract::steps::{GroupRefresh, Progress, RefreshInput, RefreshPhase, RefreshReport};
use contract::{ErrorName, Named};
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use crate::decide::{Next, Order, Refresh, next, progress, refresh, serving};
use crate::{Clients, Error, handle};

const OLD: &str = "ami-0000000000000000a";
const NEW: &str = "ami-0000000000000000b";

fn group(phase: RefreshPhase) -> GroupRefresh {
    GroupRefresh { phase, ..GroupRefresh::expecting("web".into(), NEW.parse().unwrap()) }
}

fn fresh() -> GroupRefresh {
    group(RefreshPhase::NotStarted {})
}

fn running(refresh_id: &str, adopted: bool, status: &str) -> GroupRefresh {
    let (refresh_id, status) = (refresh_id.into(), status.into());
    group(RefreshPhase::Running { refresh_id, adopted, status })
}

fn own(status: &str) -> GroupRefresh {
    running("r-1", false, status)
}

fn adopted(status: &str) -> GroupRefresh {
    running("r-1", true, status)
}

fn settled() -> GroupRefresh {
    group(RefreshPhase::Settled { refresh_id: "r-1".into() })
}

fn not_needed() -> GroupRefresh {
    group(RefreshPhase::NotNeeded {})
}

fn refresh_in(status: &str) -> InstanceRefresh {
    let status = InstanceRefreshStatus::from(status);
    InstanceRefresh::builder()
        .instance_refresh_id("r-1")
        .status(status)
        .status_reason("why")
        .build()
}

/// A group of one, with instances `i-0`, `i-1`, … in these states.
fn described(states: &[LifecycleState]) -> AutoScalingGroup {
    let instance = |(index, state): (usize, &LifecycleState)| {
        GroupInstance::builder().instance_id(format!("i-{index}")).lifecycle_state(state.clone())
    };
    let instances = states.iter().enumerate().map(instance).map(GroupInstanceBuilder::build);
    let group = AutoScalingGroup::builder().auto_scaling_group_name("web").desired_capacity(1);
    group.set_instances(Some(instances.collect())).build()
}

fn groups_are(states: &'static [LifecycleState]) -> Rule {
    mock!(AutoScaling::describe_auto_scaling_groups)
        .match_requests(|request| request.auto_scaling_group_names() == ["web"])
        .then_output(|| {
            let group = described(states);
            DescribeAutoScalingGroupsOutput::builder().auto_scaling_groups(group).build()
        })
}

fn instance_is(state: InstanceStateName, image: &'static str) -> Rule {
    mock!(aws_sdk_ec2::Client::describe_instances)
        .match_requests(|request| request.instance_ids() == ["i-0"])
        .then_output(move || {
            let state = InstanceState::builder().name(state.clone()).build();
            let instance = Instance::builder().instance_id("i-0").image_id(image).state(state);
            let reservation = Reservation::builder().instances(instance.build()).build();
            DescribeInstancesOutput::builder().reservations(reservation).build()
        })
}

fn runs(image: &'static str) -> (Rule, Rule) {
    let instance = instance_is(InstanceStateName::Running, image);
    (groups_are(&[LifecycleState::InService]), instance)
}

fn describes(status: &'static str, by_id: bool) -> Rule {
    mock!(AutoScaling::describe_instance_refreshes)
        .match_requests(move |request| {
            request.auto_scaling_group_name() == Some("web")
                && request.instance_refresh_ids().is_empty() != by_id
        })
        .then_output(move || {
            let refresh = refresh_in(status);
            DescribeInstanceRefreshesOutput::builder().instance_refreshes(refresh).build()
        })
}

fn starts_with(least: i32, most: i32) -> Rule {
    mock!(AutoScaling::start_instance_refresh)
        .match_requests(move |request| {
            let preferences = request.preferences();
            // What AWS refuses for a group whose image is an SSM parameter is never sent.
            request.auto_scaling_group_name() == Some("web")
                && request.desired_configuration().is_none()
                && preferences.is_some_and(|preferences| {
                    preferences.min_healthy_percentage() == Some(least)
                        && preferences.max_healthy_percentage() == Some(most)
                        && preferences.skip_matching().is_none()
                        && preferences.auto_rollback().is_none()
                })
        })
        .then_output(|| StartInstanceRefreshOutput::builder().instance_refresh_id("r-2").build())
}

fn starts() -> Rule {
    starts_with(0, 100)
}

fn refuses(code: &'static str) -> Rule {
    mock!(AutoScaling::start_instance_refresh).then_error(move || {
        StartInstanceRefreshError::generic(ErrorMetadata::builder().code(code).build())
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
    handle(&clients, Order::TerminateFirst, RefreshInput { groups: vec![group] }).await
}

#[test]
fn an_order_is_one_of_two_and_sets_both_bounds() {
    for (text, order, percentages) in [
        ("terminate-first", Order::TerminateFirst, (0, 100)),
        ("launch-first", Order::LaunchFirst, (100, 200)),
    ] {
        assert_eq!(text.parse(), Ok(order));
        assert_eq!(order.healthy_percentages(), percentages);
    }
    for text in ["", "Launch-First", "both"] {
        let error = text.parse::<Order>().unwrap_err();
        assert!(error.to_string().ends_with(&format!("not {text:?}")), "{error}");
    }
}

#[test]
fn every_status_of_the_api_is_sorted_on_purpose() {
    for name in InstanceRefreshStatus::values() {
        let expected = match *name {
            "Successful" => Refresh::Ended,
            "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful" => {
                Refresh::Failed(format!("instance refresh r-1 ended {name}: why"))
            }
            running => Refresh::Running(running.to_owned()),
        };
        assert_eq!(refresh(Some(&refresh_in(name))), expected);
    }
    assert_eq!(refresh(None), Refresh::Ended);
}

#[test]
fn beside_an_instance_that_serves_each_state_is_sorted_on_purpose() {
    for name in LifecycleState::values() {
        let found = serving(&described(&[LifecycleState::InService, LifecycleState::from(*name)]));
        let stays_aside = *name == "Standby" || name.starts_with("Warmed");
        assert_eq!(found, stays_aside.then(|| vec!["i-0".to_owned()]), "{name}");
    }
}

#[test]
fn a_group_is_looked_at_when_it_has_its_size() {
    use LifecycleState::{InService, Pending, Standby, Terminating};
    for (states, is_settled) in [
        (vec![InService], true),
        (vec![Pending], false),
        (vec![Terminating], false),
        (vec![Terminating, InService], false),
        (vec![Standby], false),
        (vec![Standby, InService], true),
        (vec![InService, InService], false),
        (vec![], false),
    ] {
        assert_eq!(serving(&described(&states)).is_some(), is_settled, "{states:?}");
    }
    let unhealthy = GroupInstance::builder().lifecycle_state(InService).health_status("Unhealthy");
    let healing = AutoScalingGroup::builder().desired_capacity(1).instances(unhealthy.build());
    assert_eq!(serving(&healing.build()), None);
    let empty = AutoScalingGroup::builder().desired_capacity(0).build();
    assert_eq!(serving(&empty), Some(vec![]));
}

#[test]
fn a_server_is_replaced_once_at_most() {
    let failed = format!("instance refresh r-1 ended, and an instance runs {OLD}, not {NEW}");
    for (group, images, expected) in [
        (fresh(), None, Next::Become(fresh().phase)),
        (fresh(), Some(vec![]), Next::Become(not_needed().phase)),
        (fresh(), Some(vec![NEW]), Next::Become(not_needed().phase)),
        (fresh(), Some(vec![NEW, OLD]), Next::Start),
        (adopted("InProgress"), None, Next::Become(adopted("InProgress").phase)),
        (adopted("InProgress"), Some(vec![NEW]), Next::Become(settled().phase)),
        (adopted("InProgress"), Some(vec![OLD]), Next::Start),
        (own("InProgress"), None, Next::Become(own("InProgress").phase)),
        (own("InProgress"), Some(vec![NEW]), Next::Become(settled().phase)),
        (own("InProgress"), Some(vec![OLD]), Next::Fail(failed)),
    ] {
        let images: Option<Vec<_>> =
            images.map(|images| images.into_iter().map(str::to_owned).collect());
        assert_eq!(next(&group, images.as_deref()), expected, "{group:?} {images:?}");
    }
}

#[test]
fn all_groups_have_to_be_over() {
    assert_eq!(progress(&[settled(), not_needed()]), Progress::Complete);
    assert_eq!(progress(&[settled(), own("Baking")]), Progress::InProgress);
    assert_eq!(progress(&[fresh()]), Progress::InProgress);
    assert_eq!(progress(&[]), Progress::Complete);
}

#[tokio::test]
async fn instances_that_run_the_image_are_left_alone() {
    let start = starts();
    let report = run(fresh(), runs(NEW), describes("Successful", true), start.clone());
    assert_eq!(report.await.unwrap().groups, [not_needed()]);
    assert_eq!(start.num_calls(), 0);
}

#[tokio::test]
async fn a_group_that_heals_is_looked_at_again() {
    let start = starts();
    for states in [&[LifecycleState::Terminating][..], &[LifecycleState::Pending], &[]] {
        let running = (groups_are(states), runs(OLD).1);
        let refreshes = describes("Successful", true);
        let report = run(fresh(), running, refreshes, start.clone()).await.unwrap();
        let unchanged = vec![fresh()];
        assert_eq!(report, RefreshReport { status: Progress::InProgress, groups: unchanged });
    }
    let unknown = mock!(aws_sdk_ec2::Client::describe_instances).then_error(|| {
        let meta = ErrorMetadata::builder().code("InvalidInstanceID.NotFound").build();
        DescribeInstancesError::generic(meta)
    });
    for instance in [unknown, instance_is(InstanceStateName::Terminated, OLD)] {
        let running = (runs(OLD).0, instance);
        let refreshes = describes("Successful", true);
        let report = run(fresh(), running, refreshes, start.clone()).await.unwrap();
        assert_eq!(report.status, Progress::InProgress);
    }
    assert_eq!(start.num_calls(), 0);
}

#[tokio::test]
async fn instances_that_run_another_are_refreshed_in_the_order_asked_for() {
    for (order, start) in
        [(Order::TerminateFirst, starts()), (Order::LaunchFirst, starts_with(100, 200))]
    {
        let (groups, instances) = runs(OLD);
        let clients = Clients {
            autoscaling: mock_client!(aws_sdk_autoscaling, [groups, start]),
            ec2: mock_client!(aws_sdk_ec2, [instances]),
        };
        let input = RefreshInput { groups: vec![fresh()] };
        let report = handle(&clients, order, input).await.unwrap();
        assert_eq!(report.status, Progress::InProgress);
        assert_eq!(report.groups, [running("r-2", false, "Pending")]);
    }
}

#[tokio::test]
async fn a_running_refresh_is_adopted() {
    let (refreshes, start) = (describes("InProgress", false), refuses("InstanceRefreshInProgress"));
    let report = run(fresh(), runs(OLD), refreshes, start).await.unwrap();
    assert_eq!(report.groups, [adopted("Pending")]);
}

#[tokio::test]
async fn a_group_that_is_being_changed_is_looked_at_again() {
    let (refreshes, start) = (describes("Successful", true), refuses("ResourceContention"));
    let report = run(fresh(), runs(OLD), refreshes, start).await.unwrap();
    assert_eq!((report.status, &report.groups[..]), (Progress::InProgress, &[fresh()][..]));
}

#[tokio::test]
async fn a_refresh_is_followed_to_its_end() {
    let followed = own("Pending");
    for (status, expected) in [("InProgress", own("InProgress")), ("Successful", settled())] {
        let refreshes = describes(status, true);
        let report = run(followed.clone(), runs(NEW), refreshes, starts()).await.unwrap();
        assert_eq!(report.groups, [expected]);
    }
    for (status, reason) in [
        ("Failed", "instance refresh r-1 ended Failed: why".to_owned()),
        (
            "Successful",
            format!("instance refresh r-1 ended, and an instance runs {OLD}, not {NEW}"),
        ),
    ] {
        let start = starts();
        let report = run(followed.clone(), runs(OLD), describes(status, true), start.clone()).await;
        let error = report.unwrap_err();
        assert_eq!(error.name(), ErrorName::InstanceRefreshFailed);
        assert_eq!(
            error.to_string(),
            format!("the instances of group web were not replaced: {reason}")
        );
        assert_eq!(start.num_calls(), 0);
    }
}

#[tokio::test]
async fn an_adopted_refresh_that_began_too_early_is_followed_by_one_of_our_own() {
    let start = starts();
    let refreshes = describes("Successful", true);
    let report = run(adopted("InProgress"), runs(OLD), refreshes, start.clone()).await.unwrap();
    assert_eq!(report.groups, [running("r-2", false, "Pending")]);
    assert_eq!(start.num_calls(), 1);
}

#[tokio::test]
async fn a_group_that_is_gone_is_named() {
    let none = mock!(AutoScaling::describe_auto_scaling_groups)
        .then_output(|| DescribeAutoScalingGroupsOutput::builder().build());
    let report = run(fresh(), (none, runs(OLD).1), describes("x", true), starts()).await;
    let error = report.unwrap_err();
    assert_eq!(error.name(), ErrorName::InstanceRefreshFailed);
    assert!(error.to_string().contains("group web"), "{error}");
}

#[tokio::test]
async fn a_group_that_is_over_is_not_looked_at_again() {
    let clients = Clients {
        autoscaling: mock_client!(aws_sdk_autoscaling, []),
        ec2: mock_client!(aws_sdk_ec2, []),
    };
    let groups = vec![not_needed(), settled()];
    let report = handle(&clients, Order::LaunchFirst, RefreshInput { groups: groups.clone() });
    assert_eq!(report.await.unwrap(), RefreshReport { status: Progress::Complete, groups });
}
