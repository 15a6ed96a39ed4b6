//! Between the transport's machines and the engine: what the one says in the words of the other.
//!
//! The runtime and the simulation differ in how they drive endpoints and sessions, and in nothing that is in here.

use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::endpoint::{
    ConnectFailure, DialOutcome as Dialled, EndpointEvent, HandshakeFailure, SessionEnd,
};
use cluster_transport::proto::lanes::Batch;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Instant, Lane, NodeId, SessionId};

use super::Engine;
use super::input::{DialOutcome, DownCause, RefuseCode, SessionUp};
use super::members::CloseReason;
use super::state::Intake;

impl Engine {
    /// Something happened to the endpoint. What is worth no more than a line in the log changes nothing.
    pub fn handle_endpoint(&mut self, now: Instant, event: &EndpointEvent) {
        match event {
            EndpointEvent::SessionUp { node, replaced, .. } => {
                if let Some(old) = replaced {
                    self.handle_session_down(now, node, *old, DownCause::Replaced);
                }
                if let Some(up) = session_up(event) {
                    self.handle_session_up(now, up);
                }
            }
            EndpointEvent::SessionDown { node, session, cause, .. } => {
                self.handle_session_down(now, node, *session, down_cause(cause));
                if is_superseded(cause) {
                    // Which epoch is above ours is said by the refusal of the next dial.
                    let epoch = self.incarnation().epoch;
                    self.handle_superseded(now, epoch);
                }
            }
            EndpointEvent::DialStarted { address } => self.handle_dial_started(now, address),
            EndpointEvent::DialConnected { address } => self.handle_dial_connected(now, address),
            EndpointEvent::DialOutcome { address, outcome, .. } => {
                self.handle_dial_outcome(now, address, &dial_outcome(outcome));
            }
            EndpointEvent::Superseded { epoch, .. } | EndpointEvent::DuplicateId { epoch, .. } => {
                self.handle_superseded(now, *epoch);
            }
            EndpointEvent::Shed { node, lane, messages } if self.members().member(node).is_some() => {
                let missed = Missed::Known(*messages);
                self.handle_lagged(now, node, *lane, Direction::Outbound, missed);
            }
            EndpointEvent::DoubtSession { node, session }
                if self.members().session_of(node) == Some(*session) =>
            {
                self.handle_duplicate(now, node);
            }
            EndpointEvent::LifeLineCut { node, session }
                if self.members().session_of(node) == Some(*session) =>
            {
                self.handle_life_line_cut(now, node);
            }
            // A newer incarnation is told by its session; of the others the log tells.
            _ => {}
        }
    }

    /// Messages of the control or the state lane. What is over budget must not be acknowledged.
    pub fn handle_batch(&mut self, now: Instant, from: &NodeId, session: SessionId, batch: &Batch) -> Intake {
        self.handle_rest(now, from, session, batch, 0)
    }

    /// As [`handle_batch`](Self::handle_batch), without so many messages at the beginning.
    pub(crate) fn handle_rest(
        &mut self,
        now: Instant,
        from: &NodeId,
        session: SessionId,
        batch: &Batch,
        without: usize,
    ) -> Intake {
        for message in batch.iter().skip(without) {
            match batch.lane() {
                Lane::Control => self.handle_control(now, from, session, message),
                Lane::State => {
                    if self.handle_state(now, from, session, message) == Intake::OverBudget {
                        return Intake::OverBudget;
                    }
                }
                Lane::Events | Lane::Requests | Lane::Notifications => {}
            }
        }
        Intake::Taken
    }
}

/// The session that an event tells of, if it is of one that began.
pub fn session_up(event: &EndpointEvent) -> Option<SessionUp> {
    let EndpointEvent::SessionUp { node, incarnation, session, addresses, dialled, .. } = event else {
        return None;
    };
    Some(SessionUp {
        node: node.clone(),
        incarnation: *incarnation,
        session: *session,
        addresses: addresses.clone(),
        dialled: dialled.clone(),
    })
}

/// What the end of a session says about the peer.
pub fn down_cause(end: &SessionEnd) -> DownCause {
    match end {
        SessionEnd::Left => DownCause::Left,
        SessionEnd::LinkClosed => DownCause::Eof,
        SessionEnd::ClosedByPeer { code: CloseCode::SHUTDOWN, .. } => DownCause::Eof,
        SessionEnd::ClosedByPeer { code, text } => {
            DownCause::Failed(format!("the peer closed the session (code {}): {text}", code.0))
        }
        SessionEnd::ClosedHere(_) => DownCause::ClosedByUs,
        SessionEnd::Superseded(_) => DownCause::Superseded,
        SessionEnd::LinkLost(why) => DownCause::Failed(why.clone()),
        other => DownCause::Failed(format!("{other:?}")),
    }
}

