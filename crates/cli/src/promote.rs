//! `driftless promote` and `driftless plan`: promote an image, or the newest image of a target; or
//! report what that would do.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};
use contract::ids::ImageId;
use serde_json::{Value, json};

use crate::deployment::Where;
use crate::output::Format;
use crate::run;
use crate::target::{TargetArguments, set};

pub(crate) const HELP: &str = "\
Examples:
  driftless promote --parameter /driftless/web       its newest image that passes
  driftless promote --stack driftless-web            the same for a stack
  driftless promote --image ami-0123456789abcdef0    this image, to the targets in its tags
  driftless promote --image ami-… --allow-older      also if a newer image is in place";

pub(crate) const PLAN_HELP: &str = "\
Examples:
  driftless plan --stack driftless-web               what the update of the stack would change
  driftless plan --image ami-0123456789abcdef0       to which targets, and what its checks say
  driftless reconcile --dry-run                      the same for every target";

/// The arguments of `promote`.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    what: What,
    /// Write nothing; the same as `driftless plan`.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Where,
}

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    place: Where,
}

/// What to promote, and how.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["image", "parameter", "stack"])))]
pub(crate) struct What {
    /// This image, to the targets that its tags name.
    #[arg(long, value_name = "AMI")]
    pub image: Option<ImageId>,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Replace a newer image in place too.
    #[arg(long)]
    pub allow_older: bool,
    /// Replace the running instances afterwards.
    #[arg(long)]
    pub instance_refresh: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl What {
    /// The input of the execution.
    fn input(&self, dry_run: bool) -> Value {
        let mut input = match &self.image {
            Some(image) => json!({"imageId": image}),
            None => json!({"target": self.target.names()}),
        };
        let flags = [
            ("allowOlder", self.allow_older),
            ("instanceRefresh", self.instance_refresh),
            ("dryRun", dry_run),
        ];
        for (field, is_set) in flags {
            set(&mut input, field, is_set.then(|| true.into()));
        }
        input
    }
}

impl Promote {
    /// The input of the execution.
    pub(crate) fn input(&self) -> Value {
        self.what.input(self.dry_run)
    }

    /// Starts the promotion and follows it to its end.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        run::promote(&self.place, "promote", &self.input(), self.what.format).await
    }
}

impl Plan {
    /// The input of the execution.
    pub(crate) fn input(&self) -> Value {
        self.what.input(true)
    }

    /// Starts the dry run and follows it to its end.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        run::promote(&self.place, "plan", &self.input(), self.what.format).await
    }
}
