//! What the transport tells, and where it goes: control and state to the engine at once, the rest to the host's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cluster_transport::endpoint::{Event, Handler, Incoming, SessionHandle};
use cluster_transport::proto::address::Scheme;
use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::endpoint::{DialOutcome, EndpointEvent, HandshakeFailure, NoLink, SessionEnd};
use cluster_transport::proto::lanes::{Batch, Payload};
use cluster_transport::proto::{Lane, NodeId};

use super::commands;
use super::inner::Inner;
use crate::engine::Engine;
use crate::engine::state::Intake;
use crate::engine::state::message::MAX_DELTA;

/// How many deltas one turn of a session's task cuts: each is a hold of the engine's lock.
const DELTAS_PER_TURN: usize = 4;
/// What is cut in one hold of the engine's lock, in bytes: less than this, and one message.
const SMALL: usize = MAX_DELTA / 4;

/// The endpoint's way to the engine.
#[derive(Debug)]
pub(super) struct Transport {
    inner: Arc<Inner>,
    /// The epoch of the newer process with this node's id that was reported last.
    reported: AtomicU64,
}

impl Handler for Transport {
    fn on_event(&self, event: Event) {
        let inner = &self.inner;
        match event {
            Event::Up { session, event } => {
                let published = inner.counters.published.load(Ordering::Relaxed);
                inner.peers().begin(session, published);
                inner.with_engine(|engine, now| engine.handle_endpoint(now, &event));
            }
            Event::Other(event) => {
                inner.defending.note(&event);
                inner.with_engine(|engine, now| engine.handle_endpoint(now, &event));
                if let EndpointEvent::Superseded { epoch, .. } = &event {
                    inner.reincarnate(*epoch);
                }
                self.log(&event);
            }
        }
    }

    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming) {
        let inner = &self.inner;
        match incoming {
            Incoming::Batch(batch) => self.take_batch(session, batch),
            Incoming::Lagged { lane, direction, missed } => {
                inner.with_engine(|engine, now| {
                    engine.handle_lagged(now, session.peer(), lane, direction, missed);
                });
            }
            Incoming::Asked { id, payload } => commands::take_request(inner, session, id, payload),
            // The host finds out when it answers.
            Incoming::Cancelled(_) => {}
            // All requests here are awaited.
            Incoming::Answered { .. } => {}
        }
    }

    fn on_heard(&self, session: &Arc<SessionHandle>) {
        self.inner.with_engine(|engine, now| engine.handle_heard(now, session.peer(), session.id()));
    }

    fn before_sending(&self, session: &Arc<SessionHandle>) {
        let inner = &self.inner;
        let peer = inner.peers().of(session.peer(), session.id()).cloned();
        let Some(peer) = peer else { return };
        if peer.holds_state_back(inner.now()) {
            // An acknowledgement wakes the task, or the one that runs the paces does.
            inner.state_is_held();
            return;
        }
        if !peer.take_wants_state() {
            return;
        }
        for _ in 0..DELTAS_PER_TURN {
            let room = session.room(Lane::State).min(MAX_DELTA + 1_024);
            if room < MAX_DELTA / 2 {
                break;
            }
            let cut = inner.with_engine(|engine, _| cut(engine, session, room));
            for message in cut.messages {
                if session.send(Lane::State, &[], Payload::Shared(message)).is_err() {
                    return;
                }
            }
            if cut.is_all {
                peer.pace().tell_all(inner.now());
                return;
            }
        }
        // There may be more, now or when the lane has room again: an acknowledgement wakes the task.
        peer.pace().tell_part();
        peer.put_wants_state_back();
    }
}

/// What one hold of the engine's lock gave for a peer.
struct Cut {
    messages: Vec<Bytes>,
    /// There is no more.
    is_all: bool,
}

/// One message for a state lane, or some small ones: the last change is found to be that without another hold.
fn cut(engine: &mut Engine, session: &SessionHandle, room: usize) -> Cut {
    let mut cut = Cut { messages: Vec::new(), is_all: false };
    let mut left = room;
    while room - left < SMALL {
        let Some(message) = engine.poll_state(session.peer(), session.id(), left) else {
            // With less room than that, what is left may only not have fitted.
            cut.is_all = left >= MAX_DELTA / 2;
            break;
        };
        left = left.saturating_sub(message.len());
        cut.messages.push(message);
    }
    cut
}

