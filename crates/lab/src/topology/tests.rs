//! Good files and bad ones.

use super::*;

fn problems(text: &str) -> String {
    let problems = Topology::parse(text).expect_err("has problems");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_built_in_file_says_what_an_empty_one_means() {
    let mut empty = Topology::parse("").expect("good");
    let built_in = Topology::parse(DEFAULT).expect("good");
    assert_eq!(empty.customers[0].peering.shared_key, None);
    empty.customers[0].peering.shared_key = built_in.customers[0].peering.shared_key.clone();
    assert_eq!(empty, built_in);
}

#[test]
fn two_customers_may_use_the_same_addresses() {
    let two = Topology::parse(TWO_CUSTOMERS).expect("good");
    assert_eq!(two.customers.len(), 2);
    assert_eq!(two.customers[0].site.ipv4, two.customers[1].site.ipv4);
    assert_eq!(two.customers[0].network, two.customers[1].network);
}

#[test]
fn each_bad_field_is_told_with_line_value_and_rule() {
    let table: &[(&str, &str)] = &[
        ("[customer]\n", "line 1: customer: must be one or more tables [[customer]]"),
        ("[location]\nname = 5\n", "line 2: location.name = 5: must be a text in quotes"),
        (
            "[location]\nname = \"a/b\"\n",
            "line 2: location.name = \"a/b\": must be 1 to 60 letters, digits, blanks and -_. and begin with a letter or digit",
        ),
        (
            "[deployment]\nhold_time_s = 2\n",
            "line 2: deployment.hold_time_s = 2: must be a whole number from 3 to 65535",
        ),
        (
            "[deployment]\nendpoint_order = \"mine\"\n",
            "line 2: deployment.endpoint_order = \"mine\": must be one of cloud-first, customer-first",
        ),
        (
            "[[customer]]\n[customer.peering]\nvlan_id = 5000\n",
            "line 3: customer.peering.vlan_id = 5000: must be a whole number from 1 to 4094",
        ),
        (
            "[[customer]]\n[customer.peering]\nprimary_ipv4 = \"192.0.2.0/28\"\n",
            "line 3: customer.peering.primary_ipv4 = \"192.0.2.0/28\": must be a /30 (IPv4) with no bits set after its length",
        ),
        (
            "[[customer]]\n[customer.circuit]\nbandwidth_mbps = 300\n",
            "line 3: customer.circuit.bandwidth_mbps = 300: is not offered by the provider, which offers [50, 100, 200, 500, 1000]",
        ),
        (
            "[[customer]]\n[customer.site]\nrouter = \"quagga\"\n",
            "line 3: customer.site.router = \"quagga\": must be one of bird, frr",
        ),
        (
            "[[customer]]\n[customer.site]\nrouter = \"frr\"\nmore_prefixes = 5\n",
            "line 4: customer.site.more_prefixes = 5: is only for a site whose router is \"bird\"",
        ),
        (
            "[[customer]]\nname = \"a-b\"\n",
            "line 2: customer.name = \"a-b\": must be a word of 1 to 10 small letters and digits that begins with a letter",
        ),
        (
            "[provider]\nbandwidths_mbps = [50, 51]\n",
            "line 2: provider.bandwidths_mbps = [50, 51]: must be a list out of [50, 100, 200, 500, 1000, 2000, 5000, 10000]",
        ),
        ("[providre]\n", "line 1: providre: is not known here; known are customer, deployment, location, provider"),
        (
            "[[customer]]\n[customer.site]\nasn = 645",
            "line 3: the file ends in the middle of a line, so it may be cut short: its last line has to end with a newline",
        ),
        (
            "[deployment] # settin",
            "line 1: the file ends in the middle of a line, so it may be cut short: its last line has to end with a newline",
        ),
        ("[location]\nname = \"Har", "line 2: this is not TOML: invalid basic string, expected `\"`"),
    ];
    for (text, expected) in table {
        assert_eq!(&problems(text), expected, "for {text:?}");
    }
}

#[test]
fn a_key_that_is_too_long_is_refused_and_not_repeated() {
    let said = problems("[[customer]]\n[customer.peering]\nshared_key = \"abcdefghijklmnopqrstuvwxyz\"\n");
    assert_eq!(said, "line 3: customer.peering.shared_key: has 26 characters; a key is 1 to 25 letters and digits");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_lines() {
    let said = problems(
        "[location]\nname = 1\nnmae = 2\n\n[[customer]]\nname = \"x\"\n[customer.peering]\nvlan_id = 0\n\n[[customer]]\nname = \"x\"\n",
    );
    let lines: Vec<&str> = said.lines().map(|line| line.split(':').next().unwrap_or("")).collect();
    assert_eq!(lines, ["line 2", "line 3", "line 8", "line 10"], "{said}");
}

#[test]
fn a_file_cut_anywhere_never_panics() {
    for end in 0..DEFAULT.len() {
        if DEFAULT.is_char_boundary(end) {
            let _ = Topology::parse(&DEFAULT[..end]);
        }
    }
}

#[test]
fn overlapping_prefixes_are_refused() {
    let said = problems("[[customer]]\n[customer.site]\nipv4 = \"10.20.7.0/24\"\n");
    assert_eq!(
        said,
        "line 1: customer: \"south\": site.ipv4 10.20.7.0/24 overlaps with network.ipv4 10.20.0.0/16; site, links and network must be apart"
    );
}

#[test]
fn the_ends_of_a_link_follow_the_endpoint_order() {
    let topology = Topology::parse("").expect("good");
    let peering = &topology.customers[0].peering;
    let cloud = peering.ends(1, EndpointOrder::CloudFirst);
    assert_eq!(cloud[0].0.to_string(), "192.0.2.5/30");
    assert_eq!(cloud[0].1.to_string(), "192.0.2.6/30");
    let customer = peering.ends(1, EndpointOrder::CustomerFirst);
    assert_eq!(customer[1].0.to_string(), "2001:db8:ffff::6/126");
    assert_eq!(customer[1].1.to_string(), "2001:db8:ffff::5/126");
}

#[test]
fn subnets_of_a_network() {
    let network = Topology::parse("").expect("good").customers[0].network.clone();
    let text = |nets: [IpNet; 2]| nets.map(|net| net.to_string());
    assert_eq!(text(network.host_subnets()), ["10.20.0.0/24", "2001:db8:20::/64"]);
    assert_eq!(text(network.gateway_subnets()), ["10.20.255.224/27", "2001:db8:20:ffff::/64"]);
    assert_eq!(text(network.instance_addresses(1)), ["10.20.255.229/27", "2001:db8:20:ffff::5/64"]);
    assert_eq!(text(network.host_addresses()), ["10.20.0.4/16", "2001:db8:20::4/48"]);
}
