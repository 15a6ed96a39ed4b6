//! One node of the demonstration and its server.

use std::sync::Arc;

use cluster_transport::binding::Binding;
use cluster_transport::proto::{Address, NodeId};
use serde_json::{Value, json};

use super::cast::{Cast, Role};
use crate::cli::Failure;
use crate::client::{Client, ClientError};
use crate::node::Node;
use crate::server::{Listener, Server, ServerLimits};

/// A node that plays.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) node: Node,
    server: Server,
}

impl Player {
    /// Starts a node: on a free port for members, or where it was before.
    pub(super) async fn start(
        cast: &Cast,
        role: &Role,
        before: Option<&Address>,
        seeds: Vec<Address>,
    ) -> Result<Self, Failure> {
        let place = before.map_or("tcp://127.0.0.1:0", Address::as_str);
        let bind = Binding::parse(place, 0).map_err(|error| Failure::Usage(error.to_string()))?;
        let listener = Listener::bind("127.0.0.1", role.http_port).await?;
        let node = Node::start(cast.config(role, bind, seeds)?).await?;
        let server = Server::start(
            listener,
            node.clone(),
            cluster_http::router_with_load(node.cluster().clone(), Arc::new(node.load().clone())),
            ServerLimits::default(),
        );
        Ok(Self { node, server })
    }

    pub(super) fn name(&self) -> &NodeId {
        self.node.cluster().node_id()
    }

    /// Where it listens for members.
    pub(super) fn member_address(&self) -> Result<&Address, Failure> {
        let bound = self.node.cluster().bound().first();
        bound.map(|(_, address)| address).ok_or_else(|| Failure::Ended("nothing is bound".to_owned()))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    pub(super) async fn client(&self) -> Result<Client, ClientError> {
        Client::connect(self.server.address()).await
    }

    /// How many subscribers a room has, as a client of this node hears it.
    pub(super) async fn count(&self, room: &Value) -> Result<u64, ClientError> {
        let body = json!({"roomId": room});
        let request = json!({"controller": "realtime", "action": "count", "body": body});
        let counted = self.client().await?.result_of(request).await?;
        Ok(counted.get("count").and_then(Value::as_u64).unwrap_or_default())
    }

    /// Ends it without a word to the other nodes, as a crash would.
    pub(super) async fn drop_abruptly(self) {
        self.node.cluster().abort();
        self.server.stop().await;
    }

    /// Ends it in good order.
    pub(super) async fn stop(self) {
        self.server.stop().await;
        self.node.cluster().leave().await;
    }
}