impl Transport {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, reported: AtomicU64::new(0) }
    }

    fn take_batch(&self, session: &Arc<SessionHandle>, batch: Batch) {
        let inner = &self.inner;
        let (peer, id) = (session.peer(), session.id());
        match batch.lane() {
            Lane::Control => {
                inner.with_engine(|engine, now| engine.handle_batch(now, peer, id, &batch));
                self.state_may_wait(peer);
                session.done_inline(Lane::Control, batch.end());
            }
            Lane::State => {
                let taken = inner.with_engine(|engine, now| engine.handle_batch(now, peer, id, &batch));
                self.state_may_wait(peer);
                // What is over budget is never acknowledged: the flood stops at its sender.
                if taken == Intake::Taken {
                    session.done_inline(Lane::State, batch.end());
                }
            }
            Lane::Events | Lane::Notifications => inner.host_queue.push_batch(Arc::clone(session), batch),
            // The session itself takes the requests lane in.
            Lane::Requests => session.done_inline(Lane::Requests, batch.end()),
        }
    }

    /// A position, a request for a pass or an acknowledgement may have come: there may be something for the state lane.
    fn state_may_wait(&self, node: &NodeId) {
        if let Some(peer) = self.inner.peers().get(node) {
            peer.put_wants_state_back();
        }
    }

    /// One line at each change of what an address or a caller does, not one an attempt.
    fn log(&self, event: &EndpointEvent) {
        match event {
            // Tunnels are tried while there is a doubt, which has lines of its own.
            EndpointEvent::DialOutcome { address, outcome, .. } if address.scheme() == Scheme::Tunnel => {
                tracing::debug!(%address, "a tunnel was tried: {outcome:?}");
            }
            EndpointEvent::DialOutcome { address, outcome, changed: true } => match outcome {
                DialOutcome::InSession { .. } | DialOutcome::Abandoned => {}
                DialOutcome::Alias { node, .. } => {
                    tracing::debug!(%address, %node, "another address of a peer")
                }
                DialOutcome::ToSelf => {
                    tracing::info!(%address, "this address is this node's own: it is not dialled for a while")
                }
                DialOutcome::NotConnected(failure) => tracing::warn!(%address, "cannot connect: {failure}"),
                DialOutcome::Failed(failure) => tracing::warn!(%address, "no session: {failure}"),
                DialOutcome::Declined { node, code, text } => {
                    tracing::warn!(%address, %node, "refused it: {}: {text}", code.words());
                }
                other => tracing::warn!(%address, "{other:?}"),
            },
            EndpointEvent::BackingOff { address, attempts, cap } => {
                tracing::warn!(%address, "{attempts} attempts have failed: trying on, at most every {cap:?}");
            }
            EndpointEvent::Refused { remote, node, code, text, changed: true } => {
                let node = node.as_ref().map_or("a stranger", NodeId::as_str);
                tracing::warn!(%remote, "refused {node}: {}: {text}", code.words());
            }
            EndpointEvent::CallerFailed {
                failure: HandshakeFailure::NoLink { kind, text },
                changed: true,
                ..
            } => {
                match kind {
                    // Health checks do that.
                    NoLink::Silent => tracing::debug!("{text}"),
                    _ => tracing::warn!("{text}"),
                }
            }
            EndpointEvent::CallerFailed { remote, failure, changed: true } => {
                tracing::warn!(%remote, "a caller did not get in: {failure}");
            }
            EndpointEvent::DuplicateId { epoch, other, .. }
                if self.reported.fetch_max(*epoch, Ordering::Relaxed) < *epoch =>
            {
                let me = self.inner.node();
                let at = other.as_ref().map_or_else(|| "elsewhere".to_owned(), ToString::to_string);
                tracing::error!(
                    "another process has this node's id {me}, at {at}: stop one of them or give it another id"
                );
            }
            EndpointEvent::SessionDown { node, cause: SessionEnd::ClosedHere(code), .. }
                if is_breach(*code) =>
            {
                tracing::warn!(%node, "ended the session: the peer broke the protocol");
            }
            EndpointEvent::SessionDown { node, cause: SessionEnd::ClosedByPeer { code, text }, .. }
                if is_breach(*code) =>
            {
                tracing::warn!(%node, "the peer ended the session: we broke the protocol: {text}");
            }
            EndpointEvent::SessionDown { node, cause, .. } => {
                tracing::debug!(%node, "session ended: {cause:?}")
            }
            _ => {}
        }
    }
}

fn is_breach(code: CloseCode) -> bool {
    matches!(code, CloseCode::VIOLATION | CloseCode::UNKNOWN_KIND)
}
