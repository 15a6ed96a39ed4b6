//! A name in the DNS under which members are found.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cluster_transport::proto::Address;

use super::defaults::DEFAULT_PUB_PORT;
use super::values::ValueError;

/// The longest name, in bytes.
const MAX_NAME: usize = 253;

/// A name in the DNS under which members are found: `name`, `name:port`, or `_service._proto.name`.
///
/// The first two stand for all addresses of a name, on port 7511 if none is given; the third for its SRV records, which
/// give targets and ports themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DnsName {
    /// All addresses of a name, each on this port.
    Hosts {
        /// The name.
        name: Arc<str>,
        /// The port.
        port: u16,
    },
    /// The targets of a name's SRV records.
    Services {
        /// The name, such as `_cluster._tcp.example.org`.
        name: Arc<str>,
    },
}

const EXPECTED: ValueError =
    ValueError("no name in the DNS: write name, name:port, or _service._proto.name for SRV records");

impl FromStr for DnsName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.starts_with('_') {
            return service(text).ok_or(EXPECTED);
        }
        let with_port =
            if text.contains(':') { text.to_owned() } else { format!("{text}:{DEFAULT_PUB_PORT}") };
        let address: Address = format!("tcp://{with_port}").parse().map_err(|_| EXPECTED)?;
        if address.ip().is_some() {
            return Err(ValueError("an IP address has no name to look up: list it in plugins.cluster.seeds"));
        }
        Ok(Self::Hosts { name: address.host().into(), port: address.port() })
    }
}

fn service(text: &str) -> Option<DnsName> {
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    let fits = |label: &str| {
        let inner = label.strip_prefix('_').unwrap_or(label);
        (1..=63).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let all = text.len() <= MAX_NAME && labels.clone().count() >= 2 && labels.clone().all(fits);
    all.then(|| DnsName::Services { name: text.to_ascii_lowercase().into() })
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts { name, port } => write!(f, "{name}:{port}"),
            Self::Services { name } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_its_addresses_or_its_services() {
        for (given, shown) in [
            ("Cluster.default.svc", "cluster.default.svc:7511"),
            ("cluster:1", "cluster:1"),
            ("_Cluster._tcp.example.org", "_cluster._tcp.example.org"),
            ("_cluster._tcp.example.org.", "_cluster._tcp.example.org."),
        ] {
            let name: DnsName = given.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(shown.parse(), Ok(name));
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_fits() {
        for given in
            ["", "a b", "a:port", "a:1:2", "_srv", "_srv._tcp.example.org:7511", "_a..b", "tcp://a:1"]
        {
            assert_eq!(given.parse::<DnsName>(), Err(EXPECTED), "{given}");
        }
        for given in ["10.0.0.1", "[::1]:7511"] {
            let error = given.parse::<DnsName>().unwrap_err().to_string();
            assert!(error.contains("plugins.cluster.seeds"), "{given}: {error}");
        }
    }
}
