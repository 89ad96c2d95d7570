//! Finds a deployed Driftless by its stack's outputs.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Output;

use crate::aws::Called;

/// The outputs of `template.yaml` that are read here.
const STATE_MACHINE: &str = "StateMachineArn";
const RECONCILE: &str = "ReconcileStateMachineArn";
const QUEUE: &str = "DeadLetterQueueUrl";

/// A deployed Driftless, with the clients to reach it.
pub(crate) struct Deployment {
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Its resources.
    pub parts: Parts,
}

/// The resources of a deployed Driftless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The stack's name.
    pub stack: String,
    /// The ARN of the state machine of promotions.
    pub state_machine: String,
    /// The ARN of the state machine that promotes every target.
    pub reconcile: String,
    /// The dead-letter queue's URL.
    pub queue: String,
}

impl Deployment {
    /// Finds the Driftless that is deployed in this stack.
    ///
    /// # Errors
    /// The stack does not exist, or is not Driftless.
    pub(crate) async fn find(config: &SdkConfig, stack: &str) -> Result<Self> {
        let cloudformation = aws_sdk_cloudformation::Client::new(config);
        let answer = cloudformation.describe_stacks().stack_name(stack).send().await;
        let is_refused = answer.as_ref().is_err_and(|error| error.as_service_error().is_some());
        let hint = if is_refused { " (use --stack to name another)" } else { "" };
        let stacks = answer
            .called("cloudformation:DescribeStacks")
            .with_context(|| format!("finding the stack {stack}{hint}"))?
            .stacks;
        let found = stacks.unwrap_or_default().into_iter().next();
        let outputs = found.and_then(|found| found.outputs).unwrap_or_default();
        Ok(Self {
            sfn: aws_sdk_sfn::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            parts: Parts::of(stack, &outputs)?,
        })
    }
}

impl Parts {
    /// The resources that these outputs name.
    ///
    /// # Errors
    /// One is missing.
    pub(crate) fn of(stack: &str, outputs: &[Output]) -> Result<Self> {
        let output = |name: &str| {
            let found = outputs.iter().find(|output| output.output_key() == Some(name));
            found.and_then(Output::output_value).map(str::to_owned).with_context(|| {
                format!(
                    "the stack {stack} has no output {name}, so it is not a Driftless stack; use \
                     --stack to name another"
                )
            })
        };
        Ok(Self {
            stack: stack.to_owned(),
            state_machine: output(STATE_MACHINE)?,
            reconcile: output(RECONCILE)?,
            queue: output(QUEUE)?,
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

    /// The ARN of an execution of this state machine.
    pub(crate) fn execution(machine: &str, name: &str) -> String {
        format!("{}:{name}", machine.replace(":stateMachine:", ":execution:"))
    }

    /// `arn:aws:states:<region>:<account>:stateMachine:<name>`
    fn arn_part(&self, index: usize) -> &str {
        self.state_machine.split(':').nth(index).unwrap_or_default()
    }
}
