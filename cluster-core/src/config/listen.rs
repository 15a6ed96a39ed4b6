//! Where a node listens for members, and whether it may.

use std::fmt;
use std::net::SocketAddr;

use cluster_transport::binding::Binding;
use cluster_transport::proto::address::Scheme;

use super::defaults::{DEFAULT_PLAINTEXT_BINDING, DEFAULT_PUB_PORT, DEFAULT_TLS_BINDING};
use super::error::{ConfigError, ExposureError};
use super::security::Security;
use super::settings::Settings;
use super::sources::Source;
use super::table::Sourced;
use super::values::Plaintext;

/// Under which name a binding was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingName {
    /// `bindings.pub`: bound and advertised.
    Pub,
    /// `bindings.router`: bound, the same protocol, not advertised.
    Router,
    /// `bind`: the only one, bound and advertised.
    Bind,
}

impl BindingName {
    /// The name as status shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pub => "pub",
            Self::Router => "router",
            Self::Bind => "bind",
        }
    }

    /// Whether other nodes are told this address.
    pub const fn is_advertised(self) -> bool {
        !matches!(self, Self::Router)
    }
}

impl fmt::Display for BindingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place where a node listens for members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    name: BindingName,
    binding: Binding,
}

impl Listener {
    /// The name it was configured under.
    pub fn name(&self) -> BindingName {
        self.name
    }

    /// Where to listen.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// The places to listen at, at least one. A default that is taken is entered in the settings, to be shown.
pub(super) fn listeners(settings: &mut Settings, security: &Security) -> Result<Vec<Listener>, ConfigError> {
    if let Some(bind) = settings.bind.value() {
        refuse_second(settings)?;
        return Ok(vec![Listener { name: BindingName::Bind, binding: bind }]);
    }
    let binding = match settings.bind_pub.value() {
        Some(given) => given,
        None => default_binding(security)?,
    };
    if settings.bind_pub.value.is_none() {
        settings.bind_pub = Sourced { value: Some(binding.clone()), source: Source::Default };
    }
    let router = settings.bind_router.value();
    let router = router.map(|binding| Listener { name: BindingName::Router, binding });
    Ok([Listener { name: BindingName::Pub, binding }].into_iter().chain(router).collect())
}

fn refuse_second(settings: &Settings) -> Result<(), ConfigError> {
    let others = [
        ("plugins.cluster.bindings.pub", &settings.bind_pub),
        ("plugins.cluster.bindings.router", &settings.bind_router),
    ];
    match others.into_iter().find(|(_, other)| other.value.is_some()) {
        None => Ok(()),
        Some((other, given)) => Err(ConfigError::BoundTwice {
            bind_by: settings.bind.source.clone(),
            other,
            other_by: given.source.clone(),
        }),
    }
}

/// QUIC always has TLS: without, neither may it be listened on nor can it be dialled.
pub(super) fn check_quic(settings: &Settings, security: &Security) -> Result<(), ConfigError> {
    if matches!(security, Security::Tls(_)) {
        return Ok(());
    }
    let bindings = [
        ("plugins.cluster.bind", &settings.bind),
        ("plugins.cluster.bindings.pub", &settings.bind_pub),
        ("plugins.cluster.bindings.router", &settings.bind_router),
    ];
    let asked = bindings.into_iter().find_map(|(key, binding)| {
        let asked = binding.value.as_ref().filter(|asked| asked.scheme() == Scheme::Quic)?;
        Some((key, asked.to_string(), &binding.source))
    });
    let seeds = &settings.seeds;
    let seed = seeds.value.iter().find(|seed| seed.scheme() == Scheme::Quic);
    let seed = seed.map(|seed| ("plugins.cluster.seeds", seed.to_string(), &seeds.source));
    let dns = &settings.dns;
    let name = dns.value.iter().find(|name| name.scheme() == Scheme::Quic);
    let name = name.map(|name| ("plugins.cluster.dns", name.to_string(), &dns.source));
    match asked.or(seed).or(name) {
        None => Ok(()),
        Some((key, given, by)) => Err(ConfigError::QuicWithoutTls { key, given, given_by: by.clone() }),
    }
}

fn default_binding(security: &Security) -> Result<Binding, ConfigError> {
    let text = match security {
        Security::Plaintext(_) => DEFAULT_PLAINTEXT_BINDING,
        Security::Tls(_) => DEFAULT_TLS_BINDING,
    };
    Binding::parse(text, DEFAULT_PUB_PORT).map_err(|error| ConfigError::Invalid {
        key: "plugins.cluster.bindings.pub",
        given_by: Source::Default,
        problem: error.to_string(),
    })
}

/// Refuses to let a binding be reached by strangers: without TLS, only loopback may be bound.
pub(super) fn check_exposure(
    security: &Security,
    binding: &Binding,
    address: SocketAddr,
) -> Result<(), ExposureError> {
    match security {
        Security::Plaintext(Plaintext::LoopbackOnly) if !address.ip().to_canonical().is_loopback() => {
            Err(ExposureError { binding: binding.clone(), address })
        }
        _ => Ok(()),
    }
}
