//! The token endpoint and the check of a token: OAuth 2.0 client credentials (RFC 6749 section 4.4), JWT (RFC 7519).

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Principal, SigningKey, authenticate};
use crate::world::World;

/// How long a token is good for, in seconds.
const LIFETIME_S: u64 = 3_599;

/// The form that is posted to the token endpoint.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct TokenRequest {
    /// `client_credentials`.
    pub grant_type: String,
    /// The client's GUID.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// `<endpoint>/.default`.
    pub scope: String,
    /// The older word for it, which AD FS's clients use.
    pub resource: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    appid: String,
    oid: String,
    sub: String,
    tid: String,
    idtyp: String,
    ver: String,
    uti: String,
}

/// Why no token was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRefusal {
    /// The HTTP status.
    pub status: u16,
    /// OAuth's error.
    pub error: &'static str,
    /// The AADSTS code.
    pub code: u32,
    /// What is wrong, in words.
    pub message: String,
}

impl TokenRefusal {
    /// The answer's body.
    pub fn body(&self) -> Value {
        let trace = Uuid::new_v4();
        json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {} Trace ID: {trace}", self.code, self.message),
            "error_codes": [self.code],
            "trace_id": trace.to_string(),
            "correlation_id": trace.to_string(),
        })
    }
}

