//! The first start: a tenant, a subscription, three clients, and `clients.json` that tells their secrets once.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::certificates::write_whole;
use crate::identity::{Role, new_client};
use crate::world::{Draft, Subscription};

/// Where the tenant's GUID is kept.
pub const TENANT: &str = "control/tenant";

const CLIENTS: &str = "clients.json";

/// Makes the parties. The file is written before the store is: a crash between the two makes them anew, while the other
/// way round it would lose their secrets.
pub fn first_start(dir: &Path, draft: &mut Draft) -> Result<()> {
    let tenant = Uuid::new_v4().to_string();
    let subscription = Uuid::new_v4().to_string();
    let provider_subscription = Uuid::new_v4().to_string();
    let (customer, customer_secret) = new_client(Role::Customer { subscription: subscription.clone() })?;
    let (provider, provider_secret) =
        new_client(Role::Provider { subscription: provider_subscription.clone(), is_default: true })?;
    let (operator, operator_secret) = new_client(Role::Operator)?;
    let file = json!({
        "tenant": tenant,
        "subscription": subscription,
        "endpoint": "",
        "customer": {"client_id": customer.client_id, "client_secret": customer_secret},
        "provider": {"client_id": provider.client_id, "client_secret": provider_secret,
                     "subscription": provider_subscription},
        "operator": {"client_id": operator.client_id, "client_secret": operator_secret},
    });
    write(dir, &file)?;
    draft.say(TENANT, Value::from(tenant));
    for (id, name) in [(subscription, "Customer"), (provider_subscription, "Provider")] {
        draft.put(&id.clone(), Subscription { id, display_name: name.to_owned() });
    }
    for client in [customer, provider, operator] {
        draft.put(&client.client_id.clone(), client);
    }
    Ok(())
}

/// Puts the endpoint into `clients.json`, where it is not this one already.
pub fn tell_endpoint(dir: &Path, endpoint: &str) -> Result<()> {
    let path = dir.join(CLIENTS);
    let Ok(text) = std::fs::read_to_string(&path) else {
        tracing::warn!(file = %path.display(), "not there; clients keep the secrets that they have");
        return Ok(());
    };
    let mut file: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if file["endpoint"] != endpoint {
        file["endpoint"] = Value::from(endpoint);
        write(dir, &file)?;
    }
    Ok(())
}

fn write(dir: &Path, file: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(file)?;
    text.push('\n');
    write_whole(&dir.join(CLIENTS), text.as_bytes(), 0o600)
}
