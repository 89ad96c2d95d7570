//! Does what AWS Backup does: creates an image of an instance, with the instance's tags, and then
//! emits the event "Backup Job State Change".

use anyhow::{Context, Result};
use aws_sdk_backup::types::{BackupPlanInput, BackupRuleInput, BackupSelection, Lifecycle};
use aws_sdk_ec2::types::{Image, ResourceType, Tag, TagSpecification};
use serde_json::{Value, json};

use crate::cloud::{Called, Cloud};
use crate::{image, unique};

/// Tags that only AWS may set. AWS Backup cannot copy them.
const RESERVED: &str = "aws:";

/// The vault of the backups.
const VAULT: &str = "nightly";

/// A backup of an instance.
#[derive(Debug, Clone)]
pub struct Backup {
    account: String,
    region: String,
    /// The image.
    pub image: String,
    /// When the image was created, according to EC2.
    pub creation_date: String,
    /// The instance.
    pub instance: String,
    /// The job's ID, which distinguishes its event from every other.
    pub job: String,
}

impl Backup {
    /// Takes a backup and waits until the image is available.
    pub async fn take(cloud: &Cloud, instance: &str) -> Result<Self> {
        Self::take_with(cloud, instance, &[]).await
    }

    /// The same, with the tags of a backup plan, which override the instance's tags.
    pub async fn take_with(
        cloud: &Cloud,
        instance: &str,
        plan_tags: &[(&str, &str)],
    ) -> Result<Self> {
        let image = Self::start(cloud, instance, plan_tags).await?;
        let image = image::available(cloud, &image).await?;
        let backup = Self::of(cloud, instance, image)?;
        // On AWS nothing but AWS Backup makes a job.
        if let Some(control) = cloud.control() {
            control.add_backup(&backup.image, &json!({})).await?;
        }
        Ok(backup)
    }

    /// Reads a backup's image.
    fn of(cloud: &Cloud, instance: &str, image: Image) -> Result<Self> {
        Ok(Self {
            account: cloud.account().to_owned(),
            region: cloud.region().to_owned(),
            image: image.image_id.context("the image has no id")?,
            creation_date: image.creation_date.unwrap_or_default(),
            instance: instance.to_owned(),
            job: unique("backup"),
        })
    }

    /// Starts a backup without waiting for it, and returns the image's ID.
    pub async fn start(
        cloud: &Cloud,
        instance: &str,
        plan_tags: &[(&str, &str)],
    ) -> Result<String> {
        let mut tags = instance_tags(cloud, instance).await?;
        for (key, value) in plan_tags {
            tags.retain(|tag| tag.key() != Some(*key));
            tags.push(Tag::builder().key(*key).value(*value).build());
        }
        // AWS Backup names its images like this.
        let name = format!("AwsBackup_{instance}_{}", unique("job"));
        let request = cloud.ec2.create_image().instance_id(instance).name(name).no_reboot(true);
        let request = if tags.is_empty() {
            request
        } else {
            let specification = TagSpecification::builder().resource_type(ResourceType::Image);
            request.tag_specifications(specification.set_tags(Some(tags)).build())
        };
        let answer = request.send().await.called("ec2:CreateImage")?;
        answer.image_id.context("CreateImage gave no id")
    }

    /// The event as EventBridge delivers it (AWS Backup developer guide, "Monitoring AWS Backup
    /// events using Amazon EventBridge"; `tests/fixtures/events` has others).
    #[must_use]
    pub fn event(&self) -> Value {
        let (account, region) = (&self.account, &self.region);
        let backup = format!("arn:aws:backup:{region}:{account}");
        json!({
            "version": "0",
            "id": unique("event"),
            "detail-type": contract::event::BACKUP_JOB,
            "source": contract::event::BACKUP_SOURCE,
            "account": account,
            "time": self.creation_date,
            "region": region,
            // The account is empty in an image's ARN.
            "resources": [format!("arn:aws:ec2:{region}::image/{}", self.image)],
            "detail": {
                "backupJobId": self.job,
                "backupSizeInBytes": "8589934592",
                "backupVaultArn": format!("{backup}:backup-vault:{VAULT}"),
                "backupVaultName": VAULT,
                "bytesTransferred": "0",
                "creationDate": self.creation_date,
                "createdBy": {
                    "backupPlanId": "0f2ddb4e-6d1f-4a0e-9b07-3c5c8f1a2b3c",
                    "backupPlanArn": format!("{backup}:backup-plan:0f2ddb4e-6d1f-4a0e-9b07-3c5c8f1a2b3c"),
                    "backupPlanVersion": "MTIzNDU2Nzg5MA",
                    "backupPlanRuleId": "5a7b9c1d-2e3f-4051-8263-748596a7b8c9",
                },
                "iamRoleArn": format!("arn:aws:iam::{account}:role/service-role/AWSBackupDefaultServiceRole"),
                "resourceArn": format!("arn:aws:ec2:{region}:{account}:instance/{}", self.instance),
                "resourceType": "EC2",
                "state": "COMPLETED",
                "completionDate": self.creation_date,
                "startBy": self.creation_date,
                "percentDone": 100,
            },
        })
    }
}

/// Creates a backup plan that covers everything and keeps it for this many days.
pub async fn plan(cloud: &Cloud, name: &str, days: i64) -> Result<()> {
    let lifecycle = Lifecycle::builder().delete_after_days(days).build();
    let rule = BackupRuleInput::builder().rule_name("daily").target_backup_vault_name(VAULT);
    let plan = BackupPlanInput::builder().backup_plan_name(name);
    let plan = plan.rules(rule.lifecycle(lifecycle).build()?).build()?;
    let made = cloud.backup.create_backup_plan().backup_plan(plan).send().await;
    let id = made.called("backup:CreateBackupPlan")?.backup_plan_id.context("no plan")?;
    let backup_role = format!("arn:aws:iam::{}:role/backup", cloud.account());
    let selection = BackupSelection::builder().selection_name("all").iam_role_arn(backup_role);
    let selection = selection.resources("*").build()?;
    let request = cloud.backup.create_backup_selection().backup_plan_id(id);
    let made = request.backup_selection(selection).send().await;
    made.called("backup:CreateBackupSelection").map(drop)
}

async fn instance_tags(cloud: &Cloud, instance: &str) -> Result<Vec<Tag>> {
    let answer = cloud.ec2.describe_instances().instance_ids(instance).send().await;
    let reservations = answer.called("ec2:DescribeInstances")?.reservations.unwrap_or_default();
    let mut found = reservations.into_iter().flat_map(|r| r.instances.unwrap_or_default());
    let tags = found.next().with_context(|| format!("no instance {instance}"))?.tags;
    let is_ours = |tag: &Tag| tag.key().is_some_and(|key| !key.starts_with(RESERVED));
    Ok(tags.unwrap_or_default().into_iter().filter(is_ours).collect())
}
