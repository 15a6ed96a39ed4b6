//! Where a node can be dialled: a scheme, a host and a port, as text that travels.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use super::NodeId;

/// The longest address, in bytes of text.
pub const MAX_ADDRESS: usize = 280;
/// The longest host name, in bytes.
const MAX_HOST: usize = 253;
/// What stands between a scheme and a host.
const SEPARATOR: &str = "://";

/// A text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not an address: {problem} (write tcp://host:port or quic://host:port)")]
pub struct AddressError {
    given: String,
    problem: &'static str,
}

/// A way to carry a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// TCP, with TLS where the node is configured for it.
    Tcp,
    /// QUIC over UDP.
    Quic,
    /// Through a member that reaches both. Such addresses are made by [`Address::through`] alone, and never travel.
    Tunnel,
}

impl Scheme {
    /// The scheme as it stands before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::Tunnel => "tunnel",
        }
    }
}

/// An address that can be dialled: `tcp://host:port`, where the host is a name, an IPv4 address or a bracketed IPv6 one.
///
/// A bare `host:port` is TCP. The text is normalised, so equal addresses are equal texts. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: SmolStr,
    scheme: Scheme,
    port: u16,
}

impl Address {
    /// An address of an IP address and a port.
    pub fn from_ip(scheme: Scheme, ip: IpAddr, port: u16) -> Self {
        Self { text: render(scheme, &HostText::Ip(ip), port).into(), scheme, port }
    }

    /// A node that is reached through a tunnel that another one carries.
    pub fn through(via: &NodeId, to: &NodeId) -> Self {
        Self { text: format!("tunnel://{via}/{to}").into(), scheme: Scheme::Tunnel, port: 0 }
    }

    /// Who carries the tunnel, and who is at its other end, if this is one.
    pub fn as_tunnel(&self) -> Option<(NodeId, NodeId)> {
        let (via, to) = self.text.strip_prefix("tunnel://")?.split_once('/')?;
        Some((via.parse().ok()?, to.parse().ok()?))
    }

    /// The same host and port, dialled in another way.
    #[must_use]
    pub fn with_scheme(&self, scheme: Scheme) -> Self {
        Self { text: format!("{}://{}", scheme.as_str(), self.rest()).into(), scheme, port: self.port }
    }

    /// How to dial it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        let rest = self.rest();
        let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as an IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// The address as text, with its scheme.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What follows the scheme.
    fn rest(&self) -> &str {
        self.text.get(self.scheme.as_str().len() + SEPARATOR.len()..).unwrap_or_default()
    }
}

/// An address in its parts, as it was written.
struct Parts<'a> {
    scheme: Scheme,
    /// Whether the scheme was written at all.
    is_explicit: bool,
    host: HostText<'a>,
    port: u16,
    port_text: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, &'static str> {
        // An address is read for every hint: a search for the separator would cost more than all the rest.
        let after = |scheme: Scheme| {
            let rest = text.strip_prefix(scheme.as_str())?.strip_prefix(SEPARATOR)?;
            Some((Some(scheme), rest))
        };
        let (scheme, rest) = match after(Scheme::Tcp).or_else(|| after(Scheme::Quic)) {
            Some(written) => written,
            None if text.contains(SEPARATOR) => return Err("the scheme is neither tcp nor quic"),
            None => (None, text),
        };
        let (host, port_text) = rest.rsplit_once(':').ok_or("the port is missing")?;
        let port = port_text.parse().ok().filter(|port| *port > 0).ok_or("the port is not 1 to 65535")?;
        let host = parse_host(host)?;
        Ok(Self {
            scheme: scheme.unwrap_or(Scheme::Tcp),
            is_explicit: scheme.is_some(),
            host,
            port,
            port_text,
        })
    }

    /// Whether it is written as [`render`] writes it. Said only of what takes no writing to know.
    fn is_plainly_normal(&self) -> bool {
        let host = match &self.host {
            HostText::Name(name) => !name.bytes().any(|b| b.is_ascii_uppercase()),
            // Its octets have one form only.
            HostText::Ip(IpAddr::V4(_)) => true,
            HostText::Ip(IpAddr::V6(_)) => false,
        };
        self.is_explicit && host && !self.port_text.starts_with(['0', '+'])
    }
}

enum HostText<'a> {
    Name(&'a str),
    Ip(IpAddr),
}