/// A refusal of a token request.
pub fn refuse_token(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> TokenRefusal {
    TokenRefusal { status, error, code, message: message.into() }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The name and port that an audience is at: `https://host:port//.default` is at `host:port`.
fn host_of(scope: &str) -> Option<&str> {
    scope.strip_prefix("https://")?.split('/').next().filter(|host| !host.is_empty())
}

/// The token endpoint's answer. `host` is what the client called us.
pub fn issue(
    world: &World,
    key: &SigningKey,
    tenant: &str,
    host: &str,
    request: &TokenRequest,
) -> Result<Value, TokenRefusal> {
    if request.grant_type != "client_credentials" {
        let message = format!("The grant type '{}' is not supported; client_credentials is.", request.grant_type);
        return Err(refuse_token(400, "unsupported_grant_type", 70_003, message));
    }
    let scope = if request.scope.is_empty() { &request.resource } else { &request.scope };
    if host_of(scope) != Some(host) {
        let message = format!("The resource '{scope}' was not found; this server's is 'https://{host}/.default'.");
        return Err(refuse_token(400, "invalid_resource", 500_011, message));
    }
    if !world.clients.contains_key(&request.client_id.to_ascii_lowercase()) {
        let message = format!("Application with identifier '{}' was not found in the directory.", request.client_id);
        return Err(refuse_token(400, "unauthorized_client", 700_016, message));
    }
    let Some(client) = authenticate(world, &request.client_id, &request.client_secret) else {
        let message = format!("Invalid client secret provided for app '{}'.", request.client_id);
        return Err(refuse_token(401, "invalid_client", 7_000_215, message));
    };
    let now = now_s();
    let claims = Claims {
        aud: scope.trim_end_matches(".default").trim_end_matches('/').to_owned(),
        iss: format!("https://{host}/{tenant}/v2.0"),
        iat: now,
        // A minute back, for clocks that differ.
        nbf: now.saturating_sub(60),
        exp: now + LIFETIME_S,
        appid: client.client_id.clone(),
        oid: client.client_id.clone(),
        sub: client.client_id.clone(),
        tid: tenant.to_owned(),
        idtyp: "app".to_owned(),
        ver: "1.0".to_owned(),
        uti: Uuid::new_v4().to_string(),
    };
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(key.id.clone());
    let token = jsonwebtoken::encode(&header, &claims, &key.encoding)
        .map_err(|error| refuse_token(500, "server_error", 90_000, error.to_string()))?;
    Ok(json!({
        "token_type": "Bearer",
        "expires_in": LIFETIME_S,
        "ext_expires_in": LIFETIME_S,
        "expires_on": now + LIFETIME_S,
        "access_token": token,
    }))
}

/// Who a bearer token says is calling; why not, in words, when it is not to be believed.
pub fn verify(world: &World, key: &SigningKey, tenant: &str, token: &str) -> Result<Principal, String> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 60;
    validation.validate_nbf = true;
    // This key signs tokens for this server only (see `issue`), under whatever name it was called.
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
        .map_err(|error| format!("The access token is invalid: {error}."))?
        .claims;
    if claims.tid != tenant {
        return Err("The access token is from the wrong issuer.".to_owned());
    }
    let client = world
        .clients
        .get(&claims.appid)
        .ok_or_else(|| format!("The client '{}' does not exist any more.", claims.appid))?;
    Ok(Principal { client_id: client.client_id.clone(), role: client.role.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Role, new_client};
    use crate::world::Draft;

    fn set_up() -> (World, SigningKey, TokenRequest, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let key = SigningKey::open(dir.path()).expect("a key");
        let (client, secret) = new_client(Role::Operator).expect("random");
        let request = TokenRequest {
            grant_type: "client_credentials".into(),
            client_id: client.client_id.clone(),
            client_secret: secret,
            scope: "https://127.0.0.1:8443//.default".into(),
            resource: String::new(),
        };
        let mut draft = Draft::new(World::default());
        draft.put(&client.client_id.clone(), client);
        (draft.world, key, request, dir)
    }

    #[test]
    fn a_token_is_believed_only_whole_ours_and_for_a_client_that_is_there() {
        let (world, key, request, dir) = set_up();
        let answer = issue(&world, &key, "tenant", "127.0.0.1:8443", &request).expect("issued");
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        assert_eq!(verify(&world, &key, "tenant", &token).expect("believed").role, Role::Operator);
        // The same key read again still believes it.
        let again = SigningKey::open(dir.path()).expect("read");
        assert!(verify(&world, &again, "tenant", &token).is_ok());

        assert!(verify(&world, &key, "another", &token).is_err());
        assert!(verify(&world, &key, "tenant", &token[..token.len() - 2]).is_err());
        assert!(verify(&World::default(), &key, "tenant", &token).is_err());
        let elsewhere = tempfile::tempdir().expect("a directory");
        let other = SigningKey::open(elsewhere.path()).expect("a key");
        assert!(verify(&world, &other, "tenant", &token).is_err());
        // Algorithm confusion: signed with HMAC and the public key as its secret.
        let claims = Claims {
            aud: String::new(),
            iss: String::new(),
            iat: 0,
            nbf: 0,
            exp: u64::MAX / 2,
            appid: request.client_id.clone(),
            oid: String::new(),
            sub: String::new(),
            tid: "tenant".into(),
            idtyp: String::new(),
            ver: String::new(),
            uti: String::new(),
        };
        let secret = key.jwks()["keys"][0]["n"].as_str().expect("n").as_bytes();
        let forged = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &jsonwebtoken::EncodingKey::from_secret(secret),
        )
        .expect("forged");
        assert!(verify(&world, &key, "tenant", &forged).is_err());
        let expired = Claims { exp: 1_000, ..claims };
        let stale = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &expired, &key.encoding).expect("signed");
        assert!(verify(&world, &key, "tenant", &stale).is_err());
    }

    #[test]
    fn refusals_have_their_codes() {
        let (world, key, request, _dir) = set_up();
        let code = |request: &TokenRequest| {
            issue(&world, &key, "tenant", "127.0.0.1:8443", request).expect_err("refused").code
        };
        assert_eq!(code(&TokenRequest { client_secret: "wrong".into(), ..request.clone() }), 7_000_215);
        assert_eq!(code(&TokenRequest { client_id: "nobody".into(), ..request.clone() }), 700_016);
        assert_eq!(code(&TokenRequest { grant_type: "password".into(), ..request.clone() }), 70_003);
        assert_eq!(code(&TokenRequest { scope: "https://elsewhere/.default".into(), ..request.clone() }), 500_011);
        let ad_fs = TokenRequest { scope: String::new(), resource: "https://127.0.0.1:8443/".into(), ..request };
        assert!(issue(&world, &key, "tenant", "127.0.0.1:8443", &ad_fs).is_ok());
    }
}
