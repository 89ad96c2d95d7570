//! Generates, from the catalogue of errors and its bounds, the `Retry` and `Catch` of each Task, the
//! seconds of each Wait between two polls and the bound at which a Choice leaves them,
//! `docs/errors.md`, and the table of times in `docs/operations.md`; and from each definition its picture; and AWS's
//! SDK crates without what the workspace does not use. The files are committed, so that the definition
//! opens in Workflow Studio and a checkout compiles.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use contract::ErrorName;
use contract::bounds::{
    ANNOUNCEMENT_ERRORS, BUSY, Poll, Retry, START_ERRORS, TRANSIENT_ERRORS, loops,
};
use contract::error_name::Raised;

use crate::asl::Node;
use crate::durations;
use crate::graph::Graph;
use crate::paths::Paths;
use crate::picture;
use crate::sdk;

/// The states without a generated catcher: their failure is not a target's failure.
const OUTSIDE_TARGETS: &[&str] = &[
    "ResolveTags",
    "Report",
    "ListTargets",
    "StartPromotion",
    "CollectResults",
    "PutEvent",
    "SendMail",
];
/// The state that starts executions of another state machine.
const STARTS_EXECUTIONS: &str = "StartPromotion";
/// The state that decides, before which nothing is known about the target.
const DECIDES: &str = "ValidateAmi";
/// The state that drift found before may lead to.
const SECOND_HALF_OF_PROOF: &str = "VerifyGroups";
const PROMOTE_AMI: &str = "statemachine/promote-ami.asl.json";
const RECONCILE: &str = "statemachine/reconcile.asl.json";
const ANNOUNCE: &str = "statemachine/announce.asl.json";
const DEFINITIONS: &str = "statemachine";
const ERRORS: &str = "docs/errors.md";
const OPERATIONS: &str = "docs/operations.md";

/// Writes the generated parts, or with `check` prints which files would change.
pub(crate) fn run(paths: &Paths, check: bool) -> Result<ExitCode> {
    let mut stale = Vec::new();
    let own = [
        (PROMOTE_AMI, promote_ami as Generate),
        (RECONCILE, reconcile),
        (ANNOUNCE, announce),
        (ERRORS, |_: &str| Ok(errors())),
        (OPERATIONS, durations::replaced),
    ];
    let own = own.into_iter().map(|(file, generate)| (file.to_owned(), file.to_owned(), generate));
    let pictures = pictures(paths)?.into_iter();
    for (source, file, generate) in
        own.chain(pictures.map(|(source, file)| (source, file, picture as Generate)))
    {
        let path = paths.root.join(&file);
        let found = fs::read_to_string(&path).unwrap_or_default();
        let source = fs::read_to_string(paths.root.join(source)).unwrap_or_default();
        let generated = generate(&source).with_context(|| format!("generating {file}"))?;
        if found == generated {
            continue;
        }
        if !check {
            fs::write(&path, generated).with_context(|| format!("writing {}", path.display()))?;
            println!("wrote {file}");
        }
        stale.push(file);
    }
    let is_stale = check && !stale.is_empty();
    if is_stale {
        eprintln!("{} would change: run `cargo xtask generate`", stale.join(" and "));
    }
    let trimmed = sdk::trim(paths, check)?;
    Ok(if is_stale || !trimmed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// From the text of a file that of another, or of the same.
type Generate = fn(&str) -> Result<String>;

/// Every definition, and its picture.
fn pictures(paths: &Paths) -> Result<Vec<(String, String)>> {
    let folder = paths.root.join(DEFINITIONS);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        let file = entry?.file_name().into_string().unwrap_or_default();
        if let Some(name) = file.strip_suffix(".asl.json") {
            found.push((format!("{DEFINITIONS}/{file}"), format!("docs/{name}.svg")));
        }
    }
    found.sort();
    Ok(found)
}

fn picture(definition: &str) -> Result<String> {
    let definition: Node = serde_json::from_str(definition).context("it is not JSON")?;
    let title = definition.get("Comment").and_then(Node::as_str).unwrap_or_default();
    Ok(picture::svg(&Graph::of(&definition)?, title))
}

/// The definition of the promotions with its generated fields as the catalogue has them now.
fn promote_ami(text: &str) -> Result<String> {
    let (definition, waits) = definition(text, retriers)?;
    for poll in loops() {
        ensure!(waits.contains(&poll.wait), "there is no Wait state {}", poll.wait);
    }
    Ok(definition)
}

/// The same of the reconcile, which polls nothing.
fn reconcile(text: &str) -> Result<String> {
    Ok(definition(text, retriers)?.0)
}

/// The same of the announcements, which have five minutes and no time for the retries of a promotion.
fn announce(text: &str) -> Result<String> {
    let retriers = |state: &str| {
        let errors = if state == "Report" { TRANSIENT_ERRORS } else { ANNOUNCEMENT_ERRORS };
        Node::Array(vec![retrier(errors, Retry::ANNOUNCEMENT)])
    };
    Ok(definition(text, retriers)?.0)
}

/// A definition with its generated fields, and its Wait states between two polls.
fn definition(text: &str, retriers: impl Fn(&str) -> Node) -> Result<(String, Vec<&'static str>)> {
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
                if let Some(poll) = loops().find(|poll| poll.wait == name) {
                    state.set("Seconds", seconds(poll).into(), "Next");
                    generated.push(poll.wait);
                }
            }
            Some("Choice") => {
                for poll in loops().filter(|poll| poll.choice == name) {
                    bound(state, poll);
                }
            }
            _ => {}
        },
    );
    Ok((definition.printed(), generated))
}

