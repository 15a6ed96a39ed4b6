//! Many clients of one node: one that asks for too much, or does not read, costs the others nothing.

use std::fmt;
use std::sync::{Arc, Mutex, mpsc};

use cluster_core::engine::state::RoomEvent;
use cluster_core::host::Host;
use cluster_core::runtime::Cluster;
use cluster_http::HostLoad as _;
use cluster_node::client::Client;
use cluster_node::load::Bound;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Host as NodeHost, bounded, config, realtime, within};

/// The host of a member that is told of a room and does not get on until the sender is dropped: who subscribes elsewhere waits for
/// it as long as one ever waits.
struct Stuck(Mutex<mpsc::Receiver<()>>);

impl Host for Stuck {
    fn rooms_changed(&self, _: &[RoomEvent]) {
        let _ = self.0.lock().map(|stuck| stuck.recv());
    }
}

impl fmt::Debug for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stuck")
    }
}

/// Asks for so many subscriptions at once; the statuses of the answers.
async fn subscribe(mut client: Client, number: u64) -> Vec<Value> {
    for field in 0..number {
        let request = json!({
            "controller": "realtime", "action": "subscribe", "index": "i", "collection": "c", "users": "none",
            "body": {"exists": format!("field-{field}")}, "requestId": field.to_string(),
        });
        client.send(request.to_string()).await.expect("sent");
    }
    let mut statuses = Vec::new();
    for _ in 0..number {
        statuses.push(within(client.receive()).await.expect("an answer")["status"].clone());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_many_requests_wait_is_held_back_and_leaves_half_of_all_to_the_others() {
    const REQUESTS: usize = 64;
    let host = bounded(|config| config.server_requests(REQUESTS)).await;
    let (go, stuck) = mpsc::channel();
    let seed = host.node.cluster().bound()[0].1.clone();
    let peer = config("node-2", &[seed], 2).build().expect("a configuration");
    let peer = Cluster::start(peer, Arc::new(Stuck(Mutex::new(stuck)))).await.expect("a member");
    within(peer.wait_ready()).await;

    let (greedy, mut modest) = (host.client().await, host.client().await);
    let greedy = tokio::spawn(subscribe(greedy, 100));
    let under_way = || host.node.load().details()["requestsUnderWay"].as_u64();
    within(async {
        while under_way() < Some(32) && !greedy.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..50 {
        let now = within(modest.result_of(json!({"controller": "server", "action": "now"}))).await;
        now.expect("half of the requests are for others");
    }
    assert_eq!(greedy.await.expect("answers"), vec![json!(200); 100], "it was held back, not refused");

    drop((modest, go));
    host.stop().await;
    peer.leave().await;
}

/// All texts of a room, and nothing else.
fn subscription() -> Value {
    json!({"index": "i", "collection": "c", "body": {"exists": "number"}, "users": "none"})
}

/// A client that listens and does not read.
async fn mute(host: &NodeHost) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a size");
    let stream = within(socket.connect(host.address())).await.expect("a connection");
    let opened = within(client_async(format!("ws://{}/", host.address()), stream)).await;
    let (mut socket, _) = opened.expect("a WebSocket");
    let mut request = subscription();
    request["controller"] = json!("realtime");
    request["action"] = json!("subscribe");
    socket.send(Message::text(request.to_string())).await.expect("sent");
    within(socket.next()).await.expect("an answer").expect("an answer");
    socket
}

/// Reads at last, up to the code that the client is told to go with.
async fn farewell(mut mute: WebSocketStream<TcpStream>) -> u16 {
    let told = within(async {
        loop {
            if let Message::Close(frame) = mute.next().await.expect("an end").expect("no error") {
                break frame;
            }
        }
    });
    told.await.expect("a code").code.into()
}

/// Reads all that comes, which is numbered from 0 on, and tells of each.
async fn read(mut client: Client, heard: Sender<()>) {
    let mut expected = 0;
    while let Ok(text) = client.notification().await {
        assert_eq!(text["result"]["_source"]["number"], expected, "{}", text["status"]);
        expected += 1;
        if heard.send(()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_few_that_do_not_read_take_up_the_memory_of_all_they_go_and_a_crowd_that_reads_misses_nothing() {
    const MUTE: u64 = 3;
    const CROWD: usize = 30;
    const TOTAL: usize = 2 * 1024 * 1024;
    let host = bounded(|config| config.server_outgoing_bytes(TOTAL).server_outgoing_bytes_total(TOTAL)).await;
    let mut mutes = Vec::new();
    for _ in 0..MUTE {
        mutes.push(mute(&host).await);
    }
    let (sender, mut heard) = channel(CROWD);
    for _ in 0..CROWD {
        let mut client = host.client().await;
        realtime(&mut client, "subscribe", subscription()).await;
        tokio::spawn(read(client, sender.clone()));
    }
    drop(sender);

    let mut publisher = host.client().await;
    let gone = || host.node.load().met(Bound::OutgoingTotal);
    let (mut number, mut after) = (0, 0);
    while after < 5 {
        after += u64::from(gone() >= MUTE);
        let body = json!({"number": number, "text": "x".repeat(16 * 1024)});
        realtime(&mut publisher, "publish", json!({"index": "i", "collection": "c", "body": body})).await;
        number += 1;
        // Everybody in the crowd reads each text before the next one: none of them is slow.
        for _ in 0..CROWD {
            within(heard.recv()).await.unwrap_or_else(|| panic!("the crowd has gone after {number} texts"));
        }
    }
    assert_eq!((gone(), host.node.load().met(Bound::Outgoing)), (MUTE, 0));
    for mute in mutes {
        assert_eq!(farewell(mute).await, 1013);
    }
    drop((publisher, heard));
    host.stop().await;
}
