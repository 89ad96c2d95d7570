//! The floor: a promotion with the two calls that it cannot do without, `DescribeImages` and
//! `PutParameter`, made with hyper and a signature, without an SDK and without TLS. It checks nothing
//! and retries nothing, so no function that does its work can start faster.

use std::env;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/x-amz-json-1.1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = &Aws::from_environment()?;
    let promote = async |event: LambdaEvent<Value>| aws.promote(&event.payload).await;
    lambda_runtime::run(service_fn(promote)).await
}

/// One account, at one address for all services.
struct Aws {
    client: Client<HttpConnector, String>,
    credentials: Credentials,
    region: String,
    endpoint: String,
}

impl Aws {
    fn from_environment() -> Result<Self, Error> {
        let (id, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
        let token = env::var("AWS_SESSION_TOKEN").ok();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            credentials: Credentials::new(id, secret, token, None, "Lambda"),
            region: env::var("AWS_REGION")?,
            endpoint: env::var("AWS_ENDPOINT_URL")?,
        })
    }

    async fn promote(&self, event: &Value) -> Result<Value, Error> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).ok_or("not in the event");
        let (image, parameter) = (text("imageId")?, text("parameterName")?);
        let describe = format!("Action=DescribeImages&Version=2016-11-15&ImageId.1={image}");
        let found = self.call("ec2", FORM, "", describe).await?;
        if !found.contains("<imageState>available</imageState>") {
            return Err(format!("{image} is not available").into());
        }
        let put = json!({
            "Name": parameter, "Value": image, "Type": "String", "DataType": "aws:ec2:image",
            "Overwrite": true,
        });
        let put = self.call("ssm", JSON, "AmazonSSM.PutParameter", put.to_string()).await?;
        Ok(serde_json::from_str(&put)?)
    }

    /// `target` is the operation, in a service whose protocol is JSON.
    async fn call(
        &self,
        service: &str,
        kind: &str,
        target: &str,
        body: String,
    ) -> Result<String, Error> {
        let mut headers = vec![("content-type", kind)];
        if !target.is_empty() {
            headers.push(("x-amz-target", target));
        }
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let bytes = SignableBody::Bytes(body.as_bytes());
        let signable =
            SignableRequest::new("POST", &self.endpoint, headers.iter().copied(), bytes)?;
        let (signature, _) = sign(signable, &parameters)?.into_parts();
        let mut request = Request::post(&self.endpoint);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body)?;
        signature.apply_to_request_http1x(&mut request);
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let body = String::from_utf8(answer.into_body().collect().await?.to_bytes().into())?;
        if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}").into()) }
    }
}
