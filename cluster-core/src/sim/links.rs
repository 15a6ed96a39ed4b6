//! The links of one process: over a socket of the network, or through a tunnel that another node carries.

use bytes::{Buf, Bytes, BytesMut};
use cluster_transport::proto::credentials::PeerIdentity;
use cluster_transport::proto::endpoint::{ConnectFailure, LinkId};
use cluster_transport::proto::frame::{Decoded, Frame};
use cluster_transport::proto::tunnel::{Leg, Reading, StreamOutput};
use cluster_transport::proto::{Address, Instant, SessionId};

use super::discovery::{Place, place_of};
use super::live::{joined, next_frame};
use super::network::Network;
use super::process::Process;
use super::wires::Socket;

/// The most that is read from a tunnel at once.
const READ: usize = 64 * 1024;

/// What a link goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Conduit {
    Socket(Socket),
    Tunnel(Leg),
}

/// A link, as its process has it.
#[derive(Debug)]
pub(super) struct Link {
    id: LinkId,
    pub(super) session: Option<SessionId>,
    /// What has come and is no whole frame yet.
    buffer: Bytes,
}

/// How a link ended.
#[derive(Debug)]
pub(super) enum Ending {
    Closed,
    Reset,
}

/// What becomes of links.
impl Process {
    /// Dials.
    pub(super) fn connect(&mut self, now: Instant, link: LinkId, address: &Address, network: &mut Network) {
        if let Some((via, to)) = address.as_tunnel() {
            match self.tunnels.open(&via, &to) {
                Ok(leg) => {
                    self.add_link(link, Conduit::Tunnel(leg));
                    self.endpoint.handle_connected(now, link, PeerIdentity::Plaintext);
                }
                Err(error) => {
                    let failure = ConnectFailure::Unreachable(error.to_string());
                    self.endpoint.handle_connect_failed(now, link, failure);
                }
            }
            return;
        }
        match place_of(address) {
            Place::Host(to) => {
                let socket = network.connect(self.number, to);
                self.add_link(link, Conduit::Socket(socket));
            }
            // Until the endpoint's own deadline.
            Place::Nowhere => network.counters.stale_dials += 1,
            Place::Refused => {
                network.counters.stale_dials += 1;
                self.endpoint.handle_connect_failed(now, link, ConnectFailure::Refused);
            }
        }
    }

    pub(super) fn connected(&mut self, now: Instant, socket: Socket) {
        if let Some(link) = self.conduits.get(&Conduit::Socket(socket)) {
            self.endpoint.handle_connected(now, link.id, PeerIdentity::Plaintext);
        }
    }

    pub(super) fn refused(&mut self, now: Instant, socket: Socket) {
        if let Some(link) = self.remove_link(Conduit::Socket(socket)) {
            self.endpoint.handle_connect_failed(now, link.id, ConnectFailure::Refused);
        }
    }

    pub(super) fn add_link(&mut self, id: LinkId, conduit: Conduit) {
        self.links.insert(id, conduit);
        self.conduits.insert(conduit, Link { id, session: None, buffer: Bytes::new() });
    }

    pub(super) fn remove_link(&mut self, conduit: Conduit) -> Option<Link> {
        let link = self.conduits.remove(&conduit)?;
        self.links.remove(&link.id);
        Some(link)
    }

    pub(super) fn session_on(&self, conduit: Conduit) -> Option<SessionId> {
        self.conduits.get(&conduit).and_then(|link| link.session)
    }

    /// Nothing comes from a link any more.
    pub(super) fn link_ended(&mut self, now: Instant, conduit: Conduit, how: Ending, network: &mut Network) {
        if let Some(session) = self.session_on(conduit) {
            if let Some(live) = self.sessions.get_mut(session) {
                match how {
                    Ending::Closed => live.session.handle_link_closed(),
                    Ending::Reset => live.session.handle_link_lost("the connection was reset"),
                }
                live.stir(&mut self.stirred);
            }
        } else if let Some(link) = self.remove_link(conduit) {
            self.close_conduit(conduit, network);
            self.endpoint.handle_link_closed(now, link.id, format!("{how:?}"));
        }
    }

