//! Two members in one process: one subscribes, the other publishes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::config::{Config, Sources};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::{ConnectionId, RoomId, RoomInfo};
use cluster_core::host::Host;
use cluster_core::runtime::Cluster;
use cluster_transport::proto::NodeId;
use tokio::sync::mpsc;

/// What a node implementation does with what it is told; every method has a default.
struct Subscribers(mpsc::Sender<Bytes>);

impl Host for Subscribers {
    fn document_notification(&self, from: &NodeId, rooms: &[RoomId], payload: &Bytes) {
        println!("from {from} for {} room", rooms.len());
        let _ = self.0.try_send(payload.clone());
    }
}

async fn member(
    name: &str,
    found_in: &MemoryDirectory,
    clients: mpsc::Sender<Bytes>,
) -> Result<Cluster, Box<dyn Error>> {
    let sources = Sources::new()
        .assign(format!("plugins.cluster.nodeId={name}"))
        .assign("plugins.cluster.bind=tcp://127.0.0.1:0")
        .assign("plugins.cluster.minimumNodes=2");
    let host = Arc::new(Subscribers(clients));
    Ok(Cluster::builder(Config::load(&sources)?, host).provider(found_in.clone()).start().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (clients, mut notifications) = mpsc::channel(16);
    let directory = MemoryDirectory::default();
    let a = member("node-a", &directory, clients.clone()).await?;
    let b = member("node-b", &directory, clients).await?;
    a.wait_ready().await;
    b.wait_ready().await;

    // The host derives a room's id from its filters; they travel as the host writes them.
    let room = RoomInfo::new(RoomId::new([1; 32]), "sea", "ships", r#"{"equals":{"flag":"nl"}}"#)?;
    let subscribed = a.subscribe(ConnectionId(1), &room)?;
    a.heard(subscribed.version, Duration::from_secs(1)).await?;

    let sent = b.notify_document(&[room.id()], br#"{"name":"Batavia"}"#);
    let payload = tokio::time::timeout(Duration::from_secs(5), notifications.recv()).await?;
    println!("to {} node: {payload:?}", sent.nodes);

    b.leave().await;
    a.leave().await;
    Ok(())
}
