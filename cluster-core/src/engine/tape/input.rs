//! An input of the engine as a value: one variant for each method that changes it.

use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Address, Incarnation, Instant, Lane, NodeId, SessionId};
use serde::{Deserialize, Serialize};

use super::Dialled;
use crate::engine::Engine;
use crate::engine::input::{DialOutcome, DownCause, SessionUp};
use crate::engine::members::Drain;
use crate::engine::registers::{Raw, RegisterEntry, RegisterKey};
use crate::engine::room::{ConnectionId, RoomError, RoomId, RoomInfo};
use crate::engine::wire::PeerFault;

/// What an engine is given or asked for, named as the method of [`Engine`]. The order of the variants is that of the format.
///
/// Asking counts because it changes what follows: a delta is cut, a queue moves on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the methods of the engine say what they mean")]
pub enum Input<'a> {
    SessionUp {
        node: NodeId,
        incarnation: Incarnation,
        session: SessionId,
        addresses: Vec<Address>,
        dialled: Option<Dialled>,
    },
    SessionDown {
        node: NodeId,
        session: SessionId,
        cause: DownCause,
    },
    Heard {
        node: NodeId,
        session: SessionId,
    },
    Control {
        from: NodeId,
        session: SessionId,
        #[serde(borrow)]
        message: Raw<'a>,
    },
    State {
        from: NodeId,
        session: SessionId,
        #[serde(borrow)]
        message: Raw<'a>,
    },
    Fault {
        from: NodeId,
        session: SessionId,
        fault: PeerFault,
    },
    /// The lane by its number; none are missed of which nobody knows how many.
    Lagged {
        peer: NodeId,
        lane: u8,
        inbound: bool,
        missed: Option<u64>,
    },
    DialStarted(Dialled),
    ProbeDeferred(Dialled),
    DialConnected(Dialled),
    DialOutcome {
        address: Dialled,
        outcome: DialOutcome,
    },
    Duplicate(NodeId),
    LifeLineCut(NodeId),
    Discovered {
        provider: &'a str,
        answer: Result<Vec<Address>, &'a str>,
    },
    Superseded {
        epoch: u64,
    },
    Timeout,
    Subscribe {
        connection: u64,
        room: Room<'a>,
    },
    Join {
        connection: u64,
        room: RoomId,
    },
    Unsubscribe {
        connection: u64,
        room: RoomId,
    },
    Disconnect {
        connection: u64,
    },
    Verify,
    Blank {
        version: u64,
    },
    Reincarnate(Incarnation),
    Leave,
    Drain(Drain),
    Hold {
        node: NodeId,
        span: Duration,
    },
    Forget(NodeId),
    SetRegister {
        key: RegisterKey,
        #[serde(borrow)]
        value: Raw<'a>,
    },
    SetRegisterDefault {
        key: RegisterKey,
        #[serde(borrow)]
        value: Raw<'a>,
    },
    RemoveRegister {
        key: RegisterKey,
    },
    Stored(Vec<RegisterEntry>),
    PollTransmit,
    PollApplied,
    PollState {
        to: NodeId,
        session: SessionId,
        limit: usize,
    },
    PollAction,
    PollRoomEvent,
    PollEvent,
    PollRegisterChange,
    PollTurn,
    #[cfg(any(test, feature = "sim"))]
    MisplaceSender {
        peer: NodeId,
        by: i64,
    },
    #[cfg(any(test, feature = "sim"))]
    CorruptReplica {
        owner: NodeId,
        room: RoomId,
        count: u32,
    },
}

/// A room as it stands on a tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room<'a> {
    id: RoomId,
    index: &'a str,
    collection: &'a str,
    #[serde(borrow)]
    filters: Raw<'a>,
}

impl<'a> From<&'a RoomInfo> for Room<'a> {
    fn from(room: &'a RoomInfo) -> Self {
        Self {
            id: room.id(),
            index: room.index(),
            collection: room.collection(),
            filters: Raw(room.filters()),
        }
    }
}

impl Room<'_> {
    fn info(&self) -> Result<RoomInfo, RoomError> {
        RoomInfo::new(self.id, self.index, self.collection, Bytes::copy_from_slice(self.filters.0))
    }
}

