//! What operators see: each metric that the alarms and the dashboard name exists, nothing is missing on
//! the dashboard, and each alarm says what to do.

use std::collections::{BTreeMap, BTreeSet};

use contract::ErrorName;
use contract::metrics::{self, Metric};
use serde_json::{Map, Value, from_str};

use crate::template::{functions, resources, section};
use crate::{none, text};

/// AWS's metrics, as far as they are used: namespace, dimension, names, and the page that lists them.
const OF_AWS: [(&str, &str, &[&str], &str); 5] = [
    (
        "AWS/States",
        "StateMachineArn",
        &[
            "ExecutionTime",
            "ExecutionThrottled",
            "ExecutionsAborted",
            "ExecutionsFailed",
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionsTimedOut",
        ],
        "docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
    ),
    (
        "AWS/States",
        "ServiceMetric",
        &["ThrottledEvents"],
        "docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
    ),
    (
        "AWS/Lambda",
        "FunctionName",
        &["Errors", "Throttles"],
        "docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    (
        "AWS/Events",
        "RuleName",
        &["FailedInvocations"],
        "docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html",
    ),
    (
        "AWS/SQS",
        "QueueName",
        &["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"],
        "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
    ),
];

/// How far CloudWatch looks back at most, in seconds (API reference, `PutMetricAlarm`).
const MAX_EVALUATION_SECONDS: u64 = 604_800;
/// The maximum length of an alarm's description (the same page).
const MAX_DESCRIPTION_CHARS: usize = 1024;

/// A metric as an alarm or the dashboard names it. A search leaves the value of a dimension open.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, Option<String>>,
}

impl Named {
    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<String> {
        let keys: BTreeSet<_> = self.dimensions.keys().map(String::as_str).collect();
        let is_known = if self.namespace == metrics::NAMESPACE {
            Metric::ALL.iter().any(|metric| {
                let expected = [Some(metrics::STACK), metric.dimension()].into_iter().flatten();
                self.name == metric.name() && keys == expected.collect() && self.is_counted(*metric)
            })
        } else {
            OF_AWS.iter().any(|(namespace, dimension, names, _)| {
                self.namespace == *namespace
                    && names.contains(&self.name.as_str())
                    && keys == BTreeSet::from([*dimension])
            })
        };
        (!is_known).then(|| format!("no such metric: {self:?}"))
    }

    /// Whether the values of its dimensions are among those that `report` writes.
    fn is_counted(&self, metric: Metric) -> bool {
        self.dimensions.iter().all(|(dimension, value)| match (dimension.as_str(), value) {
            (metrics::STACK, value) => value.as_deref() == Some("${AWS::StackName}"),
            (metrics::OUTCOME, Some(value)) => metric.outcomes().contains(&value.as_str()),
            (metrics::ERROR, Some(value)) => ErrorName::named(value).is_some(),
            (_, value) => value.is_none(),
        })
    }
}

// --- the template's expressions ----------------------------------------------------------------

/// The text that an expression makes, with `${Name}` for what only a deployment knows.
fn resolved(value: &Value, condition: bool) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone());
    }
    let (function, argument) = value.as_object()?.iter().next()?;
    match function.as_str() {
        "Ref" if argument == "AWS::NoValue" => None,
        "Ref" => Some(format!("${{{}}}", argument.as_str()?)),
        "Fn::GetAtt" => Some(format!("${{{}.{}}}", argument[0].as_str()?, argument[1].as_str()?)),
        "Fn::If" => resolved(&argument[if condition { 1 } else { 2 }], condition),
        "Fn::Join" => {
            let parts = argument[1].as_array()?.iter().filter_map(|it| resolved(it, condition));
            Some(parts.collect::<Vec<_>>().join(argument[0].as_str()?))
        }
        "Fn::Sub" if argument.is_array() => {
            let mut text = argument[0].as_str()?.to_owned();
            for (name, value) in argument[1].as_object()? {
                let value = resolved(value, condition)?;
                text = text.replace(&format!("${{{name}}}"), &value);
            }
            Some(text)
        }
        "Fn::Sub" => argument.as_str().map(str::to_owned),
        other => panic!("what is {other}?"),
    }
}

/// The dashboard's widgets, if every condition is this.
fn widgets(condition: bool) -> Vec<Value> {
    let [(_, dashboard)] = resources("AWS::CloudWatch::Dashboard")[..] else {
        panic!("one dashboard")
    };
    let body = resolved(&dashboard["DashboardBody"], condition).expect("a text");
    let body: Value = from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    body["widgets"].as_array().expect("widgets").clone()
}

