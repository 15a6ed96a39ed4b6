//! Two hundred links to one endpoint: they all dial at once, get in without an error, and cost little while they are idle.
//!
//! The diallers are a process of their own, this binary once more. With `CLUSTER_IDLE_SECONDS` it measures for so long what an
//! idle link costs the one that is dialled, and prints it: in a release build, one test at a time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures a process on a clock")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_transport::certs::{Authority, Overwrite};
use cluster_transport::endpoint::{Clock, Endpoint, Event, Handler, Incoming, Parts, SessionHandle};
use cluster_transport::link::{quic, tcp};
use cluster_transport::proto::endpoint::{DialSettings, EndpointEvent, EndpointSettings};
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::{Address, ClusterName, Incarnation, Lane};
use cluster_transport::tls::{Tls, TlsFiles, TlsIdentity};
use tokio::sync::watch;

const LINKS: usize = 200;
/// A condition that has not come true by then never will.
const GIVE_UP: Duration = Duration::from_secs(60);
/// As the engine's: an idle link carries these.
const HEARTBEAT: Duration = Duration::from_millis(500);

const ADDRESS: &str = "CLUSTER_TEST_ADDRESS";
const CERTIFICATES: &str = "CLUSTER_TEST_CERTIFICATES";

/// What an endpoint has seen.
#[derive(Default)]
struct Seen {
    sessions: Mutex<Vec<Arc<SessionHandle>>>,
    /// How many sessions are up.
    up: watch::Sender<usize>,
    trouble: Mutex<Vec<String>>,
}

impl Handler for Seen {
    fn on_event(&self, event: Event) {
        match event {
            Event::Up { session, .. } => {
                self.sessions.lock().unwrap().push(session);
                self.up.send_modify(|up| *up += 1);
            }
            Event::Other(
                trouble @ (EndpointEvent::Refused { .. }
                | EndpointEvent::CallerFailed { .. }
                | EndpointEvent::SessionDown { .. }),
            ) => self.trouble.lock().unwrap().push(format!("{trouble:?}")),
            Event::Other(_) => {}
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        if let Incoming::Batch(batch) = incoming {
            session.done_inline(batch.lane(), batch.end());
        }
    }
}

impl Seen {
    async fn wait_for(&self, count: usize) {
        let mut up = self.up.subscribe();
        let all = tokio::time::timeout(GIVE_UP, up.wait_for(|up| *up >= count)).await;
        if all.is_err() {
            let trouble = self.trouble.lock().unwrap();
            panic!("{} of {count} are in session; {trouble:?}", *self.up.borrow());
        }
    }

