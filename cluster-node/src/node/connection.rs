//! A client that is connected.

use std::sync::Arc;

use cluster_core::engine::ConnectionId;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Node;
use super::outbox::{Outbox, Room, Text, TooSlow};
use crate::api::{Request, Response};
use crate::load::{Present, Thing};

/// A client of a node. Its subscriptions end when this is dropped, and whoever listens for that is told.
#[derive(Debug)]
pub struct Connection {
    node: Node,
    id: ConnectionId,
    outbox: Arc<Outbox>,
    present: Arc<Present>,
}

impl Connection {
    /// A new client, for which at most `outgoing` bytes may wait.
    pub(super) fn new(node: &Node, outgoing: usize) -> Self {
        let load = node.load();
        let outbox = Arc::new(Outbox::new(outgoing, load));
        let id = node.local.connect(outbox.clone());
        Self { node: node.clone(), id, outbox, present: Arc::new(load.enter(Thing::Client)) }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The client is counted among those that are there for as long as this is kept, even if that is longer than the connection.
    pub(crate) fn present(&self) -> Arc<Present> {
        Arc::clone(&self.present)
    }

    /// Does what the client asks for. Cancelling it leaves nothing half done, but may leave it done.
    pub async fn answer(&self, request: Request) -> Response {
        self.node.answer_to(Some(self.id), request).await
    }

    /// Where this client stands among the others, from 0 to 1, evenly: who has to move is told to in this order.
    pub fn turn(&self) -> f64 {
        /// Its multiples, modulo 1, fill the span from 0 to 1 evenly at any count.
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let low = u32::try_from(self.id.0 & 0xffff_ffff).unwrap_or_default();
        (f64::from(low) * GOLDEN).fract()
    }

    /// Adds a text to those that the client gets, behind the notifications that wait.
    pub fn push(&self, text: impl Into<Utf8Bytes>) {
        self.outbox.push(Text::new(text.into(), self.node.load()));
        self.node.local.relieve();
    }

    /// The next text for the client, when the one before has been written. For one task; cancel safe.
    pub async fn next(&self) -> Utf8Bytes {
        let text = self.outbox.next().await;
        // What is being written of it is a copy, and takes memory of its own.
        self.node.local.relieve();
        text
    }

    /// Resolves when so little waits for the client that it may ask for more, and until then at each text that it has read. For
    /// one task; cancel safe.
    pub async fn room(&self) -> Room {
        self.outbox.room().await
    }

    /// Resolves when more waits for the client than may: it has to go.
    pub async fn too_slow(&self) -> TooSlow {
        self.outbox.overflow().await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.node.disconnect(self.id);
    }
}
