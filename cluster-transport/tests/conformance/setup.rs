//! How a node of the tests is made: who it is, what it speaks, and through which line it dials.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cluster_transport::certs::Authority;
use cluster_transport::endpoint::{
    Clock, Connector, Endpoint, Handler, MemoryConnector, Parts, SocketConnector,
};
use cluster_transport::link::quic;
use cluster_transport::link::tcp::{BindError, Listener};
use cluster_transport::proto::endpoint::settings::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_WRITE_TIMEOUT};
use cluster_transport::proto::endpoint::{DialSettings, EndpointSettings};
use cluster_transport::proto::lanes::LaneSettings;
use cluster_transport::proto::{Address, ClusterName, Incarnation, PerLane};
use cluster_transport::tls::{Tls, TlsIdentity};

use crate::harness::{Carrier, Node, Quirk, Recorder};
use crate::line::Line;

/// Those that are reached in memory, of all tests.
static MEMORY: LazyLock<MemoryConnector> = LazyLock::new(MemoryConnector::default);

/// The certificate of a node. Each cluster has an authority of its own.
fn tls_of(cluster: &ClusterName, certified: &str) -> Tls {
    static AUTHORITIES: Mutex<BTreeMap<ClusterName, Authority>> = Mutex::new(BTreeMap::new());
    let mut authorities = AUTHORITIES.lock().unwrap();
    let authority = authorities.entry(cluster.clone()).or_insert_with(|| Authority::new(cluster).unwrap());
    Tls::new(identity(authority, certified, &[authority]), cluster).unwrap()
}

/// A certificate of one authority, for a node that trusts these.
pub(crate) fn identity(authority: &Authority, certified: &str, trusted: &[&Authority]) -> TlsIdentity {
    let issued = authority.issue(&certified.parse().unwrap()).unwrap();
    let (certificate, key) = (issued.certificate_pem().as_bytes(), issued.key_pem().as_bytes());
    let trusted: String = trusted.iter().map(|authority| authority.certificate_pem()).collect();
    TlsIdentity::from_pem(certificate, key, trusted.as_bytes()).unwrap()
}

/// How a node is to be started.
pub(crate) struct Setup {
    cluster: ClusterName,
    name: String,
    certified: String,
    carrier: Carrier,
    quirk: Quirk,
    lanes: LaneSettings,
    patience: Duration,
    connect_timeout: Duration,
    line: Option<Line>,
}

impl Setup {
    pub(crate) fn new(name: &str, carrier: Carrier) -> Self {
        Self {
            cluster: "kuzzle".parse().unwrap(),
            name: name.to_owned(),
            certified: name.to_owned(),
            carrier,
            quirk: Quirk::None,
            lanes: LaneSettings::default(),
            patience: DEFAULT_WRITE_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            line: None,
        }
    }

    pub(crate) fn of_cluster(self, cluster: &str) -> Self {
        Self { cluster: cluster.parse().unwrap(), ..self }
    }

    /// With the certificate of another node.
    pub(crate) fn certified_for(self, name: &str) -> Self {
        Self { certified: name.to_owned(), ..self }
    }

    pub(crate) fn quirk(self, quirk: Quirk) -> Self {
        Self { quirk, ..self }
    }

    pub(crate) fn lanes(self, lanes: LaneSettings) -> Self {
        Self { lanes, ..self }
    }

    /// How long a link may take no byte, or answer nothing.
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Dials through a line that can be cut.
    pub(crate) fn through(self, line: &Line) -> Self {
        Self { line: Some(line.clone()), ..self }
    }

    pub(crate) fn start(self) -> Node {
        let Self { cluster, name, certified, carrier, quirk, lanes, patience, connect_timeout, line } = self;
        let tls = matches!(carrier, Carrier::Tls | Carrier::Quic).then(|| tls_of(&cluster, &certified));
        let (listener, quic) = listen(carrier, tls.as_ref(), &lanes.windows);
        let scheme = if quic.is_some() { "quic" } else { "tcp" };
        let address: Address = format!("{scheme}://{}", listener.local_addr()).parse().unwrap();
        let interval = Duration::from_millis(100);
        let dial = DialSettings { interval, connect_timeout, ..DialSettings::default() };
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        let sockets = SocketConnector::new(tls.clone(), &lanes.windows);
        let settings = EndpointSettings::builder(cluster, name.parse().unwrap(), incarnation)
            .advertised([address.clone()])
            .dial(dial)
            .lanes(lanes)
            .write_timeout(patience)
            .build()
            .unwrap();
        let recorder = Arc::new(Recorder::new(quirk));
        let mut seed = [0; 32];
        seed.iter_mut().zip(name.bytes()).for_each(|(seed, byte)| *seed = byte);
        let handler = Arc::clone(&recorder) as Arc<dyn Handler>;
        let connector: Arc<dyn Connector> =
            if carrier == Carrier::Memory { Arc::new(MEMORY.clone()) } else { Arc::new(sockets) };
        let connector = Some(match line {
            Some(line) => Arc::new(line.over(connector)),
            None => connector,
        });
        let (clock, listeners) = (Clock::start(), vec![listener]);
        let endpoint = Endpoint::start(Parts { settings, seed, clock, tls, connector, listeners, handler });
        if let Some(listener) = quic {
            endpoint.listen_quic(listener);
        }
        MEMORY.tell(address.clone(), endpoint.clone());
        Node { name, endpoint, address, recorder }
    }
}

/// TCP on a free port, and QUIC at the same one if it is asked for.
fn listen(carrier: Carrier, tls: Option<&Tls>, windows: &PerLane<u32>) -> (Listener, Option<quic::Listener>) {
    loop {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        if carrier != Carrier::Quic {
            return (listener, None);
        }
        match quic::Listener::bind(listener.local_addr(), tls.unwrap().clone(), windows) {
            Err(BindError::InUse { .. }) => {}
            quic => return (listener, Some(quic.unwrap())),
        }
    }
}
