//! From a binding to a socket address and to what other nodes are told.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use super::interface::{self, Interface, is_v6_link_local};
use super::{Binding, Family, Place};
use crate::proto::Address;
use crate::proto::address::Scheme;

/// A binding that nothing on this machine matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The named network interface does not exist.
    #[error("cannot bind {binding}: there is no network interface {name:?}; this machine has {existing}")]
    NoInterface {
        /// What was asked for.
        binding: Binding,
        /// The name that no interface has.
        name: String,
        /// The interfaces and their addresses, as text.
        existing: String,
    },
    /// The named network interface has no address of the family.
    #[error(
        "cannot bind {binding}: network interface {name:?} has no {family} address; this machine has {existing}"
    )]
    NoAddress {
        /// What was asked for.
        binding: Binding,
        /// The interface.
        name: String,
        /// The family that was asked for.
        family: Family,
        /// The interfaces and their addresses, as text.
        existing: String,
    },
    /// `_site_` was asked for, but the machine has nothing but loopback in that family.
    #[error(
        "cannot bind {binding}: there is no {family} address other than loopback; this machine has {existing}; \
         name one of these in place of _site_"
    )]
    NoSite {
        /// What was asked for.
        binding: Binding,
        /// The family that was asked for.
        family: Family,
        /// The interfaces and their addresses, as text.
        existing: String,
    },
}

/// What to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This address.
    Socket(SocketAddr),
    /// An address of this host name; see [`Resolved::lookup`].
    Host {
        /// The name.
        name: Arc<str>,
        /// The port.
        port: u16,
    },
}

/// A binding on one machine: what to bind there, and what to tell others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    scheme: Scheme,
    target: Target,
    advertised: Option<Advertised>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Advertised {
    Ip(IpAddr),
    Host(Arc<str>),
}

impl Resolved {
    /// How sessions are carried on it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What to bind.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The addresses to try to bind, in order; asks the system's resolver if the binding names a host.
    pub async fn lookup(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.target {
            Target::Socket(address) => Ok(vec![*address]),
            Target::Host { name, port } => Ok(tokio::net::lookup_host((&**name, *port)).await?.collect()),
        }
    }

    /// The address that others are told, once the port that was really bound is known.
    ///
    /// For an unspecified address it is the machine's `_site_` address of that family. It is `None` where there is none,
    /// and for an IPv6 link-local address, which means nothing on another machine.
    pub fn advertised(&self, bound_port: u16) -> Option<Address> {
        self.advertised_as(self.scheme, bound_port)
    }

    /// As [`advertised`](Self::advertised), for what is bound beside it at the same port.
    pub fn advertised_as(&self, scheme: Scheme, bound_port: u16) -> Option<Address> {
        match self.advertised.as_ref()? {
            Advertised::Ip(ip) => Some(Address::from_ip(scheme, *ip, bound_port)),
            Advertised::Host(name) => format!("{}://{name}:{bound_port}", scheme.as_str()).parse().ok(),
        }
    }
}

impl Binding {
    /// Finds what this binding means on a machine with these interfaces, in the order the system lists them.
    ///
    /// `_site_` is the first private address that is not loopback, else the first that is not loopback; link-local ones
    /// come last. A named interface gives its first address of the family, link-local ones last again.
    pub fn resolve(&self, interfaces: &[Interface]) -> Result<Resolved, ResolveError> {
        let (target, advertised) = match &self.place {
            Place::Host(name) => {
                let target = Target::Host { name: Arc::clone(name), port: self.port };
                (target, Some(Advertised::Host(Arc::clone(name))))
            }
            Place::Site(family) => {
                let found =
                    interface::site(interfaces, *family).ok_or_else(|| self.no_site(*family, interfaces))?;
                self.on(found)
            }
            Place::Interface { name, family } => self.on(self.find(name, *family, interfaces)?),
            Place::Ip { ip, zone } => {
                let scope = zone.as_ref().map_or(Ok(0), |zone| self.scope(zone, interfaces))?;
                let reachable = if ip.is_unspecified() {
                    interface::site(interfaces, Family::of(*ip)).map(|found| found.ip())
                } else {
                    Some(*ip)
                };
                self.at(*ip, scope, reachable)
            }
        };
        Ok(Resolved { scheme: self.scheme, target, advertised })
    }

    fn on(&self, found: &Interface) -> (Target, Option<Advertised>) {
        let scope = if is_v6_link_local(found.ip()) { found.index() } else { 0 };
        self.at(found.ip(), scope, Some(found.ip()))
    }

    fn at(&self, ip: IpAddr, scope: u32, reachable: Option<IpAddr>) -> (Target, Option<Advertised>) {
        let socket = match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, self.port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, scope).into(),
        };
        let advertised = reachable.filter(|ip| !is_v6_link_local(*ip)).map(Advertised::Ip);
        (Target::Socket(socket), advertised)
    }

    fn find<'a>(
        &self,
        name: &str,
        family: Family,
        interfaces: &'a [Interface],
    ) -> Result<&'a Interface, ResolveError> {
        let named = || interfaces.iter().filter(|interface| interface.name() == name);
        if named().next().is_none() {
            return Err(self.no_interface(name, interfaces));
        }
        named()
            .filter(|interface| Family::of(interface.ip()) == family)
            .min_by_key(|interface| interface::is_link_local(interface.ip()))
            .ok_or_else(|| ResolveError::NoAddress {
                binding: self.clone(),
                name: name.to_owned(),
                family,
                existing: interface::listing(interfaces),
            })
    }

    /// The number of the interface that a zone names; a zone may be that number itself.
    fn scope(&self, zone: &str, interfaces: &[Interface]) -> Result<u32, ResolveError> {
        zone.parse()
            .ok()
            .or_else(|| {
                interfaces.iter().find(|interface| interface.name() == zone).map(|found| found.index())
            })
            .ok_or_else(|| self.no_interface(zone, interfaces))
    }

    fn no_interface(&self, name: &str, interfaces: &[Interface]) -> ResolveError {
        ResolveError::NoInterface {
            binding: self.clone(),
            name: name.to_owned(),
            existing: interface::listing(interfaces),
        }
    }

    fn no_site(&self, family: Family, interfaces: &[Interface]) -> ResolveError {
        ResolveError::NoSite { binding: self.clone(), family, existing: interface::listing(interfaces) }
    }
}
