//! A deployed Driftless: sends events, starts executions, and finds the execution that an event
//! started.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_sdk_sfn::error::ProvideErrorMetadata;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::cloud::{self, Called, Cloud};
use crate::deploy::Programs;
use crate::emulator::{self, Emulator, Lifetime, WAIT_SCALE};
use crate::execution::Execution;
use crate::stack::Stack;
use crate::{deploy, listing, unique, wait};

/// On AWS the tests use the deployed stack that this variable names.
pub const STACK_VARIABLE: &str = "DRIFTLESS_TEST_STACK";
/// The default name of the stack.
pub const STACK: &str = "driftless";

/// The prefixes that the tests' Driftless may write, so that a test can also try others.
pub(crate) const PREFIXES: Prefixes<'_> = Prefixes { parameter: "/golden/", stack: "golden-" };

/// A deployed Driftless.
#[derive(Debug, Clone)]
pub struct Driftless {
    pub(crate) cloud: Cloud,
    /// The stack's name.
    pub stack: String,
    /// The state machine of promotions.
    pub state_machine: String,
    /// The state machine that promotes every target.
    pub reconcile_machine: String,
    /// The rule that AWS Backup's events match.
    pub rule: String,
    /// The rule's event bus.
    pub event_bus: String,
    /// The URL of the dead-letter queue.
    pub dead_letters: String,
    /// The prefix of the parameters that it may write.
    pub parameter_prefix: String,
    /// The prefix of the stacks that it may update.
    pub stack_prefix: String,
}

/// What Driftless may write.
#[derive(Debug, Clone, Copy)]
pub struct Prefixes<'a> {
    /// The prefix of the parameters that it may write.
    pub parameter: &'a str,
    /// The prefix of the stacks that it may update.
    pub stack: &'a str,
}

/// A Driftless for tests. If it is in a local AWS, dropping this ends that.
#[derive(Debug)]
pub struct ForTests {
    /// The Driftless.
    pub driftless: Driftless,
    _emulator: Option<Emulator>,
}

impl ForTests {
    /// Deploys one with these template parameters into a local AWS of its own, whose Wait states
    /// take this fraction of their time. `folder` is for that local AWS.
    pub async fn local(
        folder: &Path,
        wait_scale: f64,
        parameters: &[(&str, &str)],
    ) -> Result<Self> {
        let emulator = Emulator::start(folder, Lifetime::Attached, wait_scale).await?;
        let cloud = Cloud::local(&emulator.endpoint);
        let folder = &emulator.folder;
        let driftless =
            Driftless::deploy_as(STACK, &cloud, folder, PREFIXES, parameters, Programs::Built)
                .await?;
        Ok(Self { driftless, _emulator: Some(emulator) })
    }
}

impl Driftless {
    /// `count` of them, each deployed into a local AWS of its own; on AWS the one that
    /// `DRIFTLESS_TEST_STACK` names.
    ///
    /// # Errors
    /// They could not be deployed, or the stack does not exist.
    pub async fn for_tests(count: usize) -> Result<Vec<ForTests>> {
        if cloud::is_aws_wanted()? {
            let name = std::env::var(STACK_VARIABLE).unwrap_or_else(|_| STACK.to_owned());
            let driftless = Self::of(&Stack::by_name(&Cloud::aws()?, &name)).await?;
            return Ok(vec![ForTests { driftless, _emulator: None }]);
        }
        let scratch = emulator::scratch_folder()?;
        let start = async |n: usize| {
            ForTests::local(&scratch.join(format!("aws-{n}")), WAIT_SCALE, &[]).await
        };
        try_join_all((0..count).map(start)).await
    }

