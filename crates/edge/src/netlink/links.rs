//! Links: what there is, and the veth pair of an attachment.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

use super::{Already, Netlink};
use crate::netns::Namespace;

/// A link as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address; zero where it has none of six bytes.
    pub mac: [u8; 6],
    /// Its MTU.
    pub mtu: u32,
    /// It has been set up and has carrier.
    pub is_up: bool,
    /// It is a loopback.
    pub is_loopback: bool,
    /// The index of a veth's other end, in that end's namespace.
    pub peer_index: Option<u32>,
}

impl Link {
    pub(super) fn from_message(message: &LinkMessage) -> Option<Link> {
        let flags = message.header.flags;
        let mut link = Link {
            index: message.header.index,
            name: String::new(),
            mac: [0; 6],
            mtu: 0,
            // LOWER_UP is the carrier; it is in the same message as the flag that a person sets.
            is_up: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::LowerUp),
            is_loopback: flags.contains(LinkFlags::Loopback),
            peer_index: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().unwrap_or_default(),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Link(index) => link.peer_index = Some(*index),
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

/// A veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethPair<'a> {
    /// The name of the end in the namespace of the request.
    pub name: &'a str,
    /// The name of the other end.
    pub peer_name: &'a str,
    /// Where the other end goes.
    pub peer_namespace: &'a Namespace,
    /// The other end's MAC address.
    pub peer_mac: [u8; 6],
    /// The MTU of both.
    pub mtu: u32,
}

impl Netlink {
    /// Every link of the namespace.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let answers = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let links = answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => Link::from_message(message),
            _ => None,
        });
        Ok(links.collect())
    }

    /// The link with this name, if there is one.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        match self.request(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(answers) => Ok(answers.iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(message) => Link::from_message(message),
                _ => None,
            })),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a veth pair, its other end in another namespace from the start.
    pub fn create_veth(&mut self, pair: VethPair<'_>) -> io::Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(pair.peer_name.to_owned()),
            LinkAttribute::Address(pair.peer_mac.to_vec()),
            LinkAttribute::Mtu(pair.mtu),
            LinkAttribute::NetNsFd(pair.peer_namespace.as_fd().as_raw_fd()),
        ];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(pair.name.to_owned()),
            LinkAttribute::Mtu(pair.mtu),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        self.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Sets a link up, with an MTU where one is given.
    pub fn set_up(&mut self, index: u32, mtu: Option<u32>) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.extend(mtu.map(LinkAttribute::Mtu));
        self.request(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// Sets a link's MTU.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(LinkAttribute::Mtu(mtu));
        self.request(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// Removes a link, and a veth's other end with it.
    pub fn delete_link(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.request(RouteNetlinkMessage::DelLink(message), 0).or_already(libc::ENODEV)
    }
}
