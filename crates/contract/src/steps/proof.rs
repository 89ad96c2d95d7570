//! What proves a promotion: detect-drift, instance-refresh.

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::ErrorName;
use crate::ids::{ImageId, StackName};

// --- detect-drift ------------------------------------------------------------------------------

message! {
    /// What detect-drift takes, on the first look and on every later one.
    DriftInput {
        /// The stacks to check; on later looks as the last answer gave them.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each has to boot.
        groups: Vec<GroupLaunch>,
        /// The stacks' drift before the promotion, where it was looked at.
        #[serde(default)]
        before: Vec<StackDrift>,
        /// How to find groups that no live instance tells of; absent before a promotion.
        #[serde(default)]
        proof: Option<Proof>,
    }
}

message! {
    /// By what a target's groups are known, whether an instance lives or not.
    Proof {
        /// The stack whose groups count; absent for a parameter, which any stack's group may read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack: Option<StackName>,
        /// The images that were in place.
        before: Vec<ImageId>,
        /// The images that have to be.
        after: Vec<ImageId>,
    }
}

message! {
    /// What detect-drift answers.
    DriftReport {
        /// Whether a detection still runs.
        status: Progress,
        /// The stacks, as far as known.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each would boot now.
        groups: Vec<GroupLaunch>,
        /// What is wrong, once complete; absent when all is as it has to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    }
}

message! {
    /// One stack's drift.
    StackDrift {
        /// The stack.
        stack_name: StackName,
        /// The running or finished detection; absent before the first look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detection_id: Option<String>,
        /// `IN_SYNC` or `DRIFTED` as CloudFormation says it; absent until the detection ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// How many resources CloudFormation compared. An `IN_SYNC` of none proves nothing.
        #[serde(default)]
        resources_checked: usize,
        /// Every property that is not as the template says.
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
    /// A property that is not as the template says.
    Difference {
        /// The resource's name in the template.
        logical_id: String,
        /// The property's JSON pointer; empty when the whole resource is gone.
        path: String,
        /// What the template says.
        expected: String,
        /// What is there.
        actual: String,
        /// It was so before the promotion already.
        #[serde(default)]
        before: bool,
    }
}

message! {
    /// What a group boots.
    GroupLaunch {
        /// The group.
        group_name: String,
        /// The image that it has to boot.
        expected: ImageId,
        /// The image that its launch template gives now; absent before the look, or when there
        /// is none to be found.
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
    /// What is wrong with a target, found by a step that itself worked.
    Finding {
        /// The name in the catalogue.
        name: ErrorName,
        /// What was found, for people.
        message: String,
    }
}

// --- instance-refresh --------------------------------------------------------------------------

message! {
    /// What instance-refresh takes, on the first look and on every later one.
    RefreshInput {
        /// The groups, on later looks as the last answer gave them.
        groups: Vec<GroupRefresh>,
    }
}

message! {
    /// What instance-refresh answers when no refresh has failed.
    RefreshReport {
        /// Whether a refresh still runs.
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
        /// The image that its instances have to run.
        expected: ImageId,
        /// The refresh that was started or adopted; absent when none is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refresh_id: Option<String>,
        /// Somebody else started it: it may have begun before the promotion.
        #[serde(default)]
        adopted: bool,
        /// Auto Scaling's status of it, or `NotNeeded` when the instances run the image already.
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
