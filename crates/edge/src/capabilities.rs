//! What the kernel must let the daemon do, checked before anything is begun, so that a missing capability is named and
//! not met half-way.

/// linux/capability.h: number, name, and what it is needed for.
const NEEDED: &[(u32, &str, &str)] = &[
    (10, "CAP_NET_BIND_SERVICE", "to listen on TCP port 179"),
    (12, "CAP_NET_ADMIN", "to make interfaces and set MD5 keys"),
    (21, "CAP_SYS_ADMIN", "to make and enter network namespaces"),
    (39, "CAP_BPF", "to load the data plane's program"),
];

/// Fails with the name of every capability that is missing.
pub fn check() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let missing = missing(effective(&status));
    if missing.is_empty() {
        return Ok(());
    }
    anyhow::bail!("this process lacks {}; run it as root or give it these capabilities", missing.join(", "))
}

fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

fn missing(effective: u64) -> Vec<String> {
    let lacks = |number: u32| effective & (1 << number) == 0;
    // CAP_SYS_ADMIN includes what CAP_BPF allows.
    let is_implied = |number: u32| number == 39 && !lacks(21);
    let is_missing = |number: u32| lacks(number) && !is_implied(number);
    let needed = NEEDED.iter().filter(|(number, _, _)| is_missing(*number));
    needed.map(|(_, name, reason)| format!("{name} ({reason})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_capability_is_named() {
        assert_eq!(missing(u64::MAX), Vec::<String>::new());
        let none = missing(0).join(" ");
        assert!(NEEDED.iter().all(|(_, name, _)| none.contains(name)), "{none}");
        assert_eq!(missing(!(1 << 12)), ["CAP_NET_ADMIN (to make interfaces and set MD5 keys)"]);
        assert_eq!(missing(!(1 << 39)), Vec::<String>::new(), "CAP_SYS_ADMIN includes it");
    }

    #[test]
    fn the_kernels_line_is_read() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), 0x1ff_ffff_ffff);
        assert_eq!(effective(""), 0);
    }
}