    /// Says to each peer every 500 ms that it is there, for ever.
    async fn heartbeat(self: Arc<Self>) {
        loop {
            for session in self.sessions.lock().unwrap().iter() {
                // A session that has ended is counted as trouble.
                let _ = session.send(Lane::Control, &[], Payload::Copied(&[7; 48]));
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }
}

fn tls(cluster: &ClusterName, folder: &Path) -> Tls {
    let file = |name: &str| folder.join(name);
    let (certificate, key) = (file("shared.pem"), file("shared-key.pem"));
    let files = TlsFiles { certificate, key, authorities: vec![file("ca.pem")] };
    Tls::new(TlsIdentity::load(&files).unwrap(), cluster).unwrap()
}

fn endpoint(name: &str, tls: Option<Tls>, listeners: Vec<tcp::Listener>, seen: &Arc<Seen>) -> Endpoint {
    let incarnation = Incarnation { epoch: 1, nonce: 1 };
    let dial = DialSettings { connect_timeout: GIVE_UP, ..DialSettings::default() };
    let settings = EndpointSettings::builder("kuzzle".parse().unwrap(), name.parse().unwrap(), incarnation);
    let settings = settings.dial(dial).handshake_timeout(GIVE_UP).build().unwrap();
    let mut seed = [0; 32];
    seed.iter_mut().zip(name.bytes()).for_each(|(seed, byte)| *seed = byte);
    let (clock, handler) = (Clock::start(), Arc::clone(seen) as Arc<dyn Handler>);
    Endpoint::start(Parts { settings, seed, clock, tls, connector: None, listeners, handler })
}

/// The other process: dials until its standard input ends.
#[tokio::test]
#[ignore = "it is the other end of the tests here, which start it"]
async fn diallers() {
    let address: Address = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let cluster: ClusterName = "kuzzle".parse().unwrap();
    let tls = std::env::var(CERTIFICATES).ok().map(|folder| tls(&cluster, Path::new(&folder)));
    let seen = Arc::new(Seen::default());
    let endpoints: Vec<_> =
        (0..LINKS).map(|i| endpoint(&format!("n{i}"), tls.clone(), Vec::new(), &seen)).collect();
    for endpoint in &endpoints {
        endpoint.add_target(address.clone()).unwrap();
    }
    tokio::spawn(Arc::clone(&seen).heartbeat());
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
}

fn start_diallers(address: &Address, certificates: Option<&Path>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["diallers", "--exact", "--ignored"]).env(ADDRESS, address.as_str());
    if let Some(folder) = certificates {
        command.env(CERTIFICATES, folder);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// The CPU time and the resident memory of this process, in seconds and bytes.
fn usage() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let cpu = (ticks()? + ticks()?) / 100.0;
    let pages: f64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((cpu, pages * 4096.0))
}

/// Says what the links cost while they are idle, from what this process had before.
async fn measure(kind: &str, before: Option<(f64, f64)>, seconds: u32) {
    // What the storm left to do is done first.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = usage();
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    if let (Some((_, memory)), Some((begun, _)), Some((ended, resident))) = (before, idle, usage()) {
        let links = LINKS as f64;
        println!(
            "{kind}: {LINKS} links, {:.1} KiB of memory and {:.4} % of a core each",
            (resident - memory) / links / 1024.0,
            (ended - begun) / f64::from(seconds) / links * 100.0
        );
    }
}

async fn storm(kind: &str, scheme: &str, certificates: Option<&Path>) {
    let seen = Arc::new(Seen::default());
    let tls = certificates.map(|folder| tls(&"kuzzle".parse().unwrap(), folder));
    let listener = tcp::Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut local = listener.local_addr();
    let hub = endpoint("hub", tls.clone(), vec![listener], &seen);
    if scheme == "quic" {
        let windows = cluster_transport::proto::lanes::LaneSettings::default().windows;
        let listener = quic::Listener::bind("127.0.0.1:0".parse().unwrap(), tls.unwrap(), &windows).unwrap();
        local = listener.local_addr();
        hub.listen_quic(listener);
    }
    let before = usage();
    let mut others = start_diallers(&format!("{scheme}://{local}").parse().unwrap(), certificates);
    seen.wait_for(LINKS).await;
    tokio::spawn(Arc::clone(&seen).heartbeat());
    if let Some(seconds) = std::env::var("CLUSTER_IDLE_SECONDS").ok().and_then(|text| text.parse().ok()) {
        measure(kind, before, seconds).await;
    }
    assert_eq!(*seen.trouble.lock().unwrap(), [""; 0]);
    hub.abort();
    // Its input ends, and so does it.
    drop(others.stdin.take());
    others.wait().unwrap();
}

/// One after the other: the number of open files is limited, and what is measured is the process.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A folder with the certificate that all share.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&"kuzzle".parse().unwrap()).unwrap();
    authority.save(folder.path(), Overwrite::Refuse).unwrap();
    authority.issue_shared().unwrap().save(folder.path(), Overwrite::Refuse).unwrap();
    folder
}

#[tokio::test]
async fn two_hundred_dial_over_tcp_at_once_and_all_get_in() {
    let _turn = TURN.lock().await;
    storm("tcp", "tcp", None).await;
}

#[tokio::test]
async fn two_hundred_dial_over_tls_at_once_and_all_get_in() {
    let (_turn, folder) = (TURN.lock().await, certificates());
    storm("tcp+tls", "tcp", Some(folder.path())).await;
}

#[tokio::test]
async fn two_hundred_dial_over_quic_at_once_and_all_get_in() {
    let (_turn, folder) = (TURN.lock().await, certificates());
    storm("quic", "quic", Some(folder.path())).await;
}
