//! Clients of the nodes, whose subscriptions are the state that the nodes have to agree on.

use std::net::Ipv4Addr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::GIVE_UP;

/// Connections that stay open until this value goes, or their node does.
#[derive(Debug)]
pub(super) struct Clients {
    runtime: Runtime,
    open: Vec<WebSocketStream<MaybeTlsStream<TcpStream>>>,
}

impl Clients {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime"), open: Vec::new() }
    }

    /// A new client of a node subscribes to what has this number; different numbers are different rooms.
    pub(super) fn subscribe(&mut self, (host, port): (Ipv4Addr, u16), number: u32) {
        let request = json!({
            "controller": "realtime",
            "action": "subscribe",
            "index": "sea",
            "collection": "ships",
            "body": { "equals": { "number": number } },
        });
        let subscribed = async {
            let (mut socket, _) =
                connect_async(format!("ws://{host}:{port}/")).await.expect("a node that serves");
            socket.send(Message::text(request.to_string())).await.expect("a node that listens");
            loop {
                let message = socket.next().await.expect("an answer").expect("an answer");
                let Message::Text(text) = message else { continue };
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(answer["status"], 200, "{answer}");
                return socket;
            }
        };
        let socket = self.runtime.block_on(async { tokio::time::timeout(GIVE_UP, subscribed).await });
        self.open.push(socket.expect("an answer in time"));
    }
}
