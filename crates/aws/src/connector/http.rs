//! HTTP/1.1 over TLS, as the SDKs call it. AWS's endpoints offer HTTP/2 as well, but a step makes a
//! handful of calls: it would gain nothing, and the SDK's own connector brings HTTP/2 into every function
//! (docs/building.md has what that costs).

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore};

/// The SDK's own default. The rest of an attempt has the timeout of an attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// The connections to AWS that are open, and how to open more.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: legacy::Client<HttpsConnector<Tcp>, SdkBody>,
}

impl Http {
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()));
        // The builder refuses only a provider without a cipher of these versions.
        #[allow(clippy::expect_used, reason = "ring has ciphers of TLS 1.2 and 1.3")]
        let versions = builder.with_safe_default_protocol_versions().expect("ring's ciphers");
        let tls = versions.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = https.enable_http1().wrap_connector(tcp);
        Self { client: legacy::Client::builder(TokioExecutor::new()).build(https) }
    }
}

/// ring's ciphers and algorithms, without the keys of a client certificate.
fn provider() -> CryptoProvider {
    CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() }
}

/// A client has no certificate, so it has no key to load: ring's own brings RSA's, ECDSA's and Ed25519's
/// signatures along.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("a function has no client certificate".to_owned()))
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(classified)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The error as the SDK's retries know it: what broke before the answer is attempted again.
fn classified(error: legacy::Error) -> ConnectorError {
    let is_connect = error.is_connect();
    let mut chain = successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
    let hyper = chain.clone().find_map(|error| error.downcast_ref::<hyper::Error>());
    let breaks = |hyper: &hyper::Error| hyper.is_closed() || hyper.is_canceled();
    let is_io = is_connect
        || hyper.is_some_and(breaks)
        || chain.any(|error| error.downcast_ref::<io::Error>().is_some());
    let is_user = hyper.is_some_and(hyper::Error::is_user);
    let is_incomplete = hyper.is_some_and(hyper::Error::is_incomplete_message);
    let error: BoxError = error.into();
    match () {
        () if is_user => ConnectorError::user(error),
        () if is_io => ConnectorError::io(error),
        () if is_incomplete => ConnectorError::other(error, Some(ErrorKind::TransientError)),
        () => ConnectorError::other(error, None),
    }
}
