//! A response is lost after the write, or a function is cut off after it: the write is neither lost
//! nor repeated.

use anyhow::{Context, Result};
use futures_util::future::{try_join, try_join_all};
use harness::Scenario;
use serde_json::{Value, json};

use crate::support::deployed::planned;
use crate::support::two_targets::TwoTargets;

trials![
    ;
    only here, "only a local AWS loses answers when it is told to":
    a_parameter_write_without_an_answer_is_one_write,
    a_stack_update_without_an_answer_is_one_update,
    a_plan_without_an_answer_is_made_and_removed,
    a_refresh_without_an_answer_is_one_refresh,
    a_protection_without_an_answer_is_found_again,
    a_drift_detection_without_an_answer_is_waited_for,
    a_function_that_was_cut_off_after_its_work_has_done_it_once,
    a_write_that_was_refused_is_made_in_the_end,
];

/// The SDK tries a call four times.
const ATTEMPTS: usize = 4;

/// Promotes while responses to this call are lost: first one, which the SDK retries if the call may
/// be made twice, then so many that the step fails.
async fn loses_after(
    s: &Scenario,
    (service, action): (&str, &str),
    matches: Match,
    after: usize,
) -> Result<()> {
    let lost = |count: usize| {
        json!({
            "service": service, "action": action, "kind": "cut-after", "count": count,
            "after": after,
        })
    };
    try_join(is_made_good(s, lost(1), matches), is_made_good(s, lost(ATTEMPTS), matches)).await?;
    Ok(())
}

async fn loses(s: &Scenario, service: &str, action: &str, matches: Match) -> Result<()> {
    loses_after(s, (service, action), matches, 0).await
}

/// What distinguishes one test's calls from another's.
#[derive(Clone, Copy)]
enum Match {
    Image,
    Stack,
    Parameter,
}

async fn is_made_good(s: &Scenario, mut fault: Value, matches: Match) -> Result<()> {
    let s = &planned(s).await?;
    let targets = TwoTargets::new(s).await?;
    let image = targets.image(s).await?;
    let before = targets.snapshot(s).await?;
    fault["match"] = match matches {
        Match::Image => json!(image),
        Match::Stack => json!(targets.healing.stack.name),
        // What its claims have of its name too.
        Match::Parameter => json!(targets.parameter.name.rsplit('/').next()),
    };
    let ended = targets.promote_with(s, &image, &fault).await?;
    let checked = targets.are_updated_once(s, &ended, &before, &image).await;
    checked.with_context(|| format!("with {fault}: {:?}", ended.states()))
}

async fn a_parameter_write_without_an_answer_is_one_write(s: &Scenario) -> Result<()> {
    // First the claim is put, then the parameter.
    for after in [0, 1] {
        loses_after(s, ("ssm", "PutParameter"), Match::Image, after).await?;
    }
    loses(s, "ssm", "DeleteParameter", Match::Parameter).await
}

async fn a_stack_update_without_an_answer_is_one_update(s: &Scenario) -> Result<()> {
    loses(s, "cloudformation", "UpdateStack", Match::Image).await
}

async fn a_plan_without_an_answer_is_made_and_removed(s: &Scenario) -> Result<()> {
    loses(s, "cloudformation", "CreateChangeSet", Match::Image).await?;
    loses(s, "cloudformation", "DeleteChangeSet", Match::Image).await
}

async fn a_refresh_without_an_answer_is_one_refresh(s: &Scenario) -> Result<()> {
    loses(s, "autoscaling", "StartInstanceRefresh", Match::Stack).await
}

async fn a_protection_without_an_answer_is_found_again(s: &Scenario) -> Result<()> {
    loses(s, "ec2", "CreateTags", Match::Image).await?;
    loses(s, "ec2", "EnableImageDeregistrationProtection", Match::Image).await
}

async fn a_drift_detection_without_an_answer_is_waited_for(s: &Scenario) -> Result<()> {
    loses(s, "cloudformation", "DetectStackDrift", Match::Stack).await
}

async fn a_function_that_was_cut_off_after_its_work_has_done_it_once(s: &Scenario) -> Result<()> {
    for how in [
        json!({"kind": "timeout", "runs": true}),
        json!({"kind": "out-of-memory", "runs": true}),
        json!({"kind": "cut-after"}),
    ] {
        let functions =
            ["PromoteSsm", "UpdateStack", "PlanUpdate", "InstanceRefresh", "GuardImages"];
        try_join_all(functions.map(async |function| {
            let mut fault = how.clone();
            fault["service"] = json!("lambda");
            fault["action"] = json!("Invoke");
            fault["function"] = json!(function);
            is_made_good(s, fault, Match::Image).await
        }))
        .await?;
    }
    Ok(())
}

/// The write has not taken effect, but the step cannot know that.
async fn a_write_that_was_refused_is_made_in_the_end(s: &Scenario) -> Result<()> {
    for kind in ["5xx", "throttle"] {
        let calls = [
            ("ssm", "PutParameter", 0),
            ("ssm", "PutParameter", 1),
            ("cloudformation", "UpdateStack", 0),
        ];
        try_join_all(calls.map(async |(service, action, after)| {
            let refused = json!({
                "service": service, "action": action, "kind": kind, "count": ATTEMPTS,
                "after": after,
            });
            is_made_good(s, refused, Match::Image).await
        }))
        .await?;
    }
    Ok(())
}