/// How long a Wait pauses, by the number of polls so far. Step Functions wants an integer.
fn seconds(poll: &Poll) -> String {
    let Poll { counter, first_seconds, growth, max_seconds, .. } = poll;
    let waits = if poll.waits_first { format!("${counter}") } else { format!("${counter} - 1") };
    format!("{{% $min([{max_seconds}, $floor({first_seconds} * $power({growth}, {waits}))]) %}}")
}

/// Sets the number of polls in the condition that leaves the loop.
fn bound(choice: &mut Node, poll: &Poll) {
    let begins = format!("{{% ${} >= ", poll.counter);
    let Some(Node::Array(rules)) = choice.get_mut("Choices") else { return };
    for rule in rules {
        if rule
            .get("Condition")
            .and_then(Node::as_str)
            .is_some_and(|text| text.starts_with(&begins))
        {
            rule.set("Condition", format!("{begins}{} %}}", poll.max_polls).into(), "Next");
        }
    }
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

/// One retrier for all that passes by itself, and one for each error that needs its own time.
fn retriers(state: &str) -> Node {
    if state == STARTS_EXECUTIONS {
        return Node::Array(vec![retrier(START_ERRORS, Retry::TRANSIENT)]);
    }
    let raised = ErrorName::ALL.iter().filter(|name| name.is_raised_by(state));
    let retried = raised.filter_map(|name| Some((name.as_str(), name.retry()?)));
    let (temporary, others): (Vec<_>, Vec<_>) =
        retried.partition(|(_, retry)| *retry == Retry::TRANSIENT);
    let temporary = temporary.into_iter().map(|(name, _)| name);
    let all: Vec<_> = TRANSIENT_ERRORS.iter().copied().chain(temporary).collect();
    let others = others.into_iter().map(|(name, retry)| retrier(&[name], retry));
    Node::Array([retrier(&all, Retry::TRANSIENT)].into_iter().chain(others).collect())
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

/// After another writer's write the state machine decides again, and for somebody else's operation
/// it waits; any other error fails the target, unless the first half of the proof has already failed
/// it.
fn catchers(state: &str) -> Node {
    if state == DECIDES {
        return Node::Array(vec![undecided()]);
    }
    let failure = format!(
        "{{'step': '{state}', 'name': $states.errorOutput.Error, 'cause': $states.errorOutput.Cause}}"
    );
    let failure = if state == SECOND_HALF_OF_PROOF {
        format!("{{% $failure != null ? $failure : {failure} %}}")
    } else {
        format!("{{% {failure} %}}")
    };
    let counting = |error: ErrorName, counter: &str, next: &str| {
        let one_more = format!("{{% ${counter} + 1 %}}");
        let assign =
            object(vec![("failure", failure.as_str().into()), (counter, one_more.as_str().into())]);
        catcher(error.as_str(), assign, next)
    };
    let mut all = Vec::new();
    if ErrorName::ConcurrentWrite.is_raised_by(state) {
        all.push(counting(ErrorName::ConcurrentWrite, "decisions", "CanDecideAgain"));
    }
    let busy = BUSY.iter().filter(|poll| poll.state == state);
    all.extend(busy.map(|poll| counting(poll.error, poll.counter, poll.choice)));
    let assign = object(vec![("failure", failure.as_str().into())]);
    all.push(catcher("States.ALL", assign, "ShouldRollBack"));
    Node::Array(all)
}

/// Without a decision there is nothing to roll back, and nothing to report but the error.
fn undecided() -> Node {
    let output = object(vec![
        ("name", "{% $states.errorOutput.Error %}".into()),
        ("cause", "{% $states.errorOutput.Cause %}".into()),
        ("hasWritten", "{% $states.input.hasWritten %}".into()),
    ]);
    object(vec![
        ("ErrorEquals", error_equals(&["States.ALL"])),
        ("Output", output),
        ("Next", "RecordUndecided".into()),
    ])
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
        "IsStackComplete": {"Type": "Choice", "Choices": [
            {"Condition": "{% $done %}", "Next": "WaitForStack"},
            {"Condition": "{% $stackPolls >= 1 %}", "Next": "WaitForStack"}]},
        "WaitForStack": {"Type": "Wait", "Seconds": 1, "Next": "WaitForPlan"},
        "WaitForPlan": {"Type": "Wait", "Seconds": 1, "Next": "WaitForParameter"},
        "WaitForParameter": {"Type": "Wait", "Seconds": 1, "Next": "WaitForDetection"},
        "WaitForDetection": {"Type": "Wait", "Seconds": 1, "Next": "WaitForRefresh"},
        "WaitForRefresh": {"Type": "Wait", "Seconds": 1},
        "WaitToPlan": {"Type": "Wait", "Seconds": 1},
        "WaitToUpdate": {"Type": "Wait", "Seconds": 1},
        "WaitToDetect": {"Type": "Wait", "Seconds": 1}}}}}}"#;

    #[test]
    fn a_task_retries_temporary_errors_and_catches_the_rest() {
        let text = promote_ami(MACHINE).unwrap();
        for part in [
            r#""ServiceUnavailable""#,
            r#""ErrorEquals": ["StackBusy"]"#,
            r#""stackBusyPolls": "{% $stackBusyPolls + 1 %}""#,
            r#""Next": "CanWaitToUpdate""#,
            r#""ErrorEquals": ["ConcurrentWrite"]"#,
            r#""Next": "ShouldRollBack""#,
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("StackUpdateFailed"), "{text}");
        assert_eq!(promote_ami(&text).unwrap(), text, "generating again changes nothing");
    }

    #[test]
    fn waits_grow_by_the_counter_of_their_loop_up_to_its_bound() {
        let text = promote_ami(MACHINE).unwrap();
        for part in [
            r#""Seconds": "{% $min([3000, $floor(20 * $power(1.6, $stackPolls))]) %}""#,
            r#""Seconds": "{% $min([160, $floor(5 * $power(2, $planPolls - 1))]) %}""#,
            r#""Condition": "{% $done %}""#,
            r#""Condition": "{% $stackPolls >= 14 %}""#,
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }

    #[test]
    fn a_missing_wait_is_reported() {
        let error = promote_ami(&MACHINE.replace("\"WaitForPlan\"", "\"WaitForNothing\""));
        assert!(error.unwrap_err().to_string().contains("WaitForPlan"));
    }

    #[test]
    fn every_error_has_a_row() {
        let text = errors();
        assert_eq!(text.matches("\n| `").count(), ErrorName::ALL.len());
    }
}
