//! The connections to AWS, which all clients of a step share, and the certificates that they trust.

mod http;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use http::Http;

/// The roots that AWS's endpoints have their certificates from: all five that Amazon Trust Services
/// recommends for a trust store (<https://www.amazontrust.com/repository>). Its roots for the AWS
/// European Sovereign Cloud are cross-signed by three of them.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// A client with one connector, whichever SDK asks. The SDK's own would parse the roots again for
/// every service's client.
pub(crate) fn http_client() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(AmazonFirst::or(system_roots));
    http_client_fn(move |_, _| connector.clone())
}

/// A connector that trusts these roots and Amazon's. A certificate that cannot be parsed is no root.
fn connector(others: Vec<CertificateDer<'static>>) -> Http {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(AMAZON_ROOTS).flatten());
    roots.add_parsable_certificates(others);
    Http::trusting(roots)
}

/// The certificates of the system's store, or of the file that `SSL_CERT_FILE` names.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "Some of the system's roots could not be read");
    }
    found.certs
}

/// Trusts Amazon's roots, and the system's for endpoints that have others.
///
/// To read and parse the system's 140 roots takes longer than all the rest of a cold start, and AWS
/// needs five of them. But some endpoints have others: a partition with an authority of its own, an
/// endpoint behind a proxy that inspects TLS (its root is in a file that `SSL_CERT_FILE` names), and
/// roots that Amazon may use one day. The system's store decides about these, in a second handshake:
/// the first was broken off before the request was sent, so no call is made twice.
#[derive(Debug, Clone)]
struct AmazonFirst {
    amazon: Http,
    others: fn() -> Vec<CertificateDer<'static>>,
    /// Made when it is needed for the first time, and used for all calls from then on.
    both: Arc<OnceLock<Http>>,
}

impl AmazonFirst {
    fn or(others: fn() -> Vec<CertificateDer<'static>>) -> Self {
        Self { amazon: connector(Vec::new()), others, both: Arc::default() }
    }

    fn both(&self) -> &Http {
        self.both.get_or_init(|| {
            tracing::info!("An endpoint's root is not Amazon's; reading the system's roots");
            connector((self.others)())
        })
    }
}

impl HttpConnector for AmazonFirst {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(both) = self.both.get() {
            return both.call(request);
        }
        let again = request.try_clone();
        let answer = self.amazon.call(request);
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            match (answer.await, again) {
                (Err(error), Some(again)) if has_unknown_root(&error) => {
                    this.both().call(again).await
                }
                (answer, _) => answer,
            }
        })
    }
}

/// Whether the server's certificate leads to none of the roots. Any other fault of a certificate (it
/// has expired, it is another host's) is one with the system's roots too.
fn has_unknown_root(error: &ConnectorError) -> bool {
    // What is in an `io::Error` is not its source: its source is that one's source.
    let mut chain = successors(Some(error as &(dyn Error + 'static)), |&error| {
        match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    });
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    chain.any(|error| error.downcast_ref::<rustls::Error>() == Some(&unknown))
}
