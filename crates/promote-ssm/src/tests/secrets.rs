//! A parameter's value that is not an image ID appears nowhere: in no error, no answer's other
//! field, no line of the log.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::operation::get_parameter::GetParameterOutput;
use aws_sdk_ssm::operation::put_parameter::PutParameterOutput;
use aws_sdk_ssm::types::Parameter;
use contract::steps::{ParameterWrite, Promoted};
use contract::{ErrorName, Named};
use proptest::prelude::*;
use testkit::arbitrary::text;
use testkit::logged;
use testkit::mock_client;
use testkit::mocks::{Rule, mock};

use super::handle::{deletes, grants, input_of, refuses, run, unowned};
use super::{NAME, OLD, write};
use crate::Error;

const SECRET: &str = "hush-7f3c";

/// What is in the parameter, in the version that the decision saw, and in the one that another
/// writer has put between.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(OLD.to_owned()), 2 => text().prop_map(|text| format!("{SECRET}{text}"))]
}

fn has(name: &'static str, value: String, version: i64) -> Rule {
    mock!(Client::get_parameter).match_requests(move |r| r.name() == Some(name)).then_output(
        move || {
            let parameter = Parameter::builder().value(&value).version(version).build();
            GetParameterOutput::builder().parameter(parameter).build()
        },
    )
}

/// Accepts the write, as this version.
fn accepts(version: i64) -> Rule {
    mock!(Client::put_parameter)
        .match_requests(|request| request.name() == Some(NAME))
        .then_output(move || PutParameterOutput::builder().version(version).build())
}

/// The result of a write that replaces `before`, and everything that it reports.
fn told(ssm: Client, before: &str) -> (Result<Promoted, Error>, String) {
    let input = input_of(vec![ParameterWrite { before: before.into(), ..write() }]);
    let (answer, log) = logged(run(ssm, &[unowned(NAME)], input));
    // The next poll needs to have it.
    for write in answer.iter().flat_map(|answer| &answer.writes) {
        assert_eq!(write.before.expose(), before);
    }
    let told = match &answer {
        Ok(answer) => format!("{answer:?} {log}"),
        Err(error) => format!("{error} {error:?} {log}"),
    };
    (answer, told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_in_place_is_not_told_unless_it_is_an_image(
        before in value(), current in value(), is_same in any::<bool>()
    ) {
        let current = if is_same { before.clone() } else { current };
        let rules = (has(NAME, current.clone(), 1), accepts(2), grants());
        let (answer, told) = told(mock_client!(aws_sdk_ssm, [rules.0, rules.1, rules.2]), &before);
        prop_assert!(!told.contains(SECRET), "{}", told);
        match answer {
            Ok(_) => prop_assert_eq!(current, before),
            Err(error) => prop_assert_eq!(error.name(), ErrorName::ConcurrentWrite),
        }
    }

    #[test]
    fn what_another_writer_lost_is_not_told_unless_it_is_an_image(
        before in value(), lost in value(), is_refused in any::<bool>()
    ) {
        let put = if is_refused { refuses("TooManyUpdates") } else { accepts(3) };
        let rules = (has(NAME, before.clone(), 1), has("/golden/web:2", lost, 2), grants());
        let ssm = mock_client!(aws_sdk_ssm, [rules.0, rules.1, rules.2, put, deletes()]);
        let (answer, told) = told(ssm, &before);
        prop_assert!(!told.contains(SECRET), "{}", told);
        prop_assert_eq!(answer.map_err(|error| error.name()), Err(ErrorName::ConcurrentWrite));
    }
}

/// A connection that breaks in the middle of an answer leaves one that nothing can be read from.
#[test]
fn an_answer_that_cannot_be_read_is_not_told() {
    let body = format!("{{\"Parameter\": {{\"Value\": \"{SECRET}");
    let cut = mock!(Client::get_parameter).then_http_response(move || {
        HttpResponse::new(200.try_into().unwrap(), body.clone().into())
    });
    let (answer, told) = told(mock_client!(aws_sdk_ssm, [cut]), OLD);
    assert_eq!(answer.unwrap_err().name(), ErrorName::ServiceUnavailable);
    assert!(!told.contains(SECRET), "{told}");
}
