//! A circuit and what hangs on it: peerings and authorizations. The provider's cross connection is a view of the same
//! record, not a second one: the two can't disagree.

use std::collections::BTreeMap;

use causeway_edge_types::Secret;
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{GatewayConnection, ProvisioningState, ResourceId, ResourceTags};

/// A customer's ordered capacity at one location; always two links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Its id.
    pub id: ResourceId,
    /// The region that the resource is kept in.
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: ResourceTags,
    /// SKU.
    pub sku: CircuitSku,
    /// The provider's name, as the provider is listed.
    pub provider: String,
    /// The peering location's name, as the provider lists it.
    pub peering_location: String,
    /// Ordered bandwidth of each link and direction, in Mbit/s.
    pub bandwidth_mbps: u32,
    /// Stored and shown; has no effect.
    #[serde(default)]
    pub allow_classic_operations: bool,
    /// Names the circuit to a provider. An identifier, not a secret.
    pub service_key: Uuid,
    /// A GUID of the resource.
    pub resource_guid: Uuid,
    /// Our side's state.
    pub is_enabled: bool,
    /// The provider's side.
    pub cross_connection: CrossConnection,
    /// Peerings, at most one of each kind.
    #[serde(default)]
    pub peerings: BTreeMap<PeeringKind, Peering>,
    /// Authorizations by name.
    #[serde(default)]
    pub authorizations: BTreeMap<String, Authorization>,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

impl Circuit {
    /// Whether a gateway connection may use this circuit: it is of the circuit's own subscription, or it has redeemed, or
    /// can redeem, a key that the owner has not revoked. Revoking a key therefore takes its connection off at once.
    pub fn authorizes(&self, connection: &GatewayConnection) -> bool {
        self.id.subscription_key() == connection.id.subscription_key() || self.redeemable(connection).is_some()
    }

    /// The authorization that the connection has redeemed, or else that it can redeem with its key.
    pub fn redeemable(&self, connection: &GatewayConnection) -> Option<&Authorization> {
        let mut valid = self.authorizations.values().filter(|authorization| {
            !matches!(authorization.provisioning_state, ProvisioningState::Deleting | ProvisioningState::Failed)
        });
        let redeemed = valid.clone().find(|authorization| authorization.used_by.as_ref() == Some(&connection.id));
        redeemed.or_else(|| {
            let key = connection.authorization_key.as_ref()?;
            valid.find(|authorization| authorization.used_by.is_none() && authorization.key == *key)
        })
    }
}

/// `<Tier>_<Family>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitSku {
    /// `Local`, `Standard`, `Premium`.
    pub tier: SkuTier,
    /// `MeteredData`, `UnlimitedData`.
    pub family: SkuFamily,
}

/// Reach and limits of a circuit (fact 14, 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SkuTier {
    Local,
    Standard,
    Premium,
}

/// How a circuit is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SkuFamily {
    MeteredData,
    UnlimitedData,
}

/// The provider's view of a circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossConnection {
    /// How far the provider is.
    pub state: ProviderState,
    /// The provider's notes.
    #[serde(default)]
    pub notes: String,
    /// Where the customer comes in at the provider's cross-connect, for each peering; empty when the provider joins the
    /// customer to the edges with equipment of its own.
    #[serde(default)]
    pub access: Vec<AccessService>,
    /// Tags that the provider put on it.
    #[serde(default)]
    pub tags: ResourceTags,
}

/// The provider's state of a circuit (fact 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ProviderState {
    #[default]
    NotProvisioned,
    Provisioning,
    Provisioned,
    Deprovisioning,
}

/// A customer's two access ports on a provider's cross-connect for one peering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessService {
    /// Which peering's frames.
    pub peering: PeeringKind,
    /// The provider's cross-connect, as the operator registered it.
    pub cross_connect: String,
    /// The port of the primary link.
    pub primary_port: String,
    /// The port of the secondary link.
    pub secondary_port: String,
    /// The tag that the customer sends on both; absent when the ports are untagged.
    #[serde(default)]
    pub access_tag: Option<u16>,
}

/// The kinds of peering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum PeeringKind {
    AzurePrivatePeering,
    MicrosoftPeering,
}

/// Which end of a link's subnet is the cloud's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointOrder {
    /// First usable address the cloud's, second the customer's (the default).
    #[default]
    CloudFirst,
    /// First usable address the customer's, second the cloud's.
    CustomerFirst,
}

/// A peering on a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    /// Which.
    pub kind: PeeringKind,
    /// Switched on; off drops the sessions.
    pub is_enabled: bool,
    /// The customer's AS number.
    pub peer_asn: u32,
    /// IPv4 subnets of the two links.
    pub ipv4: Option<LinkSubnets<Ipv4Net>>,
    /// IPv6 subnets of the two links.
    pub ipv6: Option<LinkSubnets<Ipv6Net>>,
    /// The C-tag, 1 to 4094.
    pub vlan_id: u16,
    /// TCP MD5 key, at most 25 alphanumeric characters (fact 45).
    pub shared_key: Option<Secret>,
    /// Which end is ours; kept with the peering when it is made.
    pub endpoint_order: EndpointOrder,
    /// Who changed it last: `Customer` or the provider's name.
    #[serde(default)]
    pub last_modified_by: String,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

/// The subnets of a peering's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSubnets<N> {
    /// The primary link's.
    pub primary: N,
    /// The secondary link's.
    pub secondary: N,
}

/// A key that lets another subscription join its gateway to a circuit; one authorization, one gateway connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Its name.
    pub name: String,
    /// The key. Shown to the circuit's owner, in no log.
    pub key: Secret,
    /// The gateway connection that redeemed it.
    pub used_by: Option<ResourceId>,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

/// The two links of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Link {
    Primary,
    Secondary,
}
