//! The ends of handshakes that came to no session: time, loss, violation, or our own change of mind.

use std::time::Duration;

use super::Endpoint;
use super::event::{ConnectFailure, DialOutcome, EndpointAction, HandshakeFailure, LinkId};
use super::frames;
use super::handshake::{Dial, Offer, Question, Stage};
use crate::proto::Instant;
use crate::proto::body::{CloseCode, RefuseCode};

impl Endpoint {
    /// Ends the links that have used up their time. Every input does so first, whenever the timer fires.
    pub(super) fn expire(&mut self, now: Instant) {
        for link in self.handshakes.overdue(now) {
            let Some((_, stage)) = self.handshakes.take(link) else { continue };
            if let Stage::Connecting(dial) = &stage {
                self.actions.push_back(EndpointAction::Close { link });
                let failure = if dial.reached { ConnectFailure::Silent } else { ConnectFailure::TimedOut };
                self.conclude(now, dial, DialOutcome::NotConnected(failure));
                continue;
            }
            self.send(link, frames::close(CloseCode::HANDSHAKE_TIMEOUT, "the handshake took too long"));
            self.actions.push_back(EndpointAction::Close { link });
            self.fail(now, stage, HandshakeFailure::TimedOut);
        }
    }

    pub(super) fn violated(
        &mut self,
        now: Instant,
        link: LinkId,
        stage: Stage,
        code: CloseCode,
        text: String,
    ) {
        self.send(link, frames::close(code, &text));
        self.actions.push_back(EndpointAction::Close { link });
        self.fail(now, stage, HandshakeFailure::Violation(text));
    }

    /// A handshake ended without a session.
    pub(super) fn fail(&mut self, now: Instant, stage: Stage, failure: HandshakeFailure) {
        match stage {
            Stage::Connecting(dial) | Stage::WelcomeAwaited(Question { dial, .. }) => {
                self.conclude(now, &dial, DialOutcome::Failed(failure));
            }
            Stage::GoWithheld(welcomed) => {
                self.conclude(now, &welcomed.question.dial, DialOutcome::Failed(failure));
            }
            Stage::HelloAwaited(caller) => self.caller_failed(caller.remote, failure),
            Stage::GoAwaited { caller, offer, .. } => {
                // A dialler that closes after our `Welcome` has found another session of the pair: nothing to report.
                if !matches!(failure, HandshakeFailure::LinkClosed(_)) {
                    self.caller_failed(caller.remote, failure);
                }
                self.offer_gone(now, &offer);
            }
        }
    }

    /// The `Go` for this offer will not come: what waited for it goes on.
    ///
    /// If the offer was to replace a session, that one has not been listened to since the `Welcome`: it ends, and whoever dials
    /// next goes on where it stood.
    pub(super) fn offer_gone(&mut self, now: Instant, offer: &Offer) {
        if self.peers.is_fenced_to(&offer.node, offer.incarnation, offer.session) {
            self.close_session(now, &offer.node, CloseCode::REPLACED);
        }
        self.dialler.wake(now, offer.session, Duration::ZERO, &mut self.rng);
        self.settle_withheld(now, &offer.node);
    }

    /// Gives handshakes up for a reason of our own.
    pub(super) fn abandon(&mut self, now: Instant, links: Vec<LinkId>) {
        // Dials first: the end of an accepted handshake would release a `Go` that is withheld.
        let (dials, accepted): (Vec<_>, Vec<_>) = links
            .into_iter()
            .filter_map(|link| Some((link, self.handshakes.take(link)?.1)))
            .partition(|(_, stage)| stage.dial().is_some());
        for (link, stage) in dials.into_iter().chain(accepted) {
            self.abandon_one(now, link, stage);
        }
    }

    fn abandon_one(&mut self, now: Instant, link: LinkId, stage: Stage) {
        let (caller, offer) = match stage {
            Stage::HelloAwaited(caller) => (caller, None),
            Stage::GoAwaited { caller, offer, .. } => (caller, Some(offer)),
            Stage::Connecting(dial) | Stage::WelcomeAwaited(Question { dial, .. }) => {
                return self.abandon_dial(now, link, &dial);
            }
            Stage::GoWithheld(welcomed) => return self.abandon_dial(now, link, &welcomed.question.dial),
        };
        if self.leaving {
            let refusal = self.judge().refusal(RefuseCode::LEAVING, "this node is leaving the cluster");
            let node = offer.as_ref().map(|offer| offer.node.clone());
            self.refuse_caller(link, &caller, node, refusal);
        } else {
            self.actions.push_back(EndpointAction::Close { link });
        }
        if let Some(offer) = offer {
            self.offer_gone(now, &offer);
        }
    }

    fn abandon_dial(&mut self, now: Instant, link: LinkId, dial: &Dial) {
        self.actions.push_back(EndpointAction::Close { link });
        self.conclude(now, dial, DialOutcome::Abandoned);
    }
}
