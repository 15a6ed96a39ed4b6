//! A network between two nodes, on real sockets: it passes, slows down, loses, stalls and breaks what goes through it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, tcp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What the network does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Nothing gets through, and nobody is told.
    Stall,
    /// A few kilobytes every 10 ms.
    Slow,
    /// Datagrams: every fifth is lost, and neighbours change places.
    Lossy,
}

/// How much a slow network passes at a time.
const TRICKLE: usize = 4 * 1024;
/// How much a network holds in its own buffers on the way of a stream.
const HELD: u32 = 16 * 1024;

/// The network before one address.
pub(crate) struct Proxy {
    pub(crate) address: Address,
    shared: Arc<Shared>,
    /// The way of the life lines, if they have one.
    lines: Option<Arc<Shared>>,
    tasks: Vec<AbortOnDropHandle<()>>,
}

struct Shared {
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    broken: std::sync::Mutex<CancellationToken>,
    /// From how many sockets datagrams have gone to the target.
    ways: AtomicUsize,
}

impl Shared {
    fn towards(address: &Address) -> Arc<Self> {
        Arc::new(Self {
            target: SocketAddr::new(address.ip().unwrap(), address.port()),
            mode: watch::Sender::new(Mode::Pass),
            broken: std::sync::Mutex::default(),
            ways: AtomicUsize::new(0),
        })
    }

    fn break_all(&self) {
        std::mem::take(&mut *self.broken.lock().unwrap()).cancel();
    }

    fn standing(&self) -> CancellationToken {
        self.broken.lock().unwrap().clone()
    }

    fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Waits until anything gets through, and says how.
    async fn passage(&self) -> Mode {
        let mut mode = self.mode.subscribe();
        *mode.wait_for(|mode| *mode != Mode::Stall).await.unwrap()
    }
}

impl Proxy {
    pub(crate) async fn before(address: &Address) -> Self {
        let shared = Shared::towards(address);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (local, task) = match address.scheme() {
            Scheme::Tcp => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_recv_buffer_size(HELD).unwrap();
                socket.bind(any).unwrap();
                let listener = socket.listen(16).unwrap();
                (listener.local_addr().unwrap(), tokio::spawn(streams(Arc::clone(&shared), listener)))
            }
            Scheme::Quic => {
                let front = UdpSocket::bind(any).await.unwrap();
                (front.local_addr().unwrap(), tokio::spawn(datagrams(Arc::clone(&shared), front)))
            }
            Scheme::Tunnel => panic!("{address} has no socket"),
        };
        let address = Address::from_ip(address.scheme(), local.ip(), local.port());
        Self { address, shared, lines: None, tasks: vec![AbortOnDropHandle::new(task)] }
    }

    /// Before an address of QUIC, with TCP at the same port: life lines get through too.
    pub(crate) async fn with_life_lines(address: &Address) -> Self {
        loop {
            let mut proxy = Self::before(address).await;
            let at = SocketAddr::new(proxy.address.ip().unwrap(), proxy.address.port());
            let Ok(listener) = TcpListener::bind(at).await else { continue };
            let lines = Shared::towards(address);
            proxy.tasks.push(AbortOnDropHandle::new(tokio::spawn(streams(Arc::clone(&lines), listener))));
            proxy.lines = Some(lines);
            return proxy;
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Breaks what stands: streams are reset; datagrams go on, from another address.
    pub(crate) fn shake(&self) {
        self.shared.break_all();
    }

    /// Resets the life lines that stand.
    pub(crate) fn cut_life_lines(&self) {
        self.lines.as_ref().unwrap().break_all();
    }

    /// From how many addresses datagrams have reached the target.
    pub(crate) fn ways(&self) -> usize {
        self.shared.ways.load(Ordering::Relaxed)
    }
}

async fn streams(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(shared.target).await else { return };
            let broken = shared.standing();
            let (near, far) = (near.into_split(), far.into_split());
            tokio::select! {
                () = broken.cancelled() => {}
                _ = pump(&shared, near.0, far.1) => {}
                _ = pump(&shared, far.0, near.1) => {}
            }
        });
    }
}

async fn pump(
    shared: &Shared,
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
) -> std::io::Result<()> {
    let mut buffer = [0; TRICKLE];
    loop {
        if shared.passage().await == Mode::Slow {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Each dialler has a socket of its own towards the target.
async fn datagrams(shared: Arc<Shared>, front: UdpSocket) {
    let (front, mut ways) = (Arc::new(front), BTreeMap::new());
    let mut broken = shared.standing();
    let mut lossy = Lossy::default();
    let mut buffer = [0; 65_536];
    loop {
        let (read, dialler) = front.recv_from(&mut buffer).await.unwrap();
        if broken.is_cancelled() {
            ways.clear();
            broken = shared.standing();
        }
        let (far, _back) = match ways.entry(dialler) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(way(&shared, &front, dialler).await),
        };
        for datagram in lossy.through(shared.mode(), &buffer[..read]) {
            // A full buffer loses it, as networks do.
            let _ = far.send(&datagram).await;
        }
        slow_down(&shared).await;
    }
}

type Way = (Arc<UdpSocket>, AbortOnDropHandle<()>);

async fn way(shared: &Arc<Shared>, front: &Arc<UdpSocket>, dialler: SocketAddr) -> Way {
    shared.ways.fetch_add(1, Ordering::Relaxed);
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(shared.target).await.unwrap();
    let (shared, front, from) = (Arc::clone(shared), Arc::clone(front), Arc::clone(&far));
    let back = tokio::spawn(async move {
        let mut lossy = Lossy::default();
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok(read) = from.recv(&mut buffer).await else { continue };
            for datagram in lossy.through(shared.mode(), &buffer[..read]) {
                let _ = front.send_to(&datagram, dialler).await;
            }
            slow_down(&shared).await;
        }
    });
    (far, AbortOnDropHandle::new(back))
}

async fn slow_down(shared: &Shared) {
    if shared.mode() == Mode::Slow {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What becomes of the datagrams of one direction.
#[derive(Default)]
struct Lossy {
    count: usize,
    held: Option<Vec<u8>>,
}

impl Lossy {
    fn through(&mut self, mode: Mode, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.count += 1;
        match mode {
            Mode::Stall => Vec::new(),
            Mode::Lossy if self.count.is_multiple_of(5) => Vec::new(),
            Mode::Lossy if self.count % 5 == 2 => {
                self.held = Some(datagram.to_vec());
                Vec::new()
            }
            Mode::Pass | Mode::Slow | Mode::Lossy => {
                [datagram.to_vec()].into_iter().chain(self.held.take()).collect()
            }
        }
    }
}
