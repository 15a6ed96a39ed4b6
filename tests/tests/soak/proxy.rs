//! A TCP proxy in front of a member, whose links can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Passes connections on to a member until they are cut.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    links: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Proxy {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let links: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let all = Arc::clone(&links);
        tokio::spawn(async move {
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                let link = tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                let mut links = all.lock().unwrap();
                links.retain(|link| !link.is_finished());
                links.push(link.abort_handle());
            }
        });
        Self { address, links }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all links through it; how many there were.
    pub(crate) fn cut(&self) -> usize {
        let links = std::mem::take(&mut *self.links.lock().unwrap());
        let alive = links.into_iter().filter(|link| !link.is_finished());
        alive.map(|link| link.abort()).count()
    }
}
