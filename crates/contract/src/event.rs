//! The inputs that start the workflow: AWS Backup's or EC2's event as EventBridge delivers it, or a
//! manual run.

use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, ParameterKey, ParameterName, StackName};

/// The `detail-type` that the workflow acts on.
pub const BACKUP_JOB: &str = "Backup Job State Change";
/// The `source` of AWS Backup's events.
pub const BACKUP_SOURCE: &str = "aws.backup";

/// The `detail-type` of EC2's events about images.
pub const IMAGE_STATE: &str = "EC2 AMI State Change";
/// The `source` of EC2's events.
pub const EC2_SOURCE: &str = "aws.ec2";

/// "Backup Job State Change", as far as Driftless reads it (AWS Backup developer guide,
/// "Monitoring AWS Backup events using Amazon EventBridge"). It belongs to AWS, so fields that
/// are not listed here may come and go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupEvent {
    /// Which kind of event this is.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// Which service sent it.
    pub source: String,
    /// The recovery points: for EC2 the image's ARN, `arn:aws:ec2:<region>::image/ami-…`.
    /// Empty in every state but COMPLETED.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What happened.
    pub detail: BackupDetail,
}

/// The `detail` of a [`BackupEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupDetail {
    /// CREATED, PENDING, RUNNING, COMPLETED, FAILED, …
    pub state: String,
    /// EC2, EBS, RDS, EFS, …; absent while the job is only CREATED.
    pub resource_type: Option<String>,
    /// What was backed up: for EC2 the instance's ARN, `arn:aws:ec2:<region>:<account>:instance/i-…`;
    /// absent while the job is only CREATED.
    pub resource_arn: Option<String>,
    /// Present on a COMPLETED job that is "completed with issues" (a failed VSS snapshot, say).
    pub status_message: Option<String>,
}

/// "EC2 AMI State Change", as far as Driftless reads it (EC2 user guide, "Monitor AMI events using
/// Amazon EventBridge"). EC2 sends it for every image, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageEvent {
    /// Which service sent it.
    pub source: String,
    /// When, ISO 8601 in UTC.
    pub time: String,
    /// What happened.
    pub detail: ImageDetail,
}

/// The `detail` of an [`ImageEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageDetail {
    /// The image.
    pub image_id: ImageId,
    /// available, failed, deregistered or disabled.
    pub state: String,
}

/// A run started by hand or by another program: promotes one image to the targets in its tags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManualRun {
    /// The image to promote. Its tags name the targets.
    pub image_id: ImageId,
    /// Replace a newer image in place too.
    #[serde(default)]
    pub allow_older: bool,
    /// Replace the running instances afterwards, whatever the image's tag says.
    #[serde(default)]
    pub instance_refresh: bool,
    /// Report what would be done, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A rollback by hand: to the newest image that passes and is older than the one in place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackRun {
    /// The target to roll back.
    pub rollback: TargetNames,
    /// Replace the running instances afterwards.
    #[serde(default)]
    pub instance_refresh: bool,
    /// Report what would be done, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A run that promotes the newest image of one target.
#[expect(clippy::struct_excessive_bools, reason = "they are the fields of an input")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetRun {
    /// The target.
    pub target: TargetNames,
    /// Replace a newer image too.
    #[serde(default)]
    pub allow_older: bool,
    /// Replace the running instances afterwards.
    #[serde(default)]
    pub instance_refresh: bool,
    /// Report what would be done, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Detect drift even if there is nothing to promote.
    #[serde(default = "yes")]
    pub verify: bool,
    /// The groups that boot from the parameter, if whoever starts the run has just listed all groups
    /// of the account: a reconcile lists them once for all its targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The name of the reconcile that starts the run. Its own report and mail cover this run, so no
    /// mail is sent about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
}

const fn yes() -> bool {
    true
}

/// The target of a [`RollbackRun`] or a [`TargetRun`]: either a parameter or a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetNames {
    /// The SSM parameter (pattern 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_name: Option<ParameterName>,
    /// The stack (pattern 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_name: Option<StackName>,
    /// The stack's parameter; when absent, all parameters that images name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_key: Option<ParameterKey>,
}

/// The input of the state machine `reconcile`: a run over every tagged target of the account. `{}`
/// promotes them all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcileRun {
    /// Report what would be done, and write nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Detect the drift of targets with nothing to promote, too.
    #[serde(default)]
    pub verify: bool,
}
