//! `driftless` as operators type it: each command against a deployed Driftless.

use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::report::{Outcome, Report, TargetOutcome};
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::image::Parameter;
use harness::scenario::AutoHealingStack;
use harness::{Scenario, cli, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{control, expect, promotable};

trials![
    an_image_is_planned_promoted_and_rolled_back,
    a_target_is_promoted_and_followed_in_sentences,
    a_stack_is_rolled_back_to_an_image,
    an_image_of_two_targets_is_not_rolled_back_in_one,
    what_fails_and_what_is_skipped_have_statuses_of_their_own;
    only here, "it needs an account of its own, or an image that stays pending":
    the_status_has_every_target,
    a_reconcile_is_followed_to_its_report,
    an_interrupted_command_leaves_the_execution_running,
];

/// The exit statuses of the commands that follow an execution.
const FAILED: i32 = 1;
const SKIPPED: i32 = 4;
const INTERRUPTED: i32 = 130;

/// Runs a command that must exit with this status, and returns its report.
async fn run(s: &Scenario, arguments: &[&str], status: i32) -> Result<Report> {
    let (ended, found) = cli::json(&s.driftless, arguments).await?;
    ensure!(found == status, "{arguments:?}: {found}, not {status}: {ended:#}");
    serde_json::from_value(ended["report"].clone()).with_context(|| format!("{ended:#}"))
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Runs a command for people.
async fn say(s: &Scenario, arguments: &[&str], status: i32) -> Result<Output> {
    let output = cli::run(&s.driftless, arguments).await?;
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.code() == Some(status), "{}: {printed}\n{errors}", output.status);
    Ok(output)
}

async fn an_image_is_planned_promoted_and_rolled_back(s: &Scenario) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let first = s.backup(&healing.instance).await?.image;
    let report = run(s, &["plan", "--image", &first], 0).await?;
    ensure!(report.outcome == Outcome::Planned, "{report:#?}");
    ensure!(parameter.read().await?.value == healing.base, "a plan has written");

    let report = run(s, &["promote", "--image", &first], 0).await?;
    ensure!(report.outcome == Outcome::Promoted, "{report:#?}");
    ensure!(parameter.read().await?.value == first, "it was not promoted");
    let again = run(s, &["promote", "--parameter", &parameter.name], 0).await?;
    ensure!(again.outcome == Outcome::Unchanged, "{again:#?}");

    let second = s.backup(&healing.instance).await?.image;
    run(s, &["promote", "--parameter", &parameter.name], 0).await?;
    ensure!(parameter.read().await?.value == second, "the newest was not promoted");
    let report = run(s, &["rollback", "--parameter", &parameter.name], 0).await?;
    let target = expect::only(report.targets)?;
    ensure!(target.outcome == TargetOutcome::Updated, "{target:#?}");
    expect::heals_into(&healing, &first).await
}

async fn a_target_is_promoted_and_followed_in_sentences(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let image = s.backup(&healing.instance).await?.image;
    let output = say(s, &["promote", "--stack", &healing.stack.name], 0).await?;
    let (printed, followed) = (text(&output.stdout), text(&output.stderr));
    let states = ["ResolveTags", "UpdateStack", "WaitStackComplete", "DetectDrift", "Promoted"];
    expect::mentions(&followed, states)?;
    let said = [
        format!("{} has {image} (was {}).", healing.stack.name, healing.base),
        format!("group {} boots {image}", healing.group.name),
        format!("stack {} is IN_SYNC", healing.stack.name),
    ];
    expect::mentions(&printed, &said)?;
    // The execution can be followed again, by its name or its ARN.
    let arn = followed.lines().find_map(|line| line.strip_prefix("Started "));
    let arn = arn.context("no ARN")?.to_owned();
    let name = arn.rsplit(':').next().context("no name")?;
    for execution in [arn.as_str(), name] {
        let output = say(s, &["follow", execution], 0).await?;
        expect::mentions(&text(&output.stdout), &said)?;
    }
    Ok(())
}

async fn a_stack_is_rolled_back_to_an_image(s: &Scenario) -> Result<()> {
    let healing = s.stack_pattern().await?;
    let stack = healing.stack.name.as_str();
    let mut images = Vec::new();
    for _ in 0..3 {
        let backup = s.backup(&healing.instance).await?;
        run(s, &["promote", "--image", &backup.image], 0).await?;
        images.push(backup.image);
    }
    let first = images.first().context("no image")?;
    let planned = run(s, &["rollback", "--stack", stack, "--image", first, "--dry-run"], 0).await?;
    ensure!(planned.outcome == Outcome::Planned, "{planned:#?}");
    run(s, &["rollback", "--stack", stack, "--image", first], 0).await?;
    expect::heals_into(&healing, first).await
}

async fn an_image_of_two_targets_is_not_rolled_back_in_one(s: &Scenario) -> Result<()> {
    let (parameter, stack) = (s.driftless.parameter_name(), s.driftless.stack_name());
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter), (TAG_STACK_NAME, &stack)]).await?;
    let arguments = ["rollback", "--parameter", &parameter, "--image", &image];
    let output = say(s, &arguments, 2).await?;
    expect::mentions(&text(&output.stderr), [&parameter, &stack, "--allow-older"])?;
    let arguments = ["rollback", "--stack", "golden-other", "--image", &image];
    let output = say(s, &arguments, 2).await?;
    expect::mentions(&text(&output.stderr), ["is not for golden-other", &parameter])
}

