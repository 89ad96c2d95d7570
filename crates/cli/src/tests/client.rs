//! The messages of failed calls.

use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ConnectorError, ErrorMetadata, SdkError};

use crate::client::Called;

#[test]
fn a_failed_call_says_what_to_do() {
    let refused = ErrorMetadata::builder().code("AccessDenied").message("not you").build();
    let nobody = CredentialsError::not_loaded("no profile");
    let nobody = ConnectorError::other(nobody.into(), None);
    let silent = ConnectorError::io(io::Error::other("reset").into());
    for (error, expected) in [
        (SdkError::service_error(refused, ()), "sqs:ReceiveMessage: AccessDenied: not you"),
        (SdkError::dispatch_failure(nobody), "no credentials for sqs:ReceiveMessage: "),
        (SdkError::dispatch_failure(silent), "sqs:ReceiveMessage got no response: "),
    ] {
        let failed: Result<(), _> = Err(error);
        let message = failed.called("sqs:ReceiveMessage").unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}
