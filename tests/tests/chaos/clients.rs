//! A client of each node that publishes, and one that listens; both connect again for as long as they are wanted.

use std::net::SocketAddr;
use std::time::Duration;

use cluster_node::client::{Client, ClientError};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, Life, Said};

/// Between two messages of a publisher.
const PACE: Duration = Duration::from_millis(10);
/// Between two attempts at a node that is not there.
const AGAIN: Duration = Duration::from_millis(100);

/// The clients of all nodes.
pub(crate) struct Clients {
    publishers: Tasks,
    listeners: Tasks,
}

/// Clients that go on until they are told to stop.
#[derive(Default)]
struct Tasks {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Clients {
    pub(crate) fn start(nodes: &[SocketAddr], ledger: &Ledger) -> Self {
        let (mut publishers, mut listeners) = (Tasks::default(), Tasks::default());
        for (node, address) in nodes.iter().enumerate() {
            publishers.spawn(|stop| publish(node, *address, ledger.clone(), stop));
            listeners.spawn(|stop| listen(node, *address, ledger.clone(), stop));
        }
        Self { publishers, listeners }
    }

    /// Nobody publishes any more; all still listen.
    pub(crate) async fn stop_publishing(&mut self) {
        self.publishers.end().await;
    }

    pub(crate) async fn stop(mut self) {
        self.listeners.end().await;
    }
}

impl Tasks {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, task: impl FnOnce(CancellationToken) -> F) {
        self.tasks.spawn(task(self.stop.clone()));
    }

    async fn end(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Publishes numbered messages. Each connection is a life of its own: what was under way when one breaks may or may not have gone out.
async fn publish(node: usize, address: SocketAddr, ledger: Ledger, stop: CancellationToken) {
    let mut life = 0_u64;
    while !stop.is_cancelled() {
        life += 1;
        if let Ok(mut client) = Client::connect(address).await {
            let mut number = 0_u64;
            // It stops between two messages: what has gone out is known.
            while !stop.is_cancelled() {
                let message = json!({
                    "controller": "realtime", "action": "publish", "index": "sea", "collection": "ships",
                    "body": { "from": node, "life": life, "number": number },
                });
                match client.result_of(message).await {
                    Ok(_) => {
                        ledger.sent((node, life));
                        number += 1;
                    }
                    // It is not ready: the message has not gone out.
                    Err(ClientError::Refused { .. }) => {}
                    Err(_) => break,
                }
                tokio::time::sleep(PACE).await;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Writes down what arrives.
async fn listen(node: usize, address: SocketAddr, ledger: Ledger, stop: CancellationToken) {
    let mut life = 0_u64;
    while !stop.is_cancelled() {
        life += 1;
        // What breaks is made anew.
        let broken = stop.run_until_cancelled(listen_once((node, life), address, &ledger)).await;
        if broken.is_some() {
            ledger.ended((node, life));
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn listen_once(me: Life, address: SocketAddr, ledger: &Ledger) -> Result<(), ClientError> {
    let mut client = Client::connect(address).await?;
    let subscribe = json!({
        "controller": "realtime", "action": "subscribe", "index": "sea", "collection": "ships",
        "body": { "exists": "from" },
    });
    client.result_of(subscribe).await?;
    ledger.listens(me);
    loop {
        let notification = client.notification().await?;
        let source = &notification["result"]["_source"];
        let field = |name: &str| source.get(name).and_then(Value::as_u64);
        let said = Option::zip(field("from"), field("life")).zip(field("number"));
        let Some(((from, life), number)) = said else { continue };
        ledger.heard(me, Said { from: (usize::try_from(from).unwrap(), life), number });
    }
}