impl Input<'_> {
    pub(in crate::engine) fn session_up(up: &SessionUp) -> Self {
        let SessionUp { node, incarnation, session, addresses, dialled } = up.clone();
        Self::SessionUp { node, incarnation, session, addresses, dialled: dialled.map(Dialled) }
    }

    pub(in crate::engine) fn lagged(peer: &NodeId, lane: Lane, direction: Direction, missed: Missed) -> Self {
        let missed = match missed {
            Missed::Known(messages) => Some(messages),
            Missed::Unknown => None,
        };
        let inbound = direction == Direction::Inbound;
        Self::Lagged { peer: peer.clone(), lane: lane.number(), inbound, missed }
    }

    /// Gives it to an engine. What comes of it is in the engine; what cannot be given changes nothing.
    pub fn apply(&self, engine: &mut Engine, now: Instant) {
        match self {
            Self::SessionUp { .. }
            | Self::SessionDown { .. }
            | Self::Heard { .. }
            | Self::Control { .. }
            | Self::State { .. }
            | Self::Fault { .. }
            | Self::Lagged { .. } => self.apply_of_session(engine, now),
            Self::PollTransmit
            | Self::PollApplied
            | Self::PollState { .. }
            | Self::PollAction
            | Self::PollRoomEvent
            | Self::PollEvent
            | Self::PollRegisterChange
            | Self::PollTurn => self.poll(engine),
            Self::DialStarted(address) => engine.handle_dial_started(now, &address.0),
            Self::ProbeDeferred(address) => engine.handle_probe_deferred(now, &address.0),
            Self::DialConnected(address) => engine.handle_dial_connected(now, &address.0),
            Self::DialOutcome { address, outcome } => engine.handle_dial_outcome(now, &address.0, outcome),
            Self::Duplicate(node) => engine.handle_duplicate(now, node),
            Self::LifeLineCut(node) => engine.handle_life_line_cut(now, node),
            Self::Discovered { provider, answer } => {
                engine.handle_discovered(now, provider, answer.as_deref().map_err(|why| *why));
            }
            Self::Superseded { epoch } => engine.handle_superseded(now, *epoch),
            Self::Timeout => engine.handle_timeout(now),
            _ => self.apply_verb(engine, now),
        }
    }

    fn apply_of_session(&self, engine: &mut Engine, now: Instant) {
        match self {
            Self::SessionUp { node, incarnation, session, addresses, dialled } => {
                let up = SessionUp {
                    node: node.clone(),
                    incarnation: *incarnation,
                    session: *session,
                    addresses: addresses.clone(),
                    dialled: dialled.clone().map(|Dialled(address)| address),
                };
                engine.handle_session_up(now, up);
            }
            Self::SessionDown { node, session, cause } => {
                engine.handle_session_down(now, node, *session, cause.clone());
            }
            Self::Heard { node, session } => engine.handle_heard(now, node, *session),
            Self::Control { from, session, message } => {
                engine.handle_control(now, from, *session, message.0);
            }
            Self::State { from, session, message } => {
                engine.handle_state(now, from, *session, message.0);
            }
            Self::Fault { from, session, fault } => engine.handle_fault(from, *session, fault.clone()),
            Self::Lagged { peer, lane, inbound, missed } => {
                let Some(lane) = Lane::from_number(*lane) else { return };
                let direction = if *inbound { Direction::Inbound } else { Direction::Outbound };
                let missed = missed.map_or(Missed::Unknown, Missed::Known);
                engine.handle_lagged(now, peer, lane, direction, missed);
            }
            _ => {}
        }
    }

    /// What a verb answers went to the host, and is of no use here.
    fn apply_verb(&self, engine: &mut Engine, now: Instant) {
        match self {
            Self::Subscribe { connection, room } => {
                if let Ok(room) = room.info() {
                    let _ = engine.subscribe(now, ConnectionId(*connection), &room);
                }
            }
            Self::Join { connection, room } => drop(engine.join(now, ConnectionId(*connection), *room)),
            Self::Unsubscribe { connection, room } => {
                let _ = engine.unsubscribe(now, ConnectionId(*connection), *room);
            }
            Self::Disconnect { connection } => drop(engine.disconnect(now, ConnectionId(*connection))),
            Self::Verify => drop(engine.verify(now)),
            Self::Blank { version } => {
                let _ = engine.blank(now, *version);
            }
            Self::Reincarnate(incarnation) => engine.reincarnate(now, *incarnation),
            Self::Leave => engine.leave(now),
            Self::Drain(how) => drop(engine.drain(now, *how)),
            Self::Hold { node, span } => drop(engine.hold(now, node, *span)),
            Self::Forget(node) => drop(engine.forget(now, node)),
            Self::SetRegister { key, value } => drop(engine.set_register(now, key.clone(), value.bytes())),
            Self::SetRegisterDefault { key, value } => {
                drop(engine.set_register_default(now, key.clone(), value.bytes()));
            }
            Self::RemoveRegister { key } => drop(engine.remove_register(now, key.clone())),
            Self::Stored(entries) => engine.handle_stored(now, entries.clone()),
            #[cfg(any(test, feature = "sim"))]
            Self::MisplaceSender { peer, by } => engine.misplace_sender(peer, *by),
            #[cfg(any(test, feature = "sim"))]
            Self::CorruptReplica { owner, room, count } => engine.corrupt_replica(owner, room, *count),
            _ => {}
        }
    }

    fn poll(&self, engine: &mut Engine) {
        match self {
            Self::PollTransmit => drop(engine.poll_transmit()),
            Self::PollApplied => drop(engine.poll_applied()),
            Self::PollState { to, session, limit } => drop(engine.poll_state(to, *session, *limit)),
            Self::PollAction => drop(engine.poll_action()),
            Self::PollRoomEvent => drop(engine.poll_room_event()),
            Self::PollEvent => drop(engine.poll_event()),
            Self::PollRegisterChange => drop(engine.poll_register_change()),
            Self::PollTurn => drop(engine.poll_turn()),
            _ => {}
        }
    }
}
