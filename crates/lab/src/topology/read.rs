//! From text to a topology: each field is asked for by name, with its rule; what nobody asked for is unknown.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use causeway_edge_types::Secret;
use causeway_model::{Deployment, EndpointOrder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rules;
use super::{CircuitOrder, Customer, Network, PeeringOrder, Provider, RouterKind, Site, Topology, TopologyProblem};

/// Collects problems and knows the lines.
struct Report<'t> {
    text: &'t str,
    problems: RefCell<Vec<TopologyProblem>>,
}

impl Report<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }

    fn say(&self, span: std::ops::Range<usize>, field: &str, rule: impl Into<String>) {
        let value = self.text.get(span.clone()).unwrap_or("").lines().next().unwrap_or("").trim();
        let value = if value.starts_with('[') && value.ends_with(']') && !value.contains(',') { "" } else { value };
        self.problems.borrow_mut().push(TopologyProblem {
            line: self.line(span.start),
            field: field.to_owned(),
            // A key is not repeated, not even to the person who wrote it: errors end up in logs.
            value: if field.ends_with("shared_key") { String::new() } else { value.to_owned() },
            rule: rule.into(),
        });
    }
}

/// One table being read.
struct Fields<'a, 't> {
    report: &'a Report<'t>,
    path: &'static str,
    at: usize,
    table: Option<&'a DeTable<'t>>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a, 't> Fields<'a, 't> {
    fn new(report: &'a Report<'t>, path: &'static str, at: usize, table: Option<&'a DeTable<'t>>) -> Self {
        Fields { report, path, at, table, known: RefCell::default() }
    }

    fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    fn value(&self, field: &'static str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.known.borrow_mut().insert(field);
        self.table?.get(field)
    }

    fn wrong(&self, field: &str, value: &Spanned<DeValue<'_>>, rule: impl Into<String>) {
        self.report.say(value.span(), &self.name(field), rule);
    }

    /// A table inside this one; absent, it is read as an empty one.
    fn table(&self, field: &'static str, path: &'static str) -> Fields<'a, 't> {
        let Some(value) = self.value(field) else { return Fields::new(self.report, path, self.at, None) };
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(field, value, "must be a table");
        }
        Fields::new(self.report, path, value.span().start, table)
    }

    /// A text that `rule` accepts; `default` where it is not said or wrong.
    fn text<T>(&self, field: &'static str, default: T, rule: impl Fn(&str) -> Result<T, String>) -> T {
        let Some(value) = self.value(field) else { return default };
        let read = value.get_ref().as_str().ok_or_else(|| "must be a text in quotes".to_owned()).and_then(rule);
        read.unwrap_or_else(|rule| {
            self.wrong(field, value, rule);
            default
        })
    }

    /// Something that is parsed out of a text.
    fn parsed<T: FromStr>(&self, field: &'static str, default: T, rule: &str, good: impl Fn(&T) -> bool) -> T {
        self.text(field, default, |text| text.parse().ok().filter(|value| good(value)).ok_or_else(|| rule.to_owned()))
    }

    /// One of several words.
    fn word<T: Clone>(&self, field: &'static str, default: T, words: &[(&str, T)]) -> T {
        self.text(field, default, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            found.map(|(_, value)| value.clone()).ok_or_else(|| format!("must be one of {}", all.join(", ")))
        })
    }

    /// A whole number in a range, which is the rule.
    fn number<T: TryFrom<i64> + Display + Copy>(&self, field: &'static str, default: T, from: i64, to: i64) -> T {
        let Some(value) = self.value(field) else { return default };
        match integer(value.get_ref()).filter(|number| (from..=to).contains(number)).and_then(|n| T::try_from(n).ok()) {
            Some(number) => number,
            None => {
                self.wrong(field, value, format!("must be a whole number from {from} to {to}"));
                default
            }
        }
    }

    /// Tells of what nobody asked for.
    fn close(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if !known.contains(key.get_ref().as_ref()) {
                let all: Vec<&str> = known.iter().copied().collect();
                let rule = format!("is not known here; known are {}", all.join(", "));
                self.report.problems.borrow_mut().push(TopologyProblem {
                    line: self.report.line(key.span().start),
                    field: self.name(key.get_ref()),
                    value: String::new(),
                    rule,
                });
            }
        }
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

