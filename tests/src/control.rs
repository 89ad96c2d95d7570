//! The control API of a local AWS: what no API of AWS can do, such as emit a service's own events,
//! adjust an image, make calls fail, or read the log of calls (`tests/emulator/README.md`, "Control
//! API").

use anyhow::{Context, Result, ensure};
use aws_sdk_sfn::primitives::{DateTime, DateTimeFormat as Format};
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};

/// The control API of one local AWS, for one account and region.
#[derive(Debug, Clone)]
pub struct Control {
    endpoint: String,
    account: String,
    scope: String,
}

/// One call that a client made.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// When it was made, in ISO 8601 and UTC.
    pub time: String,
    /// The IAM service prefix, such as `ssm`.
    pub service: String,
    /// The operation, such as `PutParameter`.
    pub action: String,
    /// The caller: a root user, or the assumed role of a function.
    pub caller: String,
    /// The HTTP status.
    pub status: u16,
    /// AWS's error code; empty when the call succeeded.
    pub error: String,
    /// What was sent and answered, if the local AWS keeps it (`OVERLAY_ANSWERS`).
    pub exchange: Option<Exchange>,
}

impl Call {
    /// When it was made, in milliseconds since 1970.
    pub fn milliseconds(&self) -> Result<i64> {
        milliseconds(&self.time)
    }
}

/// A time of the local AWS, in milliseconds since 1970.
///
/// # Errors
/// It is no time.
pub fn milliseconds(time: &str) -> Result<i64> {
    let parsed = DateTime::from_str(time, Format::DateTimeWithOffset)
        .with_context(|| format!("{time} is no time"))?;
    parsed.to_millis().context("a time beyond all times")
}

/// What was sent in a call, and what was answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// `SERVICE.OPERATION`, in the services whose protocol is JSON; otherwise empty.
    pub target: String,
    /// The request's body.
    pub body: String,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a call.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The type of its body.
    pub content_type: String,
    /// Its body.
    pub body: String,
}

/// What to wait for in an execution.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until<'a> {
    Ended,
    Entered(&'a str),
}

/// The progress of an execution.
#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    /// `RUNNING`, or the final status.
    pub status: String,
    /// Whether it has ended or entered the state.
    pub done: bool,
}

/// How long the local AWS waits before it responds that nothing has happened yet.
const POLL_SECONDS: u64 = 20;

impl Control {
    pub(crate) fn new(endpoint: &str, account: &str, region: &str) -> Self {
        let scope = format!("account={account}&region={region}");
        Self { endpoint: endpoint.to_owned(), account: account.to_owned(), scope }
    }

    /// Puts events on the default bus as if an AWS service had emitted them.
    pub async fn put_events(&self, events: &Value) -> Result<()> {
        let answer = self.call("POST", "events", events).await?;
        let entries = answer["Entries"].as_array().context("no Entries in the response")?;
        ensure!(entries.iter().all(|entry| entry["EventId"].is_string()), "refused: {answer}");
        Ok(())
    }

    /// Changes what the local AWS returns for an image: its state, its creation date, …
    ///
    /// # Errors
    /// There is no such image or no such member.
    pub async fn adjust_image(&self, image: &str, members: &Value) -> Result<()> {
        self.call("POST", &format!("images/{image}"), members).await.map(drop)
    }

    /// Decides what the stack's drift detection that ends next comes to: `{status: "IN_SYNC"}` whatever
    /// the rows say, `{failure: "Rate exceeded"}`.
    ///
    /// # Errors
    /// There is no such stack.
    pub async fn decide_drift(&self, stack: &str, outcome: &Value) -> Result<()> {
        self.call("POST", &format!("drift/{stack}"), outcome).await.map(drop)
    }

    /// Lets AWS Backup know an image as a backup of its source instance, with this message or
    /// lifecycle.
    ///
    /// # Errors
    /// There is no such image, or it is not a backup of an instance.
    pub async fn add_backup(&self, image: &str, members: &Value) -> Result<()> {
        self.call("POST", &format!("backups/{image}"), members).await.map(drop)
    }

    /// Ends the lifecycle of a backup, at which AWS Backup deletes the image. Returns whether it
    /// could.
    ///
    /// # Errors
    /// AWS Backup does not know the image.
    pub async fn end_lifecycle(&self, image: &str) -> Result<bool> {
        let answer = self.call("DELETE", &format!("backups/{image}"), &Value::Null).await?;
        answer["deleted"].as_bool().context("no \"deleted\" in the response")
    }

    /// Makes calls fail, `[{service, action, kind, count, …}]`.
    pub async fn add_faults(&self, faults: &Value) -> Result<()> {
        self.call("POST", "faults", faults).await.map(drop)
    }