async fn what_fails_and_what_is_skipped_have_statuses_of_their_own(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let failed = s.image(&[(TAG_PARAMETER_NAME, &s.driftless.parameter_name())]).await?;
    let report = run(s, &["promote", "--image", &failed], FAILED).await?;
    ensure!(report.outcome == Outcome::Failed, "{report:#?}");
    let output = say(s, &["promote", "--image", &failed], FAILED).await?;
    let printed = text(&output.stdout);
    expect::mentions(&printed, ["ParameterNotFound in ValidateAmi", "What it means: "])?;

    let untagged = s.image(&[("Name", "untagged")]).await?;
    let report = run(s, &["promote", "--image", &untagged], SKIPPED).await?;
    ensure!(report.outcome == Outcome::Skipped, "{report:#?}");

    let nowhere = s.driftless.parameter_name();
    let (ended, status) = cli::json(&s.driftless, &["promote", "--parameter", &nowhere]).await?;
    ensure!(status == FAILED && ended["error"] == ErrorName::InvalidInput.as_str(), "{ended:#}");
    run(s, &["promote", "--image", &image], 0).await?;
    ensure!(parameter.read().await?.value == image, "it was not promoted");
    Ok(())
}

/// A pattern 1 target and a pattern 2 target in an account of their own.
async fn two(s: &Scenario) -> Result<(Parameter, [AutoHealingStack; 2])> {
    let (parameter, by_parameter) = s.parameter_pattern().await?;
    Ok((parameter, [by_parameter, s.stack_pattern().await?]))
}

async fn the_status_has_every_target(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let output = say(s, &["status"], 0).await?;
    expect::mentions(&text(&output.stdout), ["No image and no group is tagged"])?;
    let (parameter, [by_parameter, by_stack]) = two(s).await?;
    let backup = s.backup(&by_parameter.instance).await?;
    control(s)?.add_backup(&backup.image, &json!({"DeleteAfterDays": 35})).await?;
    run(s, &["promote", "--parameter", &parameter.name], 0).await?;
    let newer = s.backup(&by_stack.instance).await?;

    let (status, _) = cli::json(&s.driftless, &["status"]).await?;
    let targets = status["targets"].as_array().context("no targets")?;
    let of = |name: &str| {
        let found = targets.iter().find(|one| one["name"] == name);
        found.with_context(|| format!("no {name} in {status:#}"))
    };
    ensure!(targets.len() == 2, "{status:#}");
    let one = of(&parameter.name)?;
    ensure!(one["boots"] == json!([backup.image]) && one["isNewest"] == true, "{one:#}");
    ensure!(one["groups"] == json!([by_parameter.group.name]), "{one:#}");
    ensure!(one["drift"][0]["status"] == "IN_SYNC", "{one:#}");
    ensure!(one["lastExecution"]["outcome"] == "Updated", "{one:#}");
    ensure!(one["expires"].is_i64() && one["since"].is_i64(), "{one:#}");
    let one = of(&by_stack.stack.name)?;
    ensure!(one["boots"] == json!([by_stack.base]) && one["isNewest"] == false, "{one:#}");
    ensure!(one["newestImage"] == newer.image && one["expires"] == Value::Null, "{one:#}");
    ensure!(one["drift"][0]["status"] == "NOT_CHECKED", "{one:#}");
    ensure!(one["lastExecution"] == Value::Null, "{one:#}");

    let table = text(&say(s, &["status"], 0).await?.stdout);
    ensure!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
    expect::mentions(&table, ["IN_SYNC", "NOT_CHECKED", "the same", "34 days", "Updated"])
}

async fn a_reconcile_is_followed_to_its_report(s: &Scenario) -> Result<()> {
    let s = &s.alone(&[]).await?;
    let (parameter, [by_parameter, by_stack]) = two(s).await?;
    let image = s.backup(&by_parameter.instance).await?.image;
    s.backup(&by_stack.instance).await?;
    let output = say(s, &["reconcile", "--dry-run"], 0).await?;
    expect::mentions(&text(&output.stdout), ["Planned"])?;
    ensure!(parameter.read().await?.value == by_parameter.base, "a dry run has written");
    let output = say(s, &["reconcile"], 0).await?;
    expect::mentions(&text(&output.stderr), ["PromoteTargets: 2 of 2 targets"])?;
    ensure!(parameter.read().await?.value == image, "it was not promoted");
    Ok(())
}

async fn an_interrupted_command_leaves_the_execution_running(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    control(s)?.adjust_image(&image, &json!({"State": "pending"})).await?;
    let before = s.driftless.mark().await?;
    let place = ["--deployment", &s.driftless.stack];
    let arguments = [&["promote", "--image", &image][..], &place].concat();
    let mut command = cli::command(&s.driftless, &arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let poll = async || s.driftless.started_with(&before, &image).await;
    let started = wait::until(s.cloud(), wait::START, "the execution", poll).await?;
    started.entered("ValidateAmi").await?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    kill_process(pid.context("it has ended")?, Signal::INT)?;
    let output = child.wait_with_output().await?;
    let errors = text(&output.stderr);
    ensure!(output.status.code() == Some(INTERRUPTED), "{}: {errors}", output.status);
    expect::mentions(&errors, [&format!("driftless follow {}", started.arn)])?;
    control(s)?.adjust_image(&image, &json!({"State": "available"})).await?;
    run(s, &["follow", &started.arn], 0).await?;
    ensure!(parameter.read().await?.value == image, "it was stopped");
    Ok(())
}
