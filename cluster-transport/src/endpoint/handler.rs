//! What the layer above gives to the endpoint: where events and messages go.

use std::sync::Arc;

use bytes::Bytes;

use super::session::SessionHandle;
use crate::proto::Lane;
use crate::proto::endpoint::EndpointEvent;
use crate::proto::lanes::Batch;
use crate::proto::requests::{Outcome, RequestId};
use crate::proto::session::{Direction, Missed};

/// Something that happened to the endpoint as a whole.
#[derive(Clone, Debug)]
pub enum Event {
    /// A session is up; what is sent through the handle from now on arrives after the peer knows of the session.
    Up {
        /// The session.
        session: Arc<SessionHandle>,
        /// What the handshake machine says of it.
        event: EndpointEvent,
    },
    /// Anything else that the handshake machine has to say, the end of a session among it.
    Other(EndpointEvent),
}

/// Something that came over a session.
#[derive(Debug)]
pub enum Incoming {
    /// Messages. [`SessionHandle::done`] is to be called with the batch's lane and end once they have been taken; until then they
    /// count against the peer's window.
    Batch(Batch),
    /// Messages were lost.
    Lagged {
        /// The lane.
        lane: Lane,
        /// Which way they were going.
        direction: Direction,
        /// How many.
        missed: Missed,
    },
    /// The peer asks; to be answered with [`SessionHandle::reply`] or [`SessionHandle::fail`].
    Asked {
        /// For the answer.
        id: RequestId,
        /// What it asks.
        payload: Bytes,
    },
    /// The peer does not want that answer any more.
    Cancelled(RequestId),
    /// A request that was begun with [`SessionHandle::ask`] has ended.
    Answered {
        /// Which.
        id: RequestId,
        /// What was given with it.
        token: u64,
        /// How.
        outcome: Outcome,
    },
}

/// Takes in what happens. Every method is called from a task of the endpoint, must not block, and may call any method of the
/// endpoint and its handles.
pub trait Handler: Send + Sync + 'static {
    /// Something happened to the endpoint.
    fn on_event(&self, event: Event);

    /// Something came over a session. One call at a time per session, in the order of each lane.
    fn on_incoming(&self, session: &Arc<SessionHandle>, incoming: Incoming);

    /// Bytes of the peer were read. Called for each read.
    fn on_heard(&self, session: &Arc<SessionHandle>) {
        let _ = session;
    }

    /// The session is about to look for what it can send: the place to fill the state lane up to its
    /// [`room`](SessionHandle::room). Called at every turn of the session's task.
    fn before_sending(&self, session: &Arc<SessionHandle>) {
        let _ = session;
    }
}