pub(super) fn topology(text: &str) -> Result<Topology, Vec<TopologyProblem>> {
    let report = Report { text, problems: RefCell::default() };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What is left of a broken file would only make problems that are none.
        return Err(errors
            .iter()
            .map(|error| TopologyProblem {
                line: report.line(error.span().map_or(text.len(), |span| span.start)),
                field: String::new(),
                value: String::new(),
                rule: format!("this is not TOML: {}", error.message()),
            })
            .collect());
    }
    let root = Fields::new(&report, "", 0, Some(document.get_ref()));
    let deployment = deployment(&root.table("deployment", "deployment"));
    let location = root.table("location", "location");
    let location_name = location.text("name", "Harbour".to_owned(), rules::resource_name);
    location.close();
    let provider = provider(&root.table("provider", "provider"));
    let customers = customers(&root, &provider);
    root.close();
    let topology = Topology { deployment, location: location_name, provider, customers };
    let mut problems = report.problems.into_inner();
    problems.extend(cut_short(text));
    if problems.is_empty() {
        Ok(topology)
    } else {
        problems.sort_by_key(|problem| problem.line);
        Err(problems)
    }
}

/// A file that ends within a comment or right behind a digit may have been cut there: what is left of `asn = 64500` is a
/// good number too, but nobody's.
fn cut_short(text: &str) -> Option<TopologyProblem> {
    let last = text.lines().last().filter(|_| !text.ends_with('\n'))?;
    (last.contains('#') || last.ends_with(|end: char| end.is_ascii_digit())).then(|| TopologyProblem {
        line: text.lines().count(),
        field: String::new(),
        value: String::new(),
        rule: "the file ends in the middle of a line, so it may be cut short: its last line has to end with a newline"
            .into(),
    })
}

fn deployment(fields: &Fields<'_, '_>) -> Deployment {
    let usual = Deployment::default();
    let orders = [("cloud-first", EndpointOrder::CloudFirst), ("customer-first", EndpointOrder::CustomerFirst)];
    let deployment = Deployment {
        edge_asn: fields.number("edge_asn", usual.edge_asn, 1, 4_294_967_294),
        gateway_asn: fields.number("gateway_asn", usual.gateway_asn, 1, 4_294_967_294),
        endpoint_order: fields.word("endpoint_order", usual.endpoint_order, &orders),
        hold_time_s: fields.number("hold_time_s", usual.hold_time_s, 3, 65_535),
        bfd_interval_ms: fields.number("bfd_interval_ms", usual.bfd_interval_ms, 10, 60_000),
        bfd_multiplier: fields.number("bfd_multiplier", usual.bfd_multiplier, 1, 255),
    };
    fields.close();
    deployment
}

fn provider(fields: &Fields<'_, '_>) -> Provider {
    let usual = vec![50, 100, 200, 500, 1_000];
    let bandwidths_mbps = match fields.value("bandwidths_mbps") {
        None => usual,
        Some(value) => {
            let list = value.get_ref().as_array().map(|list| {
                list.iter()
                    .map(|item| integer(item.get_ref()).and_then(|n| u32::try_from(n).ok()))
                    .collect::<Option<Vec<_>>>()
            });
            match list.flatten().filter(|list| rules::are_bandwidths(list)) {
                Some(list) => list,
                None => {
                    fields.wrong("bandwidths_mbps", value, rules::bandwidths_rule());
                    usual
                }
            }
        }
    };
    let provider = Provider { name: fields.text("name", "Fairway".to_owned(), rules::resource_name), bandwidths_mbps };
    fields.close();
    provider
}

