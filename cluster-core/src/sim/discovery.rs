//! What discovery answers: the addresses of all hosts, and what should not be among them.

use cluster_transport::proto::Address;

/// Where an address of the simulation leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a host.
    Host(usize),
    /// To a host that is not there any more, in whose place nobody answers.
    Nowhere,
    /// To a host that refuses: nothing of the cluster runs there any more.
    Refused,
}

/// The provider of addresses that all nodes ask.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    pub(super) is_down: bool,
    pub(super) hosts: usize,
    /// How many entries of each kind are stale.
    pub(super) stale: usize,
}

impl Discovery {
    /// What a node is told that asks now.
    pub(super) fn answer(&self) -> Option<Vec<Address>> {
        if self.is_down {
            return None;
        }
        let hosts = (0..self.hosts).map(|host| address(&format!("n{host}")));
        let stale = (0..self.stale).flat_map(|n| [format!("gone{n}"), format!("refused{n}")]);
        // An address that belongs to another node by now.
        let taken = (0..self.stale.min(self.hosts)).map(|host| format!("alias{host}"));
        Some(hosts.chain(stale.chain(taken).map(|name| address(&name))).collect())
    }
}

/// An address by the name of its host.
pub(super) fn address(host: &str) -> Address {
    match format!("tcp://{host}:7511").parse() {
        Ok(address) => address,
        Err(_) => unreachable!("a host name and a port are an address"),
    }
}

/// Where an address leads.
pub(super) fn place_of(address: &Address) -> Place {
    let number = |prefix: &str| address.host().strip_prefix(prefix)?.parse().ok();
    match number("n").or_else(|| number("alias")) {
        Some(host) => Place::Host(host),
        None if address.host().starts_with("gone") => Place::Nowhere,
        None => Place::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_entries_lead_nowhere_to_a_refusal_or_to_somebody_else() {
        let discovery = Discovery { is_down: false, hosts: 2, stale: 1 };
        let places: Vec<Place> = discovery.answer().unwrap().iter().map(place_of).collect();
        assert_eq!(places, [Place::Host(0), Place::Host(1), Place::Nowhere, Place::Refused, Place::Host(0)]);
        assert_eq!(Discovery { is_down: true, ..discovery }.answer(), None);
    }
}
