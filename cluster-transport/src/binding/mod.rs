//! Where a node listens, as an operator writes it: `tcp://[interface:family]:port`, `tcp://host:port` or `host:port`.
//!
//! A [`Binding`] is what was asked for. [`Binding::resolve`] turns it into what can be bound on a machine with given
//! network interfaces, and into what other nodes may be told. Both are pure; [`Interface::all`] asks the machine.
//!
//! Nothing falls back in silence: what matches no interface is an error that lists what exists. An unspecified address
//! (`0.0.0.0`, `[::]`, `*`) can be bound and is never advertised.

mod interface;
mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub use interface::Interface;
pub use resolve::{ResolveError, Resolved, Target};

use crate::proto::Address;
use crate::proto::address::Scheme;

/// The longest name of a network interface, in bytes. Linux allows 15, Windows more.
const MAX_INTERFACE: usize = 64;
/// How much of a refused text an error repeats, in characters.
const MAX_SHOWN: usize = 280;
/// Stands for the first address of this machine that others can be expected to reach.
const SITE: &str = "_site_";

/// A text that is not a binding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a binding: {problem} (write tcp://[interface:family]:port, tcp://host:port or host:port)"
)]
pub struct BindingError {
    given: String,
    problem: &'static str,
}

/// A family of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, what a binding means that names no family.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The family that `:ipv4` or `:ipv6` means, without the colon, in any case.
    fn from_suffix(text: &str) -> Option<Self> {
        [Self::V4, Self::V6].into_iter().find(|family| family.suffix().eq_ignore_ascii_case(text))
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Where a node is asked to listen. Its text form names scheme, place and port, and parses back to an equal binding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    scheme: Scheme,
    place: Place,
    port: u16,
}

/// The part of a binding between the scheme and the port.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Site(Family),
    Interface { name: Arc<str>, family: Family },
    Ip { ip: IpAddr, zone: Option<Arc<str>> },
    Host(Arc<str>),
}

impl Binding {
    /// Reads a binding; one that names no port gets `default_port`.
    ///
    /// In brackets stand `_site_`, an IP address (IPv6 with a zone if need be), `*` or the name of a network interface,
    /// each followed by `:ipv4` (the default) or `:ipv6` in any case. Without brackets stand an IPv4 address, a host name,
    /// `_site_` or `*`; `_site_` may be written in any case. Without a scheme it is TCP. Port 0 asks the system for a free one.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, BindingError> {
        let refuse = |problem| BindingError { given: text.chars().take(MAX_SHOWN).collect(), problem };
        let (scheme, rest) = match text.split_once("://") {
            Some(("tcp", rest)) => (Scheme::Tcp, rest),
            Some(("quic", rest)) => (Scheme::Quic, rest),
            Some(_) => return Err(refuse("the scheme is neither tcp nor quic")),
            None => (Scheme::Tcp, text),
        };
        let (place, port) = match rest.strip_prefix('[') {
            Some(rest) => parse_bracketed(rest),
            None => parse_bare(rest),
        }
        .map_err(refuse)?;
        let port = port.map_or(Ok(default_port), parse_port).map_err(refuse)?;
        Ok(Self { scheme, place, port })
    }

    /// How sessions are carried on it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port; 0 asks the system for a free one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

type Parsed<'a> = Result<(Place, Option<&'a str>), &'static str>;

fn parse_bracketed(rest: &str) -> Parsed<'_> {
    let (inner, after) = rest.split_once(']').ok_or("the bracket is not closed")?;
    let port = match after.strip_prefix(':') {
        None if !after.is_empty() => return Err("only :port may follow the bracket"),
        port => port,
    };
    let (inner, family) = inner
        .rsplit_once(':')
        .and_then(|(head, tail)| Some((head, Some(Family::from_suffix(tail)?))))
        .unwrap_or((inner, None));
    let place = match (parse_ip(inner)?, family) {
        (Some((ip, _)), Some(family)) if Family::of(ip) != family => {
            return Err("the address is not of that family");
        }
        (Some((ip, zone)), _) => Place::Ip { ip, zone },
        (None, family) => parse_named(inner, family.unwrap_or(Family::V4))?,
    };
    Ok((place, port))
}

fn parse_named(name: &str, family: Family) -> Result<Place, &'static str> {
    match name {
        _ if name.eq_ignore_ascii_case(SITE) => Ok(Place::Site(family)),
        "*" => Ok(Place::Ip { ip: family.unspecified(), zone: None }),
        "" => Err("the brackets are empty"),
        _ if name.len() > MAX_INTERFACE || name.contains(char::is_control) => {
            Err("no network interface has such a name")
        }
        _ => Ok(Place::Interface { name: name.into(), family }),
    }
}

type ZonedIp = (IpAddr, Option<Arc<str>>);

/// An IP address, with the zone behind its `%`. What does not begin with an IP address is none, and no error.
fn parse_ip(text: &str) -> Result<Option<ZonedIp>, &'static str> {
    let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
    let Ok(ip) = ip.parse::<IpAddr>() else { return Ok(None) };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    match zone {
        Some(_) if ip.is_ipv4() => Err("an IPv4 address has no zone"),
        Some(zone) if zone.is_empty() || zone.len() > MAX_INTERFACE || !zone.bytes().all(plain) => {
            Err("the zone is no interface's name or number")
        }
        zone => Ok(Some((ip, zone.map(Arc::from)))),
    }
}

fn parse_bare(rest: &str) -> Parsed<'_> {
    let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    if host.contains(':') {
        return Err("an IPv6 address needs brackets");
    }
    if host == "*" || host.eq_ignore_ascii_case(SITE) {
        return Ok((parse_named(host, Family::V4)?, port));
    }
    // The rules for host names have one home: what can be advertised can be bound.
    let address: Address =
        format!("tcp://{host}:1").parse().map_err(|_| "the host is neither a name nor an IP address")?;
    let place = match address.ip() {
        Some(ip) => Place::Ip { ip, zone: None },
        None => Place::Host(address.host().into()),
    };
    Ok((place, port))
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or("the port is not a number from 0 to 65535")
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.place {
            Place::Site(family) => write!(f, "[{SITE}:{}]", family.suffix()),
            Place::Interface { name, family } => write!(f, "[{name}:{}]", family.suffix()),
            Place::Ip { ip: IpAddr::V4(ip), .. } => write!(f, "{ip}"),
            Place::Ip { ip, zone: None } => write!(f, "[{ip}]"),
            Place::Ip { ip, zone: Some(zone) } => write!(f, "[{ip}%{zone}]"),
            Place::Host(name) => f.write_str(name),
        }?;
        write!(f, ":{}", self.port)
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
