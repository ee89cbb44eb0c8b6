//! ARM's paths. Literal segments are compared without regard to case; names are kept as they were written.

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Place {
    /// `/subscriptions`
    Subscriptions,
    /// `/subscriptions/{s}`
    Subscription(String),
    /// `/tenants`
    Tenants,
    /// `/subscriptions/{s}/resourceGroups`
    Groups(String),
    /// `/subscriptions/{s}/resourceGroups/{g}` and what may follow it (`resources`)
    Group { subscription: String, group: String, rest: Vec<String> },
    /// `/subscriptions/{s}/locations`
    Locations(String),
    /// `/subscriptions/{s}/providers[/{namespace}[/register]]`
    Registrations { subscription: String, rest: Vec<String> },
    /// `/subscriptions/{s}/providers/{namespace}/locations/{l}/operations/{id}`; `is_result` for `operationResults`
    Operation { subscription: String, id: String, is_result: bool },
    /// A resource, a list or an action of a namespace.
    Provider { subscription: String, group: Option<String>, namespace: String, rest: Vec<String> },
    /// `/providers/Causeway.Fabric/…`
    Fabric(Vec<String>),
    /// `/edge/v1/…`
    Edge(Vec<String>),
    /// Nowhere.
    Nowhere,
}

/// A path's segments, percent-decoded; none when the encoding is broken.
pub fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

/// Percent-decodes.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Where the segments lead.
pub fn place(segments: &[String]) -> Place {
    let is = |at: usize, word: &str| segments.get(at).is_some_and(|segment| segment.eq_ignore_ascii_case(word));
    let own = |at: usize| segments[at].clone();
    match segments.len() {
        1 if is(0, "subscriptions") => return Place::Subscriptions,
        1 if is(0, "tenants") => return Place::Tenants,
        _ => {}
    }
    if is(0, "edge") && is(1, "v1") {
        return Place::Edge(segments[2..].to_vec());
    }
    if is(0, "providers") && is(1, "Causeway.Fabric") {
        return Place::Fabric(segments[2..].to_vec());
    }
    if !is(0, "subscriptions") || segments.len() < 2 {
        return Place::Nowhere;
    }
    let subscription = own(1).to_ascii_lowercase();
    match segments.len() {
        2 => return Place::Subscription(subscription),
        3 if is(2, "resourceGroups") => return Place::Groups(subscription),
        3 if is(2, "locations") => return Place::Locations(subscription),
        _ => {}
    }
    if is(2, "resourceGroups") {
        let group = own(3);
        if is(4, "providers") && segments.len() > 6 {
            return Place::Provider {
                subscription,
                group: Some(group),
                namespace: own(5),
                rest: segments[6..].to_vec(),
            };
        }
        return Place::Group { subscription, group, rest: segments[4..].to_vec() };
    }
    if is(2, "providers") {
        if is(4, "locations") && segments.len() == 8 && (is(6, "operations") || is(6, "operationResults")) {
            return Place::Operation { subscription, id: own(7), is_result: is(6, "operationResults") };
        }
        if segments.len() <= 4 || (segments.len() == 5 && is(4, "register")) {
            return Place::Registrations { subscription, rest: segments[3..].to_vec() };
        }
        return Place::Provider { subscription, group: None, namespace: own(3), rest: segments[4..].to_vec() };
    }
    Place::Nowhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Place {
        place(&segments(path).expect("well-formed"))
    }

    #[test]
    fn paths_lead_where_they_should_whatever_their_case() {
        assert_eq!(
            at("/SUBSCRIPTIONS/AB/resourcegroups/My%20Group"),
            Place::Group { subscription: "ab".into(), group: "My Group".into(), rest: vec![] }
        );
        assert_eq!(
            at("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/expressRouteCircuits/C1/peerings/p"),
            Place::Provider {
                subscription: "s".into(),
                group: Some("g".into()),
                namespace: "Microsoft.Network".into(),
                rest: ["expressRouteCircuits", "C1", "peerings", "p"].map(str::to_owned).to_vec()
            }
        );
        assert_eq!(
            at("/subscriptions/s/providers/Microsoft.Network/locations/westus/operationResults/1"),
            Place::Operation { subscription: "s".into(), id: "1".into(), is_result: true }
        );
        assert_eq!(
            at("/subscriptions/s/providers/Microsoft.Network/register"),
            Place::Registrations {
                subscription: "s".into(),
                rest: vec!["Microsoft.Network".into(), "register".into()]
            }
        );
        assert_eq!(
            at("/subscriptions/s/providers/Microsoft.Network/expressRouteCircuits"),
            Place::Provider {
                subscription: "s".into(),
                group: None,
                namespace: "Microsoft.Network".into(),
                rest: vec!["expressRouteCircuits".into()]
            }
        );
        assert_eq!(at("/providers/causeway.fabric/edges/e1"), Place::Fabric(vec!["edges".into(), "e1".into()]));
        assert_eq!(at("/"), Place::Nowhere);
        assert_eq!(at("/subscriptions/s/nothing/x"), Place::Nowhere);
    }

    #[test]
    fn broken_encodings_are_refused() {
        for text in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("a%2Fb%c3%a9").as_deref(), Some("a/bé"));
    }
}
