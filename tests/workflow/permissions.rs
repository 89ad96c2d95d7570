//! Proves least privilege: each statement of each role, and each action of each statement, is
//! removed, one at a time, and a test must fail. So the template grants nothing that is not needed.

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use harness::cloud::Called;
use harness::{Scenario, Stack, wait};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::announcements::{self, Listener};
use crate::support::{control, definition, event, schedule};
use crate::{
    backup, dead_letters, guard, parameter, reconcile, refresh, refusals, stack,
    stack_settings_preserved, templates, writes,
};

const ONLY_HERE: &str = "it needs a Driftless of its own, whose roles are changed";
const PARAMETERS: [(&str, &str); 4] = [
    ("PlanBeforeUpdate", "true"),
    ("ProtectImages", "true"),
    ("ReconcileSchedule", "rate(1 day)"),
    ("ImageEvents", "true"),
];

/// Who has a role besides the steps of a promotion: those of a reconcile, the state machines, and
/// the rules that start them.
const OTHERS: [&str; 9] = [
    "Announce",
    "AnnounceExecutionEnded",
    "CollectResults",
    "ListTargets",
    "PromoteAmi",
    "PromoteAmiBackupCompleted",
    "PromoteAmiImageAvailable",
    "Reconcile",
    "ReconcileScheduled",
];

/// How a test fails without a permission: AWS denies the call, or an image that may not be read
/// seems not to exist.
const REFUSALS: [&str; 5] =
    ["AccessDenied", "is denied", "not authorized", "does not exist", "does not return"];

/// A test for each role, and one that there are no others.
pub fn trials() -> Vec<Trial> {
    let owners = owners().expect("the state machine's definition");
    let of_role = |owner: String| {
        let name = format!("workflow::permissions::{owner}_needs_all_that_it_may");
        crate::trial(&name, Some(ONLY_HERE), async move |s: &Scenario| needs_all(s, &owner).await)
    };
    let name = "workflow::permissions::every_role_is_looked_at";
    let all = crate::trial(name, Some(ONLY_HERE), every_role_is_looked_at);
    owners.into_iter().map(of_role).chain([all]).collect()
}

fn owners() -> Result<Vec<String>> {
    let steps = definition::of_type("Task")?;
    Ok(steps.into_iter().chain(OTHERS.map(str::to_owned)).collect())
}

async fn every_role_is_looked_at(s: &Scenario) -> Result<()> {
    let known: Vec<_> = owners()?.iter().map(|owner| format!("{owner}Role")).collect();
    let stack = Stack::by_name(s.cloud(), &s.driftless.stack);
    let roles = stack.resources_of_type("AWS::IAM::Role").await?;
    ensure!(roles.len() == known.len(), "{roles:?}");
    for role in roles {
        ensure!(known.contains(&role), "no test covers the role {role}");
    }
    Ok(())
}

/// A role's policy with something missing.
struct Cut {
    /// What is missing.
    what: String,
    policy: String,
    whole: Value,
    document: Value,
}

async fn needs_all(s: &Scenario, owner: &str) -> Result<()> {
    // One of UpdateStack's stacks holds a role, which drift detection has to be able to read.
    let reads_all = [("DriftDetectionPolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess")];
    let others = if owner == "UpdateStack" { &reads_all[..] } else { &[] };
    let parameters = [&PARAMETERS, others].concat();
    let (s, listener) = &announcements::told(s, &parameters).await?;
    let stack = Stack::by_name(s.cloud(), &s.driftless.stack);
    let role = stack.resource(&format!("{owner}Role")).await?;
    let mut needless = Vec::new();
    let cuts = cuts(s, &role).await?;
    // Report calls nothing; every other role is there for its permissions.
    ensure!(cuts.is_empty() == (owner == "Report"), "{} permissions of {owner}", cuts.len());
    println!("{owner}: {} permissions are taken away, one at a time", cuts.len());
    for Cut { what, policy, whole, document } in cuts {
        put(s, &role, &policy, &document).await?;
        match first_failure(s, listener, owner).await {
            Some(failure) => {
                let is_refused = REFUSALS.iter().any(|refusal| failure.contains(refusal));
                ensure!(is_refused, "without {what} it fails for another reason: {failure}");
            }
            None => needless.push(what),
        }
        put(s, &role, &policy, &whole).await?;
    }
    ensure!(needless.is_empty(), "nothing fails when {owner} may not: {needless:#?}");
    Ok(())
}

