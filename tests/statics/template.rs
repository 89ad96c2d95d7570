//! The template: every step has its own function, role and log group, and every wildcard in a
//! permission has a comment with the reason.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use contract::ErrorName;
use contract::error_name::OF_A_TAG;
use serde_json::{Map, Value, from_value, json};

use crate::machine::{self, steps};
use crate::workspace::{pascal_case, step_crates};
use crate::{none, text};

const PATH: &str = "template.yaml";

pub static TEMPLATE: LazyLock<Value> =
    LazyLock::new(|| crate::python("template.py", &json!(text(PATH))));

/// The template's sections.
pub fn section(name: &str) -> &'static Map<String, Value> {
    TEMPLATE[name].as_object().expect(name)
}

/// The resources of a type, by logical id.
pub fn resources(kind: &str) -> Vec<(&'static str, &'static Map<String, Value>)> {
    let of_kind = section("Resources").iter().filter(|(_, resource)| resource["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), resource["Properties"].as_object().expect(name)))
        .collect()
}

pub fn functions() -> Vec<(&'static str, &'static Map<String, Value>)> {
    resources("AWS::Serverless::Function")
}

fn state_machines() -> Vec<(&'static str, &'static Map<String, Value>)> {
    resources("AWS::Serverless::StateMachine")
}

/// The version of a function that SAM publishes when the function changes.
fn version_of(function: &str) -> Value {
    json!({"Ref": format!("{function}.Version")})
}

/// All versions of a function, as a policy names them.
fn versions_of(function: &str) -> Value {
    json!({"Fn::Sub": format!("${{{function}.Arn}}:*")})
}

/// The findings of cfn-lint in a template.
pub fn lint(template: &str) -> Vec<String> {
    let mut linter = Command::new(harness::paths::venv_program("cfn-lint").unwrap())
        .args(["--format", "parseable"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    linter.stdin.take().unwrap().write_all(template.as_bytes()).unwrap();
    let output = linter.wait_with_output().unwrap();
    let findings: Vec<_> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(output.status.success(), findings.is_empty(), "cfn-lint: {}", output.status);
    findings
}

#[test]
fn cfn_lint_finds_nothing() {
    none(lint(&text(PATH)));
}

/// AWS would reject what the registry's schemas reject: a fixture that only the local AWS accepts
/// tests nothing.
#[test]
fn cfn_lint_finds_nothing_in_the_fixtures() {
    none(["tests/fixtures/stacks", harness::paths::TEMPLATES].into_iter().flat_map(|folder| {
        let files = harness::paths::root().join(folder).read_dir().expect(folder);
        files.flat_map(move |file| {
            let name = file.expect("an entry").file_name().display().to_string();
            let findings = lint(&text(format!("{folder}/{name}")));
            findings.into_iter().map(move |finding| format!("{name}: {finding}"))
        })
    }));
}

#[test]
fn each_step_is_one_crate_one_function_and_one_state() {
    let crates: BTreeSet<String> = step_crates().iter().map(|step| pascal_case(step)).collect();
    let functions: BTreeSet<_> = functions().iter().map(|(name, _)| (*name).to_owned()).collect();
    let states: BTreeSet<_> = steps().iter().map(|task| task.name.to_owned()).collect();
    assert_eq!(functions, crates, "functions in the template against crates");
    assert_eq!(states, crates, "Task states against crates");
}

#[test]
fn each_state_calls_its_own_function() {
    none(steps().iter().filter_map(|task| {
        let function = &task.body["Arguments"]["FunctionName"];
        let expected = format!("${{{}FunctionArn}}", task.name);
        (*function != expected).then(|| format!("{} calls {function}", task.name))
    }));
}

#[test]
fn the_template_substitutes_every_placeholder_of_the_machines() {
    let files = state_machines().into_iter().filter_map(|(_, it)| it["DefinitionUri"].as_str());
    assert_eq!(files.collect::<BTreeSet<_>>(), BTreeSet::from(machine::PATHS));
    for (_, machine) in state_machines() {
        let filled = machine["DefinitionSubstitutions"].as_object().expect("substitutions");
        let file = machine["DefinitionUri"].as_str().expect("a file");
        let open: BTreeSet<_> = machine::substitutions(file).into_iter().collect();
        assert_eq!(filled.keys().map(String::as_str).collect::<BTreeSet<_>>(), open, "{file}");
        none(filled.iter().filter_map(|(name, value)| {
            let function = name.strip_suffix("FunctionArn")?;
            (*value != version_of(function)).then(|| format!("{name} is {value}"))
        }));
    }
}

#[test]
fn each_machine_may_invoke_its_steps_and_nothing_else() {
    for (name, machine) in state_machines() {
        let invoke: Vec<_> = statements(machine)
            .into_iter()
            .filter(|statement| actions(statement).iter().any(|a| a.starts_with("lambda:")))
            .collect();
        let [statement] = invoke[..] else {
            panic!("one statement about Lambda, not {}", invoke.len())
        };
        let allowed = match &statement["Resource"] {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let own = steps().into_iter().filter(|step| machine["DefinitionUri"] == step.machine);
        let own: Vec<_> = own.map(|step| versions_of(step.name)).collect();
        let missing = own.iter().filter(|arn| !allowed.contains(arn));
        none(missing.map(|arn| format!("{arn} is missing in {name}")));
        let strange = allowed.iter().filter(|arn| !own.contains(arn));
        none(strange.map(|arn| format!("{arn} is not a step of {name}")));
    }
}

#[test]
fn each_function_runs_its_own_crate_with_its_own_role_and_log() {
    none(step_crates().iter().flat_map(|step| {
        let name = pascal_case(step);
        let functions = functions();
        let Some((_, function)) = functions.iter().find(|(id, _)| *id == name) else {
            return vec![];
        };
        let log = format!("{name}Logs");
        let mut problems = Vec::new();
        if function["CodeUri"] != format!("target/lambda/{step}/") {
            problems.push(format!("{name} runs {}", function["CodeUri"]));
        }
        // SAM makes a role for each function that names none; one that calls no AWS needs no
        // policy.
        let manifest = text(format!("crates/{step}/Cargo.toml"));
        let calls_aws = manifest.contains("aws-sdk-");
        if function.contains_key("Role") || statements(function).is_empty() == calls_aws {
            problems.push(format!(
                "{name} must name no Role, and have policies if and only if it calls AWS"
            ));
        }
        if function["LoggingConfig"]["LogGroup"] != json!({"Ref": log}) {
            problems.push(format!("{name} logs to {}", function["LoggingConfig"]));
        }
        problems
    }));
}

#[test]
fn every_log_group_has_a_retention() {
    let endless = |(_, log): &(&str, &Map<String, Value>)| !log.contains_key("RetentionInDays");
    let logs = resources("AWS::Logs::LogGroup");
    assert_eq!(
        logs.len(),
        functions().len() + state_machines().len(),
        "a log for each function and for each machine"
    );
    none(logs.into_iter().filter(endless).map(|(name, _)| name));
}

// --- failed promotions -------------------------------------------------------------------------

#[test]
fn every_rule_has_the_dead_letter_queue_and_so_has_every_end_without_success() {
    let queue = json!({"Fn::GetAtt": ["DeadLetters", "Arn"]});
    let mut events = state_machines();
    // What could not be announced has happened nevertheless; UndeliveredAnnouncementsAlarm is about it.
    events.retain(|(_, it)| it["DefinitionUri"] != machine::ANNOUNCE);
    let events = events.iter().flat_map(|(_, it)| it["Events"].as_object().expect("Events"));
    none(events.filter_map(|(name, event)| {
        let letters = &event["Properties"]["DeadLetterConfig"]["Arn"];
        (*letters != queue).then(|| format!("{name} has {letters}"))
    }));
    let (_, rule) = resources("AWS::Events::Rule")[0];
    let detail = &rule["EventPattern"]["detail"];
    assert_eq!(detail["stateMachineArn"], json!([{"Ref": "PromoteAmi"}, {"Ref": "Reconcile"}]));
    assert_eq!(rule["Targets"][0]["Arn"], queue);
    // Except for inputs that are wrong themselves; `redrive` leaves in the queue what the last branch
    // lets through.
    let is_wrong = |name: &&ErrorName| name.is_of_the_input();
    let wrong: Vec<_> = ErrorName::ALL.iter().filter(is_wrong).map(|name| name.as_str()).collect();
    let expected = json!([
        {"status": ["TIMED_OUT", "ABORTED"]},
        {"status": ["FAILED"], "error": [{"anything-but": wrong}, {"exists": false}]},
        {"status": ["FAILED"], "cause": [{"prefix": OF_A_TAG}]},
        {"status": ["FAILED"], "input": [{"wildcard": "*detail-type*"}]},
    ]);
    assert_eq!(detail["$or"], expected);
}

#[test]
fn the_dead_letter_queue_has_an_alarm_that_fires_at_the_first_message() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    let of_queue = |(_, alarm): &&(&str, &Map<String, Value>)| {
        alarm["Namespace"] == "AWS/SQS"
            && alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
            && alarm["Dimensions"]
                == json!([{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}}])
    };
    let (_, alarm) = alarms.iter().find(of_queue).expect("an alarm on the queue");
    assert_eq!(alarm["Threshold"], 0);
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
    none(alarms.iter().filter(|(_, alarm)| alarm["AlarmActions"] == Value::Null).map(|(n, _)| n));
}

// --- permissions -------------------------------------------------------------------------------

/// The statements of a function's or the machine's own policies, those under a condition too.
pub fn statements(properties: &Map<String, Value>) -> Vec<&Value> {
    let policies = properties.get("Policies").and_then(Value::as_array).into_iter().flatten();
    let statements = policies.filter_map(|policy| policy["Statement"].as_array()).flatten();
    statements
        .flat_map(alternatives)
        .filter(|statement| statement["Action"] != Value::Null)
        .collect()
}

/// The statements of an `!If`.
fn alternatives(statement: &Value) -> Vec<&Value> {
    match statement["Fn::If"].as_array() {
        Some(choice) => choice[1..].iter().collect(),
        None => vec![statement],
    }
}

pub fn actions(statement: &Value) -> Vec<&str> {
    let action = &statement["Action"];
    let listed = action.as_array().map_or_else(|| vec![action], |actions| actions.iter().collect());
    listed.into_iter().filter_map(Value::as_str).collect()
}

/// Unless the registry schema of a type that a promotion changes or reads has the wildcard.
#[test]
fn every_action_is_named_in_full() {
    let types = ["AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate"];
    let published = crate::python("handlers.py", &json!(types));
    let published: Vec<String> = from_value(published).unwrap();
    let all = functions().into_iter().chain(resources("AWS::Serverless::StateMachine"));
    none(all.flat_map(|(name, properties)| {
        let actions = statements(properties).into_iter().flat_map(actions);
        let is_own = |action: &&str| !published.iter().any(|known| known.as_str() == *action);
        let wild = actions.filter(|action| action.contains('*')).filter(is_own);
        wild.map(move |action| format!("{name}: {action}")).collect::<Vec<_>>()
    }));
}

#[test]
fn every_wildcard_has_its_reason_above_it() {
    let template = text(PATH);
    let lines: Vec<_> = template.lines().map(str::trim).collect();
    let is_wild =
        |line: &str| line.contains('*') && (line.contains("Resource:") || line.starts_with("- "));
    // Or above the wildcards right before it.
    let has_rule = |index: usize| {
        let above = lines[..index].iter().rev().copied().find(|&line| !is_wild(line));
        above.is_some_and(|line| line.starts_with("# "))
    };
    let each = lines.iter().copied().enumerate();
    let ruleless = each.filter(|&(index, line)| is_wild(line) && !has_rule(index));
    none(ruleless.map(|(index, line)| format!("{PATH}:{}: {line}", index + 1)));
}