fn render(scheme: Scheme, host: &HostText<'_>, port: u16) -> String {
    let scheme = scheme.as_str();
    match host {
        HostText::Name(name) => format!("{scheme}://{}:{port}", name.to_ascii_lowercase()),
        HostText::Ip(IpAddr::V4(ip)) => format!("{scheme}://{ip}:{port}"),
        HostText::Ip(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{port}"),
    }
}

fn parse_host(host: &str) -> Result<HostText<'_>, &'static str> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner
            .parse::<Ipv6Addr>()
            .map(|ip| HostText::Ip(ip.into()))
            .map_err(|_| "no IPv6 address in the brackets");
    }
    if host.contains(':') {
        return Err("an IPv6 address needs brackets");
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(HostText::Ip(ip.into()));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(plain) {
        return Err("the host is neither a name nor an IP address");
    }
    Ok(HostText::Name(host))
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |problem| AddressError { given: text.chars().take(MAX_ADDRESS).collect(), problem };
        let parts = Parts::of(text).map_err(refuse)?;
        let Parts { scheme, port, .. } = parts;
        let text = if parts.is_plainly_normal() {
            SmolStr::new(text)
        } else {
            render(scheme, &parts.host, port).into()
        };
        Ok(Self { text, scheme, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let address: Self = text.parse().map_err(serde::de::Error::custom)?;
        // What is passed on is never longer than what came, and one address is the same bytes from everybody.
        if address.as_str() != text {
            return Err(serde::de::Error::custom("the address is not in its normal form"));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_normalised() {
        for (given, shown, host) in [
            ("tcp://10.0.0.1:7511", "tcp://10.0.0.1:7511", "10.0.0.1"),
            ("Node-1.example:7511", "tcp://node-1.example:7511", "node-1.example"),
            ("quic://[::1]:1", "quic://[::1]:1", "::1"),
            ("tcp://[0:0::1]:80", "tcp://[::1]:80", "::1"),
        ] {
            let address: Address = given.parse().unwrap();
            assert_eq!((address.as_str(), address.host()), (shown, host));
            assert_eq!(
                address.with_scheme(Scheme::Quic).to_string().replace("quic", "tcp"),
                shown.replace("quic", "tcp")
            );
        }
    }

    proptest! {
        #[test]
        fn an_address_reads_as_it_is_written_from_its_parts(
            scheme in "(tcp://|quic://|)",
            host in "([a-zA-Z0-9._-]{1,12}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9a-f:]{2,9}\\])",
            port in "[+0]{0,2}[0-9]{1,5}",
        ) {
            let text = format!("{scheme}{host}:{port}");
            if let (Ok(address), Ok(parts)) = (text.parse::<Address>(), Parts::of(&text)) {
                prop_assert_eq!(address.as_str(), render(parts.scheme, &parts.host, parts.port));
                prop_assert_eq!(address.as_str().parse::<Address>(), Ok(address.clone()));
            }
        }
    }

    #[test]
    fn only_the_normal_form_travels() {
        let travels =
            |text: &str| postcard::from_bytes::<Address>(&postcard::to_allocvec(text).unwrap()).is_ok();
        for text in
            ["tcp://a-1.example:1", "quic://[::1]:7511", "tcp://10.0.0.1:65535", "tcp://[::ffff:0.1.0.1]:1"]
        {
            assert!(travels(text), "{text}");
        }
        for text in ["a:1", "tcp://A:1", "tcp://a:01", "tcp://a:+1", "tcp://[0::1]:1", "tcp://[::ffff:1:1]:1"]
        {
            assert!(text.parse::<Address>().is_ok() && !travels(text), "{text}");
        }
    }

    #[test]
    fn a_tunnel_is_no_address_that_anybody_may_write() {
        let tunnel = Address::through(&"c".parse().unwrap(), &"b".parse().unwrap());
        assert_eq!(tunnel.to_string(), "tunnel://c/b");
        assert_eq!(tunnel.as_tunnel(), Some(("c".parse().unwrap(), "b".parse().unwrap())));
        assert!(tunnel.as_str().parse::<Address>().is_err());
        assert_eq!("tcp://c:1".parse::<Address>().unwrap().as_tunnel(), None);
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (given, problem) in [
            ("http://a:1", "the scheme is neither tcp nor quic"),
            ("tcp://a", "the port is missing"),
            ("a:0", "the port is not 1 to 65535"),
            ("a:65536", "the port is not 1 to 65535"),
            ("::1:80", "an IPv6 address needs brackets"),
            ("[nope]:80", "no IPv6 address in the brackets"),
            (":80", "the host is neither a name nor an IP address"),
            ("a b:80", "the host is neither a name nor an IP address"),
        ] {
            assert_eq!(given.parse::<Address>().unwrap_err().problem, problem, "{given}");
        }
    }
}
