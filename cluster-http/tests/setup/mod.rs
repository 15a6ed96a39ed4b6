//! A member without a host, for those who ask its routes.

use std::sync::Arc;

use cluster_core::config::{Config, ConfigBuilder};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::host::Host;
use cluster_core::runtime::Cluster;
use cluster_transport::binding::Binding;

struct NoHost;
impl Host for NoHost {}

/// A member on loopback that finds those of the same directory.
pub(crate) async fn member(
    name: &str,
    directory: &MemoryDirectory,
    adapt: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> Cluster {
    let builder = Config::builder()
        .node_id(Some(name.parse().unwrap()))
        .bind(Some(Binding::parse("tcp://127.0.0.1:0", 0).unwrap()));
    let config = adapt(builder).build().unwrap();
    Cluster::builder(config, Arc::new(NoHost)).provider(directory.clone()).start().await.unwrap()
}
