//! Accepting: from a listening socket to a link's task.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::doorway::Place;
use super::link::LinkTask;
use super::{Machine, Shared, life_line};
use crate::link::quic::{self, QuicAccept};
use crate::link::tcp::{Listener, TcpAccept};
use crate::link::{AcceptError, Link};
use crate::proto::endpoint::{LinkId, NoLink};
use crate::proto::{Instant, PeerIdentity};

/// Accepts over TCP until the endpoint stops.
pub(super) async fn accept(shared: Arc<Shared>, mut listener: Listener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let task = Arc::clone(&shared);
        match shared.doorway.enter(accepted.remote().ip()) {
            Ok(place) => shared.spawn(secure(task, accepted, place)),
            Err((taken, of_host)) => turn_away(&shared, accepted, taken, of_host),
        }
    }
}

/// Closes a connection that there is no place for. It costs nothing but this: not a byte of it is read.
fn turn_away(shared: &Arc<Shared>, accepted: TcpAccept, taken: usize, of_host: usize) {
    let remote = accepted.remote();
    drop(accepted);
    let text = format!(
        "{remote} was turned away: {taken} connections have come and said nothing yet, {of_host} of them from there"
    );
    shared.tell(|machine, _, now| machine.handle_accept_failed(now, remote.to_string(), NoLink::Busy, text));
}

async fn secure(shared: Arc<Shared>, accepted: TcpAccept, place: Place) {
    let remote = accepted.remote().to_string();
    let deadline = tokio::time::Instant::now() + shared.connect_timeout;
    let is_life_line = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        is_life_line = accepted.is_life_line(deadline) => is_life_line,
    };
    if is_life_line {
        return life_line::accept(&shared, accepted, deadline).await;
    }
    let secured = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        secured = accepted.secure(shared.tls.as_ref(), deadline) => secured,
    };
    drop(place);
    run_secured(&shared, secured, remote).await;
}

/// Accepts over QUIC until the endpoint stops, or its socket fails: then the endpoint ends.
///
/// As many handshakes run at a time as may be open afterwards; beyond that a dialler is told that this node is busy. From the half
/// of it on a dialler has to prove its address first, so that packets under somebody else's cost nothing.
pub(super) async fn accept_quic(shared: Arc<Shared>, mut listener: quic::Listener) {
    let places = Arc::new(Semaphore::new(shared.max_handshakes));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Some(accepted) = accepted else {
            tracing::error!(address = %listener.local_addr(), "the UDP socket has failed, so the endpoint ends");
            return shared.fail();
        };
        let crowded = places.available_permits() <= shared.max_handshakes / 2;
        let proven = if crowded { accepted.validate() } else { Some(accepted) };
        let Some(accepted) = proven else { continue };
        match Arc::clone(&places).try_acquire_owned() {
            Err(_) => accepted.refuse(),
            Ok(place) => {
                let task = Arc::clone(&shared);
                shared.spawn(async move {
                    let remote = accepted.remote().to_string();
                    let secured = secure_quic(&task, accepted).await;
                    drop(place);
                    if let Some(secured) = secured {
                        run_secured(&task, secured, remote).await;
                    }
                });
            }
        }
    }
}

async fn secure_quic(shared: &Arc<Shared>, accepted: QuicAccept) -> Option<Result<Link, AcceptError>> {
    let deadline = tokio::time::Instant::now() + shared.connect_timeout;
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => None,
        secured = accepted.secure(deadline) => Some(secured),
    }
}

async fn run_secured(shared: &Arc<Shared>, secured: Result<Link, AcceptError>, remote: String) {
    match secured {
        Ok(link) => run_accepted(shared, link, remote).await,
        Err(error) => {
            let (kind, text) = (no_link(&error), error.to_string());
            shared.tell(|machine, _, now| machine.handle_accept_failed(now, remote, kind, text));
        }
    }
}

/// Runs a link that came through a tunnel.
pub(super) async fn run_tunnelled(shared: &Arc<Shared>, link: Link, remote: String) {
    run_told(shared, link, remote, Machine::handle_accepted_through).await;
}

/// Runs a link that was accepted.
pub(super) async fn run_accepted(shared: &Arc<Shared>, link: Link, remote: String) {
    run_told(shared, link, remote, Machine::handle_accepted).await;
}

async fn run_told(
    shared: &Arc<Shared>,
    link: Link,
    remote: String,
    tell: impl FnOnce(&mut Machine, Instant, PeerIdentity, String) -> LinkId,
) {
    let info = link.info.clone();
    let mut registered = None;
    shared.tell(|machine, pump, now| {
        let id = tell(machine, now, info.identity.clone(), remote);
        registered = Some((id, pump.add_link(id, info)));
    });
    if let Some((id, commands)) = registered {
        LinkTask::new(shared, id, link, commands).run().await;
    }
}

fn no_link(error: &AcceptError) -> NoLink {
    match error {
        AcceptError::Http { .. } => NoLink::Http,
        AcceptError::TlsToPlaintext { .. } | AcceptError::PlaintextToTls { .. } => NoLink::OtherSecurity,
        AcceptError::Stranger { .. } => NoLink::Stranger,
        AcceptError::Silent { .. } => NoLink::Silent,
        AcceptError::TimedOut { .. } => NoLink::TimedOut,
        AcceptError::Tls { .. } => NoLink::Tls,
        AcceptError::Io { .. } => NoLink::Broken,
    }
}