/// All that can be taken away: a statement, or one action of a statement that has several.
async fn cuts(s: &Scenario, role: &str) -> Result<Vec<Cut>> {
    let iam = &s.cloud().iam;
    let names = iam.list_role_policies().role_name(role).send().await;
    let mut cuts = Vec::new();
    for policy in names.called("iam:ListRolePolicies")?.policy_names {
        let found = iam.get_role_policy().role_name(role).policy_name(&policy).send().await;
        let text = found.called("iam:GetRolePolicy")?.policy_document;
        let whole: Value =
            serde_json::from_str(&decoded(&text)?).context("the policy is no JSON")?;
        let statements = whole["Statement"].as_array().context("no statements")?;
        for (index, statement) in statements.iter().enumerate() {
            let sid = statement["Sid"].as_str().unwrap_or("its only statement");
            let mut document = whole.clone();
            let rest = document["Statement"].as_array_mut().context("no statements")?;
            rest.remove(index);
            if rest.is_empty() {
                // A policy must have one: this allows nothing that anybody does.
                rest.push(json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"}));
            }
            let cut = |what: String, document| Cut {
                what,
                policy: policy.clone(),
                whole: whole.clone(),
                document,
            };
            cuts.push(cut(sid.to_owned(), document));
            let actions = statement["Action"].as_array().map(Vec::as_slice).unwrap_or_default();
            for action in actions {
                let name = action.as_str().context("an action is no text")?;
                if actions.len() == 1 {
                    continue;
                }
                let mut document = whole.clone();
                let rest = document["Statement"][index]["Action"].as_array_mut();
                rest.context("no actions")?.retain(|other| other != action);
                cuts.push(cut(format!("{sid}/{name}"), document));
            }
        }
    }
    Ok(cuts)
}

/// IAM gives documents in the form that URLs have.
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&digits)?, 16)?
            }
            other => other,
        });
    }
    Ok(String::from_utf8(bytes)?)
}

async fn put(s: &Scenario, role: &str, policy: &str, document: &Value) -> Result<()> {
    let request = s.cloud().iam.put_role_policy().role_name(role).policy_name(policy);
    let answer = request.policy_document(document.to_string()).send().await;
    answer.called("iam:PutRolePolicy").map(drop)
}

/// The tests that need what this role may, all at once, until one fails.
async fn first_failure(s: &Scenario, listener: &Listener, owner: &str) -> Option<String> {
    let mut running: FuturesUnordered<_> = tests(s, listener, owner).into_iter().collect();
    while let Some(done) = running.next().await {
        if let Err(error) = done {
            return Some(format!("{error:#}"));
        }
    }
    None
}

type Test<'a> = LocalBoxFuture<'a, Result<()>>;

