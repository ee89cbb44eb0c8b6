//! The numbers of the reference service: how many routes, gateway connections and networks each SKU may have. One
//! place, so that a rule in [`admit`](crate::admit) and what the planner tells an edge can't differ.

use crate::{Circuit, SkuTier};

/// IPv6 prefixes that a customer may tell on private peering, whatever the SKU (fact 54).
pub const CUSTOMER_IPV6_PREFIXES: u32 = 100;
/// IPv4 prefixes that a gateway may tell for each gateway connection (fact 55).
pub const GATEWAY_IPV4_PREFIXES: u32 = 1_000;
/// IPv6 prefixes that a gateway may tell for each gateway connection (fact 55).
pub const GATEWAY_IPV6_PREFIXES: u32 = 100;
/// Address spaces that a virtual network may have when it is joined to a circuit (fact 56).
pub const CONNECTION_ADDRESS_SPACES: usize = 200;
/// Routes of each family that a gateway takes from one session.
pub const GATEWAY_LEARNED_PREFIXES: u32 = 10_000;
/// Routes of each family that a gateway holds altogether (fact 57).
pub const GATEWAY_ROUTES: u32 = 11_000;
/// Circuits of one peering location that a virtual network may be joined to (fact 20).
pub const CIRCUITS_OF_A_LOCATION_PER_NETWORK: usize = 4;
/// The highest RoutingWeight (fact 83).
pub const ROUTING_WEIGHT_MAX: u32 = 32_000;
/// The longest MD5 key of a peering (fact 45).
pub const SHARED_KEY_LENGTH_MAX: usize = 25;

/// SKUs of an ExpressRoute gateway, and how many circuits each may be joined to (fact 78).
pub const GATEWAY_SKUS: [(&str, usize); 7] = [
    ("Standard", 4),
    ("HighPerformance", 8),
    ("UltraPerformance", 16),
    ("ErGw1AZ", 4),
    ("ErGw2AZ", 8),
    ("ErGw3AZ", 16),
    ("ErGwScale", 16),
];

/// How many circuits a gateway with this SKU may be joined to; none for a SKU that there is not.
pub fn gateway_circuits(sku: &str) -> Option<usize> {
    GATEWAY_SKUS.iter().find(|(name, _)| name.eq_ignore_ascii_case(sku)).map(|(_, circuits)| *circuits)
}

impl SkuTier {
    /// IPv4 prefixes that the customer may tell on private peering (fact 54).
    pub fn customer_ipv4_prefixes(self) -> u32 {
        match self {
            SkuTier::Local | SkuTier::Standard => 4_000,
            SkuTier::Premium => 10_000,
        }
    }

    /// Gateway connections that a circuit may have (fact 21).
    pub fn gateway_connections(self, bandwidth_mbps: u32) -> usize {
        match (self, bandwidth_mbps) {
            (SkuTier::Local | SkuTier::Standard, _) => 10,
            (SkuTier::Premium, 0..100) => 20,
            (SkuTier::Premium, 100..500) => 25,
            (SkuTier::Premium, 500..1_000) => 40,
            (SkuTier::Premium, 1_000..2_000) => 50,
            (SkuTier::Premium, 2_000..5_000) => 60,
            (SkuTier::Premium, 5_000..10_000) => 75,
            (SkuTier::Premium, _) => 100,
        }
    }
}

impl Circuit {
    /// Gateway connections that it may have (fact 21).
    pub fn gateway_connection_limit(&self) -> usize {
        self.sku.tier.gateway_connections(self.bandwidth_mbps)
    }
}
