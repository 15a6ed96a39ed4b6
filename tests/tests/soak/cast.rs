//! Three members behind proxies, each with a subscriber and a publisher.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster_core::config::{Config, ConfigBuilder};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::ConnectionId;
use cluster_core::runtime::Cluster;
use cluster_tests::{GIVE_UP, Pki, Proxy, reserve_port, room};
use cluster_transport::binding::Binding;
use cluster_transport::proto::Address;
use cluster_transport::tls::TlsFiles;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ledger::{Bookkeeper, payload};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Small enough to be overrun by a slow host within a moment.
const RING: usize = 1 << 20;
/// The longest notification, in bytes.
const LONGEST: usize = 1 << 17;
/// What may be over the ring: the last message always stays, with its frames.
const OVER: usize = 2 * LONGEST;
/// How long a publisher that waits does so before it sheds.
const PATIENCE: Duration = Duration::from_secs(5);

/// One member and what belongs to it.
#[derive(Debug)]
struct Role {
    name: &'static str,
    cluster: Cluster,
    books: Bookkeeper,
    proxy: Proxy,
    sent: Arc<AtomicU64>,
}

/// The members.
#[derive(Debug)]
pub(crate) struct Cast {
    roles: Vec<Role>,
    pki: Pki,
}

/// The sums over all pairs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    received: u64,
    announced: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, announced } = self;
        write!(f, "{sent} sent = {received} received + {announced} announced")
    }
}

impl Cast {
    /// Starts all, and waits until they agree and each has a subscriber that all know of.
    pub(crate) async fn start(seed: u64) -> Self {
        let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
        let mut roles = Vec::new();
        for name in NAMES {
            roles.push(Role::start(name, &directory, &pki.node(name)).await);
        }
        let cast = Self { roles, pki };
        cast.until("find each other", seed, |role| {
            let status = role.cluster.status();
            status.ready && status.converged && status.members.len() == NAMES.len() - 1
        })
        .await;
        for role in &cast.roles {
            let subscribed = role.cluster.subscribe(ConnectionId(1), &room(1)).unwrap();
            role.cluster.heard(subscribed.version, GIVE_UP).await.unwrap();
        }
        cast
    }

    pub(crate) fn len(&self) -> usize {
        self.roles.len()
    }

    /// Cuts the links that others made to a member; how many.
    pub(crate) fn cut(&self, member: usize) -> usize {
        self.roles[member].proxy.cut()
    }

    /// Makes a member's host slow for so many notifications.
    pub(crate) fn slow(&self, member: usize, notifications: u64) {
        self.roles[member].books.be_slow_for(notifications);
    }

    /// Writes a new certificate into the files of a member, which looks at them every few seconds.
    pub(crate) fn renew_certificate(&self, member: usize) {
        self.pki.node(self.roles[member].name);
    }

    /// Has every member publish.
    pub(crate) fn publish_until(&self, end: Instant, seed: u64) -> Vec<JoinHandle<()>> {
        let publish = |(at, role): (u64, &Role)| {
            let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + at));
            tokio::spawn(publish_until(end, role.cluster.clone(), Arc::clone(&role.sent), rng))
        };
        (0..).zip(&self.roles).map(publish).collect()
    }

    /// No queue of any member is over its bound.
    pub(crate) fn assert_bounded(&self, seed: u64) {
        for role in &self.roles {
            for member in role.cluster.status().members {
                for (lane, lag) in &member.lag {
                    let held = lag.unsent_bytes + lag.unacknowledged_bytes;
                    let shedding = lane == "events" || lane == "notifications";
                    let most = if shedding { RING + OVER } else { 64 << 20 };
                    let (from, to) = (role.name, &member.node);
                    assert!(held <= most, "{from} to {to}, {lane}: {lag:?} (CLUSTER_SEED={seed})");
                }
            }
        }
    }

    /// Waits until everything sent is accounted for, once and in order.
    pub(crate) async fn settle(&self, seed: u64) -> Totals {
        self.until("account for everything", seed, |role| {
            self.pairs_to(role).all(|(sent, account)| account.received + account.announced == sent)
        })
        .await;
        let mut totals = Totals::default();
        for role in &self.roles {
            assert_eq!(role.books.removed(), [""; 0], "{} removed somebody (CLUSTER_SEED={seed})", role.name);
            for (sent, account) in self.pairs_to(role) {
                assert_eq!(account.wrong, [""; 0], "at {} (CLUSTER_SEED={seed})", role.name);
                totals.sent += sent;
                totals.received += account.received;
                totals.announced += account.announced;
            }
        }
        totals
    }

    /// What each other member has sent, and what has come of it here.
    fn pairs_to<'a>(&'a self, role: &'a Role) -> impl Iterator<Item = (u64, crate::ledger::Account)> + 'a {
        let others = self.roles.iter().filter(|other| other.name != role.name);
        others.map(|other| (other.sent.load(Ordering::Relaxed), role.books.account(other.name)))
    }

    async fn until(&self, what: &str, seed: u64, fits: impl Fn(&Role) -> bool) {
        let fitting = async {
            while !self.roles.iter().all(&fits) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP * 3, fitting).await.is_err() {
            for role in &self.roles {
                let accounts: Vec<_> = self.pairs_to(role).collect();
                let status = role.cluster.status();
                println!("{}: {accounts:#?}, removed {:?}, {status:#?}", role.name, role.books.removed());
            }
            panic!("the members do not {what} (CLUSTER_SEED={seed})");
        }
    }

    pub(crate) async fn leave(self) {
        for role in self.roles {
            role.cluster.leave().await;
        }
    }
}

impl Role {
    async fn start(name: &'static str, directory: &MemoryDirectory, files: &TlsFiles) -> Self {
        let port = reserve_port();
        let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
        let books = Bookkeeper::default();
        let config = config(name, port, &proxy, files).build().unwrap();
        let builder = Cluster::builder(config, Arc::new(books.clone())).provider(directory.clone());
        let cluster = builder.start().await.unwrap();
        Self { name, cluster, books, proxy, sent: Arc::default() }
    }
}

fn config(name: &str, port: u16, proxy: &Proxy, files: &TlsFiles) -> ConfigBuilder {
    let TlsFiles { certificate, key, authorities } = files.clone();
    let advertised: Address = format!("tcp://{}", proxy.address()).parse().unwrap();
    Config::builder()
        .node_id(Some(name.parse().unwrap()))
        .bind(Some(Binding::parse(&format!("tcp://127.0.0.1:{port}"), 0).unwrap()))
        .advertise([advertised])
        .ring_bytes(RING)
        .join_attempt_interval(Duration::from_millis(100))
        .tls_certificate(Some(certificate))
        .tls_key(Some(key))
        .tls_authorities(authorities)
}

/// Publishes numbered notifications of random sizes: bursts that never wait, and stretches that do.
async fn publish_until(end: Instant, cluster: Cluster, sent: Arc<AtomicU64>, mut rng: ChaCha8Rng) {
    let rooms = [room(1).id()];
    while Instant::now() < end {
        let waits = rng.random_ratio(3, 4);
        for _ in 0..rng.random_range(1..200_u32) {
            // As many small ones as large ones.
            let most = 1_usize << rng.random_range(0..=LONGEST.ilog2());
            let len = rng.random_range(0..=most);
            let payload = payload(sent.load(Ordering::Relaxed), len);
            let notified = match waits {
                true => cluster.notify_document_waiting(&rooms, &payload, PATIENCE).await,
                false => cluster.notify_document(&rooms, &payload),
            };
            assert_eq!(notified.nodes, NAMES.len() - 1, "{notified:?}");
            sent.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
    }
}