/// The metrics of a widget. In a row, "." repeats one field of the row before it, and "..." all that
/// are not given (CloudWatch API reference, "Dashboard body structure and syntax").
fn metrics_of(widget: &Value) -> Vec<Named> {
    let mut before: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for row in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        let row = row.as_array().expect("a row");
        if let Some(search) = row[0]["expression"].as_str() {
            found.push(searched(search));
            continue;
        }
        let mut fields: Vec<String> =
            row.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if fields[0] == "..." {
            let repeated = before.len() - (fields.len() - 1);
            fields.splice(..1, before[..repeated].to_vec());
        }
        for (field, earlier) in fields.iter_mut().zip(&before) {
            if field == "." {
                field.clone_from(earlier);
            }
        }
        let pairs = fields[2..].chunks(2);
        found.push(Named {
            namespace: fields[0].clone(),
            name: fields[1].clone(),
            dimensions: pairs.map(|pair| (pair[0].clone(), Some(pair[1].clone()))).collect(),
        });
        before = fields;
    }
    found
}

/// The metrics that an expression such as `SEARCH('{Namespace,A,B} MetricName="X" A="a"', 'Sum')`
/// finds.
fn searched(expression: &str) -> Named {
    let rest = expression.strip_prefix("SEARCH('{").expect("a search");
    let (schema, terms) = rest.split_once("} ").expect("a schema");
    let value = |name: &str| {
        let rest = terms.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split_once('"')).map(|(value, _)| value.to_owned())
    };
    let mut schema = schema.split(',');
    Named {
        namespace: schema.next().expect("a namespace").to_owned(),
        name: value("MetricName").expect("a name"),
        dimensions: schema.map(|name| (name.to_owned(), value(name))).collect(),
    }
}

fn all_metrics() -> Vec<Named> {
    widgets(true).iter().flat_map(metrics_of).collect()
}

// --- the dashboard -----------------------------------------------------------------------------

#[test]
fn the_dashboard_is_json_and_each_metric_on_it_exists() {
    for condition in [true, false] {
        let widgets = widgets(condition);
        let metrics: Vec<_> = widgets.iter().flat_map(metrics_of).collect();
        assert!(metrics.len() > functions().len(), "{} metrics", metrics.len());
        none(metrics.iter().filter_map(Named::problem));
        let charts = widgets.iter().filter(|widget| widget["type"] == "metric");
        none(charts.filter_map(|widget| {
            let (region, title) = (&widget["properties"]["region"], &widget["properties"]["title"]);
            (*region != "${AWS::Region}").then(|| format!("{title} is of Region {region}"))
        }));
    }
}

