//! Lambda's side of a function: the Runtime API (Lambda developer guide, "Using the Lambda runtime
//! API for custom runtimes"), for one function at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use harness::control::Exchange;
use serde_json::Value;
use tiny_http::{Header, Method, Request, Response, Server};

use crate::aws::RecordedAws;
use crate::process::Process;

/// How long a function may take for anything; on a busy machine a cold Python takes seconds.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long an invocation may take, as the function is told.
const DEADLINE: Duration = Duration::from_mins(1);
/// The versioned part of the API's paths.
const API: &str = "/2018-06-01/runtime";

/// A function to measure.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The program, and its arguments.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<PathBuf>,
    /// The environment variables of its own.
    pub(crate) variables: BTreeMap<String, String>,
    /// What it is given.
    pub(crate) input: Value,
    /// What it answers, if that is known.
    pub(crate) output: Option<Value>,
    /// The calls that it makes.
    pub(crate) exchanges: Vec<Exchange>,
}

/// One cold start and what followed.
pub(crate) struct Sample {
    /// CPU time until the function asked for its first invocation.
    pub(crate) init: Duration,
    /// CPU time of the first invocation.
    pub(crate) first: Duration,
    /// CPU time of each further one.
    pub(crate) warm: Vec<Duration>,
    /// The most memory, in bytes.
    pub(crate) memory: u64,
}

/// The Runtime API and the AWS that functions are measured with.
pub(crate) struct Lambda {
    server: Server,
    address: String,
    aws: RecordedAws,
}

impl Lambda {
    pub(crate) fn start() -> Result<Self> {
        let server = Server::http("127.0.0.1:0").map_err(|error| anyhow!("{error}"))?;
        let address = server.server_addr().to_ip().context("a server without an address")?;
        Ok(Self { server, address: address.to_string(), aws: RecordedAws::start()? })
    }

    /// Starts the function, and invokes it once, and then `warm` times with the same input. With `counts`,
    /// callgrind writes there what each of its functions did.
    pub(crate) fn measure(
        &self,
        function: &Function,
        warm: u32,
        counts: Option<&Path>,
    ) -> Result<Sample> {
        let variables = self.environment(function);
        let (program, arguments) = (&function.program, &function.arguments);
        let mut process = Process::start(program, arguments, &variables, counts)?;
        let mut next = self.next(&mut process)?;
        let mut last = process.cpu_when_idle()?;
        let init = last;
        let mut invocations = Vec::new();
        for number in 0..=warm {
            self.aws.play(&function.exchanges);
            let output = self.invoke(&mut process, next, number, &function.input);
            let output = output.map_err(|error| match self.aws.check() {
                Ok(()) => error,
                Err(calls) => error.context(calls),
            })?;
            next = self.next(&mut process)?;
            let now = process.cpu_when_idle()?;
            invocations.push(now.saturating_sub(last));
            last = now;
            self.aws.check()?;
            let is_as_recorded = function.output.as_ref().is_none_or(|known| *known == output);
            ensure!(is_as_recorded, "another answer than in the execution: {output}");
        }
        let memory = process.peak_memory()?;
        let first = invocations.remove(0);
        Ok(Sample { init, first, warm: invocations, memory })
    }

    /// What Lambda sets for every function ("Defined runtime environment variables").
    fn environment(&self, function: &Function) -> BTreeMap<String, String> {
        let defined = [
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE12"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.aws.endpoint),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_RUNTIME_API", &self.address),
            ("AWS_REGION", "us-east-1"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "a-token-of-a-role-is-some-hundred-characters-long"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TZ", ":UTC"),
        ];
        let defined = defined.map(|(name, value)| (name.to_owned(), value.to_owned()));
        function.variables.clone().into_iter().chain(defined).collect()
    }

    /// Waits until the function asks for an invocation.
    fn next(&self, process: &mut Process) -> Result<Request> {
        let request = self.request(process)?;
        let is_next = *request.method() == Method::Get && request.url().ends_with("/next");
        ensure!(is_next, "{} {} instead of asking for work", request.method(), request.url());
        Ok(request)
    }

    /// Hands out an invocation, and returns what the function answers.
    fn invoke(
        &self,
        process: &mut Process,
        next: Request,
        number: u32,
        input: &Value,
    ) -> Result<Value> {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + DEADLINE;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let mut invocation = Response::from_string(input.to_string());
        for (name, value) in [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", &id),
            ("Lambda-Runtime-Deadline-Ms", &deadline.as_millis().to_string()),
            (
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:111122223333:function:bench",
            ),
            ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"),
        ] {
            let header =
                Header::from_bytes(name, value).map_err(|()| anyhow!("{name}: {value}"))?;
            invocation.add_header(header);
        }
        next.respond(invocation).context("handing out an invocation")?;
        let mut answer = self.request(process)?;
        let mut body = String::new();
        answer.as_reader().read_to_string(&mut body).context("reading a function's answer")?;
        let path = answer.url().to_owned();
        ensure!(path == format!("{API}/invocation/{id}/response"), "{path}: {body}");
        answer.respond(Response::empty(202)).context("accepting a function's answer")?;
        serde_json::from_str(&body).context("a function's answer is not JSON")
    }

    fn request(&self, process: &mut Process) -> Result<Request> {
        match self.server.recv_timeout(TIMEOUT).context("waiting for a function")? {
            Some(request) => Ok(request),
            None if process.has_ended()? => bail!("the function ended by itself"),
            None => bail!("the function does nothing for {} s", TIMEOUT.as_secs()),
        }
    }
}
