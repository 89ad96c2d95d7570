//! The catalogue of errors agrees with the steps that raise them, the state machine that handles
//! them, and the page that explains them.

use std::collections::BTreeSet;
use std::process::Command;

use contract::error_name::Raised;
use contract::{Class, ErrorName};

use crate::machine::{self, error_equals, states, steps, tasks};
use crate::workspace::{pascal_case, sources, step_crates};
use crate::{none, text};

/// The names of Lambda's and Step Functions' own errors that the state machine may match.
const FOREIGN: [&str; 15] = [
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Lambda.Unknown",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "StepFunctions.AWSStepFunctionsException",
    "StepFunctions.ExecutionLimitExceededException",
    "StepFunctions.SdkClientException",
    "StepFunctions.ThrottlingException",
];

/// Retryable, but not by a retrier: a new decision is made, or a loop waits.
const CAUGHT: [ErrorName; 3] =
    [ErrorName::ConcurrentWrite, ErrorName::StackBusy, ErrorName::DriftDetectionBusy];

/// The names that a source text mentions as `ErrorName::X`, without its tests.
fn mentioned(source: &str) -> BTreeSet<ErrorName> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let names = source.split("ErrorName::").skip(1);
    let names =
        names.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    names.filter_map(ErrorName::named).collect()
}

/// The errors that the shell around every step may raise.
fn of_the_shell() -> BTreeSet<ErrorName> {
    sources("step").iter().flat_map(|path| mentioned(&text(path))).collect()
}

/// The errors that a step may raise.
fn of_step(step: &str) -> BTreeSet<ErrorName> {
    let own = text(format!("crates/{step}/src/error.rs"));
    let shared = [("AwsError", "error"), ("stacks::Error", "stacks/error")].into_iter();
    let shared = shared.filter(|(error, _)| own.contains(error));
    let shared = shared.flat_map(|(_, room)| mentioned(&text(format!("crates/aws/src/{room}.rs"))));
    let mut names = &mentioned(&own) | &of_the_shell();
    names.extend(shared);
    names
}

#[test]
fn every_name_that_the_machine_matches_is_known() {
    none(states().iter().flat_map(|state| {
        let rules = state.list("Retry").iter().chain(state.list("Catch"));
        let unknown = rules
            .flat_map(error_equals)
            .filter(|name| ErrorName::named(name).is_none() && !FOREIGN.contains(name));
        unknown.map(|name| format!("{} matches {name}", state.name)).collect::<Vec<_>>()
    }));
}

#[test]
fn retryable_errors_are_retried_where_they_are_raised_and_no_others_are() {
    let mut problems = Vec::new();
    for step in step_crates() {
        let state = pascal_case(&step);
        let Some(task) = tasks().into_iter().find(|task| task.name == state) else { continue };
        let named = |field| -> BTreeSet<ErrorName> {
            task.list(field).iter().flat_map(error_equals).filter_map(ErrorName::named).collect()
        };
        let (retried, caught) = (named("Retry"), named("Catch"));
        let raised = of_step(&step);
        for name in &raised {
            let is_handled = if CAUGHT.contains(name) { &caught } else { &retried }.contains(name);
            if name.class() == Class::Retryable && !is_handled {
                problems.push(format!("{state} may fail with {name}, which it does not retry"));
            }
        }
        problems.extend(
            retried
                .union(&caught)
                .filter(|name| !raised.contains(name))
                .map(|name| format!("{state} handles {name}, which {step} never raises")),
        );
        problems.extend(
            retried
                .iter()
                .filter(|name| name.class() == Class::Terminal || CAUGHT.contains(name))
                .map(|name| format!("{state} retries {name}, but must catch it")),
        );
    }
    none(problems);
}

