//! A name in the DNS under which members are found.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;

use super::defaults::DEFAULT_PUB_PORT;
use super::values::ValueError;

/// The longest name, in bytes.
const MAX_NAME: usize = 253;

/// A name in the DNS under which members are found: `name`, `name:port`, or `_service._proto.name`.
///
/// The first two stand for all addresses of a name, on port 7511 if none is given, and may have `quic://` before them; the
/// third for its SRV records, which give targets and ports themselves. Members are dialled over TCP, and over QUIC where that
/// is written, or where SRV records are of `_udp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DnsName {
    /// All addresses of a name, each on this port.
    Hosts {
        /// What they are dialled over.
        scheme: Scheme,
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

impl DnsName {
    /// What members under it are dialled over.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Hosts { scheme, .. } => *scheme,
            Self::Services { name } if name.split('.').nth(1) == Some("_udp") => Scheme::Quic,
            Self::Services { .. } => Scheme::Tcp,
        }
    }
}

const EXPECTED: ValueError = ValueError(
    "no name in the DNS: write name or name:port, with quic:// before it for QUIC, or _service._proto.name for SRV records",
);

impl FromStr for DnsName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.starts_with('_') {
            return service(text).ok_or(EXPECTED);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Tcp, text),
            Some(("tcp", rest)) => (Scheme::Tcp, rest),
            Some(("quic", rest)) => (Scheme::Quic, rest),
            Some(_) => return Err(EXPECTED),
        };
        let with_port =
            if rest.contains(':') { rest.to_owned() } else { format!("{rest}:{DEFAULT_PUB_PORT}") };
        let address: Address = format!("tcp://{with_port}").parse().map_err(|_| EXPECTED)?;
        if address.ip().is_some() {
            return Err(ValueError("an IP address has no name to look up: list it in plugins.cluster.seeds"));
        }
        Ok(Self::Hosts { scheme, name: address.host().into(), port: address.port() })
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
            Self::Hosts { scheme: Scheme::Tcp, name, port } => write!(f, "{name}:{port}"),
            Self::Hosts { scheme, name, port } => write!(f, "{}://{name}:{port}", scheme.as_str()),
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
            ("quic://cluster", "quic://cluster:7511"),
            ("_Cluster._tcp.example.org", "_cluster._tcp.example.org"),
            ("_cluster._tcp.example.org.", "_cluster._tcp.example.org."),
        ] {
            let name: DnsName = given.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(shown.parse(), Ok(name));
        }
        assert_eq!("tcp://cluster:1".parse::<DnsName>(), "cluster:1".parse());
    }

    #[test]
    fn members_are_dialled_over_what_is_written_or_what_the_records_are_for() {
        for (given, scheme) in [
            ("cluster", Scheme::Tcp),
            ("tcp://cluster", Scheme::Tcp),
            ("quic://cluster:1", Scheme::Quic),
            ("_cluster._tcp.example.org", Scheme::Tcp),
            ("_cluster._udp.example.org", Scheme::Quic),
        ] {
            assert_eq!(given.parse::<DnsName>().map(|name| name.scheme()), Ok(scheme), "{given}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_fits() {
        for given in [
            "",
            "a b",
            "a:port",
            "a:1:2",
            "_srv",
            "_srv._tcp.example.org:7511",
            "_a..b",
            "http://a:1",
            "quic://",
        ] {
            assert_eq!(given.parse::<DnsName>(), Err(EXPECTED), "{given}");
        }
        for given in ["10.0.0.1", "[::1]:7511"] {
            let error = given.parse::<DnsName>().unwrap_err().to_string();
            assert!(error.contains("plugins.cluster.seeds"), "{given}: {error}");
        }
    }
}
