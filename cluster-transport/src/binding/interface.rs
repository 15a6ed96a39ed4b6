//! The network interfaces of a machine, and which of their addresses others can be expected to reach.

use std::io;
use std::net::IpAddr;

use super::Family;

/// One address of one network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    name: String,
    index: u32,
    ip: IpAddr,
}

impl Interface {
    /// An address of the interface with this name and this number (0 if it is not known).
    pub fn new(name: impl Into<String>, index: u32, ip: IpAddr) -> Self {
        Self { name: name.into(), index, ip }
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The addresses of this machine, in the order the system lists them.
    ///
    /// Fails where the system refuses to tell.
    pub fn all() -> io::Result<Vec<Self>> {
        let listed = if_addrs::get_if_addrs()?;
        Ok(listed
            .into_iter()
            .map(|found| {
                let (index, ip) = (found.index.unwrap_or(0), found.ip());
                Self { name: found.name, index, ip }
            })
            .collect())
    }
}

/// The address of the family that others can best be expected to reach.
pub(super) fn site(interfaces: &[Interface], family: Family) -> Option<&Interface> {
    let rank = |ip: IpAddr| match ip {
        _ if is_link_local(ip) => 2,
        IpAddr::V4(ip) if ip.is_private() => 0,
        IpAddr::V6(ip) if ip.is_unique_local() => 0,
        _ => 1,
    };
    interfaces
        .iter()
        .filter(|interface| Family::of(interface.ip) == family && !interface.ip.is_loopback())
        .min_by_key(|interface| rank(interface.ip))
}

pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

pub(super) fn is_v6_link_local(ip: IpAddr) -> bool {
    ip.is_ipv6() && is_link_local(ip)
}

/// The interfaces with their addresses, as an error shows them: `lo (127.0.0.1, ::1), eth0 (10.0.0.5)`.
pub(super) fn listing(interfaces: &[Interface]) -> String {
    let mut grouped: Vec<(&str, Vec<String>)> = Vec::new();
    for Interface { name, ip, .. } in interfaces {
        match grouped.iter_mut().find(|(known, _)| known == name) {
            Some((_, ips)) => ips.push(ip.to_string()),
            None => grouped.push((name, vec![ip.to_string()])),
        }
    }
    let shown: Vec<_> = grouped.iter().map(|(name, ips)| format!("{name} ({})", ips.join(", "))).collect();
    if shown.is_empty() { "no network interface".to_owned() } else { shown.join(", ") }
}
