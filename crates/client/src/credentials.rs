//! Who a client is, and the two files that say so.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A client secret: serialized as it is, hidden by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secretive(pub String);

impl fmt::Debug for Secretive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secretive(hidden)")
    }
}

impl From<&str> for Secretive {
    fn from(value: &str) -> Self {
        Secretive(value.to_owned())
    }
}

/// What one client signs in with. Also the form of a node's credentials file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The tenant's GUID.
    pub tenant: String,
    /// The client's GUID.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secretive,
}

/// One party of [`ClientsFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyCredentials {
    /// The client's GUID.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secretive,
}

/// `DIR/clients.json`, as `causeway control --dev` writes it at its first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsFile {
    /// The tenant's GUID.
    pub tenant: String,
    /// The first customer's subscription.
    pub subscription: String,
    /// Where control listens.
    pub endpoint: String,
    /// Owns `subscription`.
    pub customer: PartyCredentials,
    /// Acts for the providers that name no principal of their own.
    pub provider: PartyCredentials,
    /// Registers edges, locations and providers.
    pub operator: PartyCredentials,
}

impl ClientsFile {
    /// Reads `clients.json`.
    pub fn read(path: &Path) -> Result<ClientsFile, Error> {
        read_json(path)
    }

    /// The credentials of one of its parties.
    pub fn credentials(&self, party: &PartyCredentials) -> Credentials {
        Credentials {
            tenant: self.tenant.clone(),
            client_id: party.client_id.clone(),
            client_secret: party.client_secret.clone(),
        }
    }

    /// Writes it for its owner's eyes only, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_json(path, self)
    }
}

impl Credentials {
    /// Reads `{"tenant", "client_id", "client_secret"}`.
    pub fn read(path: &Path) -> Result<Credentials, Error> {
        read_json(path)
    }

    /// Writes it for its owner's eyes only, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_json(path, self)
    }
}

fn file_error(path: &Path, reason: impl fmt::Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(|error| file_error(path, error))?;
    serde_json::from_str(&text).map_err(|error| file_error(path, error))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| file_error(path, error))?;
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        // A file left by a crash keeps its mode when it is opened again, so it goes first.
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| file_error(path, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn credentials_are_for_their_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.json");
        let credentials =
            Credentials { tenant: "t".into(), client_id: "c".into(), client_secret: "very-hidden".into() };
        credentials.write(&path).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(Credentials::read(&path).expect("read"), credentials);
        assert!(!format!("{credentials:?}").contains("very-hidden"));
    }
}
