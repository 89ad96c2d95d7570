//! A server with a root of its own, and which connector trusts it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use aws_smithy_types::retry::ErrorKind;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::*;

const ROOT: &[u8] = include_bytes!("root.pem");
const SERVER: &[u8] = include_bytes!("server.pem");

/// A server that answers every request alike.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let (connections, requests) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let server = Self { url, connections, requests };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                connections.fetch_add(1, Relaxed);
                if answer(client.unwrap()).is_ok() {
                    requests.fetch_add(1, Relaxed);
                }
            }
        });
        server
    }

    /// Connections and requests so far.
    fn seen(&self) -> (usize, usize) {
        (self.connections.load(Relaxed), self.requests.load(Relaxed))
    }
}

/// One request, then the end of the connection.
fn answer(mut client: TcpStream) -> io::Result<()> {
    let chain = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = Stream::new(&mut tls, &mut client);
    let mut request = [0; 4096];
    if stream.read(&mut request)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

async fn get(connector: &AmazonFirst, url: &str) -> Result<u16, ConnectorError> {
    let mut request = HttpRequest::empty();
    request.set_uri(url).unwrap();
    connector.call(request).await.map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn another_root_is_tried_once_and_then_remembered() {
    let server = Server::start();
    let connector = AmazonFirst::or(|| vec![CertificateDer::from_pem_slice(ROOT).unwrap()]);
    assert_eq!(get(&connector, &server.url).await.unwrap(), 200);
    assert_eq!(server.seen().0, 2, "the first handshake was broken off");
    assert_eq!(get(&connector, &server.url).await.unwrap(), 200);
    assert_eq!(server.seen().0, 3);
}

#[tokio::test]
async fn a_root_that_nobody_trusts_is_refused_before_anything_is_sent() {
    let server = Server::start();
    let refused = get(&AmazonFirst::or(Vec::new), &server.url).await.unwrap_err();
    assert!(has_unknown_root(&refused), "{refused:?}");
    assert_eq!(server.seen(), (2, 0));
}

#[test]
fn no_other_fault_is_tried_again() {
    let refused = |error| {
        let error = io::Error::other(rustls::Error::InvalidCertificate(error));
        ConnectorError::io(io::Error::other(error).into())
    };
    assert!(has_unknown_root(&refused(CertificateError::UnknownIssuer)));
    assert!(!has_unknown_root(&refused(CertificateError::Expired)));
    assert!(!has_unknown_root(&refused(CertificateError::NotValidForName)));
    assert!(!has_unknown_root(&ConnectorError::io("connection refused".into())));
}

/// A connection that breaks before the answer is attempted again by the SDK, whichever way it breaks
/// (`TransientErrorClassifier` of aws-smithy-runtime: I/O errors, timeouts, and what is marked transient).
#[tokio::test]
async fn a_broken_connection_is_attempted_again() {
    let connector = AmazonFirst::or(Vec::new);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // Closed with everything read: otherwise the connection would be reset, which is an I/O error.
        client.read(&mut [0; 4096]).unwrap()
    });
    let closed = get(&connector, &url).await.unwrap_err();
    assert_eq!(closed.as_other(), Some(ErrorKind::TransientError), "{closed:?}");
    // The server has ended.
    let refused = get(&connector, &url).await.unwrap_err();
    assert!(refused.is_io(), "{refused:?}");
}
