//! What AWS Backup knows of images: what their jobs said, and when their lifecycles end. It is asked
//! on every run, so that an image gets the same verdict whatever the trigger.

use std::collections::{BTreeMap, BTreeSet};

use aws::{AwsError, Called, pages};
use aws_sdk_backup::Client;
use aws_sdk_backup::primitives::{DateTime, DateTimeFormat};
use aws_sdk_backup::types::{
    BackupJob, BackupJobState, LifecycleDeleteAfterEvent, RecoveryPointByBackupVault,
};
use contract::Gather;
use contract::ids::ImageId;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use step::truncated;

use crate::Policy;
use crate::checks::{BACKUP, LIFETIME};

/// How many instances are asked about at a time.
const AT_ONCE: usize = 8;
/// The largest page (`ListBackupJobs` and its kin, `MaxResults`).
const PAGE: i32 = 1_000;
/// The maximum length of a job's message.
const MAX_MESSAGE_CHARS: usize = 1_000;
/// The category of a job that is not "completed with issues" (`ListBackupJobs`, `ByState`).
const SUCCESS: &str = "SUCCESS";

/// What AWS Backup knows of the images that are its recovery points.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    /// What was said when the backup was complete. AWS Backup keeps jobs for 30 days.
    pub jobs: BTreeMap<ImageId, Job>,
    /// When the recovery points are deleted.
    pub lifecycles: BTreeMap<ImageId, Lifecycle>,
    /// Why AWS Backup could not be asked.
    pub denied: Option<String>,
}

/// What a completed job said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its message, if it has any text.
    pub message: Option<String>,
    /// The category of its message, if it is "completed with issues".
    pub category: Option<String>,
}

/// When AWS Backup deletes an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Lifecycle {
    /// As soon as it is copied: a plan with a logically air-gapped vault as its primary target makes
    /// temporary images (AWS Backup developer guide, "Logically air-gapped vault as primary").
    AfterCopy,
    /// At this time.
    At(DateTime),
    /// Never.
    Endless,
}

impl Job {
    /// An empty text is no text, and that of a success says nothing.
    pub(crate) fn saying(message: Option<&str>, category: Option<&str>) -> Self {
        let text = |text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            text.map(|text| truncated(text, MAX_MESSAGE_CHARS))
        };
        let category = text(category).filter(|category| category != SUCCESS);
        Self { message: text(message), category }
    }

    /// What was said, for people; `None` if nothing was.
    pub(crate) fn issues(&self) -> Option<&str> {
        self.message.as_deref().or(self.category.as_deref())
    }
}

impl Lifecycle {
    /// How the lifecycle ends, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::AfterCopy => "until AWS Backup has copied it (DELETE_AFTER_COPY)".to_owned(),
            Self::At(time) => {
                // A time that cannot be written is not one that a lifecycle has.
                let time = time.fmt(DateTimeFormat::DateTime).unwrap_or_default();
                format!("until {time}")
            }
            Self::Endless => "without end".to_owned(),
        }
    }

    /// Whether the image lasts until this time.
    pub(crate) fn lasts_until(&self, time: DateTime) -> bool {
        match self {
            Self::AfterCopy => false,
            Self::At(end) => *end >= time,
            Self::Endless => true,
        }
    }
}

/// Asks AWS Backup about all backups of these instances: one listing of each kind for each.
///
/// # Errors
/// A call failed. A denied call is no error: an operator may choose to withhold the permission.
pub(crate) async fn fetch(
    client: &Client,
    policy: &Policy,
    instances: BTreeSet<&str>,
) -> Result<Backups, AwsError> {
    let (asks_jobs, asks_lifecycles) = (policy.runs(BACKUP), policy.runs(LIFETIME));
    let found: Result<Vec<_>, _> = stream::iter(instances)
        .map(async |instance| {
            let arn = policy.instance_arn(instance);
            let jobs = if asks_jobs { jobs(client, &arn).await? } else { Vec::new() };
            let points = if asks_lifecycles { points(client, &arn).await? } else { Vec::new() };
            Ok((jobs, points))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await;
    match found {
        Ok(found) => {
            let (jobs, points): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            Ok(Backups {
                jobs: jobs.iter().flatten().filter_map(to_job).gather(),
                lifecycles: points.iter().flatten().filter_map(to_lifecycle).gather(),
                denied: None,
            })
        }
        Err(error @ AwsError::Denied { .. }) => {
            Ok(Backups { denied: Some(error.to_string()), ..Backups::default() })
        }
        Err(error) => Err(error),
    }
}

/// The completed backup jobs of an instance.
async fn jobs(client: &Client, instance: &str) -> Result<Vec<BackupJob>, AwsError> {
    let request = client.list_backup_jobs().by_resource_arn(instance);
    let request = request.by_state(BackupJobState::Completed).max_results(PAGE);
    pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("backup:ListBackupJobs")?;
        Ok((page.backup_jobs, page.next_token))
    })
    .await
}

/// The recovery points of an instance with their lifecycles, which only a listing of a vault has.
async fn points(
    client: &Client,
    instance: &str,
) -> Result<Vec<RecoveryPointByBackupVault>, AwsError> {
    let request = client.list_recovery_points_by_resource().resource_arn(instance);
    let request = request.max_results(PAGE);
    let listed = pages::all(async |token| {
        let page = request.clone().set_next_token(token).send().await;
        let page = page.called("backup:ListRecoveryPointsByResource")?;
        Ok((page.recovery_points, page.next_token))
    });
    let listed = match listed.await {
        Ok(listed) => listed,
        // It has never backed up this instance.
        Err(error) if error.has_code("ResourceNotFoundException") => Vec::new(),
        Err(error) => return Err(error),
    };
    let vaults: BTreeSet<_> = listed.iter().filter_map(|point| point.backup_vault_name()).gather();
    let mut points = Vec::new();
    for vault in vaults {
        let request = client.list_recovery_points_by_backup_vault().backup_vault_name(vault);
        let request = request.by_resource_arn(instance).max_results(PAGE);
        let of_vault = pages::all(async |token| {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.called("backup:ListRecoveryPointsByBackupVault")?;
            Ok((page.recovery_points, page.next_token))
        });
        match of_vault.await {
            Ok(of_vault) => points.extend(of_vault),
            // The vault has been deleted meanwhile.
            Err(error) if error.has_code("ResourceNotFoundException") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(points)
}

fn to_job(job: &BackupJob) -> Option<(ImageId, Job)> {
    let image = image(job.recovery_point_arn()?)?;
    Some((image, Job::saying(job.status_message(), job.message_category())))
}

fn to_lifecycle(point: &RecoveryPointByBackupVault) -> Option<(ImageId, Lifecycle)> {
    let image = image(point.recovery_point_arn()?)?;
    let event = point.lifecycle().and_then(|lifecycle| lifecycle.delete_after_event());
    let end = point.calculated_lifecycle().and_then(|calculated| calculated.delete_at());
    let lifecycle = match (event, end) {
        (Some(LifecycleDeleteAfterEvent::DeleteAfterCopy), _) => Lifecycle::AfterCopy,
        (_, Some(end)) => Lifecycle::At(*end),
        (_, None) => Lifecycle::Endless,
    };
    Some((image, lifecycle))
}

/// For an instance, the recovery point's ARN is the image's; that of a copy in a logically
/// air-gapped vault is not.
fn image(arn: &str) -> Option<ImageId> {
    ImageId::from_arn(arn)?.ok()
}
