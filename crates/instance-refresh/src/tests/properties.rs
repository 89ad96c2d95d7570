//! What holds for any group: no server is replaced that runs the image already, and none for the
//! second time.

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Instance, InstanceRefreshStatus, LifecycleState,
};
use contract::steps::{GroupRefresh, Progress, RefreshPhase};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::arbitrary::text;

use super::{NEW, OLD, group, refresh_in};
use crate::decide::{Next, Refresh, is_over, next, progress, refresh, serving};

fn groups() -> impl Strategy<Value = GroupRefresh> {
    let phase = prop_oneof![
        Just(RefreshPhase::NotStarted {}),
        (text(), any::<bool>(), text()).prop_map(|(refresh_id, adopted, status)| {
            RefreshPhase::Running { refresh_id, adopted, status }
        }),
        Just(RefreshPhase::NotNeeded {}),
        text().prop_map(|refresh_id| RefreshPhase::Settled { refresh_id }),
    ];
    phase.prop_map(group)
}

fn image() -> impl Strategy<Value = String> {
    prop_oneof![Just(NEW.to_owned()), Just(OLD.to_owned()), text()]
}

fn instance() -> impl Strategy<Value = Instance> {
    let state = prop_oneof![Just("InService".to_owned()), text()];
    let health = prop_oneof![Just("Healthy"), Just("Unhealthy")];
    (text(), state, health).prop_map(|(id, state, health)| {
        let state = LifecycleState::from(state.as_str());
        Instance::builder().instance_id(id).lifecycle_state(state).health_status(health).build()
    })
}

proptest! {
    #[test]
    fn a_refresh_is_started_only_where_another_image_runs_and_once(
        group in groups(),
        images in proptest::option::of(vec(image(), 0..3)),
    ) {
        let is_other = images.iter().flatten().any(|image| image != NEW);
        match next(&group, images.as_deref()) {
            Next::Start => {
                let may_start = match group.phase {
                    RefreshPhase::NotStarted {} => true,
                    RefreshPhase::Running { adopted, .. } => adopted,
                    RefreshPhase::NotNeeded {} | RefreshPhase::Settled { .. } => false,
                };
                prop_assert!(is_other && may_start);
            }
            Next::Fail(reason) => prop_assert!(is_other && !reason.is_empty()),
            Next::Become(phase) if phase == group.phase => {
                prop_assert!(images.is_none() || is_over(&group));
            }
            Next::Become(phase) => {
                prop_assert!(images.is_some() && !is_other);
                let after = GroupRefresh { phase, ..group };
                prop_assert!(is_over(&after));
            }
        }
    }

    #[test]
    fn only_what_has_ended_well_is_over(groups in vec(groups(), 0..4)) {
        let is_complete = progress(&groups) == Progress::Complete;
        prop_assert_eq!(is_complete, groups.iter().all(is_over));
    }

    #[test]
    fn any_status_of_a_refresh_is_looked_at(status in text()) {
        let known = InstanceRefreshStatus::values().contains(&status.as_str());
        prop_assert!(known || refresh(Some(&refresh_in(&status))) == Refresh::Running(status));
    }

    #[test]
    fn what_serves_is_the_groups_size(
        desired in proptest::option::of(any::<i32>()),
        instances in vec(instance(), 0..4),
    ) {
        let group = AutoScalingGroup::builder().set_desired_capacity(desired);
        let group = group.set_instances(Some(instances)).build();
        if let Some(serving) = serving(&group) {
            prop_assert_eq!(i32::try_from(serving.len()).ok(), Some(desired.unwrap_or_default()));
        }
    }
}
