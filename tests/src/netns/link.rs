//! What is done to the packets of a node, in its own namespace.

use std::net::Ipv4Addr;

use super::Namespace;

/// Packets of members, as a rule names them: what the test itself asks a node goes on.
const MEMBERS: [&str; 2] = ["--dport", "--sport"];

/// The rules of one node's namespace.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    namespace: &'a Namespace,
    port: String,
}

impl<'a> Rules<'a> {
    pub(super) fn new(namespace: &'a Namespace, port: u16) -> Self {
        Self { namespace, port: port.to_string() }
    }

    /// Drops what comes from another node.
    pub(super) fn deafen(&self, to: Ipv4Addr) {
        let from = to.to_string();
        self.each_side(|side| self.append("INPUT", &["-s", &from, "-p", "tcp", side, &self.port]));
    }

    /// Drops what comes from anybody with this probability.
    pub(super) fn lose(&self, probability: &str) {
        let random = ["-m", "statistic", "--mode", "random", "--probability", probability];
        self.each_side(|side| {
            self.append("INPUT", &[&["-p", "tcp", side, &self.port][..], &random[..]].concat());
        });
    }

    /// Drops all of UDP, as a firewall does that knows TCP alone.
    pub(super) fn drop_udp(&self) {
        self.append("INPUT", &["-p", "udp"]);
    }

    /// How many packets the present rules have dropped.
    pub(super) fn dropped(&self) -> u64 {
        let mut list = self.namespace.command("iptables");
        let output = list.args(["-w", "-n", "-v", "-x", "-L", "INPUT"]).output().expect("iptables starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let packets = text.lines().filter(|line| line.contains("DROP"));
        packets.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }

    /// Lets everything through again.
    pub(super) fn heal(&self) {
        self.namespace.run("iptables", &["-F", "INPUT"]);
    }

    fn each_side(&self, rule: impl Fn(&str)) {
        MEMBERS.into_iter().for_each(rule);
    }

    fn append(&self, chain: &str, rule: &[&str]) {
        let arguments = [&["-w", "-A", chain][..], rule, &["-j", "DROP"][..]].concat();
        self.namespace.run("iptables", &arguments);
    }
}
