//! Owns a deployed Driftless: where to send events, how to start a run, what an event started.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_sdk_sfn::error::ProvideErrorMetadata;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::cloud::{self, Called, Cloud};
use crate::emulator::{self, Emulator, Life, WAIT_SCALE};
use crate::execution::Execution;
use crate::stack::Stack;
use crate::{deploy, listing, unique, wait};

/// On AWS the tests use the stack that was deployed before under this name.
pub const STACK_VARIABLE: &str = "DRIFTLESS_TEST_STACK";
/// The stack's name where nothing else is said.
pub const STACK: &str = "driftless";

/// What the tests' own Driftless may write, so that a test can try what it may not.
const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/golden/", stack: "golden-" };

/// A deployed Driftless.
#[derive(Debug, Clone)]
pub struct Driftless {
    pub(crate) cloud: Cloud,
    /// The stack that it is.
    pub stack: String,
    /// The state machine.
    pub state_machine: String,
    /// The rule that AWS Backup's events match.
    pub rule: String,
    /// The bus that the rule listens on.
    pub event_bus: String,
    /// The queue for events that could not start anything.
    pub dead_letters: String,
    /// What it may write: parameters whose names begin like this.
    pub parameter_prefix: String,
    /// What it may update: stacks whose names begin like this.
    pub stack_prefix: String,
}

/// How to deploy it.
#[derive(Debug, Clone, Copy)]
pub struct Prefixes<'a> {
    /// What it may write: parameters whose names begin like this.
    pub parameter: &'a str,
    /// What it may update: stacks whose names begin like this.
    pub stack: &'a str,
}

/// A Driftless for tests. Where it is in a local AWS, that ends when this is dropped.
#[derive(Debug)]
pub struct ForTests {
    /// The Driftless.
    pub driftless: Driftless,
    _emulator: Option<Emulator>,
}

impl ForTests {
    /// One with these template parameters in a local AWS of its own, whose Wait states take this
    /// part of their time. `folder` is that local AWS's.
    pub async fn local(
        folder: &Path,
        wait_scale: f64,
        parameters: &[(&str, &str)],
    ) -> Result<Self> {
        let emulator = Emulator::start(folder, Life::Attached, wait_scale).await?;
        let cloud = Cloud::local(&emulator.endpoint);
        let folder = &emulator.folder;
        let driftless = Driftless::deploy_as(STACK, &cloud, folder, PREFIXES, parameters).await?;
        Ok(Self { driftless, _emulator: Some(emulator) })
    }
}

impl Driftless {
    /// Those that tests may use as they like: so many, each deployed into a local AWS of its own,
    /// or on AWS the one that `DRIFTLESS_TEST_STACK` names.
    ///
    /// # Errors
    /// They could not be deployed, or the one is not there.
    pub async fn for_tests(count: usize) -> Result<Vec<ForTests>> {
        if cloud::is_aws_wanted()? {
            let name = std::env::var(STACK_VARIABLE).unwrap_or_else(|_| STACK.to_owned());
            let driftless = Self::of(&Stack::named(&Cloud::aws()?, &name)).await?;
            return Ok(vec![ForTests { driftless, _emulator: None }]);
        }
        let scratch = emulator::scratch_folder()?;
        let start = async |n: usize| {
            ForTests::local(&scratch.join(format!("aws-{n}")), WAIT_SCALE, &[]).await
        };
        try_join_all((0..count).map(start)).await
    }

