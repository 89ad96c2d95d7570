//! Inputs and answers of detect-drift and instance-refresh, which prove a promotion.

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::ErrorName;
use crate::ids::{ImageId, StackName};

// --- detect-drift ------------------------------------------------------------------------------

message! {
    /// The input of detect-drift, on the first and every later poll.
    DriftInput {
        /// The stacks to check; on later polls as in the last output.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each must boot.
        groups: Vec<GroupLaunch>,
        /// The stacks' drift before the promotion, if it was detected.
        #[serde(default)]
        before: Vec<StackDrift>,
        /// How to find groups without a live instance; absent before a promotion.
        #[serde(default)]
        proof: Option<Proof>,
    }
}

message! {
    /// How to find a target's groups, with or without a live instance.
    Proof {
        /// The stack whose groups count; absent for a parameter, which any stack's group may read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack: Option<StackName>,
        /// The images that were in place.
        before: Vec<ImageId>,
        /// The images that must be in place.
        after: Vec<ImageId>,
    }
}

message! {
    /// The output of detect-drift.
    DriftReport {
        /// Whether a detection is still running.
        status: Progress,
        /// The stacks, with the results so far.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each would boot now.
        groups: Vec<GroupLaunch>,
        /// The finding, once complete; absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

message! {
    /// One stack's drift.
    StackDrift {
        /// The stack.
        stack_name: StackName,
        /// The running or finished detection; absent before the first poll.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detection_id: Option<String>,
        /// `IN_SYNC` or `DRIFTED`, as CloudFormation returns it; absent until the detection ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// How many resources CloudFormation compared. `IN_SYNC` proves nothing if there were none.
        #[serde(default)]
        resources_checked: usize,
        /// Every property that differs from the template.
        #[serde(default)]
        differences: Vec<Difference>,
    }
}

impl StackDrift {
    /// A stack whose drift has not been detected yet.
    #[must_use]
    pub fn of(stack_name: StackName) -> Self {
        let (detection_id, status, differences) = (None, None, Vec::new());
        Self { stack_name, detection_id, status, resources_checked: 0, differences }
    }
}

message! {
    /// A property that differs from the template.
    Difference {
        /// The resource's name in the template.
        logical_id: String,
        /// The property's JSON pointer; empty when the whole resource is gone.
        path: String,
        /// The value in the template.
        expected: String,
        /// The actual value.
        actual: String,
        /// Whether it differed already before the promotion.
        #[serde(default)]
        before: bool,
    }
}

message! {
    /// The image that a group boots.
    GroupLaunch {
        /// The group.
        group_name: String,
        /// The image that it must boot.
        expected: ImageId,
        /// The image in its launch template now; absent before the check, or when it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boots: Option<String>,
        /// EC2's state of that image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_state: Option<String>,
    }
}

impl GroupLaunch {
    /// A group that has not been checked yet.
    #[must_use]
    pub fn expecting(group_name: String, expected: ImageId) -> Self {
        Self { group_name, expected, boots: None, image_state: None }
    }
}

message! {
    /// Something wrong with a target, found by a step that itself worked.
    Finding {
        /// The name in the catalogue.
        name: ErrorName,
        /// The finding in a sentence, for people.
        message: String,
    }
}

// --- instance-refresh --------------------------------------------------------------------------

message! {
    /// The input of instance-refresh, on the first and every later poll.
    RefreshInput {
        /// The groups; on later polls as in the last output.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// The output of instance-refresh when no refresh has failed.
    RefreshReport {
        /// Whether a refresh is still running.
        status: Progress,
        /// The groups.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// One group's refresh.
    GroupRefresh {
        /// The group.
        group_name: String,
        /// The image that its instances must run.
        expected: ImageId,
        /// The refresh that was started or adopted; absent when none is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refresh_id: Option<String>,
        /// Whether another caller started it; it may have begun before the promotion.
        #[serde(default)]
        adopted: bool,
        /// Its status in Auto Scaling, or `NotNeeded` when the instances already run the image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    }
}

impl GroupRefresh {
    /// A group whose instances have not been checked yet.
    #[must_use]
    pub fn expecting(group_name: String, expected: ImageId) -> Self {
        Self { group_name, expected, refresh_id: None, adopted: false, status: None }
    }
}