    /// Adds one fault and returns its ID.
    pub async fn add_fault(&self, fault: &Value) -> Result<u64> {
        let answer = self.call("POST", "faults", &json!([fault])).await?;
        answer["faults"][0]["id"].as_u64().context("the fault has no id")
    }

    /// How often a fault has struck.
    pub async fn hits(&self, fault: u64) -> Result<u64> {
        let all = self.call("GET", "faults", &Value::Null).await?;
        numbered(&all["faults"], fault)?["hits"].as_u64().context("the fault has no hits")
    }

    /// Removes a fault, and returns how often it has struck.
    pub async fn remove_fault(&self, id: u64) -> Result<u64> {
        let hits = self.hits(id).await?;
        self.call("DELETE", &format!("faults/{id}"), &Value::Null).await?;
        Ok(hits)
    }

    /// Removes all faults.
    pub async fn clear_faults(&self) -> Result<()> {
        self.call("DELETE", "faults", &Value::Null).await.map(drop)
    }

    /// Holds operations on a resource, and returns the hold's ID.
    pub(crate) async fn add_hold(&self, what: &str, resource: &str) -> Result<u64> {
        let hold = json!({"what": what, "resource": resource});
        let answer = self.call("POST", "holds", &hold).await?;
        answer["id"].as_u64().context("the hold has no id")
    }

    /// Whether a hold has stopped an operation.
    pub(crate) async fn is_holding(&self, hold: u64) -> Result<bool> {
        let all = self.call("GET", "holds", &Value::Null).await?;
        let waiting = numbered(&all["holds"], hold)?["waiting"].as_array();
        Ok(!waiting.context("the hold has no list of operations")?.is_empty())
    }

    /// Releases a hold.
    pub(crate) async fn remove_hold(&self, id: u64) -> Result<()> {
        self.call("DELETE", &format!("holds/{id}"), &Value::Null).await.map(drop)
    }

    /// Waits, for some seconds, until an execution has ended or entered a state.
    pub(crate) async fn execution(&self, arn: &str, until: Until<'_>) -> Result<Progress> {
        let until = match until {
            Until::Ended => "ended=1".to_owned(),
            Until::Entered(state) => format!("entered={state}"),
        };
        let query = format!("arn={arn}&{until}&timeout={POLL_SECONDS}");
        let answer = self.query("GET", "executions", &query, &Value::Null).await?;
        serde_json::from_value(answer).context("parsing the progress of the execution")
    }

    /// Changes how long operations take in this account, for example `{"stack": 2.0}`.
    pub async fn set(&self, settings: &Value) -> Result<Value> {
        self.call("POST", "settings", settings).await
    }

    /// Fires a scheduled rule now. Returns false if the rule is disabled.
    ///
    /// # Errors
    /// There is no such rule, or it has no schedule.
    pub async fn fire(&self, rule: &str) -> Result<bool> {
        let answer = self.call("POST", &format!("schedules/{rule}"), &Value::Null).await?;
        answer["fired"].as_bool().context("no \"fired\" in the response")
    }

    /// Every call of this account's functions so far, oldest first.
    pub async fn calls_of_functions(&self) -> Result<Vec<Call>> {
        self.calls_of(&format!("::{}:assumed-role/", self.account)).await
    }

    /// Every call so far, oldest first.
    pub async fn calls(&self) -> Result<Vec<Call>> {
        self.calls_of("").await
    }

    /// The calls of callers whose ARN contains this.
    async fn calls_of(&self, caller: &str) -> Result<Vec<Call>> {
        let query = if caller.is_empty() { String::new() } else { format!("caller={caller}") };
        let mut answer = self.query("GET", "calls", &query, &Value::Null).await?;
        serde_json::from_value(answer["calls"].take()).context("reading the log of calls")
    }

    /// Whether the local AWS is ready.
    pub async fn is_healthy(&self) -> bool {
        let url = format!("{}/_ministack/health", self.endpoint);
        request("GET", &url, String::new()).await.is_ok()
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.query(method, path, "", body).await
    }

    async fn query(&self, method: &str, path: &str, query: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/_overlay/{path}?{}&{query}", self.endpoint, self.scope);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request(method, &url, body)
            .await
            .with_context(|| format!("{method} {path} of the local AWS"))?;
        serde_json::from_slice(&answer).context("parsing the response")
    }
}

/// The item with this ID.
fn numbered(all: &Value, id: u64) -> Result<&Value> {
    let mut all = all.as_array().context("the response is not a list")?.iter();
    all.find(|one| one["id"] == id).with_context(|| format!("there is no id {id}"))
}

async fn request(method: &str, url: &str, body: String) -> Result<Vec<u8>> {
    let client: Client<HttpConnector, String> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).body(body)?;
    let answer = client.request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body.to_vec())
}
