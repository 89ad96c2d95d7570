//! The configuration of AWS calls, and the messages of failed calls.

use std::iter;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls;
use clap::Args;

/// The account and Region; without these flags, those that the AWS CLI would use.
#[derive(Debug, Clone, Args)]
pub(crate) struct Access {
    /// The profile in the AWS configuration files.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The Region.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
}

/// The timeout of one attempt: an operator at a terminal must soon see that AWS does not respond.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// The AWS SDKs' default chains (environment, configuration files, containers, instance metadata),
/// with `AWS_ENDPOINT_URL`, unless flags override them.
///
/// # Errors
/// No Region is configured.
pub(crate) async fn config(Access { profile, region }: &Access) -> Result<SdkConfig> {
    let crypto = tls::rustls_provider::CryptoMode::Ring;
    let http = aws_smithy_http_client::Builder::new();
    let http = http.tls_provider(tls::Provider::Rustls(crypto)).build_https();
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    loader = loader.http_client(http.clone()).timeout_config(timeouts);
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    let region = config
        .region()
        .context("no Region: pass --region, set AWS_REGION, or set `region` in the profile")?;
    let Some(profile) = profile else { return Ok(config) };
    // The SDK's chain prefers keys in the environment to a profile that was asked for; the AWS CLI
    // takes the profile.
    let provider = ProviderConfig::default().with_http_client(http);
    let provider = provider.with_region(Some(region.clone()));
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider);
    let provider = SharedCredentialsProvider::new(provider.profile_name(profile).build());
    Ok(config.into_builder().credentials_provider(provider).build())
}

/// Names the call that failed, with AWS's own code and message: an SDK error by itself prints only
/// "service error".
pub(crate) trait Called<T> {
    /// Names the call, `service:Operation`.
    ///
    /// # Errors
    /// The call failed.
    fn called(self, action: &str) -> Result<T>;
}

impl<T, E, R> Called<T> for Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    fn called(self, action: &str) -> Result<T> {
        self.map_err(|error| {
            let why = chain(&error);
            match &error {
                SdkError::ServiceError(answer) => {
                    let (code, message) = (answer.err().code(), answer.err().message());
                    let (code, message) = (code.unwrap_or("no code"), message.unwrap_or("no text"));
                    anyhow!("{action}: {code}: {message}")
                }
                _ if is_about_credentials(&error) => anyhow!(
                    "no credentials for {action}: {why}; sign in as for the AWS CLI \
                     (`aws sts get-caller-identity` checks that), or pass --profile"
                ),
                _ => anyhow!(
                    "{action} got no response: {why}; check the network, the Region, and \
                     AWS_ENDPOINT_URL if it is set"
                ),
            }
        })
    }
}

/// The messages of an error and of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether the call was never sent, because there are no credentials.
fn is_about_credentials(error: &dyn std::error::Error) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

fn causes(
    error: &dyn std::error::Error,
) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    iter::successors(error.source(), |cause| cause.source())
}
