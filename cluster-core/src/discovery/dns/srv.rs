//! SRV records, which the system's resolver does not give out.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use crate::discovery::names::{self, Miss};

/// How long a server may take before the next one is asked.
const SERVER_DEADLINE: Duration = Duration::from_millis(700);
/// The most records that are looked at.
const MAX_RECORDS: usize = 256;

/// All addresses of the targets of a name's SRV records, each with its record's port. Priority and weight say whom to prefer,
/// and members are all dialled: only of more than [`MAX_RECORDS`] the preferred ones are taken.
pub(super) async fn targets(
    scheme: Scheme,
    name: &str,
    servers: &[SocketAddr],
) -> Result<Vec<Address>, Miss> {
    let resolver = resolver(servers).map_err(|error| Miss::Unknown(error.to_string()))?;
    let records = resolver.srv_lookup(name).await.map_err(|error| miss(&error))?;
    let services = records.answers().iter().filter_map(|record| match &record.data {
        // A target that is the root says that there is no such service.
        RData::SRV(service) if !service.target.is_root() => Some(service),
        _ => None,
    });
    let mut services: Vec<_> = services.collect();
    services.sort_by_key(|service| (service.priority, Reverse(service.weight)));
    let lookups = services.into_iter().take(MAX_RECORDS).map(|service| {
        let found = resolver.lookup_ip(service.target.clone());
        async move { found.await.map(|found| found.iter().map(|ip| (ip, service.port)).collect::<Vec<_>>()) }
    });
    let (mut found, mut missed) = (Vec::new(), None);
    for target in join_all(lookups).await {
        match target {
            Ok(target) => found.extend(target),
            Err(error) => missed = Some(miss(&error)),
        }
    }
    match missed {
        Some(missed) if found.is_empty() => Err(missed),
        _ => Ok(names::addresses(scheme, found.into_iter())),
    }
}

/// Made anew for each question, so that nothing is remembered and a changed configuration of the system counts.
fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|server| {
            let mut udp = ConnectionConfig::udp();
            udp.port = server.port();
            NameServerConfig::new(server.ip(), true, vec![udp])
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = SERVER_DEADLINE;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn miss(error: &NetError) -> Miss {
    let text = error.to_string();
    if error.is_no_records_found() || error.is_nx_domain() { Miss::Nobody(text) } else { Miss::Unknown(text) }
}
