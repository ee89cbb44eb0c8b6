//! Where the API is and as whom to sign in: the directory of a development server says both.

use std::path::PathBuf;

use anyhow::Context;
use causeway_client::{Client, ClientsFile};

/// The parties of a development server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Owns circuits.
    Customer,
    /// Owns nodes.
    Operator,
}

/// How to reach the API.
#[derive(Debug, clap::Args)]
pub struct Access {
    /// Control's directory, with ca.pem and clients.json (`causeway lab up` prints it).
    #[arg(long, value_name = "DIR", env = "CAUSEWAY_CONTROL")]
    control: PathBuf,
}

impl Access {
    fn file(&self) -> anyhow::Result<ClientsFile> {
        let path = self.control.join("clients.json");
        ClientsFile::read(&path).with_context(|| format!("--control {}", self.control.display()))
    }

    /// The first customer's subscription.
    pub fn subscription(&self) -> anyhow::Result<String> {
        Ok(self.file()?.subscription)
    }

    /// A client of one of the parties.
    pub fn client(&self, party: Party) -> anyhow::Result<Client> {
        let file = self.file()?;
        let credentials = file.credentials(match party {
            Party::Customer => &file.customer,
            Party::Operator => &file.operator,
        });
        Ok(Client::with_ca_file(&file.endpoint, &self.control.join("ca.pem"), credentials)?)
    }
}