    /// The same with its own connections, for another runtime.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self { cloud: self.cloud.reconnected(), ..self.clone() }
    }

    /// Deploys another one, with these template parameters, into a new account of the same local
    /// AWS: for tests of a whole account, or of a template parameter.
    ///
    /// # Errors
    /// This is the real AWS, or it could not be deployed.
    pub async fn alone(&self, parameters: &[(&str, &str)]) -> Result<Self> {
        let cloud = self.cloud.fresh_account().context("only a local AWS has further accounts")?;
        Self::alone_in(&cloud, parameters).await
    }

    /// The same in this account of a local AWS.
    ///
    /// # Errors
    /// It could not be deployed.
    pub async fn alone_in(cloud: &Cloud, parameters: &[(&str, &str)]) -> Result<Self> {
        // A unique name, because the local AWS ends a function's processes when a function of the
        // same name is created in any account.
        Self::deploy_alone(&unique(STACK), cloud, parameters, Programs::Built).await
    }

    /// Deploys another release over this one, which is [`alone`](Self::alone): with these template
    /// parameters, and with these programs.
    ///
    /// # Errors
    /// It could not be deployed.
    pub async fn upgrade(&self, parameters: &[(&str, &str)], programs: Programs) -> Result<Self> {
        Self::deploy_alone(&self.stack, &self.cloud, parameters, programs).await
    }

    async fn deploy_alone(
        stack: &str,
        cloud: &Cloud,
        parameters: &[(&str, &str)],
        programs: Programs,
    ) -> Result<Self> {
        // It is removed with the local AWS's own folder.
        let folder = emulator::scratch_folder()?.join(cloud.account());
        fs::create_dir_all(&folder).context("creating the folder for the template")?;
        Self::deploy_as(stack, cloud, &folder, PREFIXES, parameters, programs).await
    }

    /// Deploys it into a local AWS, or updates it there. `folder` is for temporary files.
    pub async fn deploy(cloud: &Cloud, folder: &Path, prefixes: Prefixes<'_>) -> Result<Self> {
        Self::deploy_as(STACK, cloud, folder, prefixes, &[], Programs::Built).await
    }

    async fn deploy_as(
        stack: &str,
        cloud: &Cloud,
        folder: &Path,
        prefixes: Prefixes<'_>,
        others: &[(&str, &str)],
        programs: Programs,
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
        parameters.retain(|(key, _)| others.iter().all(|(other, _)| other != key));
        parameters.extend(others);
        let stack = deploy::template(cloud, folder, stack, &parameters, programs).await?;
        Self::of(&stack).await
    }

    /// The Driftless that is deployed in this stack.
    ///
    /// # Errors
    /// The stack does not exist, or is not a Driftless stack.
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
            reconcile_machine: output("ReconcileStateMachineArn")?,
            rule: output("RuleName")?,
            event_bus: output("EventBusName")?,
            dead_letters: output("DeadLetterQueueUrl")?,
            parameter_prefix: stack.parameter("ParameterPathPrefix").await?,
            stack_prefix: stack.parameter("StackNamePrefix").await?,
        })
    }

    /// The cloud that it is deployed in.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// A unique name for a stack that it may update.
    #[must_use]
    pub fn stack_name(&self) -> String {
        unique(&format!("{}test", self.stack_prefix))
    }

    /// A unique name for a parameter that it may write.
    #[must_use]
    pub fn parameter_name(&self) -> String {
        unique(&format!("{}test", self.parameter_prefix))
    }

    /// Starts an execution with this input, as from the console.
    pub async fn start(&self, input: &Value) -> Result<Execution> {
        self.start_of(&self.state_machine, input).await
    }

    /// Starts a reconcile with this input.
    pub async fn reconcile(&self, input: &Value) -> Result<Execution> {
        self.start_of(&self.reconcile_machine, input).await
    }

    async fn start_of(&self, machine: &str, input: &Value) -> Result<Execution> {
        let request = self.cloud.sfn.start_execution().state_machine_arn(machine);
        let answer = request.input(input.to_string()).send().await;
        let arn = answer.called("states:StartExecution")?.execution_arn;
        Ok(Execution::by_arn(&self.cloud, &arn))
    }

    /// The promotion of this name, which a reconcile has started.
    #[must_use]
    pub fn promotion(&self, name: &str) -> Execution {
        let executions = self.state_machine.replace(":stateMachine:", ":execution:");
        Execution::by_arn(&self.cloud, &format!("{executions}:{name}"))
    }

    /// The same under this name; if an execution with that name exists, returns it.
    pub async fn start_named(&self, name: &str, input: &Value) -> Result<Execution> {
        let request = self.cloud.sfn.start_execution().state_machine_arn(&self.state_machine);
        let answer = request.name(name).input(input.to_string()).send().await;
        let arn = match answer {
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => {
                self.promotion(name).arn
            }
            answer => answer.called("states:StartExecution")?.execution_arn,
        };
        Ok(Execution::by_arn(&self.cloud, &arn))
    }

    /// Sends an AWS Backup event that must start an execution, and finds that execution. On AWS
    /// only AWS Backup can emit its events, so there EventBridge tests whether the rule matches,
    /// and the execution is started directly with the event.
    ///
    /// # Errors
    /// The rule does not match, or no execution starts.
    pub async fn send(&self, event: &Value) -> Result<Execution> {
        if self.cloud.is_local() {
            // The same event may have started an execution before.
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
        ensure!(self.rule_matches(event).await?, "the rule {} does not match the event", self.rule);
        self.start(event).await
    }

    /// Puts an AWS Backup event on the bus of a local AWS, whether or not it starts an execution.
    ///
    /// # Errors
    /// This is the real AWS, or the event is malformed.
    pub async fn put(&self, event: &Value) -> Result<()> {
        self.put_all(std::slice::from_ref(event)).await
    }

    /// The same with many events at once.
    ///
    /// # Errors
    /// This is the real AWS, or an event is malformed.
    pub async fn put_all(&self, events: &[Value]) -> Result<()> {
        let control = self.cloud.control().context("on AWS only AWS Backup can emit its events")?;
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
