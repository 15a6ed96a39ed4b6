//! Life lines: a TCP connection beside each session over QUIC, whose end without a word puts the peer in doubt at once.
//!
//! The dialler of the session makes it. Where TCP does not get through there is none, and silence decides as it would anyway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::session::SessionHandle;
use crate::link::TransportKind;
use crate::link::tcp::{LifeLine, LifeLineEnd, TcpAccept};

/// The first pause before another attempt, doubled with each further one: the acceptor may not have the session yet.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Begins to keep a life line for a session that begins, if it is one that wants one.
pub(super) fn begin(shared: &Arc<Shared>, handle: &Arc<SessionHandle>) {
    let link = handle.link();
    if let (TransportKind::Quic, true, Some(remote)) = (link.transport, handle.we_dialled(), link.remote) {
        let (shared, handle) = (Arc::clone(shared), Arc::clone(handle));
        let task = Arc::clone(&shared);
        shared.spawn(async move { keep(&task, &handle, remote).await });
    }
}

/// Makes life lines, one after the other, as long as the session lasts.
async fn keep(shared: &Arc<Shared>, handle: &SessionHandle, remote: SocketAddr) {
    let mut pause = FIRST_PAUSE;
    loop {
        let deadline = tokio::time::Instant::now() + shared.connect_timeout;
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = handle.ended() => return,
            dialled = LifeLine::dial(remote, handle.id(), deadline) => {
                if let Ok(line) = dialled {
                    handle.take_life_line();
                    watch(shared, handle, line).await;
                    handle.give_life_line_back();
                    pause = FIRST_PAUSE;
                }
            }
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = handle.ended() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Takes a life line that somebody wants, if it is for a session over QUIC that this node accepted and that has none. An id that
/// only its two ends know proves whose it is.
pub(super) async fn accept(shared: &Arc<Shared>, accepted: TcpAccept, deadline: tokio::time::Instant) {
    let Ok(wanted) = accepted.life_line(deadline).await else { return };
    let Some(handle) = shared.pump().session(wanted.session()) else { return };
    if handle.we_dialled() || handle.link().transport != TransportKind::Quic || !handle.take_life_line() {
        return;
    }
    if let Ok(line) = wanted.accept().await {
        watch(shared, &handle, line).await;
    }
    handle.give_life_line_back();
}

/// Holds a life line until it or the session ends.
async fn watch(shared: &Arc<Shared>, handle: &SessionHandle, mut line: LifeLine) {
    let end = tokio::select! {
        biased;
        // Whoever is stopped without a word leaves none here either.
        () = shared.stop.cancelled() => return,
        () = handle.ended() => return line.finish().await,
        end = line.ended() => end,
    };
    if end == LifeLineEnd::Cut {
        shared.tell(|machine, _, _| machine.handle_life_line_cut(handle.id()));
    }
}