/// Whether the peer ended the session because it has one with a newer life of this node.
fn is_superseded(end: &SessionEnd) -> bool {
    matches!(end, SessionEnd::ClosedByPeer { code: CloseCode::SUPERSEDED, .. })
}

/// What became of a dial.
pub fn dial_outcome(outcome: &Dialled) -> DialOutcome {
    match outcome {
        Dialled::InSession { node, .. } => DialOutcome::Session { node: node.clone() },
        Dialled::Alias { node, .. } => DialOutcome::Alias { node: node.clone() },
        Dialled::ToSelf => DialOutcome::Myself,
        Dialled::NotConnected(ConnectFailure::Refused) => DialOutcome::ConnectionRefused,
        Dialled::NotConnected(ConnectFailure::TimedOut) => DialOutcome::NoAnswer,
        Dialled::NotConnected(ConnectFailure::Silent) => DialOutcome::NoWelcome,
        Dialled::NotConnected(failure @ ConnectFailure::CutOff(_)) => {
            DialOutcome::CutOff(failure.to_string())
        }
        Dialled::NotConnected(failure) => DialOutcome::Unreachable(failure.to_string()),
        Dialled::Failed(failure) => handshake_outcome(failure),
        Dialled::Declined { code, text, .. } => {
            DialOutcome::Refused { code: RefuseCode(code.0), text: text.clone() }
        }
        Dialled::Abandoned => DialOutcome::Unreachable("this side gave the dial up".to_owned()),
        other => DialOutcome::Unreachable(format!("{other:?}")),
    }
}

fn handshake_outcome(failure: &HandshakeFailure) -> DialOutcome {
    match failure {
        HandshakeFailure::Refused(refuse) => {
            DialOutcome::Refused { code: RefuseCode(refuse.code.0), text: refuse.text.as_str().to_owned() }
        }
        // A process that is killed in the middle says nothing about who holds the address now.
        HandshakeFailure::LinkClosed(_) => DialOutcome::CutOff(failure.to_string()),
        _ => DialOutcome::NoWelcome,
    }
}

/// What a peer is told when the membership ends its session.
pub fn close_code(why: CloseReason) -> CloseCode {
    match why {
        CloseReason::Removed => CloseCode::REMOVED,
        CloseReason::Superseded { .. } => CloseCode::SUPERSEDED,
        CloseReason::OwnId | CloseReason::TooManyMembers => CloseCode::APPLICATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: CloseCode) -> SessionEnd {
        SessionEnd::ClosedByPeer { code, text: "why".to_owned() }
    }

    #[test]
    fn only_an_end_without_a_word_is_an_eof() {
        let newer = cluster_transport::proto::Incarnation { epoch: 2, nonce: 0 };
        for (end, cause) in [
            (SessionEnd::Left, DownCause::Left),
            (SessionEnd::LinkClosed, DownCause::Eof),
            (closed(CloseCode::SHUTDOWN), DownCause::Eof),
            (SessionEnd::LinkLost("reset".to_owned()), DownCause::Failed("reset".to_owned())),
            (
                closed(CloseCode::REMOVED),
                DownCause::Failed("the peer closed the session (code 10): why".to_owned()),
            ),
            (SessionEnd::ClosedHere(CloseCode::VIOLATION), DownCause::ClosedByUs),
            (SessionEnd::Superseded(newer), DownCause::Superseded),
        ] {
            assert_eq!(down_cause(&end), cause);
        }
    }

    #[test]
    fn a_dial_says_who_is_there_or_why_nobody_is_known() {
        let node: NodeId = "b".parse().unwrap();
        let session = SessionId(1);
        let failed = |failure| Dialled::Failed(failure);
        for (dialled, outcome) in [
            (Dialled::Alias { node: node.clone(), session }, DialOutcome::Alias { node }),
            (Dialled::ToSelf, DialOutcome::Myself),
            (Dialled::NotConnected(ConnectFailure::Refused), DialOutcome::ConnectionRefused),
            (Dialled::NotConnected(ConnectFailure::TimedOut), DialOutcome::NoAnswer),
            (
                Dialled::NotConnected(ConnectFailure::Resolve("no such host".to_owned())),
                DialOutcome::Unreachable("name resolution: no such host".to_owned()),
            ),
            (failed(HandshakeFailure::TimedOut), DialOutcome::NoWelcome),
            (
                failed(HandshakeFailure::LinkClosed("reset".to_owned())),
                DialOutcome::CutOff("the link was lost during the handshake: reset".to_owned()),
            ),
            (
                Dialled::NotConnected(ConnectFailure::CutOff("reset".to_owned())),
                DialOutcome::CutOff("cut off: reset".to_owned()),
            ),
            (Dialled::Abandoned, DialOutcome::Unreachable("this side gave the dial up".to_owned())),
        ] {
            assert_eq!(dial_outcome(&dialled), outcome);
        }
    }
}
