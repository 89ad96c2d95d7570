//! Records what each function is given, what it answers and which calls it makes, in executions in
//! a local AWS.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use harness::control::{Call, Exchange};
use harness::driftless::ForTests;
use harness::emulator::{self, WAIT_SCALE};
use harness::functions::Invocation;
use harness::progress::ProgressLines;
use harness::{Driftless, Ended, Execution, Scenario, scenario};
use serde_json::{Value, json};

/// One invocation, with the calls that the function made in it.
pub(crate) struct Recorded {
    pub(crate) input: Value,
    pub(crate) output: Value,
    pub(crate) exchanges: Vec<Exchange>,
}

/// What was recorded.
pub(crate) struct Recording {
    /// By the function's name: of its invocations the one with the most calls.
    pub(crate) invocations: BTreeMap<String, Recorded>,
    /// The environment variables of each function.
    pub(crate) variables: BTreeMap<String, BTreeMap<String, String>>,
    /// The functions that a promotion of a parameter invokes.
    pub(crate) of_a_parameter: Vec<String>,
}

/// Runs every function at least once.
pub(crate) async fn record(progress: &ProgressLines) -> Result<Recording> {
    let folder = emulator::scratch_folder()?;
    // So that the images in place are guarded too.
    let deploying = ForTests::local(&folder, WAIT_SCALE, &[("ProtectImages", "true")]);
    let deployed = progress.during("Deploying template.yaml into a local AWS", deploying).await?;
    let mut recording = None;
    let promotions = scenario::run(&deployed.driftless, async |scenario| {
        let promoted = promotions(scenario).await?;
        recording = Some(of(&scenario.driftless, &promoted).await?);
        Ok(())
    });
    Box::pin(progress.during("Recording executions", promotions)).await?;
    recording.context("nothing was recorded")
}

/// Both patterns, a plan, a refresh of the running instances, and a reconcile. Returns the promotion
/// of a parameter.
async fn promotions(s: &Scenario) -> Result<Ended> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    let of_a_parameter = s.driftless.send(&backup.event()).await?.ended().await?;
    succeeded(&of_a_parameter)?;
    let healing = s.stack_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    succeeded(&s.driftless.send(&backup.event()).await?.ended().await?)?;
    let image = s.backup(&healing.instance).await?.image;
    for input in [
        json!({"imageId": image, "dryRun": true}),
        json!({"imageId": image, "instanceRefresh": true}),
    ] {
        succeeded(&s.driftless.start(&input).await?.ended().await?)?;
    }
    succeeded(&s.driftless.reconcile(&json!({})).await?.ended().await?)?;
    Ok(of_a_parameter)
}

fn succeeded(ended: &Ended) -> Result<()> {
    ensure!(ended.status == "SUCCEEDED", "{} of {}: {:?}", ended.status, ended.input, ended.cause);
    Ok(())
}

async fn of(driftless: &Driftless, of_a_parameter: &Ended) -> Result<Recording> {
    let control = driftless.cloud().control().context("a local AWS has a control API")?;
    let calls = control.calls_of_functions().await?;
    let mut all = Vec::new();
    for arn in driftless.executions_of_all_machines().await? {
        all.extend(Execution::by_arn(driftless.cloud(), &arn).invocations().await?);
    }
    let mut invocations = BTreeMap::<String, Recorded>::new();
    for one in all.iter().filter(|one| is_alone(one, &all)) {
        let exchanges = exchanges(&calls, one, &driftless.stack)?;
        let name = step(&one.function, &driftless.stack)?;
        let most = invocations.get(&name).map(|known| known.exchanges.len());
        if most.is_none_or(|most| most < exchanges.len()) {
            let (input, output) = (one.input.clone(), one.output.clone());
            invocations.insert(name, Recorded { input, output, exchanges });
        }
    }
    let mut path = Vec::new();
    let parameter = Execution::by_arn(driftless.cloud(), &of_a_parameter.arn);
    for invocation in parameter.invocations().await? {
        let name = step(&invocation.function, &driftless.stack)?;
        if !path.contains(&name) {
            path.push(name);
        }
    }
    let variables = driftless.environments()?.into_iter();
    let variables = variables.map(|(name, all)| Ok((step(&name, &driftless.stack)?, all)));
    Ok(Recording {
        invocations,
        variables: variables.collect::<Result<_>>()?,
        of_a_parameter: path,
    })
}

/// Whether no other invocation of the function ran meanwhile: the log of calls has the function,
/// not the invocation.
fn is_alone(one: &Invocation, all: &[Invocation]) -> bool {
    let (from, to) = one.between;
    let meanwhile = all.iter().filter(|other| {
        other.function == one.function && other.between.0 <= to && from <= other.between.1
    });
    meanwhile.count() == 1
}

/// The calls that the function made in this invocation.
fn exchanges(calls: &[Call], one: &Invocation, stack: &str) -> Result<Vec<Exchange>> {
    let role = format!("/{stack}-{}Role-", logical(&one.function, stack)?);
    let (from, to) = one.between;
    let mut found = Vec::new();
    for call in calls.iter().filter(|call| call.caller.contains(&role)) {
        let time = call.milliseconds()?;
        if from <= time && time <= to {
            found.push(call.exchange.clone().context("the log of calls has no answers")?);
        }
    }
    Ok(found)
}

/// `STACK-UpdateStack-1A2B3C` is `UpdateStack`.
fn logical<'a>(function: &'a str, stack: &str) -> Result<&'a str> {
    let rest = function.strip_prefix(stack).and_then(|rest| rest.strip_prefix('-'));
    let name = rest.and_then(|rest| rest.rsplit_once('-')).map(|(name, _)| name);
    name.with_context(|| format!("{function} is no function of {stack}"))
}

/// `STACK-UpdateStack-1A2B3C` is `update-stack`.
fn step(function: &str, stack: &str) -> Result<String> {
    let mut name = String::new();
    for letter in logical(function, stack)?.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_name_of_its_step() {
        assert_eq!(
            step("driftless-WaitStackComplete-0A1B", "driftless").unwrap(),
            "wait-stack-complete"
        );
        assert_eq!(step("a-b-Report-0A1B", "a-b").unwrap(), "report");
        assert!(step("other-Report-0A1B", "driftless").is_err());
    }

    #[test]
    fn an_invocation_is_alone_if_no_other_of_its_function_ran_meanwhile() {
        let one = |function: &str, between| Invocation {
            function: function.to_owned(),
            input: Value::Null,
            output: Value::Null,
            between,
        };
        let all = [one("a", (0, 10)), one("b", (5, 6)), one("a", (10, 20)), one("a", (30, 40))];
        let alone: Vec<_> = all.iter().map(|invocation| is_alone(invocation, &all)).collect();
        assert_eq!(alone, [false, true, false, true]);
    }
}
