//! Which route is answered by what.

mod admin;
mod dashboard;
mod events;
mod health;
mod metrics;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method};
use axum::routing::{MethodRouter, get, post};
use cluster_core::runtime::Cluster;

use crate::envelope::Exchange;
use crate::hub::Hub;
use crate::load::{HostLoad, Loaded};
use crate::metrics::Metrics;

/// The longest body of a request, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What every route has.
#[derive(Clone, Debug)]
struct Shared {
    cluster: Cluster,
    load: Loaded,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
}

impl Shared {
    fn exchange(&self, action: &'static str, headers: &HeaderMap) -> Exchange {
        Exchange::new(action, self.cluster.node_id().as_str(), headers)
    }
}

/// The routes of a member, to be merged into the host's own router.
///
/// The routes that change something are guarded: with `plugins.cluster.adminToken` set, the header `Authorization: Bearer <token>`
/// is required from everywhere; without it only loopback is answered, and not what came through a proxy or from a web page.
/// For that each request needs its `ConnectInfo<SocketAddr>`, as `into_make_service_with_connect_info` gives it; otherwise
/// nobody is taken for local.
///
/// At most [64](crate) readers get server-sent events at a time, the next ones 503; one that reads too slowly is sent away. A server
/// that bounds the life of a connection ends them sooner: they come back by themselves.
pub fn router(cluster: Cluster) -> Router {
    routes(cluster, None)
}

/// The same for a host that says when it has too much to do: it is `overloaded` in health and status then, still with 200, and its
/// figures are among the metrics.
pub fn router_with_load(cluster: Cluster, load: Arc<dyn HostLoad>) -> Router {
    routes(cluster, Some(load))
}

fn routes(cluster: Cluster, load: Loaded) -> Router {
    let shared = Shared {
        hub: Arc::new(Hub::new(cluster.clone(), load.clone())),
        metrics: Arc::new(Metrics::new(cluster.clone(), load.clone())),
        cluster,
        load,
    };
    let routes =
        table().into_iter().fold(Router::new(), |router, (_, path, answer)| router.route(path, answer));
    routes.layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

/// Every route there is, each path once.
fn table() -> Vec<(Method, &'static str, MethodRouter<Shared>)> {
    vec![
        (Method::GET, "/_plugin/cluster", get(dashboard::redirect)),
        (Method::GET, "/_plugin/cluster/", get(dashboard::page)),
        (Method::GET, "/_plugin/cluster/dashboard.css", get(dashboard::style)),
        (Method::GET, "/_plugin/cluster/dashboard.js", get(dashboard::script)),
        (Method::GET, "/_plugin/cluster/model.js", get(dashboard::model)),
        (Method::GET, "/_plugin/cluster/openapi.json", get(dashboard::openapi)),
        (Method::GET, "/_plugin/cluster/health", get(health::health)),
        (Method::GET, "/_plugin/cluster/health/live", get(health::live)),
        (Method::GET, "/_plugin/cluster/health/ready", get(health::ready)),
        (Method::GET, "/_plugin/cluster/status", get(status::status)),
        (Method::GET, "/_plugin/cluster/status/matrix", get(status::matrix)),
        (Method::GET, "/_plugin/cluster/flight-recorder", get(status::flight_recorder)),
        (Method::GET, "/_plugin/cluster/events", get(events::events)),
        (Method::GET, "/_plugin/cluster/metrics", get(metrics::metrics)),
        (Method::POST, "/_plugin/cluster/reset", post(admin::reset)),
        (Method::POST, "/_plugin/cluster/drain", post(admin::drain)),
        (Method::POST, "/_plugin/cluster/forget/{node}", post(admin::forget)),
        (Method::POST, "/_plugin/cluster/hold", post(admin::hold)),
        (Method::GET, "/cluster/_status", get(status::successor)),
    ]
}

#[cfg(test)]
mod tests;
