//! A node's server for clients: WebSocket and HTTP on one port.
//!
//! [`Listener`] binds, [`Server::start`] serves, [`Server::stop`] sends the clients elsewhere. The routes of the client
//! API are here; others are merged in by whoever starts the server.

mod accept;
mod http;
mod limits;
mod moving;
mod plain;
mod query;
mod socket;
mod taking;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use limits::{
    DEFAULT_CONNECTIONS, DEFAULT_IDLE_TIMEOUT, DEFAULT_OUTGOING_BYTES, DEFAULT_PLAIN_CONNECTIONS,
    DEFAULT_PLAIN_FOR, DEFAULT_REQUEST_BYTES, ServerLimits,
};

pub use threads::ClientThreads;

use crate::node::Node;
use moving::Moving;

/// The most clients that can be counted.
const MAX_CONNECTIONS: usize = 1 << 28;

/// How long clients may take to go when the server stops.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// Why a server cannot listen.
#[derive(Debug, Error)]
#[error("cannot serve clients on {host} port {port}: {source}")]
pub struct ListenError {
    host: String,
    port: u16,
    source: io::Error,
}

/// A bound port that nobody serves yet. Clients that connect wait.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds a port on a host or address; 0 asks the system for a free one.
    ///
    /// # Errors
    /// When the host is unknown or the port is taken.
    pub async fn bind(host: &str, port: u16) -> Result<Self, ListenError> {
        let failed = |source| ListenError { host: host.to_owned(), port, source };
        let socket = TcpListener::bind((host, port)).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A server that runs. Dropping it does not stop it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    moving: Moving,
    slots: Arc<Semaphore>,
    connections: usize,
    stop: CancellationToken,
    clients: TaskTracker,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the clients of a node, and whatever else is routed.
    pub fn start(listener: Listener, node: Node, more: Router, limits: ServerLimits) -> Self {
        let Listener { socket, address } = listener;
        let (stop, clients) = (CancellationToken::new(), TaskTracker::new());
        let moving = Moving::default();
        let connections = limits.connections.min(MAX_CONNECTIONS);
        let slots = Arc::new(Semaphore::new(connections));
        let load = node.load().clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(load.clone().watch()));
        let state = State {
            node,
            limits,
            moving: moving.clone(),
            slots: Arc::clone(&slots),
            clients: clients.clone(),
            stop: stop.clone(),
        };
        let router = http::router(state, more);
        let accept = accept::run(socket, router, limits, load, stop.clone(), clients.clone());
        Self { address, moving, slots, connections, stop, clients, task: tokio::spawn(accept) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new clients, and sends those that are there away one after the other, evenly over this time, so that they do not
    /// all come to the other nodes at once. Returns when all have gone, at most half a second later. Cancel safe: what has begun
    /// goes on.
    pub async fn move_clients(&self, within: Duration) {
        self.moving.begin(within);
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        if timeout(within.saturating_add(STOP_WITHIN), self.slots.acquire_many(all)).await.is_err() {
            tracing::debug!("some clients have not moved in time");
        }
    }

    /// Stops listening and sends all clients away, so that they connect to another node. At most half a second.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.clients.close();
        let ended = async {
            let accepting = (&mut self.task).await;
            self.clients.wait().await;
            accepting
        };
        match timeout(STOP_WITHIN, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => tracing::warn!("the server has failed: {failed}"),
            Err(_) => {
                tracing::debug!("some clients have not gone in time");
                self.task.abort();
            }
        }
    }
}

/// What every route has.
#[derive(Clone, Debug)]
struct State {
    node: Node,
    limits: ServerLimits,
    moving: Moving,
    slots: Arc<Semaphore>,
    clients: TaskTracker,
    stop: CancellationToken,
}
