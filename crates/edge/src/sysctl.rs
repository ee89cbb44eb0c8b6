//! Settings of an attachment's namespace, and of the machine. `/proc/sys/net` shows the calling thread's namespace, so enter it first.

use std::fs;
use std::io;

/// What an attachment's namespace is set to, with the reason for each.
const ATTACHMENT: &[(&str, &str)] = &[
    // A packet to a host whose MAC address is not known yet is handed to the kernel, which asks and then forwards it.
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    // Such a packet comes in where it goes out; that is how it is meant.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    // Its source is far away, over an interface that this namespace does not have.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Addresses come from the configuration only, and are usable at once.
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    // A storm of customers that come back together is accepted.
    ("core/somaxconn", "4096"),
];

/// Sets up the calling thread's namespace for an attachment. What the kernel does not have (IPv6 switched off) is left
/// out.
pub fn set_attachment_namespace() -> io::Result<()> {
    for (name, value) in ATTACHMENT {
        match fs::write(format!("/proc/sys/net/{name}"), value) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io::Error::new(error.kind(), format!("cannot set net/{name} to {value}: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How many neighbours the kernel keeps on the whole machine, in all namespaces together: at the second number it begins
/// to throw out those that it does not use itself, which are ours, and at the third it takes no more. Its own limits
/// (512 and 1024) are those of a few hundred attachments, or of one customer's router that invents addresses.
const NEIGHBORS: &[(&str, u32)] = &[("gc_thresh3", 65_536), ("gc_thresh2", 32_768)];

/// Raises the limits where they are lower. Only the machine's first network namespace has them; from another one, or
/// without the right to, they stay as they are.
pub fn make_room_for_neighbors() {
    for family in ["ipv4", "ipv6"] {
        for (name, least) in NEIGHBORS {
            let path = format!("/proc/sys/net/{family}/neigh/default/{name}");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if text.trim().parse::<u32>().is_ok_and(|now| now >= *least) {
                continue;
            }
            match fs::write(&path, least.to_string()) {
                Ok(()) => tracing::info!("{path} raised from {} to {least}", text.trim()),
                Err(error) => tracing::warn!("{path} stays at {}: {error}", text.trim()),
            }
        }
    }
}