    /// The same with connections of its own, for another runtime.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self { cloud: self.cloud.reconnected(), ..self.clone() }
    }

    /// Another one with these template parameters, in an account of its own of the same local
    /// AWS: for what is of a whole account, or of how it was deployed.
    ///
    /// # Errors
    /// This is the real AWS, or it could not be deployed.
    pub async fn alone(&self, parameters: &[(&str, &str)]) -> Result<Self> {
        let cloud = self.cloud.fresh_account().context("AWS gives no account away")?;
        // It goes with the local AWS's own.
        let folder = emulator::scratch_folder()?.join(cloud.account());
        fs::create_dir_all(&folder).context("making the folder for the template")?;
        // With the same name its functions would have those of the first one, whose processes the
        // local AWS ends when it makes others of their names, in whatever account.
        Self::deploy_as(&unique(STACK), &cloud, &folder, PREFIXES, parameters).await
    }

    /// Deploys it into a local AWS, or updates it there. `folder` is for what must be written on
    /// the way.
    pub async fn deploy(cloud: &Cloud, folder: &Path, prefixes: Prefixes<'_>) -> Result<Self> {
        Self::deploy_as(STACK, cloud, folder, prefixes, &[]).await
    }

    async fn deploy_as(
        stack: &str,
        cloud: &Cloud,
        folder: &Path,
        prefixes: Prefixes<'_>,
        others: &[(&str, &str)],
    ) -> Result<Self> {
        let architecture = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            other => other,
        };
        let mut parameters = vec![
            ("Architecture", architecture),
            ("ParameterPathPrefix", prefixes.parameter),
            ("StackNamePrefix", prefixes.stack),
            // The fixtures have no service role.
            ("AllowStackResourceUpdates", "true"),
        ];
        parameters.extend(others);
        let stack = deploy::template(cloud, folder, stack, &parameters).await?;
        Self::of(&stack).await
    }

    /// The one that this stack is.
    ///
    /// # Errors
    /// The stack is not there, or is not Driftless.
    pub async fn of(stack: &Stack) -> Result<Self> {
        let found = stack.describe().await?;
        let outputs = found.outputs.unwrap_or_default().into_iter();
        let mut outputs: HashMap<String, String> =
            outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect();
        let mut output = |name: &str| {
            let missing = || format!("the stack {} has no output {name}", stack.name);
            outputs.remove(name).with_context(missing)
        };
        Ok(Self {
            cloud: stack.cloud.clone(),
            stack: stack.name.clone(),
            state_machine: output("StateMachineArn")?,
            rule: output("RuleName")?,
            event_bus: output("EventBusName")?,
            dead_letters: output("DeadLetterQueueUrl")?,
            parameter_prefix: stack.parameter("ParameterPathPrefix").await?,
            stack_prefix: stack.parameter("StackNamePrefix").await?,
        })
    }

    /// Where it is deployed.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// A name for a stack that it may update, and that no other test has.
    #[must_use]
    pub fn stack_name(&self) -> String {
        unique(&format!("{}test", self.stack_prefix))
    }

    /// A name for a parameter that it may write, and that no other test has.
    #[must_use]
    pub fn parameter_name(&self) -> String {
        unique(&format!("{}test", self.parameter_prefix))
    }

    /// Starts an execution with this input, as from the console.
    pub async fn start(&self, input: &Value) -> Result<Execution> {
        let request = self.cloud.sfn.start_execution().state_machine_arn(&self.state_machine);
        let answer = request.input(input.to_string()).send().await;
        let arn = answer.called("states:StartExecution")?.execution_arn;
        Ok(Execution::named(&self.cloud, &arn))
    }

    /// The same under this name, unless an execution has had it already: that one then.
    pub async fn start_named(&self, name: &str, input: &Value) -> Result<Execution> {
        let request = self.cloud.sfn.start_execution().state_machine_arn(&self.state_machine);
        let answer = request.name(name).input(input.to_string()).send().await;
        let arn = match answer {
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => {
                let executions = self.state_machine.replace(":stateMachine:", ":execution:");
                format!("{executions}:{name}")
            }
            answer => answer.called("states:StartExecution")?.execution_arn,
        };
        Ok(Execution::named(&self.cloud, &arn))
    }

    /// Sends an AWS Backup event that must start an execution, and finds that execution. On AWS
    /// nobody else may put events in AWS Backup's name, so there the execution is started with the
    /// event, and whether the rule matches is asked of EventBridge.
    ///
    /// # Errors
    /// The rule does not match, or nothing starts.
    pub async fn send(&self, event: &Value) -> Result<Execution> {
        if self.cloud.is_local() {
            // The same event may have started one before.
            let before = self.mark().await?;
            self.put(event).await?;
            let what = format!("an execution for the event {}", job(event)?);
            let mut others = HashSet::new();
            return wait::until(&self.cloud, wait::START, &what, async || {
                for execution in self.started_since(&before).await? {
                    if others.insert(execution.arn.clone())
                        && listing::is_started_by(&execution, event).await?
                    {
                        return Ok(Some(execution));
                    }
                }
                Ok(None)
            })
            .await;
        }
        ensure!(self.rule_matches(event).await?, "the rule {} does not match", self.rule);
        self.start(event).await
    }

    /// Puts an AWS Backup event on the bus of a local AWS, whether or not it starts anything.
    ///
    /// # Errors
    /// This is the real AWS, or the event is malformed.
    pub async fn put(&self, event: &Value) -> Result<()> {
        self.put_all(std::slice::from_ref(event)).await
    }

    /// The same with many at once.
    ///
    /// # Errors
    /// This is the real AWS, or an event is malformed.
    pub async fn put_all(&self, events: &[Value]) -> Result<()> {
        let control = self.cloud.control().context("only AWS Backup puts events on AWS's bus")?;
        let entry = |event: &Value| {
            json!({
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": event["detail"],
                "Resources": event["resources"],
                "Time": event["time"],
            })
        };
        control.put_events(&events.iter().map(entry).collect()).await
    }

    /// Whether the rule would start an execution for this event.
    pub async fn rule_matches(&self, event: &Value) -> Result<bool> {
        let eventbridge = &self.cloud.eventbridge;
        let rule = eventbridge.describe_rule().name(&self.rule).event_bus_name(&self.event_bus);
        let rule = rule.send().await.called("events:DescribeRule")?;
        let pattern = rule.event_pattern.context("the rule has no event pattern")?;
        let test = eventbridge.test_event_pattern().event_pattern(pattern).event(event.to_string());
        Ok(test.send().await.called("events:TestEventPattern")?.result)
    }
}

/// The job's ID, which distinguishes its event from others.
pub(crate) fn job(event: &Value) -> Result<&str> {
    event["detail"]["backupJobId"].as_str().context("the event has no detail.backupJobId")
}