    pub(super) fn close_conduit(&mut self, conduit: Conduit, network: &mut Network) {
        match conduit {
            Conduit::Socket(socket) => network.close(socket),
            Conduit::Tunnel(leg) => self.tunnels.close(leg),
        }
    }
}

/// What comes.
impl Process {
    pub(super) fn read(&mut self, now: Instant, conduit: Conduit, bytes: Bytes, network: &mut Network) {
        let Some(link) = self.conduits.get_mut(&conduit) else { return };
        link.buffer = joined(std::mem::take(&mut link.buffer), bytes);
        while let Some(link) = self.conduits.get_mut(&conduit) {
            let Some(session) = link.session else {
                let (id, Some(frame)) = (link.id, next_frame(&mut link.buffer)) else { return };
                self.handshake_frame(now, id, frame);
                // A frame may belong to the session that the one before it begins.
                self.settle_endpoint(now, network);
                continue;
            };
            // What comes for a session that is over is nothing to anybody.
            let bytes = std::mem::take(&mut link.buffer);
            let Some(live) = self.sessions.get_mut(session) else { return };
            return live.read(now, bytes, &mut self.engine, &mut self.stirred);
        }
    }

    fn handshake_frame(&mut self, now: Instant, id: LinkId, frame: Bytes) {
        match Frame::decode(frame) {
            Ok(Decoded::Known(frame)) => self.endpoint.handle_frame(now, id, frame),
            Ok(Decoded::Skipped(_)) => {}
            Err(error) => self.endpoint.handle_bad_frame(now, id, &error),
        }
    }
}

/// Tunnels.
impl Process {
    /// Does what comes of the tunnels.
    pub(super) fn settle_tunnels(&mut self, now: Instant, network: &mut Network) {
        while let Some(output) = self.tunnels.poll_output() {
            match output {
                StreamOutput::Send { session, frame } => {
                    if let Some(live) = self.sessions.get_mut(session) {
                        live.session.send_tunnel(frame);
                        live.stir(&mut self.stirred);
                    }
                }
                StreamOutput::Accepted { leg, from, via } => {
                    network.counters.tunnels += 1;
                    let remote = format!("{from} through {via}");
                    let id = self.endpoint.handle_accepted_through(now, PeerIdentity::Plaintext, remote);
                    self.add_link(id, Conduit::Tunnel(leg));
                }
                StreamOutput::Stirred(leg) => self.run_tunnel(now, leg, network),
            }
        }
    }

    fn run_tunnel(&mut self, now: Instant, leg: Leg, network: &mut Network) {
        let conduit = Conduit::Tunnel(leg);
        let mut buffer = BytesMut::zeroed(READ);
        while self.conduits.contains_key(&conduit) {
            let ending = match self.tunnels.read(leg, &mut buffer) {
                Reading::Bytes(len) => {
                    let bytes = Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default());
                    self.read(now, conduit, bytes, network);
                    continue;
                }
                Reading::Nothing => break,
                Reading::End => Ending::Closed,
                Reading::Broken(_) => Ending::Reset,
            };
            return self.link_ended(now, conduit, ending, network);
        }
        // There may be credit again.
        self.session_on(conduit).into_iter().for_each(|session| self.stir(session));
    }
}

/// What goes.
impl Process {
    /// Writes the frame of a handshake.
    pub(super) fn write_frame(&mut self, link: LinkId, frame: &Frame, network: &mut Network) {
        match self.links.get(&link) {
            Some(Conduit::Socket(socket)) => network.write(*socket, frame.encode()),
            Some(Conduit::Tunnel(leg)) => self.write_last(Conduit::Tunnel(*leg), frame.encode(), network),
            None => {}
        }
    }

    /// Writes what nobody waits for: all of it to a socket, as much as there is credit for to a tunnel.
    pub(super) fn write_last(&mut self, conduit: Conduit, mut bytes: Bytes, network: &mut Network) {
        match conduit {
            Conduit::Socket(socket) => network.write(socket, bytes),
            Conduit::Tunnel(leg) => {
                while let Ok(taken @ 1..) = self.tunnels.write(leg, &bytes) {
                    bytes.advance(taken);
                }
            }
        }
    }
}
