//! `driftless rollback`: puts an older image back, into one target.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{ArgGroup, Args};
use contract::ids::ImageId;
use serde_json::{Value, json};

use crate::deployment::{Settings, Where};
use crate::inventory::{Tags, tags_of, targets_in};
use crate::output::Format;
use crate::run;
use crate::target::{Target, TargetArguments, set};

pub(crate) const HELP: &str = "\
Examples:
  driftless rollback --parameter /driftless/web      to the newest image that passes and is older
  driftless rollback --stack driftless-web --dry-run what that would do
  driftless rollback --parameter /driftless/web --image ami-0123456789abcdef0
                                                     to this image

The next backup is newer and would be promoted again: correct what made the bad image first.";

/// The arguments.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["parameter", "stack"])))]
pub(crate) struct Rollback {
    #[command(flatten)]
    target: TargetArguments,
    /// To this image; it must carry the target's tag and no other target's.
    #[arg(long, value_name = "AMI", conflicts_with = "key")]
    image: Option<ImageId>,
    /// Replace the running instances afterwards.
    #[arg(long)]
    instance_refresh: bool,
    /// Report what a rollback would do, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

impl Rollback {
    /// The input of the execution.
    pub(crate) fn input(&self) -> Value {
        let mut input = match &self.image {
            Some(image) => json!({"imageId": image, "allowOlder": true}),
            None => json!({"rollback": self.target.names()}),
        };
        for (field, is_set) in
            [("instanceRefresh", self.instance_refresh), ("dryRun", self.dry_run)]
        {
            set(&mut input, field, is_set.then(|| true.into()));
        }
        input
    }

    /// Starts the rollback and follows it to its end.
    ///
    /// # Errors
    /// A call failed, or the image is not only for this target.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (config, deployment) = self.place.find().await?;
        if let (Some(image), Some(target)) = (&self.image, self.target.target()) {
            let tags = tags(&aws_sdk_ec2::Client::new(&config), image).await?;
            check(image, &tags, &target, &deployment.parts.settings)?;
        }
        run::start(&deployment, &self.place, "rollback", &self.input(), self.format).await
    }
}

/// An execution that names an image promotes it to every target in its tags.
///
/// # Errors
/// The image is not for this target, or for another one too.
pub(crate) fn check(
    image: &ImageId,
    tags: &Tags,
    target: &Target,
    settings: &Settings,
) -> Result<()> {
    let targets = targets_in(tags, settings);
    let names: Vec<_> = targets.iter().map(Target::name).collect();
    ensure!(
        targets.contains(target),
        "image {image} is not for {}: its tags name {}; choose an image that `driftless status` \
         lists, or tag the image",
        target.name(),
        if names.is_empty() { "no target".to_owned() } else { names.join(" and ") }
    );
    ensure!(
        targets.len() == 1,
        "image {image} is for {}, and a run of this image changes both; use `driftless promote \
         --image {image} --allow-older` for both, or `driftless rollback` without --image for one",
        names.join(" and ")
    );
    Ok(())
}

async fn tags(ec2: &aws_sdk_ec2::Client, image: &ImageId) -> Result<Tags> {
    let found = aws::images::describe(ec2, std::slice::from_ref(image)).await?;
    let found = found.get(image).with_context(|| format!("EC2 lists no image {image}"))?;
    Ok(tags_of(found.tags()))
}
