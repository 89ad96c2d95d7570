//! Owns the attempts of a state: Retry and Catch; and what an attempt of a Task is.

use serde_json::{Value, json};

use super::{At, Chain, Done, Walk, limited, made};
use crate::data::Data;
use crate::difference::{Failure, Stop};

/// How often a retrier retries, if it does not say so (Amazon States Language).
const MAX_ATTEMPTS: u64 = 3;

impl<'r> Walk<'r> {
    pub(super) fn task(&mut self, chain: &mut Chain<'r>, at: &At<'_>) -> Result<Done, Stop> {
        self.attempts(chain, at, |walk, chain| {
            let template = &at.state["Arguments"];
            let arguments = walk.template(chain, at, "Arguments", template, None)?.into();
            limited(at.name, &arguments)?;
            let scheduled = chain.trail.expect(at.name, "TaskScheduled")?;
            let made = made(at.name, chain, "Arguments", Some(template));
            made.is_recorded(scheduled.text("parameters"), &arguments)?;
            let result = result(chain, at)?;
            walk.leave(chain, at, "", Some(("result", &result)), result.clone())
        })
    }

    /// Attempts it until it succeeds, no retrier retries it any more, or it is caught.
    pub(super) fn attempts(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        mut attempt: impl FnMut(&mut Self, &mut Chain<'r>) -> Result<Done, Stop>,
    ) -> Result<Done, Stop> {
        let mut counts = Vec::new();
        loop {
            let failure = match attempt(self, chain) {
                Err(Stop::Failed(failure)) => failure,
                ended => return ended,
            };
            if !retries_again(&at.state["Retry"], &failure.error, &mut counts) {
                return self.caught(chain, at, failure);
            }
        }
    }

    fn caught(
        &mut self,
        chain: &mut Chain<'r>,
        at: &At<'_>,
        failure: Failure,
    ) -> Result<Done, Stop> {
        let Some(catcher) = matching(&at.state["Catch"], &failure.error) else {
            return Err(Stop::Failed(failure));
        };
        let error = Data::from(json!({"Error": failure.error, "Cause": failure.cause}));
        let also = Some(("errorOutput", &error));
        self.leave(chain, at, &format!("Catch.{catcher}"), also, error.clone())
    }
}

/// What the recording says of an attempt that was made.
fn result(chain: &mut Chain<'_>, at: &At<'_>) -> Result<Data, Stop> {
    chain.trail.expect(at.name, "TaskStarted")?;
    if chain.trail.is_next("TaskSubmitted") {
        chain.trail.expect(at.name, "TaskSubmitted")?;
    }
    for kind in ["TaskFailed", "TaskTimedOut"] {
        if chain.trail.is_next(kind) {
            let failed = chain.trail.expect(at.name, kind)?;
            // A time-out has no cause.
            let [error, cause] = ["error", "cause"].map(|field| failed.text(field).to_owned());
            return Err(Stop::Failed(Failure { error, cause }));
        }
    }
    let succeeded = chain.trail.expect(at.name, "TaskSucceeded")?;
    Ok(succeeded.json("output").into())
}

/// Whether the first retrier that names the error retries once more, and counts that.
fn retries_again(retriers: &Value, error: &str, counts: &mut Vec<u64>) -> bool {
    let Some(index) = matching(retriers, error) else { return false };
    counts.resize(counts.len().max(index + 1), 0);
    let most = retriers[index]["MaxAttempts"].as_u64().unwrap_or(MAX_ATTEMPTS);
    let Some(made) = counts.get_mut(index).filter(|made| **made < most) else { return false };
    *made += 1;
    true
}

/// The first retrier or catcher that names this error.
fn matching(all: &Value, error: &str) -> Option<usize> {
    let names = |one: &Value| -> Vec<String> {
        let names = one["ErrorEquals"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    all.as_array()?.iter().position(|one| names(one).iter().any(|name| is_named(error, name)))
}

/// Step Functions developer guide, "Error names".
fn is_named(error: &str, name: &str) -> bool {
    match name {
        "States.ALL" => error != "States.Runtime",
        "States.TaskFailed" => !["States.Runtime", "States.Timeout"].contains(&error),
        name => name == error,
    }
}
