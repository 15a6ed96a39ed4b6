//! A TCP proxy in front of a member, whose links can be cut, and which can be closed altogether.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Passes connections on to a member until they are cut.
#[derive(Clone, Debug)]
pub struct Proxy {
    address: SocketAddr,
    links: Arc<Mutex<Vec<AbortHandle>>>,
    is_closed: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on a free port of loopback.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let links: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let is_closed = Arc::new(AtomicBool::new(false));
        let (all, closed) = (Arc::clone(&links), Arc::clone(&is_closed));
        tokio::spawn(async move {
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                if closed.load(Ordering::Relaxed) {
                    continue;
                }
                let link = tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                let mut links = all.lock().unwrap();
                links.retain(|link| !link.is_finished());
                links.push(link.abort_handle());
            }
        });
        Self { address, links, is_closed }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all links through it, and lets nobody through any more.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// Lets everybody through again.
    pub fn open(&self) {
        self.is_closed.store(false, Ordering::Relaxed);
    }

    /// Cuts all links through it; how many there were.
    pub fn cut(&self) -> usize {
        let links = std::mem::take(&mut *self.links.lock().unwrap());
        let alive = links.into_iter().filter(|link| !link.is_finished());
        alive.map(|link| link.abort()).count()
    }
}
