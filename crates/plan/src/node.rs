//! One node's configuration while it is put together. It is made of fragments, one for each customer's thing; a fragment
//! with something wrong in it, or whose numbers or places somebody else has, is left out and is a problem, and every
//! other fragment is there. So one bad resource never spoils a node: an edge refuses a document with problems as a whole.

use std::collections::BTreeSet;

use causeway_edge_types::{EdgeConfig, Encapsulation, Problem, TaggedPort};

/// The configuration of one node, growing.
pub(crate) struct NodePlan {
    config: EdgeConfig,
    vrfs: BTreeSet<u32>,
    attachments: BTreeSet<u32>,
    places: BTreeSet<String>,
}

impl NodePlan {
    /// Starts from a configuration that asks for nothing.
    pub fn new(config: EdgeConfig) -> NodePlan {
        NodePlan { config, vrfs: BTreeSet::new(), attachments: BTreeSet::new(), places: BTreeSet::new() }
    }

    /// A fragment for this node, to be filled and given to [`NodePlan::add`].
    pub fn fragment(&self) -> EdgeConfig {
        EdgeConfig::empty(self.config.edge.clone(), self.config.router_id)
    }

    /// Takes all of the fragment, or none of it and says why, with `target` as what the problems are about.
    pub fn add(&mut self, fragment: EdgeConfig, target: &str, problems: &mut Vec<Problem>) {
        let node = &self.config.edge;
        let mut wrong: Vec<Problem> = fragment
            .problems()
            .into_iter()
            .map(|problem| {
                let message = format!("on {node}, {}: {}", problem.target, problem.message);
                Problem::new(problem.code, target, message)
            })
            .collect();
        for vrf in fragment.vrfs.iter().filter(|vrf| self.vrfs.contains(&vrf.id.0)) {
            let message = format!("on {node}, VRF {} is another's already", vrf.id);
            wrong.push(Problem::new("DuplicateVrf", target, message));
        }
        let numbers = attachment_numbers(&fragment);
        for number in numbers.iter().filter(|number| self.attachments.contains(number)) {
            let message = format!("on {node}, attachment number {number} is another's already");
            wrong.push(Problem::new("DuplicateAttachment", target, message));
        }
        let places = places(&fragment);
        for place in places.iter().filter(|place| self.places.contains(*place)) {
            wrong.push(Problem::new("DuplicatePlace", target, format!("on {node}, {place} is another's already")));
        }
        if !wrong.is_empty() {
            problems.append(&mut wrong);
            return;
        }
        self.vrfs.extend(fragment.vrfs.iter().map(|vrf| vrf.id.0));
        self.attachments.extend(numbers);
        self.places.extend(places);
        self.config.vrfs.extend(fragment.vrfs);
        self.config.attachments.extend(fragment.attachments);
        self.config.cross_connects.extend(fragment.cross_connects);
    }

    /// The whole, by number, so that the same desire is the same document.
    pub fn finish(mut self) -> EdgeConfig {
        self.config.vrfs.sort_by_key(|vrf| vrf.id);
        self.config.attachments.sort_by_key(|attachment| attachment.id);
        self.config.cross_connects.sort_by_key(|cross| cross.id);
        self.config
    }
}

fn attachment_numbers(fragment: &EdgeConfig) -> Vec<u32> {
    let attachments = fragment.attachments.iter().map(|attachment| attachment.id.0);
    let crosses = fragment.cross_connects.iter().flat_map(|cross| [cross.id.0, cross.reverse_id.0]);
    attachments.chain(crosses).collect()
}

fn places(fragment: &EdgeConfig) -> Vec<String> {
    let tagged = |port: &str, s_tag: Option<u16>, c_tag: Option<u16>| {
        format!("port {port} S-tag {} C-tag {}", s_tag.unwrap_or(0), c_tag.unwrap_or(0))
    };
    let of_port = |port: &TaggedPort| tagged(&port.port.0, port.tags.s_tag, port.tags.c_tag);
    let attachments = fragment.attachments.iter().map(|attachment| match &attachment.encapsulation {
        Encapsulation::Port { port, tags } => tagged(&port.0, tags.s_tag, tags.c_tag),
        Encapsulation::Vxlan { vni, remote, .. } => format!("VNI {vni} from {remote}"),
    });
    let crosses = fragment.cross_connects.iter().flat_map(|cross| [of_port(&cross.access), of_port(&cross.uplink)]);
    attachments.chain(crosses).collect()
}