fn tests<'a>(s: &'a Scenario, listener: &'a Listener, owner: &str) -> Vec<Test<'a>> {
    let by_parameter = || -> Test { Box::pin(parameter::a_backup_is_promoted_and_heals(s)) };
    let by_stack = || -> Test { Box::pin(stack::a_backup_is_promoted_and_heals(s)) };
    let extended =
        || -> Test { Box::pin(templates::a_template_with_language_extensions_is_promoted(s)) };
    let through = || -> Test {
        Box::pin(templates::an_image_parameter_that_reads_a_parameter_is_written_and_then_updated(
            s,
        ))
    };
    match owner {
        "PromoteSsm" => vec![
            by_parameter(),
            Box::pin(writes::a_label_on_the_oldest_of_a_hundred_versions_is_named(s)),
        ],
        "PlanUpdate" => vec![by_stack(), extended(), through()],
        "UpdateStack" => vec![
            by_stack(),
            extended(),
            through(),
            Box::pin(templates::promotes_with_a_role(s)),
            Box::pin(templates::a_group_with_a_rolling_update_is_promoted(s)),
            Box::pin(refresh::instances_that_cloudformation_has_replaced_are_left_alone(s)),
        ],
        "WaitStackComplete" => vec![
            by_stack(),
            Box::pin(refusals::an_update_that_fails_is_rolled_back_and_reported_with_the_resource(
                s,
            )),
        ],
        "InstanceRefresh" => {
            vec![Box::pin(refresh::the_input_has_the_running_instance_replaced(s))]
        }
        "DetectDrift" => vec![
            by_parameter(),
            by_stack(),
            Box::pin(stack_settings_preserved::a_secret_stays_what_it_is(s)),
        ],
        "ValidateAmi" => vec![by_parameter(), by_stack(), Box::pin(backup::aws_backup_is_asked(s))],
        "GuardImages" => vec![Box::pin(guard::protects_and_releases(s))],
        "PromoteAmi" => {
            vec![by_parameter(), Box::pin(is_defined_anew(s, &s.driftless.state_machine))]
        }
        // One after the other: each reconcile has all targets of the account. The quickest first.
        "Reconcile" => vec![Box::pin(async {
            is_defined_anew(s, &s.driftless.reconcile_machine).await?;
            reconcile::promotes(s).await?;
            reconcile::stops_what_it_started(s).await
        })],
        "ListTargets" | "CollectResults" => vec![Box::pin(reconcile::promotes(s))],
        "Announce" => vec![Box::pin(async {
            announcements::a_wrong_input_is_announced(s, listener).await?;
            let stack = Stack::by_name(s.cloud(), &s.driftless.stack);
            is_defined_anew(s, &stack.resource("Announce").await?).await
        })],
        "AnnounceExecutionEnded" => vec![Box::pin(announcements::an_end_starts_something(s))],
        "PromoteAmiBackupCompleted" => vec![Box::pin(an_event_starts_something(s))],
        "PromoteAmiImageAvailable" => vec![Box::pin(an_image_starts_something(s))],
        "ReconcileScheduled" => vec![Box::pin(the_schedule_starts_something(s))],
        _ => vec![by_parameter(), by_stack()],
    }
}

/// Its log configuration is validated when it is defined.
async fn is_defined_anew(s: &Scenario, arn: &str) -> Result<()> {
    let sfn = &s.cloud().sfn;
    let found = sfn.describe_state_machine().state_machine_arn(arn).send().await;
    let found = found.called("states:DescribeStateMachine")?;
    let request = sfn.update_state_machine().state_machine_arn(arn).definition(found.definition);
    let request = request.role_arn(found.role_arn);
    let request = request.set_logging_configuration(found.logging_configuration);
    request.send().await.called("states:UpdateStateMachine").map(drop)
}

async fn an_event_starts_something(s: &Scenario) -> Result<()> {
    starts(s, s.driftless.put(&event("ec2")?)).await
}

async fn an_image_starts_something(s: &Scenario) -> Result<()> {
    starts(s, s.driftless.put(&event("image-available")?)).await
}

async fn the_schedule_starts_something(s: &Scenario) -> Result<()> {
    let (rule, _) = schedule(s).await?;
    let letters = dead_letters::letters(s).await?;
    ensure!(control(s)?.fire(&rule).await?, "the rule is off");
    delivered(s, letters, async || Ok(s.driftless.newest_reconcile().await?.is_some())).await
}

/// Whether this starts an execution: what could not be delivered is a dead letter.
async fn starts(s: &Scenario, something: impl Future<Output = Result<()>>) -> Result<()> {
    let (before, letters) = (s.driftless.mark().await?, dead_letters::letters(s).await?);
    something.await?;
    let is_started = async || Ok(!s.driftless.started_since(&before).await?.is_empty());
    delivered(s, letters, is_started).await
}

async fn delivered(
    s: &Scenario,
    letters: usize,
    is_started: impl AsyncFn() -> Result<bool>,
) -> Result<()> {
    wait::until(s.cloud(), wait::START, "an execution or a dead letter", async || {
        if dead_letters::letters(s).await? > letters {
            let all = dead_letters::redriven(s, true).await?;
            bail!("not delivered: {:?}", all.iter().map(|one| &one.error).collect::<Vec<_>>());
        }
        Ok(is_started().await?.then_some(()))
    })
    .await
}
