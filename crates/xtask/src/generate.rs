//! Generates, from the catalogue of errors and its bounds, the `Retry` and `Catch` of each Task,
//! the seconds of each Wait between two polls, `docs/errors.md`, and the README's table of times. The
//! files are committed, so that the definition opens in Workflow Studio.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::bounds::{CUT_OFF_ERRORS, LAMBDA_ERRORS, POLLS, Retry};
use contract::error_name::Raised;

use crate::asl::Node;
use crate::durations;
use crate::paths::Paths;

/// The states without a generated catcher: their failure is not a target's failure.
const OUTSIDE_TARGETS: &[&str] = &["ResolveTags", "Report"];
/// The state that drift found before may lead to.
const SECOND_HALF_OF_PROOF: &str = "VerifyGroups";
const DEFINITION: &str = "statemachine/promote-ami.asl.json";
const ERRORS: &str = "docs/errors.md";
const README: &str = "README.md";

/// Writes the generated parts, or with `check` prints which files would change.
pub(crate) fn run(paths: &Paths, check: bool) -> Result<ExitCode> {
    let mut stale = Vec::new();
    for (file, generate) in [
        (DEFINITION, definition as fn(&str) -> Result<String>),
        (ERRORS, |_| Ok(errors())),
        (README, durations::replaced),
    ] {
        let path = paths.root.join(file);
        let found = fs::read_to_string(&path).unwrap_or_default();
        let generated = generate(&found).with_context(|| format!("generating {file}"))?;
        if found == generated {
            continue;
        }
        stale.push(file);
        if !check {
            fs::write(&path, generated).with_context(|| format!("writing {}", path.display()))?;
            println!("wrote {file}");
        }
    }
    if check && !stale.is_empty() {
        eprintln!("{} would change: run `cargo xtask generate`", stale.join(" and "));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The definition with its generated fields as the catalogue has them now.
fn definition(text: &str) -> Result<String> {
    let mut definition: Node = serde_json::from_str(text).context("it is not JSON")?;
    let mut generated = Vec::new();
    each_state(
        &mut definition,
        &mut |name, state| match state.get("Type").and_then(Node::as_str) {
            Some("Task") => {
                state.set("Retry", retriers(name), "Catch");
                if !OUTSIDE_TARGETS.contains(&name) {
                    state.set("Catch", catchers(name), "Assign");
                }
            }
            Some("Wait") => {
                if let Some(poll) = POLLS.iter().find(|poll| poll.wait == name) {
                    state.set("Seconds", poll.wait_seconds.into(), "Next");
                    generated.push(poll.wait);
                }
            }
            _ => {}
        },
    );
    for poll in POLLS {
        ensure!(generated.contains(&poll.wait), "there is no Wait state {}", poll.wait);
    }
    Ok(definition.printed())
}

/// Visits every state, including nested ones.
fn each_state(scope: &mut Node, visit: &mut impl FnMut(&str, &mut Node)) {
    let Node::Object(fields) = scope else { return };
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("States", Node::Object(states)) => {
                for (name, state) in states {
                    visit(name, state);
                    each_state(state, visit);
                }
            }
            ("ItemProcessor", inner) => each_state(inner, visit),
            ("Branches", Node::Array(branches)) => {
                for branch in branches {
                    each_state(branch, visit);
                }
            }
            _ => {}
        }
    }
}

/// Lambda's own errors, then the step's: those of every step first.
fn retriers(state: &str) -> Node {
    let mut all =
        vec![retrier(LAMBDA_ERRORS, Retry::TRANSIENT), retrier(CUT_OFF_ERRORS, Retry::CUT_OFF)];
    let raised = |is_of_every_step: bool| {
        ErrorName::ALL.iter().filter(move |name| {
            name.is_raised_by(state)
                && matches!(name.raised(), Raised::ByEveryStep | Raised::ByEveryCaller)
                    == is_of_every_step
        })
    };
    for name in raised(true).chain(raised(false)) {
        all.extend(name.retry().map(|retry| retrier(&[name.as_str()], retry)));
    }
    Node::Array(all)
}

fn retrier(errors: &[&str], retry: Retry) -> Node {
    let mut fields = vec![
        ("ErrorEquals", error_equals(errors)),
        ("IntervalSeconds", retry.interval_seconds.into()),
        ("BackoffRate", number(retry.backoff_rate)),
    ];
    fields.extend(retry.max_delay_seconds.map(|seconds| ("MaxDelaySeconds", seconds.into())));
    fields.push(("MaxAttempts", retry.max_attempts.into()));
    if retry.full_jitter {
        fields.push(("JitterStrategy", "FULL".into()));
    }
    object(fields)
}

