//! Access to AWS: to a local one, or to the real one if `DRIFTLESS_TEST_TARGET=aws`, and then only
//! in an account that `DRIFTLESS_TEST_ACCOUNTS` lists.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls;
use serde::Deserialize;

use crate::control::Control;
use crate::{paths, random};

/// Which AWS the tests run against: `local` (the default) or `aws`.
pub const TARGET_VARIABLE: &str = "DRIFTLESS_TEST_TARGET";
/// The accounts that tests may touch, separated by commas.
pub const ACCOUNTS_VARIABLE: &str = "DRIFTLESS_TEST_ACCOUNTS";

/// The account of a local AWS. Any 12 digits are the access key of that account's root user.
pub const LOCAL_ACCOUNT: &str = "111122223333";
/// The secret of that access key.
pub const LOCAL_SECRET: &str = "local";
/// The region of a local AWS.
pub const LOCAL_REGION: &str = "us-east-1";

/// One account in one region, with a client for each service.
#[derive(Debug, Clone)]
pub struct Cloud {
    /// Amazon EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// Systems Manager.
    pub ssm: aws_sdk_ssm::Client,
    /// CloudFormation.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// Auto Scaling.
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// AWS Backup.
    pub backup: aws_sdk_backup::Client,
    /// EventBridge.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    access: Access,
}

/// What any client needs, including the AWS CLI.
#[derive(Debug, Clone, Deserialize)]
struct Access {
    account: String,
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// Absent for the real AWS.
    endpoint: Option<String>,
}

/// Whether the tests run against the real AWS.
///
/// # Errors
/// The variable has another value.
pub fn is_aws_wanted() -> Result<bool> {
    match env::var(TARGET_VARIABLE).as_deref() {
        Err(env::VarError::NotPresent) | Ok("" | "local") => Ok(false),
        Ok("aws") => Ok(true),
        Ok(other) => bail!("{TARGET_VARIABLE} is {other:?}; expected \"local\" or \"aws\""),
        Err(error) => bail!("{TARGET_VARIABLE}: {error}"),
    }
}

impl Cloud {
    /// The local AWS at this address.
    #[must_use]
    pub fn local(endpoint: &str) -> Self {
        Self::local_account(endpoint, LOCAL_ACCOUNT)
    }

    fn local_account(endpoint: &str, account: &str) -> Self {
        Self::new(Access {
            account: account.into(),
            region: LOCAL_REGION.into(),
            access_key_id: account.into(),
            secret_access_key: LOCAL_SECRET.into(),
            session_token: None,
            endpoint: Some(endpoint.into()),
        })
    }

    /// A new account of the same local AWS; `None` for the real one.
    #[must_use]
    pub fn fresh_account(&self) -> Option<Self> {
        let account = format!("{:012}", random() % 1_000_000_000_000);
        Some(Self::local_account(self.access.endpoint.as_deref()?, &account))
    }

    /// The real AWS, with the credentials and the Region that the AWS CLI would use.
    ///
    /// # Errors
    /// There are none, or they belong to an account that tests must not touch.
    pub fn aws() -> Result<Self> {
        let access = Access::from_cli_environment()?;
        let allowed = env::var(ACCOUNTS_VARIABLE).unwrap_or_default();
        ensure!(
            allowed.split(',').any(|account| account.trim() == access.account),
            "the tests would run in account {}, which {ACCOUNTS_VARIABLE} ({allowed:?}) does not \
             list: they create, update and delete resources there",
            access.account
        );
        Ok(Self::new(access))
    }

    fn new(access: Access) -> Self {
        let config = sdk_config(&access);
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            backup: aws_sdk_backup::Client::new(&config),
            eventbridge: aws_sdk_eventbridge::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            access,
        }
    }

    /// The same account with its own connections: a client belongs to the runtime in which it was
    /// first used, and each test has its own runtime.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self::new(self.access.clone())
    }

    /// The account's id.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.access.account
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.access.region
    }

    /// Whether this is a local AWS.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.access.endpoint.is_some()
    }

    /// The address of a local AWS.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.access.endpoint.as_deref()
    }

    /// The control API, which only a local AWS has: AWS's own events, faults, the log of calls.
    #[must_use]
    pub fn control(&self) -> Option<Control> {
        let endpoint = self.endpoint()?;
        Some(Control::new(endpoint, self.account(), self.region()))
    }

    /// The environment variables with which any AWS client uses this account.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Access { region, access_key_id, secret_access_key, session_token, endpoint, .. } =
            self.access.clone();
        let mut variables = vec![
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_ACCESS_KEY_ID", access_key_id),
            ("AWS_SECRET_ACCESS_KEY", secret_access_key),
        ];
        variables.extend(session_token.map(|token| ("AWS_SESSION_TOKEN", token)));
        variables.extend(endpoint.map(|endpoint| ("AWS_ENDPOINT_URL", endpoint)));
        variables
    }
}

impl Access {
    /// Asks boto3, which is available and supports every way to sign in (profiles, SSO, roles).
    fn from_cli_environment() -> Result<Self> {
        const WHO: &str = "import boto3, json; s = boto3.Session(); \
            c = s.get_credentials().get_frozen_credentials(); \
            print(json.dumps({'account': s.client('sts').get_caller_identity()['Account'], \
            'region': s.region_name, 'access_key_id': c.access_key, \
            'secret_access_key': c.secret_key, 'session_token': c.token}))";
        let output = Command::new(paths::venv_program("python")?)
            .args(["-c", WHO])
            .output()
            .context("asking boto3 for credentials")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let reason = errors.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "no AWS credentials and region: {reason}");
        serde_json::from_slice(&output.stdout)
            .context("reading credentials and region (is AWS_REGION set?)")
    }
}

/// Reads nothing from the environment: the user's settings must not direct a test elsewhere.
fn sdk_config(access: &Access) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new();
    let http = if access.endpoint.is_some() {
        http.build_http()
    } else {
        let crypto = tls::rustls_provider::CryptoMode::Ring;
        http.tls_provider(tls::Provider::Rustls(crypto)).build_https()
    };
    let credentials = Credentials::new(
        access.access_key_id.clone(),
        access.secret_access_key.clone(),
        access.session_token.clone(),
        None,
        "harness",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(access.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http);
    config.set_endpoint_url(access.endpoint.clone());
    config.build()
}

/// Names the call that failed, with AWS's own code and message: an SDK error by itself prints only
/// "service error".
pub trait Called<T> {
    /// Names the call, `service:Operation`.
    fn called(self, action: &str) -> Result<T>;
}

impl<T, E, R> Called<T> for Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    fn called(self, action: &str) -> Result<T> {
        self.map_err(|error| match error.as_service_error() {
            Some(answer) => anyhow!(
                "{action}: {}: {}",
                answer.code().unwrap_or("no code"),
                answer.message().unwrap_or("no text")
            ),
            None => anyhow!("{action}: {}", DisplayErrorContext(&error)),
        })
    }
}
