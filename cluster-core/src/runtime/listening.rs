//! Listening for members: TCP at each binding, and QUIC beside it at the same port where it is asked for.

use std::net::SocketAddr;

use cluster_transport::binding::{Binding, Interface};
use cluster_transport::link::quic;
use cluster_transport::link::tcp::{BindError, Listener as Socket};
use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use cluster_transport::tls::Tls;

use super::error::StartError;
use crate::config::{BindingName, Config};

/// How many free ports of TCP are tried until one is free for UDP too.
const PAIRS: usize = 16;

/// What a member listens on, and what others are told of it.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) sockets: Vec<Socket>,
    pub(super) quic: Vec<quic::Listener>,
    pub(super) bound: Vec<(BindingName, Address)>,
    pub(super) advertised: Vec<Address>,
}

/// The sockets of one binding.
struct Sockets {
    tcp: Socket,
    quic: Option<quic::Listener>,
}

/// Binds everything that is configured.
pub(super) async fn listen(config: &Config, tls: Option<&Tls>) -> Result<Listening, StartError> {
    let interfaces = Interface::all()
        .map_err(|source| StartError::Lookup { what: "on this machine's interfaces".to_owned(), source })?;
    let mut listening = Listening::default();
    let own = config.advertise();
    for listener in config.listeners() {
        let (binding, name) = (listener.binding(), listener.name());
        let resolved = binding.resolve(&interfaces)?;
        let Sockets { tcp: socket, quic } = bind(config, tls, binding, &interfaces).await?;
        let local = socket.local_addr();
        // QUIC first: it is what was asked for. TCP is how others find out what is wrong when UDP is not let through.
        let schemes = quic.is_some().then_some(Scheme::Quic).into_iter().chain([Scheme::Tcp]);
        for scheme in schemes {
            listening.bound.push((name, Address::from_ip(scheme, local.ip(), local.port())));
            if name.is_advertised() && own.is_empty() {
                let advertised = resolved.advertised_as(scheme, local.port());
                let refuse = || StartError::NotAdvertisable { binding: binding.clone(), bound: local };
                listening.advertised.push(advertised.ok_or_else(refuse)?);
            }
        }
        listening.sockets.push(socket);
        listening.quic.extend(quic);
    }
    listening.advertised.extend(own.iter().cloned());
    Ok(listening)
}

async fn bind(
    config: &Config,
    tls: Option<&Tls>,
    binding: &Binding,
    interfaces: &[Interface],
) -> Result<Sockets, StartError> {
    let addresses = binding.resolve(interfaces)?.lookup().await;
    let addresses =
        addresses.map_err(|source| StartError::Lookup { what: format!("at {binding}"), source })?;
    let mut last = None;
    for address in addresses {
        config.check_exposure(binding, address)?;
        let bound = match (binding.scheme(), tls) {
            // Nobody can write a binding of tunnels.
            (Scheme::Tcp | Scheme::Tunnel, _) => Socket::bind(address).map(|tcp| Sockets { tcp, quic: None }),
            (Scheme::Quic, Some(tls)) => bind_both(config, tls, address),
            (Scheme::Quic, None) => return Err(StartError::QuicWithoutTls { binding: binding.clone() }),
        };
        match bound {
            Ok(sockets) => return Ok(sockets),
            Err(error) => last = Some(error),
        }
    }
    let nothing = std::io::Error::other("the name has no address");
    Err(last
        .map_or_else(|| StartError::Lookup { what: format!("at {binding}"), source: nothing }, Into::into))
}

/// Both transports at one port. Where any port will do, one that only TCP can have is given back and another is tried.
fn bind_both(config: &Config, tls: &Tls, address: SocketAddr) -> Result<Sockets, BindError> {
    let windows = config.lane_settings().windows;
    let mut tries = if address.port() == 0 { PAIRS } else { 1 };
    loop {
        let tcp = Socket::bind(address)?;
        tries -= 1;
        match quic::Listener::bind(tcp.local_addr(), tls.clone(), &windows) {
            Err(BindError::InUse { .. }) if tries > 0 => {}
            quic => return Ok(Sockets { tcp, quic: Some(quic?) }),
        }
    }
}