/// Prints 2.0 as 2.
fn number(value: f64) -> Node {
    #[expect(clippy::cast_possible_truncation, reason = "a rate is small")]
    let whole = value as i64;
    #[expect(clippy::cast_precision_loss, reason = "a rate is small")]
    if (whole as f64 - value).abs() < f64::EPSILON { whole.into() } else { value.into() }
}

/// After another writer's write the state machine decides again; any other error fails the target,
/// unless the first half of the proof has already failed it.
fn catchers(state: &str) -> Node {
    let failure = format!(
        "{{'step': '{state}', 'name': $states.errorOutput.Error, 'cause': $states.errorOutput.Cause}}"
    );
    let failure = if state == SECOND_HALF_OF_PROOF {
        format!("{{% $failure != null ? $failure : {failure} %}}")
    } else {
        format!("{{% {failure} %}}")
    };
    let mut all = Vec::new();
    if ErrorName::ConcurrentWrite.is_raised_by(state) {
        let assign = object(vec![
            ("failure", failure.as_str().into()),
            ("decisions", "{% $decisions + 1 %}".into()),
        ]);
        all.push(catcher(ErrorName::ConcurrentWrite.as_str(), assign, "CanDecideAgain"));
    }
    let assign = object(vec![("failure", failure.as_str().into())]);
    all.push(catcher("States.ALL", assign, "ShouldRollBack"));
    Node::Array(all)
}

fn catcher(error: &str, assign: Node, next: &str) -> Node {
    object(vec![("ErrorEquals", error_equals(&[error])), ("Assign", assign), ("Next", next.into())])
}

fn error_equals(errors: &[&str]) -> Node {
    Node::Array(errors.iter().map(|&error| error.into()).collect())
}

fn object(fields: Vec<(&str, Node)>) -> Node {
    Node::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The text of `docs/errors.md`.
fn errors() -> String {
    let raised = |name: &ErrorName| match name.raised() {
        Raised::ByEveryStep => "every step".to_owned(),
        Raised::ByEveryCaller => "every step that calls AWS".to_owned(),
        Raised::BySteps(states) => states.join(", "),
        Raised::ByStateMachine => "the state machine".to_owned(),
    };
    let row = |name: &ErrorName| {
        format!("| `{name}` | {:?} | {} | {} |\n", name.class(), raised(name), name.meaning())
    };
    let rows: String = ErrorName::ALL.iter().map(row).collect();
    format!(
        "# Errors

<!-- Generated from crates/contract/src/error_name.rs: `cargo xtask generate`. -->

Each error has one name, in the execution history and in the report. The state machine retries a
Retryable error, within a bound, before it fails the target; a Terminal error remains until a person or
a later event changes something. The message in the report has the details.

| error | class | raised by | meaning, and what to do |
|---|---|---|---|
{rows}
Step Functions and Lambda raise errors with names of their own (`States.Timeout`,
`Lambda.TooManyRequestsException`, …); the report names them in the same way.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = r#"{"States": {"Map": {"Type": "Map", "ItemProcessor": {"States": {
        "UpdateStack": {"Type": "Task", "Retry": [], "Next": "WaitForStack"},
        "WaitForStack": {"Type": "Wait", "Seconds": 1, "Next": "WaitForPlan"},
        "WaitForPlan": {"Type": "Wait", "Seconds": 1, "Next": "WaitForParameter"},
        "WaitForParameter": {"Type": "Wait", "Seconds": 1, "Next": "WaitForDetection"},
        "WaitForDetection": {"Type": "Wait", "Seconds": 1, "Next": "WaitForRefresh"},
        "WaitForRefresh": {"Type": "Wait", "Seconds": 1}}}}}}"#;

    #[test]
    fn a_task_retries_temporary_errors_and_catches_the_rest() {
        let text = definition(MACHINE).unwrap();
        for part in [
            r#""ErrorEquals": ["StackBusy"]"#,
            r#""ErrorEquals": ["ServiceUnavailable"]"#,
            r#""ErrorEquals": ["ConcurrentWrite"]"#,
            r#""Next": "ShouldRollBack""#,
            r#""Seconds": 20"#,
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("StackUpdateFailed"), "{text}");
        assert_eq!(definition(&text).unwrap(), text, "generating again changes nothing");
    }

    #[test]
    fn a_missing_wait_is_reported() {
        let error = definition(&MACHINE.replace("\"WaitForPlan\"", "\"WaitForNothing\""));
        assert!(error.unwrap_err().to_string().contains("WaitForPlan"));
    }

    #[test]
    fn every_error_has_a_row() {
        let text = errors();
        assert_eq!(text.matches("\n| `").count(), ErrorName::ALL.len());
    }
}
