//! HTTPS, and nothing above it: one request, one answer, whatever its status.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::Error;

/// Answers are within a minute, as the resource provider contract has it; a long poll says how much longer it needs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer that is read.
const ANSWER_LIMIT: u64 = 64 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `Null` when it is empty.
    pub body: Value,
}

impl Response {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A pool of connections to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    agent: ureq::Agent,
}

impl Transport {
    /// Trusts the certificates in `ca_pem` and no others.
    pub(crate) fn new(ca_pem: &[u8], ca_name: &str) -> Result<Transport, Error> {
        let bad = |reason: String| Error::File { path: ca_name.to_owned(), reason };
        let mut certificates: Vec<Certificate<'static>> = vec![];
        for item in parse_pem(ca_pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| bad(error.to_string()))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(bad("holds no certificate".to_owned()));
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&certificates))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .https_only(true)
            .max_redirects(0)
            .no_delay(true)
            // The endpoint is this deployment's own; a proxy that the environment names is for other things.
            .proxy(None)
            .user_agent(concat!("causeway/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Transport { agent: config.new_agent() })
    }

    /// Reads a CA file.
    pub(crate) fn from_file(ca: &Path) -> Result<Transport, Error> {
        let name = ca.display().to_string();
        let pem = std::fs::read(ca).map_err(|error| Error::File { path: name.clone(), reason: error.to_string() })?;
        Transport::new(&pem, &name)
    }

    /// Sends one request. `body` is sent as it is, so that a test can send what is no JSON.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        longer: Duration,
    ) -> Result<Response, Error> {
        let failed = |reason: String| Error::Transport { url: url.to_owned(), reason };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let built = request.body(body.unwrap_or_default().to_vec()).map_err(|error| failed(error.to_string()))?;
        let with_body = body.is_some() || matches!(method, "POST" | "PUT" | "PATCH");
        let answer = if with_body {
            let configured = self.agent.configure_request(built).timeout_global(Some(TIMEOUT + longer)).build();
            self.agent.run(configured)
        } else {
            let configured =
                self.agent.configure_request(built.map(|_| ())).timeout_global(Some(TIMEOUT + longer)).build();
            self.agent.run(configured)
        };
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT)
            .read_to_vec()
            .map_err(|error| failed(error.to_string()))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|error| Error::BadAnswer {
                url: url.to_owned(),
                reason: format!("status {status}: {error}"),
            })?
        };
        Ok(Response { status, headers, body })
    }
}
