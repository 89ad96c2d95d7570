//! Finds a deployed Driftless by its stack: the resources in its outputs, and its settings.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Output, Parameter, Stack};
use clap::Args;
use contract::target::{TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use serde_json::{Value, json};

use crate::client::{self, Access, Called};

/// The outputs of `template.yaml` that are read here.
const STATE_MACHINE: &str = "StateMachineArn";
const RECONCILE_STATE_MACHINE: &str = "ReconcileStateMachineArn";
const QUEUE: &str = "DeadLetterQueueUrl";

/// Which Driftless to operate.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// The stack that Driftless is deployed in.
    #[arg(long, value_name = "STACK", default_value = "driftless")]
    deployment: String,
    #[command(flatten)]
    access: Access,
}

/// A deployed Driftless, with the clients to reach it.
pub(crate) struct Deployment {
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Its resources.
    pub parts: Parts,
}

/// The resources and the settings of a deployed Driftless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The stack's name.
    pub stack: String,
    /// The ARN of the state machine that promotes.
    pub state_machine: String,
    /// The ARN of the state machine that promotes every target.
    pub reconcile: String,
    /// The dead-letter queue's URL.
    pub queue: String,
    /// The operator's settings.
    pub settings: Settings,
}

/// The parameters of the stack, as far as commands need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `ParameterPathPrefix`.
    pub parameter_prefix: String,
    /// `StackNamePrefix`.
    pub stack_prefix: String,
    /// `ParameterNameTag`.
    pub parameter_name_tag: String,
    /// `StackNameTag`.
    pub stack_name_tag: String,
    /// `ParameterKeyTag`.
    pub parameter_key_tag: String,
    /// `AllowStackResourceUpdates`.
    pub updates_resources: bool,
    /// `DriftDetectionPolicyArn`, if it is set.
    pub drift_policy: Option<String>,
    /// `MinimumLifetimeHours`.
    pub minimum_lifetime_hours: i64,
}

impl Where {
    /// The configuration for all clients, and the Driftless.
    ///
    /// # Errors
    /// No Region is configured, or the stack does not exist or is not Driftless.
    pub(crate) async fn find(&self) -> Result<(SdkConfig, Deployment)> {
        let config = client::config(&self.access).await?;
        let deployment = Deployment::find(&config, &self.deployment).await?;
        Ok((config, deployment))
    }

    /// The flags that reach the same Driftless, for a command to copy.
    pub(crate) fn flags(&self) -> String {
        let Self { deployment, access } = self;
        let named = if deployment == "driftless" { "" } else { deployment };
        let flags = [
            ("--deployment", Some(named)),
            ("--profile", access.profile.as_deref()),
            ("--region", access.region.as_deref()),
        ];
        let mut text = String::new();
        for (flag, value) in flags {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                text.push_str(&format!(" {flag} {value}"));
            }
        }
        text
    }
}

impl Deployment {
    async fn find(config: &SdkConfig, stack: &str) -> Result<Self> {
        let cloudformation = aws_sdk_cloudformation::Client::new(config);
        let answer = cloudformation.describe_stacks().stack_name(stack).send().await;
        let is_refused = answer.as_ref().is_err_and(|error| error.as_service_error().is_some());
        let hint = if is_refused { " (use --deployment to name another)" } else { "" };
        let stacks = answer
            .called("cloudformation:DescribeStacks")
            .with_context(|| format!("finding the stack {stack}{hint}"))?
            .stacks;
        let found = stacks.unwrap_or_default().into_iter().next();
        let found = found.with_context(|| format!("the stack {stack} does not exist{hint}"))?;
        Ok(Self {
            sfn: aws_sdk_sfn::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            parts: Parts::of(stack, &found)?,
        })
    }
}

impl Parts {
    /// The resources and settings of this stack.
    ///
    /// # Errors
    /// An output is missing.
    pub(crate) fn of(name: &str, stack: &Stack) -> Result<Self> {
        let output = |key: &str| {
            let found = stack.outputs().iter().find(|output| output.output_key() == Some(key));
            found.and_then(Output::output_value).map(str::to_owned)
        };
        let required = |key: &str| {
            output(key).with_context(|| {
                format!(
                    "the stack {name} has no output {key}, so it is not a Driftless stack; use \
                     --deployment to name another"
                )
            })
        };
        Ok(Self {
            stack: name.to_owned(),
            state_machine: required(STATE_MACHINE)?,
            reconcile: required(RECONCILE_STATE_MACHINE)?,
            queue: required(QUEUE)?,
            settings: Settings::of(stack.parameters()),
        })
    }

    /// Its account.
    pub(crate) fn account(&self) -> &str {
        self.arn_part(4)
    }

    /// Its Region.
    pub(crate) fn region(&self) -> &str {
        self.arn_part(3)
    }

    /// Its partition.
    pub(crate) fn partition(&self) -> &str {
        self.arn_part(1)
    }

    /// The ARN of an instance.
    pub(crate) fn instance_arn(&self, id: &str) -> String {
        format!("arn:{}:ec2:{}:{}:instance/{id}", self.partition(), self.region(), self.account())
    }

    /// The state machine and the input of a reconcile.
    pub(crate) fn reconcile(&self, dry_run: bool, verify: bool) -> (&str, Value) {
        (&self.reconcile, json!({"dryRun": dry_run, "verify": verify}))
    }

    /// `arn:aws:states:<region>:<account>:stateMachine:<name>`
    fn arn_part(&self, index: usize) -> &str {
        self.state_machine.split(':').nth(index).unwrap_or_default()
    }
}

/// The ARN of an execution of this state machine.
pub(crate) fn execution(state_machine: &str, name: &str) -> String {
    format!("{}:{name}", state_machine.replace(":stateMachine:", ":execution:"))
}

impl Settings {
    /// The settings in these parameters; the template's defaults where one is missing.
    pub(crate) fn of(parameters: &[Parameter]) -> Self {
        let value = |key: &str| {
            let found = parameters.iter().find(|one| one.parameter_key() == Some(key));
            found.and_then(Parameter::parameter_value)
        };
        let text = |key: &str, default: &str| value(key).unwrap_or(default).to_owned();
        Self {
            parameter_prefix: text("ParameterPathPrefix", "/driftless/"),
            stack_prefix: text("StackNamePrefix", "driftless-"),
            parameter_name_tag: text("ParameterNameTag", TAG_PARAMETER_NAME),
            stack_name_tag: text("StackNameTag", TAG_STACK_NAME),
            parameter_key_tag: text("ParameterKeyTag", TAG_PARAMETER_KEY),
            updates_resources: value("AllowStackResourceUpdates") == Some("true"),
            drift_policy: value("DriftDetectionPolicyArn")
                .filter(|arn| !arn.is_empty())
                .map(Into::into),
            minimum_lifetime_hours: value("MinimumLifetimeHours")
                .and_then(|hours| hours.parse().ok())
                .unwrap_or(48),
        }
    }
}
