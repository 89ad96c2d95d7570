//! `driftless doctor`: whether groups are ready for Driftless, and what to change where they are
//! not. It reads, and changes nothing.

pub(crate) mod backups;
pub(crate) mod checks;
pub(crate) mod fetch;
pub(crate) mod show;
pub(crate) mod template;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};
use serde::Serialize;

use self::checks::Case;
use crate::deployment::Where;
use crate::inventory::Clients;
use crate::output::{self, Format};
use crate::target::TargetArguments;

/// The exit status if something must change.
const NOT_READY: u8 = 1;

pub(crate) const HELP: &str = "\
Examples:
  driftless doctor --parameter /driftless/web   is the group that reads this parameter ready?
  driftless doctor --stack driftless-web        are the groups of this stack?
  driftless doctor                              every target that an image or a group is tagged with

Exit status:
  0  ready
  1  something must change; the result says what
  2  wrong usage, or a call to AWS failed; the error message names the call";

/// The arguments.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["parameter", "stack"])))]
pub(crate) struct Doctor {
    #[command(flatten)]
    target: TargetArguments,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// One prerequisite of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// The prerequisite.
    pub check: &'static str,
    /// Whether it is met.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to change; absent if nothing must change.
    pub change: Option<String>,
}

/// Whether a prerequisite is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// It is.
    Ok,
    /// Something must change.
    Change,
    /// It could not be checked.
    Unknown,
}

/// The prerequisites of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diagnosis {
    /// `parameter` or `stack`.
    pub pattern: &'static str,
    /// The SSM parameter's name, or the stack's.
    pub name: String,
    /// Every prerequisite.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// The prerequisite is met.
    pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), change: None }
    }

    /// Something must change.
    pub(crate) fn change(
        check: &'static str,
        found: impl Into<String>,
        change: impl Into<String>,
    ) -> Self {
        Self { check, verdict: Verdict::Change, found: found.into(), change: Some(change.into()) }
    }

    /// It could not be checked, for this reason.
    pub(crate) fn unknown(check: &'static str, reason: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, found: reason.into(), change: None }
    }
}

impl Doctor {
    /// Reads the account and prints the result.
    ///
    /// # Errors
    /// A call failed.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (config, deployment) = self.place.find().await?;
        let (clients, parts) = (Clients::new(&config), &deployment.parts);
        let inventory = clients.inventory(&parts.settings).await?;
        let targets = match self.target.target() {
            Some(target) => [target].into(),
            None => inventory.targets(&parts.settings),
        };
        let plans = backups::plans(&clients.backup).await.map_err(|error| format!("{error:#}"));
        let (mut all, mut stacks) = (Vec::new(), BTreeMap::new());
        for target in targets {
            let facts = fetch::facts(&clients, parts, &inventory, &target, &mut stacks).await?;
            let findings =
                checks::all(&Case { target: &target, parts, facts: &facts, plans: &plans });
            let (pattern, name) = (target.pattern(), target.name().to_owned());
            all.push(Diagnosis { pattern, name, findings });
        }
        output::print(&show::result(parts, &all, self.format)?)?;
        Ok(status(&all).into())
    }
}

/// The exit status.
pub(crate) fn status(all: &[Diagnosis]) -> u8 {
    let mut findings = all.iter().flat_map(|one| &one.findings);
    if findings.any(|one| one.verdict == Verdict::Change) { NOT_READY } else { 0 }
}
