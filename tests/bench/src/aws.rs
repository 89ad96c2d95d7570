//! An AWS that answers a function's calls as they were answered once, as often as it is asked. So
//! every run does the same work, and no other process works meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use harness::control::Exchange;
use percent_encoding::percent_decode_str;
use tiny_http::{Header, Request, Response, Server, StatusCode};

/// The server; it runs until this program ends.
pub(crate) struct RecordedAws {
    /// Its address.
    pub(crate) endpoint: String,
    play: Arc<Mutex<Play>>,
}

/// What is to be answered.
#[derive(Default)]
struct Play {
    exchanges: Vec<Exchange>,
    is_used: Vec<bool>,
    /// Calls that were not recorded.
    unknown: Vec<String>,
}

impl RecordedAws {
    pub(crate) fn start() -> Result<Self> {
        let server = Server::http("127.0.0.1:0").map_err(|error| anyhow!("{error}"))?;
        let address = server.server_addr().to_ip().context("a server without an address")?;
        let play = Arc::<Mutex<Play>>::default();
        let shared = Arc::clone(&play);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                // A function that was ended does not wait for its answer.
                let _ = answer(request, &shared);
            }
        });
        Ok(Self { endpoint: format!("http://{address}"), play })
    }

    /// From now on these calls are answered, each once.
    pub(crate) fn play(&self, exchanges: &[Exchange]) {
        let is_used = vec![false; exchanges.len()];
        let next = Play { exchanges: exchanges.to_vec(), is_used, unknown: Vec::new() };
        *self.play.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Whether all of these calls were made, and no other.
    pub(crate) fn check(&self) -> Result<()> {
        let play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = play.exchanges.iter().zip(&play.is_used).filter(|(_, is_used)| !**is_used);
        let missing: Vec<_> =
            missing.map(|(call, _)| operation(&call.target, &call.body, &call.path)).collect();
        ensure!(play.unknown.is_empty(), "calls that were not recorded: {:?}", play.unknown);
        ensure!(missing.is_empty(), "recorded calls that were not made: {missing:?}");
        Ok(())
    }
}

impl Play {
    /// The next answer to a call: to the same request if that was recorded, otherwise to one of the
    /// same operation (a request may have a random token or a time in it).
    fn next(&mut self, operation_asked: &str, body: &str) -> Option<Exchange> {
        let is_open = |&n: &usize| !self.is_used.get(n).copied().unwrap_or(true);
        let open: Vec<usize> = (0..self.exchanges.len()).filter(is_open).collect();
        let of = |n: &&usize| {
            self.exchanges.get(**n).is_some_and(|exchange| {
                operation(&exchange.target, &exchange.body, &exchange.path) == operation_asked
            })
        };
        let same = |n: &&usize| self.exchanges.get(**n).is_some_and(|one| one.body == body);
        let found = open.iter().filter(of).find(same).or_else(|| open.iter().find(of)).copied()?;
        if let Some(is_used) = self.is_used.get_mut(found) {
            *is_used = true;
        }
        self.exchanges.get(found).cloned()
    }
}

/// What a request asks for, whatever the service's protocol is: JSON, a form, or REST.
fn operation(target: &str, body: &str, path: &str) -> String {
    if !target.is_empty() {
        return target.to_owned();
    }
    let action = body.split('&').find_map(|field| field.strip_prefix("Action="));
    action.map_or_else(|| decoded(path.split('?').next().unwrap_or_default()), str::to_owned)
}

/// The local AWS records paths as it understands them.
fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn answer(mut request: Request, play: &Mutex<Play>) -> Result<()> {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body)?;
    let target = request.headers().iter().find(|header| header.field.equiv("X-Amz-Target"));
    let target = target.map(|header| header.value.to_string()).unwrap_or_default();
    let operation = operation(&target, &body, request.url());
    let mut play = play.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(exchange) = play.next(&operation, &body) else {
        play.unknown.push(operation);
        drop(play);
        request.respond(Response::empty(501))?;
        return Ok(());
    };
    drop(play);
    let kind = Header::from_bytes("Content-Type", exchange.answer.content_type);
    let response = Response::from_string(exchange.answer.body)
        .with_status_code(StatusCode(exchange.answer.status))
        .with_header(kind.map_err(|()| anyhow!("a content type that is none"))?);
    request.respond(response).context("answering a call")
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::control::Answer;

    fn exchange(target: &str, path: &str, body: &str, answer: &str) -> Exchange {
        let answer = Answer { status: 200, content_type: String::new(), body: answer.into() };
        let (method, target) = ("POST".into(), target.into());
        Exchange { method, path: path.into(), target, body: body.into(), answer }
    }

    #[test]
    fn each_recorded_call_is_answered_once_and_the_same_request_first() {
        let form = |token: &str| format!("Action=CreateChangeSet&Token={token}");
        let exchanges = vec![
            exchange("", "/", &form("a"), "first"),
            exchange("", "/", &form("b"), "second"),
            exchange("AmazonSSM.GetParameter", "/", "{}", "third"),
            exchange("", "/resources/arn:aws:ec2/points", "", "fourth"),
        ];
        let is_used = vec![false; exchanges.len()];
        let mut play = Play { exchanges, is_used, unknown: Vec::new() };
        let mut ask = |target: &str, path: &str, body: &str| {
            let asked = operation(target, body, path);
            play.next(&asked, body).map(|exchange| exchange.answer.body)
        };
        assert_eq!(ask("", "/", &form("b")).as_deref(), Some("second"));
        assert_eq!(ask("", "/", &form("c")).as_deref(), Some("first"));
        assert_eq!(ask("", "/", &form("a")), None);
        assert_eq!(ask("AmazonSSM.GetParameter", "/", "{}").as_deref(), Some("third"));
        assert_eq!(ask("AmazonSSM.PutParameter", "/", "{}"), None);
        assert_eq!(
            ask("", "/resources/arn%3Aaws%3Aec2/points?max=1", "").as_deref(),
            Some("fourth")
        );
    }
}
