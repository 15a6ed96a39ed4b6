//! Nodes with their servers, in this process, on ports that the system gives.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::config::{Config, ConfigBuilder, OnMinority};
use cluster_node::client::Client;
use cluster_node::node::Node;
use cluster_node::server::{Listener, Server, ServerLimits};
use cluster_transport::binding::Binding;
use cluster_transport::proto::Address;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A node and its server.
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) server: Server,
}

impl Host {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) async fn client(&self) -> Client {
        within(Client::connect(self.address())).await.expect("a connection")
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
        self.node.cluster().leave().await;
    }
}

/// A node of this name, alone.
pub(crate) async fn alone(limits: ServerLimits) -> Host {
    host("node-1", &[], 1, limits).await
}

/// A node alone that is configured otherwise.
pub(crate) async fn bounded(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Host {
    let config = change(config("node-1", &[], 1)).build().expect("a configuration");
    let host = serve(&config, ServerLimits::of(&config)).await;
    within(host.node.cluster().wait_ready()).await;
    host
}

/// Nodes that are ready and know each other.
pub(crate) async fn cluster(names: &[&str]) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    for name in names {
        let seeds: Vec<_> = hosts.iter().map(|host| host.node.cluster().bound()[0].1.clone()).collect();
        hosts.push(host(name, &seeds, names.len(), ServerLimits::default()).await);
    }
    for host in &hosts {
        within(host.node.cluster().wait_ready()).await;
    }
    hosts
}

/// A node that has become a ready member with these.
pub(crate) async fn member(name: &str, seeds: &[Address]) -> Host {
    let host = host(name, seeds, 2, ServerLimits::default()).await;
    within(host.node.cluster().wait_ready()).await;
    host
}

/// A node that would need another one to be ready.
pub(crate) async fn minority(on_minority: OnMinority) -> Host {
    start(config("node-1", &[], 2).on_minority(on_minority), ServerLimits::default()).await
}

async fn host(name: &str, seeds: &[Address], nodes: usize, limits: ServerLimits) -> Host {
    let host = start(config(name, seeds, nodes), limits).await;
    if nodes == 1 {
        within(host.node.cluster().wait_ready()).await;
    }
    host
}

/// How such a node is configured.
pub(crate) fn config(name: &str, seeds: &[Address], nodes: usize) -> ConfigBuilder {
    Config::builder()
        .node_id(Some(name.parse().expect("a node id")))
        .bind(Some(Binding::parse("tcp://127.0.0.1:0", 0).expect("a binding")))
        .seeds(seeds.to_vec())
        .minimum_nodes(NonZeroUsize::new(nodes).expect("a node"))
}

async fn start(config: ConfigBuilder, limits: ServerLimits) -> Host {
    serve(&config.build().expect("a configuration"), limits).await
}

async fn serve(config: &Config, limits: ServerLimits) -> Host {
    let node = Node::start(config.clone()).await.expect("a node");
    let listener = Listener::bind("127.0.0.1", 0).await.expect("a port");
    let routes = cluster_http::router_with_load(node.cluster().clone(), Arc::new(node.load().clone()));
    let server = Server::start(listener, node.clone(), routes, limits);
    Host { node, server }
}

/// The value, or a failure after [`PATIENCE`].
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("within the patience of the test")
}

/// The status and the body of the answer to a GET, over a connection of its own.
pub(crate) async fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// The result of an action of the controller `realtime`.
pub(crate) async fn realtime(client: &mut Client, action: &str, arguments: Value) -> Value {
    let request = with(json!({"controller": "realtime", "action": action}), arguments);
    within(client.result_of(request)).await.unwrap_or_else(|error| panic!("{action}: {error}"))
}

/// An object with the keys of another.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    let (Some(into), Value::Object(more)) = (object.as_object_mut(), more) else { panic!("two objects") };
    into.extend(more);
    object
}

/// A message with what differs from run to run taken out.
pub(crate) fn plain(mut message: Value) -> Value {
    fn strip(value: &mut Value) {
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| key != "timestamp" && key != "createdAt");
            object.values_mut().for_each(strip);
        }
    }
    strip(&mut message);
    message
}