#[test]
fn every_function_is_on_the_dashboard() {
    let expected: BTreeSet<_> =
        functions().iter().map(|(name, _)| format!("${{{name}}}")).collect();
    let of_lambda = OF_AWS.iter().find(|(namespace, ..)| *namespace == "AWS/Lambda");
    let (namespace, dimension, names, _) = of_lambda.expect("Lambda's metrics");
    for name in *names {
        let all = all_metrics().into_iter();
        let found = all.filter(|it| it.namespace == *namespace && it.name == **name);
        let found: BTreeSet<_> =
            found.filter_map(|mut metric| metric.dimensions.remove(*dimension)?).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_metric_of_ours_is_on_the_dashboard_with_each_outcome() {
    let all = all_metrics();
    none(Metric::ALL.iter().flat_map(|metric| {
        let of_it = || all.iter().filter(|it| it.name == metric.name());
        let is_shown = |outcome: &&str| {
            of_it().any(|it| it.dimensions[metrics::OUTCOME].as_deref() == Some(*outcome))
        };
        let unseen = metric.outcomes().iter().filter(|outcome| !is_shown(outcome));
        let missing = of_it().next().is_none().then(|| metric.name().to_owned());
        let unseen = unseen.map(|outcome| format!("{} {outcome}", metric.name()));
        missing.into_iter().chain(unseen).collect::<Vec<_>>()
    }));
}

#[test]
fn every_alarm_is_on_the_dashboard() {
    let shown = |condition| {
        let alarms = widgets(condition).into_iter().filter(|widget| widget["type"] == "alarm");
        let arns = alarms
            .flat_map(|widget| widget["properties"]["alarms"].as_array().expect("ARNs").clone());
        arns.filter_map(|arn| arn.as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let arns = |alarms: Vec<&'static str>| -> BTreeSet<_> {
        alarms.into_iter().map(|name| format!("${{{name}.Arn}}")).collect()
    };
    let all: Vec<_> = alarms().into_iter().map(|(name, _)| name).collect();
    let has_condition = |name: &&str| section("Resources")[*name].get("Condition").is_some();
    let always = all.iter().copied().filter(|name| !has_condition(name)).collect();
    assert_eq!(shown(true), arns(all));
    assert_eq!(shown(false), arns(always));
}

// --- the alarms --------------------------------------------------------------------------------

fn alarms() -> Vec<(&'static str, &'static Map<String, Value>)> {
    resources("AWS::CloudWatch::Alarm")
}

/// The metric that an alarm watches.
fn watched(alarm: &Map<String, Value>) -> Named {
    let dimensions = alarm["Dimensions"].as_array().expect("Dimensions").iter();
    let name = |value: &Value| value.as_str().expect("a name").to_owned();
    Named {
        namespace: name(&alarm["Namespace"]),
        name: name(&alarm["MetricName"]),
        dimensions: dimensions
            .map(|it| (name(&it["Name"]), resolved(&it["Value"], true)))
            .collect(),
    }
}

#[test]
fn each_alarm_watches_a_metric_that_exists() {
    none(alarms().into_iter().filter_map(|(name, alarm)| {
        watched(alarm).problem().map(|problem| format!("{name}: {problem}"))
    }));
}

/// What `crates/cli` has.
fn commands() -> BTreeSet<String> {
    let main = text("crates/cli/src/main.rs");
    let rest = main.split("enum Command {").nth(1).expect("the commands");
    let variants = rest.split("\n}").next().expect("their end").lines();
    let names = variants.filter_map(|line| line.trim().split_once('('));
    let names = names.filter(|(name, _)| name.chars().all(char::is_alphanumeric));
    names.map(|(name, _)| name.to_lowercase()).collect()
}

/// What is wrong with the commands in a text: it has none, or one of `driftless` that does not exist.
fn wrong_commands(text: &str) -> Vec<String> {
    let quoted: Vec<_> = text.split('`').skip(1).step_by(2).collect();
    let is_command = |code: &&str| code.starts_with("driftless ") || code.starts_with("aws ");
    let known = commands();
    let ours = quoted.iter().filter_map(|code| code.strip_prefix("driftless "));
    let is_wrong =
        |command: &&str| command.split(' ').next().is_none_or(|name| !known.contains(name));
    let wrong = ours.filter(is_wrong).map(|command| format!("there is no {command}"));
    let missing = !quoted.iter().any(is_command);
    wrong.chain(missing.then(|| "it names no command".to_owned())).collect()
}

#[test]
fn each_alarm_says_what_to_type_first_and_so_does_the_dashboard() {
    assert!(commands().contains("redrive"), "{:?}", commands());
    none(alarms().into_iter().flat_map(|(name, alarm)| {
        let description = resolved(&alarm["AlarmDescription"], true).expect("a description");
        let long = description.chars().count() > MAX_DESCRIPTION_CHARS;
        let wrong = wrong_commands(&description).into_iter();
        let wrong = wrong.chain(long.then(|| "it is too long".to_owned()));
        wrong.map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
    }));
    let widgets = widgets(true);
    let texts = widgets.iter().filter(|widget| widget["type"] == "text");
    none(
        texts.flat_map(|it| wrong_commands(it["properties"]["markdown"].as_str().expect("a text"))),
    );
}

#[test]
fn each_alarm_and_each_metric_is_explained() {
    let paper = text("docs/operations.md");
    let headings: BTreeSet<_> = paper
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| name.ends_with("Alarm"))
        .collect();
    assert_eq!(headings, alarms().into_iter().map(|(name, _)| name).collect());
    let unexplained = |metric: &&Metric| !paper.contains(&format!("| `{}` |", metric.name()));
    none(Metric::ALL.iter().filter(unexplained).map(|metric| metric.name()));
}

#[test]
fn the_alarm_on_reconciles_looks_back_as_far_as_cloudwatch_does() {
    let (_, alarm) = alarms()
        .into_iter()
        .find(|(name, _)| *name == "OverdueReconcileAlarm")
        .expect("the alarm on reconciles");
    let hours = &section("Parameters")["ReconcileOverdueHours"];
    assert_eq!(alarm["EvaluationPeriods"]["Ref"], "ReconcileOverdueHours");
    let seconds = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(seconds(&alarm["Period"]) * seconds(&hours["MaxValue"]), MAX_EVALUATION_SECONDS);
    assert_eq!(alarm["TreatMissingData"], "breaching");
}