#[test]
fn every_name_is_raised_where_the_catalogue_says() {
    let by_steps: BTreeSet<_> = step_crates().iter().flat_map(|step| of_step(step)).collect();
    let concluded = concluded_by_the_machine();
    none(ErrorName::ALL.iter().filter_map(|name| {
        let (as_step, as_machine) = (by_steps.contains(name), concluded.contains(name));
        let expected = match name.raised() {
            Raised::ByEveryStep | Raised::ByEveryCaller | Raised::BySteps(_) => (true, false),
            Raised::ByStateMachine => (false, true),
        };
        ((as_step, as_machine) != expected).then(|| {
            format!(
                "{name} is {:?}; raised by a step: {as_step}, by the machine: {as_machine}",
                name.raised()
            )
        })
    }));
}

#[test]
fn the_catalogue_says_which_step_raises_what() {
    none(step_crates().iter().flat_map(|step| {
        let (state, raised) = (pascal_case(step), of_step(step));
        let wrong = ErrorName::ALL
            .iter()
            .filter(|name| name.is_raised_by(&state) != raised.contains(name))
            .map(|name| format!("{name} by {state}: {:?}", name.raised()));
        wrong.collect::<Vec<_>>()
    }));
}

/// The names that the machine writes itself (`Error` of a Fail state, `'name': '…'` in an
/// expression) and those of the steps' findings, which it passes on.
fn concluded_by_the_machine() -> BTreeSet<ErrorName> {
    let findings = step_crates()
        .into_iter()
        .flat_map(|step| sources(&step))
        .filter(|path| !path.ends_with("error.rs"));
    let findings = findings.flat_map(|path| mentioned(&text(path)));
    written_by_the_machine()
        .into_iter()
        .filter_map(|(_, name)| ErrorName::named(name))
        .chain(findings)
        .collect()
}

/// State and name.
fn written_by_the_machine() -> Vec<(&'static str, &'static str)> {
    let mut written = Vec::new();
    for state in states() {
        for (path, text) in state.texts() {
            let is_error = path == "Error" || path.ends_with("Output.error");
            if is_error && !text.starts_with("{%") {
                written.push((state.name, text));
            }
            let literals =
                text.split("'name': '").skip(1).filter_map(|rest| rest.split('\'').next());
            written.extend(literals.map(|name| (state.name, name)));
        }
    }
    written
}

#[test]
fn every_name_that_the_machine_writes_is_known() {
    let written = written_by_the_machine();
    none(
        written
            .iter()
            .filter(|(_, name)| ErrorName::named(name).is_none())
            .map(|(state, name)| format!("{state} writes {name}")),
    );
}

#[test]
fn a_failure_names_the_step_that_failed() {
    let steps: Vec<_> = steps().iter().map(|step| step.name).collect();
    none(machine::states().iter().flat_map(|state| {
        let texts = state.texts();
        let named = texts.iter().flat_map(|(_, text)| text.split("'step': '").skip(1));
        let named = named.filter_map(|rest| rest.split('\'').next());
        let is_wrong = |step: &&str| {
            let is_own = ["Task", "Map"].contains(&state.kind());
            if is_own { *step != state.name } else { !steps.contains(step) }
        };
        named
            .filter(is_wrong)
            .map(|step| format!("{} records the failure of {step}", state.name))
            .collect::<Vec<_>>()
    }));
}

/// The definition's retries, catchers and waits, and `docs/errors.md`.
#[test]
fn generated_files_match_the_catalogue() {
    let mut xtask = Command::new(env!("CARGO"));
    xtask.args(["run", "--quiet", "--package", "xtask", "--", "generate", "--check"]);
    let output = xtask.current_dir(harness::paths::root()).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_example_reports_match_the_contract() {
    use contract::report::{ReconcileReport, Report};
    let read = |name| text(format!("tests/fixtures/reports/{name}.json"));
    for name in ["promoted", "refused", "planned", "rolled-back"] {
        let report = serde_json::from_str::<Report>(&read(name));
        assert!(report.is_ok(), "{name}: {}", report.unwrap_err());
    }
    let report = serde_json::from_str::<ReconcileReport>(&read("reconciled"));
    assert!(report.is_ok(), "reconciled: {}", report.unwrap_err());
}
