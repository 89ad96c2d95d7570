//! `driftless reconcile`: promotes the newest image of every tagged target.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::deployment::Where;
use crate::output::Format;
use crate::run;

pub(crate) const HELP: &str = "\
Examples:
  driftless reconcile --dry-run   what was missed
  driftless reconcile             promote it
  driftless reconcile --verify    also prove the targets that have their newest image already";

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Report what a reconcile would do, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Detect drift in, and verify the groups of, unchanged targets too.
    #[arg(long)]
    verify: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

impl Reconcile {
    /// Starts the reconcile and follows it to its end.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (_, deployment) = self.place.find().await?;
        let (machine, input) = deployment.parts.reconcile(self.dry_run, self.verify);
        run::start_on(&deployment, &self.place, machine, ("reconcile", &input), self.format).await
    }
}
