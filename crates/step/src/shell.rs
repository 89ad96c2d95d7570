//! The shell around a step: JSON in, JSON out, and every failure as a name of the catalogue.
//!
//! The Lambda runtime alone would report Rust type names to Step Functions: the deserializer's for
//! bad input, a box's for a panic. So the shell accepts any JSON and decodes it itself, and catches
//! panics before the runtime does.

use std::panic::AssertUnwindSafe;

use contract::output::StepOutput;
use contract::{ErrorName, Named};
use futures_util::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{MAX_MESSAGE_CHARS, json_bytes, logging, panic, truncated};

/// Runs the step until Lambda ends the sandbox.
///
/// ```no_run
/// use contract::steps::{Progress, StackProgress, WaitInput};
/// use step::InvalidInput;
///
/// async fn handle(input: WaitInput) -> Result<StackProgress, InvalidInput> {
///     let stack_status = format!("unknown of {}", input.stack_id);
///     Ok(StackProgress { status: Progress::InProgress, stack_status })
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), lambda_runtime::Error> {
///     step::run(handle).await
/// }
/// ```
///
/// # Errors
/// The Lambda runtime's errors, if its API cannot be reached. The step's own errors go to Step
/// Functions.
pub async fn run<I, O, E>(
    handle: impl AsyncFn(I) -> Result<O, E>,
) -> Result<(), lambda_runtime::Error>
where
    I: DeserializeOwned,
    O: Serialize + StepOutput,
    E: Named,
{
    begin();
    let handle = &handle;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| invoke(handle, event.payload))).await
}

/// Sets up logging.
fn begin() {
    logging::begin();
    panic::replace_hook();
}

/// A failure as Step Functions sees it.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    name: ErrorName,
    message: String,
}

impl Failure {
    /// Control characters say nothing to people, and would have six bytes each as JSON.
    fn new(name: ErrorName, message: impl Into<String>) -> Self {
        let message = truncated(message, MAX_MESSAGE_CHARS);
        Self { name, message: message.replace(char::is_control, " ") }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.name.to_string(), error_message: failure.message }
    }
}

/// One invocation.
async fn invoke<I, O, E>(
    handle: &impl AsyncFn(I) -> Result<O, E>,
    payload: Value,
) -> Result<O, Failure>
where
    I: DeserializeOwned,
    O: Serialize + StepOutput,
    E: Named,
{
    let result = match crate::decode(payload) {
        Err(error) => Err(Failure::new(error.name(), error.to_string())),
        Ok(input) => match AssertUnwindSafe(handle(input)).catch_unwind().await {
            Err(payload) => Err(Failure::new(ErrorName::StepPanicked, panic::summary(&*payload))),
            Ok(result) => result
                .map_err(|error| Failure::new(error.name(), error.to_string()))
                .and_then(bounded),
        },
    };
    if let Err(failure) = &result {
        tracing::error!(error = failure.name.as_str(), message = failure.message);
    }
    result
}

/// The output, if it can travel with everything else.
fn bounded<O: Serialize + StepOutput>(output: O) -> Result<O, Failure> {
    let (bytes, most) = (json_bytes(&output), O::MAX_BYTES);
    if bytes <= most {
        return Ok(output);
    }
    let message = format!(
        "the output has {bytes} bytes, and there is room for {most}: the target has too many image \
         parameters, groups or stacks for one execution"
    );
    Err(Failure::new(ErrorName::TargetTooLarge, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What the steps here return.
    #[derive(Debug, PartialEq, Serialize)]
    struct Text(String);

    impl StepOutput for Text {
        const MAX_BYTES: usize = 10;
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Denied(String);

    impl Named for Denied {
        fn name(&self) -> ErrorName {
            ErrorName::AccessDenied
        }
    }

    #[tokio::test]
    async fn an_output_passes_through_if_there_is_room_for_it() {
        let repeat = async |n: usize| Ok::<_, Denied>(Text("x".repeat(n)));
        assert_eq!(invoke(&repeat, json!(8)).await, Ok(Text("xxxxxxxx".into())));
        let failure = invoke(&repeat, json!(9)).await.unwrap_err();
        assert_eq!(failure.name, ErrorName::TargetTooLarge);
        assert!(failure.message.starts_with("the output has 11 bytes"), "{}", failure.message);
    }

    #[tokio::test]
    async fn input_that_does_not_decode_is_invalid_input_with_the_path() {
        let step = async |_: Vec<u32>| Ok::<_, Denied>(Text(String::new()));
        let failure = invoke(&step, json!([1, "two"])).await;
        assert_eq!(
            failure.map_err(Diagnostic::from),
            Err(Diagnostic {
                error_type: "InvalidInput".into(),
                error_message: "[1]: invalid type: string \"two\", expected u32".into(),
            })
        );
    }

    #[tokio::test]
    async fn an_error_keeps_its_name_and_text() {
        let step = async |(): ()| Err::<Text, _>(Denied("no".into()));
        let failure = invoke(&step, json!(null)).await.unwrap_err();
        assert_eq!(failure.name, ErrorName::AccessDenied);
        assert_eq!(failure.message, "no");
    }

    #[tokio::test]
    async fn a_cause_is_never_cut_off() {
        let step = async |(): ()| {
            let message = "\u{1}\u{1f600}".repeat(100_000);
            Err::<Text, _>(Denied(message))
        };
        let failure = invoke(&step, json!(null)).await.unwrap_err();
        let cause = json!({"errorType": failure.name, "errorMessage": failure.message}).to_string();
        assert!(cause.chars().count() < 32_768);
        // As the state machine carries it.
        assert!(json!(cause).to_string().len() < 8 * 1024, "{}", json!(cause).to_string().len());
    }

    #[tokio::test]
    async fn a_panic_has_a_name_of_ours() {
        let step = async |(): ()| -> Result<Text, Denied> { panic!("boom") };
        let failure = invoke(&step, json!(null)).await.unwrap_err();
        assert_eq!(failure.name, ErrorName::StepPanicked);
        assert!(failure.message.ends_with(": boom"), "{}", failure.message);
    }

    /// A hook applies to the whole process, so the panic happens in a process of its own, which
    /// runs this test again.
    #[test]
    fn a_panic_is_reported_with_its_location_and_without_a_value() {
        const PANICS: &str = "DRIFTLESS_TEST_PANICS";
        if std::env::var_os(PANICS).is_some() {
            return panics_over_a_secret();
        }
        let name = "shell::tests::a_panic_is_reported_with_its_location_and_without_a_value";
        let process = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(PANICS, "1")
            .output()
            .unwrap();
        let told = [process.stdout, process.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(process.status.success(), "{told}");
        // The hook's line, the shell's line, and the response to Step Functions.
        assert_eq!(told.matches("step/src/shell.rs:").count(), 3, "{told}");
        assert!(told.contains("StepPanicked: panicked at "), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }

    fn panics_over_a_secret() {
        begin();
        let step = async |secret: String| -> Result<Text, Denied> {
            secret.parse::<u8>().map_err(|error| format!("{secret}: {error}")).unwrap();
            Ok(Text(secret))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let failure = runtime.block_on(invoke(&step, json!("hush"))).unwrap_err();
        println!("{}: {}", failure.name, failure.message);
    }
}
