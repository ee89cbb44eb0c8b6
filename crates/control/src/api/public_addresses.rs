//! Public addresses: clients make one before they make a gateway. It is kept and shown; no gateway here needs one.

use serde_json::{Value, json};

use super::answer::etag;
use super::family::{Call, Family, Put, Shown, admit};
use super::reader::Reader;
use super::refused::Refused;
use crate::world::{Draft, PublicAddress, World};

/// `publicIPAddresses`.
pub struct PublicAddresses;

fn show(world: &World, address: &PublicAddress) -> Value {
    let mut body = json!({
        "name": address.id.name(),
        "id": address.id.as_str(),
        "etag": etag(world.revision_of::<PublicAddress>(&address.id.key())),
        "type": "Microsoft.Network/publicIPAddresses",
    });
    for (name, value) in address.body.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body["properties"]["provisioningState"] = json!("Succeeded");
    body
}

impl Family for PublicAddresses {
    fn types(&self) -> &'static [&'static str] {
        &["publicIPAddresses"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let key = call.target.root().key();
        let address = call.world.public_addresses.get(&key).ok_or_else(|| call.target.not_found())?;
        Ok(Shown { body: show(call.world, address), revision: call.world.revision_of::<PublicAddress>(&key) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let all = call.world.public_addresses.values().filter(|address| call.target.lists(&address.id));
        Ok(all.map(|address| show(call.world, address)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let id = call.target.root();
        let is_new = !call.world.public_addresses.contains_key(&id.key());
        let mut read = Reader::new(body);
        let location = read.required_text("location").unwrap_or("").to_owned();
        let tags = read.tags();
        admit(draft, read.problems, None)?;
        let mut properties =
            body.get("properties").filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({}));
        for (name, default) in [
            ("publicIPAllocationMethod", json!("Static")),
            ("publicIPAddressVersion", json!("IPv4")),
            ("idleTimeoutInMinutes", json!(4)),
            ("ipTags", json!([])),
        ] {
            if properties[name].is_null() {
                properties[name] = default;
            }
        }
        let mut kept = json!({"location": location});
        if let Some(tags) = tags {
            kept["tags"] = json!(tags);
        }
        kept["properties"] = properties;
        kept["sku"] = body
            .get("sku")
            .filter(|value| value.is_object())
            .cloned()
            .unwrap_or_else(|| json!({"name": "Standard", "tier": "Regional"}));
        draft.put(&id.key(), PublicAddress { id, body: kept });
        Ok(Put { is_new, location, fails_later: None, is_synchronous: false })
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let key = call.target.root().key();
        let Some(address) = call.world.public_addresses.get(&key) else { return Ok(None) };
        if let Some(gateway) =
            call.world.snapshot.gateways.values().find(|gateway| gateway.public_ip.as_ref() == Some(&address.id))
        {
            let message = format!(
                "Public IP address {} can not be deleted since it is still allocated to resource {}.",
                address.id, gateway.id
            );
            return Err(Refused::new(400, "PublicIPAddressCannotBeDeleted", message));
        }
        let location = address.body["location"].as_str().unwrap_or("").to_owned();
        draft.remove::<PublicAddress>(&key);
        Ok(Some(location))
    }
}
