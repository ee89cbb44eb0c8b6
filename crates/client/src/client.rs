//! The client itself: signs in, sends, waits for operations.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::transport::Transport;
use crate::{ApiError, Credentials, Error, Response};

/// The api-version of ARM's resources that this client speaks.
const ARM_VERSION: &str = "2024-05-01";
/// The api-version of `Causeway.Fabric`.
const FABRIC_VERSION: &str = "2026-01-01";
/// A token is renewed this long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

/// A signed-in client. Clones share connections and token.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoint: String,
    transport: Transport,
    credentials: Credentials,
    token: Mutex<Option<Token>>,
}

struct Token {
    value: String,
    renew_at: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl Client {
    /// A client of `endpoint` (`https://127.0.0.1:PORT`) that trusts `ca_pem`. Nothing is sent yet.
    pub fn new(endpoint: &str, ca_pem: &[u8], credentials: Credentials) -> Result<Client, Error> {
        Ok(Client::over(endpoint, Transport::new(ca_pem, "the CA given")?, credentials))
    }

    /// The same, out of a CA file and a credentials file (see [`Credentials::read`]).
    pub fn from_files(endpoint: &str, ca: &Path, credentials: &Path) -> Result<Client, Error> {
        Client::with_ca_file(endpoint, ca, Credentials::read(credentials)?)
    }

    /// The same, out of a CA file.
    pub fn with_ca_file(endpoint: &str, ca: &Path, credentials: Credentials) -> Result<Client, Error> {
        Ok(Client::over(endpoint, Transport::from_file(ca)?, credentials))
    }

    fn over(endpoint: &str, transport: Transport, credentials: Credentials) -> Client {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Client { inner: Arc::new(Inner { endpoint, transport, credentials, token: Mutex::new(None) }) }
    }

    /// Where it calls.
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// Whom it signs in as.
    pub fn client_id(&self) -> &str {
        &self.inner.credentials.client_id
    }

    /// The resource or list at `path`.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        Ok(self.call("GET", path, None)?.body)
    }

    /// Puts `body` and waits until the operation is done; the resource as it is then.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let answer = self.call("PUT", path, Some(body))?;
        if answer.header("azure-asyncoperation").is_none() {
            return Ok(answer.body);
        }
        self.finish(&answer)?;
        self.get(path)
    }

    /// Changes what `body` names (tags) and waits until it is done.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let answer = self.call("PATCH", path, Some(body))?;
        if answer.header("azure-asyncoperation").is_none() && answer.header("location").is_none() {
            return Ok(answer.body);
        }
        self.finish(&answer)?;
        self.get(path)
    }

    /// Deletes and waits until it is gone.
    pub fn delete(&self, path: &str) -> Result<(), Error> {
        let answer = self.call("DELETE", path, None)?;
        self.finish(&answer).map(|_| ())
    }

    /// Performs an action and waits for its result.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let answer = self.call("POST", path, body)?;
        self.finish(&answer)
    }

    /// One call, its answer as it comes; a status of 400 and above is an error. Operations are not waited for.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, Error> {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let answer = self.call_raw(method, path, &[], bytes.as_deref(), Duration::ZERO)?;
        if answer.status >= 400 {
            return Err(Error::Api(Box::new(ApiError::from_body(answer.status, &answer.body))));
        }
        Ok(answer)
    }

    /// One call with headers and a body of the caller's, its answer as it comes, whatever its status. A token that the
    /// API no longer takes is fetched anew once; an `authorization` of the caller's is sent as it is.
    pub fn call_raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        longer: Duration,
    ) -> Result<Response, Error> {
        let url = self.url(path);
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            return self.inner.transport.send(method, &url, headers, body, longer);
        }
        for attempt in 0..2 {
            let bearer = format!("Bearer {}", self.token()?);
            let mut all = vec![("authorization", bearer.as_str()), ("accept", "application/json")];
            if body.is_some() {
                all.push(("content-type", "application/json"));
            }
            all.extend_from_slice(headers);
            let answer = self.inner.transport.send(method, &url, &all, body, longer)?;
            if answer.status == 401 && attempt == 0 {
                tracing::debug!(%url, "token refused, signing in again");
                *self.inner.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                continue;
            }
            return Ok(answer);
        }
        Err(Error::BadAnswer { url, reason: "a fresh token is refused".to_owned() })
    }

    /// The absolute address of `path` with an api-version.
    fn url(&self, path: &str) -> String {
        if path.starts_with("https://") {
            return path.to_owned();
        }
        let lower = path.to_ascii_lowercase();
        if lower.contains("api-version=") || lower.starts_with("/edge/") {
            return format!("{}{path}", self.inner.endpoint);
        }
        let version = if lower.contains("/causeway.fabric/") { FABRIC_VERSION } else { ARM_VERSION };
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{separator}api-version={version}", self.inner.endpoint)
    }

    /// A token that is good for a while.
    fn token(&self) -> Result<String, Error> {
        // Held during the call on purpose: threads that find no token wait for one sign-in, not for one each.
        let mut token = self.inner.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = token.as_ref()
            && Instant::now() < held.renew_at
        {
            return Ok(held.value.clone());
        }
        let credentials = &self.inner.credentials;
        let url = format!("{}/{}/oauth2/v2.0/token", self.inner.endpoint, credentials.tenant);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", credentials.client_id.as_str()),
            ("client_secret", credentials.client_secret.0.as_str()),
            ("scope", &format!("{}/.default", self.inner.endpoint)),
        ]
        .map(|(name, value)| format!("{name}={}", form_encode(value)))
        .join("&");
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let answer = self.inner.transport.send("POST", &url, &headers, Some(form.as_bytes()), Duration::ZERO)?;
        if answer.status != 200 {
            return Err(Error::Api(Box::new(ApiError::from_body(answer.status, &answer.body))));
        }
        let (Some(value), Some(expires)) = (answer.body["access_token"].as_str(), answer.body["expires_in"].as_u64())
        else {
            return Err(Error::BadAnswer { url, reason: "no access_token or expires_in".to_owned() });
        };
        let lifetime = Duration::from_secs(expires);
        let renew_at = Instant::now() + lifetime.saturating_sub(RENEW_BEFORE).max(lifetime / 2);
        *token = Some(Token { value: value.to_owned(), renew_at });
        Ok(value.to_owned())
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL): everything but letters, digits and `-._` is escaped.
fn form_encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::form_encode;

    #[test]
    fn forms_are_escaped() {
        assert_eq!(form_encode("a+b/c=&é"), "a%2Bb%2Fc%3D%26%C3%A9");
    }
}
