//! The three parties, each with its own credentials, calling the public API and nothing else.

pub mod customer;
pub mod operator;
pub mod provider;

use std::path::Path;

use anyhow::Context;
use causeway_client::{Client, ClientsFile};
use serde_json::Value;

/// The clients that a development server makes at its first start.
#[derive(Debug)]
pub struct Parties {
    /// Tenant and first subscription.
    pub file: ClientsFile,
    /// Registers the deployment.
    pub operator: Client,
    /// Provisions circuits.
    pub provider: Client,
}

impl Parties {
    /// Out of control's directory.
    pub fn open(control: &Path, endpoint: &str) -> anyhow::Result<Parties> {
        let file = ClientsFile::read(&control.join("clients.json")).context("control's clients")?;
        let ca = control.join("ca.pem");
        let client = |party| Client::with_ca_file(endpoint, &ca, file.credentials(party));
        let (operator, provider) = (client(&file.operator)?, client(&file.provider)?);
        Ok(Parties { file, operator, provider })
    }
}

/// The text at a place in an answer.
fn text<'a>(answer: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("the API's answer has no {pointer}"))
}
