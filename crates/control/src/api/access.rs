//! Who may reach a subscription.

use super::forbidden;
use super::refused::Refused;
use crate::identity::{Principal, Role};
use crate::world::World;

/// Refuses everybody but the owner of a subscription that is there.
pub fn owner(
    world: &World,
    principal: &Principal,
    subscription: &str,
    action: &str,
    scope: &str,
) -> Result<(), Refused> {
    exists(world, subscription)?;
    match &principal.role {
        Role::Customer { subscription: own } if own.eq_ignore_ascii_case(subscription) => Ok(()),
        _ => Err(forbidden(principal, action, scope)),
    }
}

/// Refuses everybody who has no subscription of their own that is this one.
pub fn reader(
    world: &World,
    principal: &Principal,
    subscription: &str,
    action: &str,
    scope: &str,
) -> Result<(), Refused> {
    exists(world, subscription)?;
    let is_own = principal.subscription().is_some_and(|own| own.eq_ignore_ascii_case(subscription));
    if is_own { Ok(()) } else { Err(forbidden(principal, action, scope)) }
}

/// Refuses a subscription that is malformed or not there.
pub fn exists(world: &World, subscription: &str) -> Result<(), Refused> {
    if world.subscriptions.contains_key(subscription) {
        return Ok(());
    }
    if uuid::Uuid::parse_str(subscription).is_err() {
        let message = format!("The provided subscription identifier '{subscription}' is malformed or invalid.");
        return Err(Refused::new(400, "InvalidSubscriptionId", message));
    }
    let message = format!("The subscription '{subscription}' could not be found.");
    Err(Refused::new(404, "SubscriptionNotFound", message))
}
