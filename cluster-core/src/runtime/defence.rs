//! Counts of those who did not get in, and of members that broke the rules or asked for too much.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cluster_transport::endpoint::Tally;
use cluster_transport::proto::body::{CloseCode, RefuseCode};
use cluster_transport::proto::endpoint::{EndpointEvent, HandshakeFailure, SessionEnd};
use serde::Serialize;

/// What this node did against strangers and against members that broke the rules, since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defence {
    /// Who dialled this node and has no session, by the reason. Members that meet twice are none of them.
    pub turned_away: BTreeMap<&'static str, u64>,
    /// Sessions that this node closed, by the reason: `violation` and `unknown kind` are breaches of the protocol.
    pub sessions_closed: BTreeMap<&'static str, u64>,
    /// Frames of kinds that this version does not know, and may skip.
    pub frames_skipped: u64,
    /// Requests of members that were refused because they had too many under way.
    pub requests_refused: u64,
    /// How often this node did not believe that it had been superseded, because it was told so too often.
    pub disbelieved: u64,
    /// Datagrams that cannot be QUIC and came to where it listens for QUIC. They are dropped.
    pub strange_datagrams: u64,
}

/// The same, while it is being counted.
#[derive(Debug)]
pub(super) struct Defending(Mutex<Defence>);

impl Default for Defending {
    /// What an alarm is set on is there from the start: of a figure that appears with 1 no monitoring system sees it grow.
    fn default() -> Self {
        let none = |reasons: &[&'static str]| reasons.iter().map(|reason| (*reason, 0)).collect();
        Self(Mutex::new(Defence {
            turned_away: none(&[
                RefuseCode::WRONG_CLUSTER.words(),
                RefuseCode::NOT_AUTHORISED.words(),
                CloseCode::HANDSHAKE_TIMEOUT.words(),
                CloseCode::VIOLATION.words(),
            ]),
            sessions_closed: none(&[CloseCode::VIOLATION.words(), CloseCode::UNKNOWN_KIND.words()]),
            ..Defence::default()
        }))
    }
}

impl Defending {
    pub(super) fn note(&self, event: &EndpointEvent) {
        match event {
            EndpointEvent::Refused { code, .. } => count(&mut self.counts().turned_away, code.words()),
            EndpointEvent::CallerFailed { failure, .. } => {
                count(&mut self.counts().turned_away, reason(failure));
            }
            EndpointEvent::SessionDown { cause: SessionEnd::ClosedHere(code), .. } => {
                count(&mut self.counts().sessions_closed, code.words());
            }
            _ => {}
        }
    }

    pub(super) fn request_refused(&self) {
        self.counts().requests_refused += 1;
    }

    /// The counts, with those of the endpoint.
    pub(super) fn status(&self, tally: Tally) -> Defence {
        let counts = self.counts().clone();
        Defence {
            frames_skipped: tally.skipped_frames,
            requests_refused: counts.requests_refused + tally.refused_requests,
            disbelieved: tally.disbelieved,
            strange_datagrams: tally.strange_datagrams,
            ..counts
        }
    }

    fn counts(&self) -> MutexGuard<'_, Defence> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reasons are few, so their map is bounded.
fn count(counts: &mut BTreeMap<&'static str, u64>, reason: &'static str) {
    *counts.entry(reason).or_default() += 1;
}

fn reason(failure: &HandshakeFailure) -> &'static str {
    match failure {
        HandshakeFailure::TimedOut => CloseCode::HANDSHAKE_TIMEOUT.words(),
        HandshakeFailure::NoLink { kind, .. } => kind.words(),
        HandshakeFailure::LinkClosed(_) => "gone before its session",
        HandshakeFailure::Violation(_) => CloseCode::VIOLATION.words(),
        HandshakeFailure::Closed { .. } | HandshakeFailure::Refused(_) => "it refused us",
        _ => "for another reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_transport::proto::SessionId;
    use cluster_transport::proto::endpoint::NoLink;

    #[test]
    fn everybody_who_is_turned_away_counts_whether_or_not_it_is_news() {
        let (counts, remote) = (Defending::default(), "10.0.0.1:1".to_owned());
        for changed in [true, false] {
            let (code, text) = (RefuseCode::WRONG_CLUSTER, String::new());
            counts.note(&EndpointEvent::Refused { remote: remote.clone(), node: None, code, text, changed });
        }
        let failure = HandshakeFailure::NoLink { kind: NoLink::Http, text: String::new() };
        counts.note(&EndpointEvent::CallerFailed { remote, failure, changed: false });
        counts.note(&EndpointEvent::SessionDown {
            node: "a".parse().unwrap(),
            incarnation: cluster_transport::proto::Incarnation { epoch: 1, nonce: 1 },
            session: SessionId(1),
            cause: SessionEnd::ClosedHere(CloseCode::VIOLATION),
        });
        let counts = counts.status(Tally::default());
        let some = |counts: BTreeMap<&'static str, u64>| -> Vec<_> {
            counts.into_iter().filter(|(_, times)| *times > 0).collect()
        };
        assert_eq!(some(counts.turned_away), [("HTTP", 1), ("wrong cluster", 2)]);
        assert_eq!(some(counts.sessions_closed), [("violation", 1)]);
    }
}