fn customers(root: &Fields<'_, '_>, provider: &Provider) -> Vec<Customer> {
    let Some(value) = root.value("customer") else {
        return vec![customer(&Fields::new(root.report, "customer", root.at, None), 0, provider)];
    };
    let tables: Option<Vec<_>> = value
        .get_ref()
        .as_array()
        .map(|list| list.iter().filter_map(|item| Some((item.span().start, item.get_ref().as_table()?))).collect());
    let Some(tables) = tables.filter(|tables| !tables.is_empty()) else {
        root.wrong("customer", value, "must be one or more tables [[customer]]");
        return vec![];
    };
    if tables.len() > rules::CUSTOMERS_MAX {
        root.wrong("customer", value, format!("a lab has at most {} customers", rules::CUSTOMERS_MAX));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for (index, (at, table)) in tables.into_iter().enumerate() {
        let fields = Fields::new(root.report, "customer", at, Some(table));
        let customer = customer(&fields, index, provider);
        if !names.insert(customer.name.clone()) {
            root.report.say(at..at, "customer.name", format!("\"{}\" is used twice: names are unique", customer.name));
        }
        out.push(customer);
    }
    out
}

fn customer(fields: &Fields<'_, '_>, index: usize, provider: &Provider) -> Customer {
    let usual = if index == 0 { "south".to_owned() } else { format!("customer{}", index + 1) };
    let name = fields.text("name", usual, rules::word);
    let site = site(&fields.table("site", "customer.site"));
    let circuit = circuit(&fields.table("circuit", "customer.circuit"), provider);
    let peering = peering(&fields.table("peering", "customer.peering"));
    let network = network(&fields.table("network", "customer.network"));
    fields.close();
    for problem in rules::overlaps(&site, &peering, &network) {
        fields.report.say(fields.at..fields.at, "customer", format!("\"{name}\": {problem}"));
    }
    Customer { name, site, circuit, peering, network }
}

fn site(fields: &Fields<'_, '_>) -> Site {
    let routers = [("bird", RouterKind::Bird), ("frr", RouterKind::Frr)];
    let site = Site {
        router: fields.word("router", RouterKind::Bird, &routers),
        asn: fields.number("asn", 64_500, 1, 4_294_967_294),
        ipv4: fields.parsed("ipv4", rules::net4("10.10.0.0/24"), rules::SITE_IPV4, |net| rules::is_net4(net, 8, 28)),
        ipv6: fields
            .parsed("ipv6", rules::net6("2001:db8:10::/64"), rules::SITE_IPV6, |net| rules::is_net6(net, 32, 64)),
        more_prefixes: fields.number("more_prefixes", 0, 0, 100_000),
    };
    if let Some(value) = fields.value("more_prefixes")
        && site.router == RouterKind::Frr
        && site.more_prefixes > 0
    {
        fields.wrong("more_prefixes", value, "is only for a site whose router is \"bird\"");
    }
    fields.close();
    site
}

fn circuit(fields: &Fields<'_, '_>, provider: &Provider) -> CircuitOrder {
    let tiers = ["Local", "Standard", "Premium"].map(|word| (word, word.to_owned()));
    let families = ["MeteredData", "UnlimitedData"].map(|word| (word, word.to_owned()));
    let usual = *provider.bandwidths_mbps.iter().find(|mbps| **mbps == 200).unwrap_or(&provider.bandwidths_mbps[0]);
    let order = CircuitOrder {
        bandwidth_mbps: fields.number("bandwidth_mbps", usual, 1, 1_000_000),
        tier: fields.word("tier", "Standard".to_owned(), &tiers),
        family: fields.word("family", "MeteredData".to_owned(), &families),
    };
    if let Some(value) = fields.value("bandwidth_mbps")
        && !provider.bandwidths_mbps.contains(&order.bandwidth_mbps)
    {
        let rule = format!("is not offered by the provider, which offers {:?}", provider.bandwidths_mbps);
        fields.wrong("bandwidth_mbps", value, rule);
    }
    fields.close();
    order
}

fn peering(fields: &Fields<'_, '_>) -> PeeringOrder {
    let four =
        |field, usual| fields.parsed(field, rules::net4(usual), rules::LINK_IPV4, |net| rules::is_net4(net, 30, 30));
    let six =
        |field, usual| fields.parsed(field, rules::net6(usual), rules::LINK_IPV6, |net| rules::is_net6(net, 126, 126));
    let order = PeeringOrder {
        vlan_id: fields.number("vlan_id", 100, 1, 4094),
        ipv4: [four("primary_ipv4", "192.0.2.0/30"), four("secondary_ipv4", "192.0.2.4/30")],
        ipv6: [six("primary_ipv6", "2001:db8:ffff::/126"), six("secondary_ipv6", "2001:db8:ffff::4/126")],
        shared_key: fields.text("shared_key", None, |text| rules::shared_key(text).map(|key| Some(Secret::new(key)))),
    };
    fields.close();
    order
}

fn network(fields: &Fields<'_, '_>) -> Network {
    let network = Network {
        ipv4: fields.parsed("ipv4", rules::net4("10.20.0.0/16"), rules::NETWORK_IPV4, |net| rules::is_net4(net, 8, 23)),
        ipv6: fields
            .parsed("ipv6", rules::net6("2001:db8:20::/48"), rules::NETWORK_IPV6, |net| rules::is_net6(net, 32, 63)),
    };
    fields.close();
    network
}
