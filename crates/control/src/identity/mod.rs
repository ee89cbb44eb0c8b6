//! Who calls: registered clients, their tokens, and what they may do.
//!
//! ```text
//!   client_id + client_secret ──▶ token endpoint ──▶ JWT, RS256 with the key of this server
//!   JWT ──▶ verified on every call ──▶ appid ──▶ RegisteredClient of the world ──▶ Principal
//! ```
//!
//! What a client may do is looked up at each call and is not in the token: a client that is taken away is out at once.

mod documents;
mod keys;
mod token;

use causeway_model::ServiceProvider;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::world::World;

pub use documents::{metadata_endpoints, openid_configuration};
pub use keys::SigningKey;
pub use token::{TokenRequest, issue, refuse_token, verify};

/// A client that may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredClient {
    /// Its GUID.
    pub client_id: String,
    /// SHA-256 of its secret, in hex. The secret has 256 random bits, so a slow hash would add nothing.
    pub secret_sha256: String,
    /// What it is.
    pub role: Role,
}

/// What a client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Role {
    /// Owns a subscription.
    Customer {
        /// Its GUID.
        subscription: String,
    },
    /// Acts for providers.
    Provider {
        /// The subscription that its cross connections are shown in.
        subscription: String,
        /// Acts for every provider that names no principals.
        is_default: bool,
    },
    /// Registers what the deployment has.
    Operator,
    /// An edge, a gateway node or a cross-connect.
    Node {
        /// Its name.
        name: String,
    },
}

/// Who made a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The client's GUID.
    pub client_id: String,
    /// What it is.
    pub role: Role,
}

impl Principal {
    /// Whether it acts for this provider.
    pub fn acts_for(&self, provider: &ServiceProvider) -> bool {
        let Role::Provider { is_default, .. } = &self.role else { return false };
        if provider.principals.is_empty() {
            *is_default
        } else {
            provider.principals.iter().any(|principal| principal.eq_ignore_ascii_case(&self.client_id))
        }
    }

    /// The subscriptions that it sees.
    pub fn subscription(&self) -> Option<&str> {
        match &self.role {
            Role::Customer { subscription } | Role::Provider { subscription, .. } => Some(subscription),
            Role::Operator | Role::Node { .. } => None,
        }
    }
}

/// A new client and its secret, which is told once and kept nowhere.
pub fn new_client(role: Role) -> anyhow::Result<(RegisteredClient, String)> {
    use base64::Engine;
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random);
    let client_id = uuid::Uuid::new_v4().to_string();
    Ok((RegisteredClient { client_id, secret_sha256: hash(&secret), role }, secret))
}

fn hash(secret: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(secret.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The client with this id and secret.
fn authenticate<'a>(world: &'a World, client_id: &str, secret: &str) -> Option<&'a RegisteredClient> {
    let client = world.clients.get(&client_id.to_ascii_lowercase())?;
    let given = hash(secret);
    // The same time whatever the number of characters that are right.
    let differences =
        given.bytes().zip(client.secret_sha256.bytes()).fold(0u8, |sum, (one, other)| sum | (one ^ other));
    (differences == 0 && given.len() == client.secret_sha256.len()).then_some(client)
}
