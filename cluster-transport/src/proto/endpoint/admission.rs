//! Who may have a session: the checks of a `Hello` and of a `Welcome`, and the refusals in words.

use super::handshake::Offer;
use super::peers::{Peers, Standing};
use super::settings::EndpointSettings;
use crate::proto::body::{Hello, Refuse, RefuseCode, VersionRange};
use crate::proto::credentials::PeerIdentity;
use crate::proto::wire::Text;
use crate::proto::{NodeId, SessionId};

/// Judges peers by what this node is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) settings: &'a EndpointSettings,
    pub(super) peers: &'a Peers,
}

impl Judge<'_> {
    /// The version to speak with a dialler, or why there is no session with it.
    pub(super) fn hello(&self, identity: &PeerIdentity, hello: &Hello) -> Result<u16, Refuse> {
        let ours = self.settings;
        if hello.cluster != ours.cluster {
            let text = format!("this is cluster {}, not {}", ours.cluster, hello.cluster);
            return Err(stranger(RefuseCode::WRONG_CLUSTER, &text));
        }
        let version = VersionRange::OURS.common(hello.versions).ok_or_else(|| no_common(hello.versions))?;
        self.identity(identity, &hello.node)?;
        if hello.node == ours.node {
            return Err(self.own_id(hello));
        }
        if hello.settings != ours.fingerprint {
            let text = "host settings that must be equal on all members differ, such as the filter seed";
            return Err(self.refusal(RefuseCode::SETTINGS_DIFFER, text));
        }
        self.standing(&hello.node, self.peers.standing(&hello.node, hello.incarnation), hello.replace)?;
        Ok(version)
    }

    /// What speaks against a session with an acceptor that agreed to one, whatever is in session already.
    pub(super) fn offer(&self, identity: &PeerIdentity, offer: &Offer) -> Result<(), Refuse> {
        if VersionRange::OURS.common(VersionRange { min: offer.version, max: offer.version }).is_none() {
            return Err(no_common(VersionRange { min: offer.version, max: offer.version }));
        }
        self.identity(identity, &offer.node)?;
        if offer.node == self.settings.node {
            return Err(self.refusal(RefuseCode::SELF_CONNECTION, "the acceptor has the id of the dialler"));
        }
        Ok(())
    }

    fn identity(&self, identity: &PeerIdentity, node: &NodeId) -> Result<(), Refuse> {
        if identity.permits(&self.settings.cluster, node) {
            return Ok(());
        }
        let text = format!("the certificate is not for {node}.{}.cluster", self.settings.cluster);
        Err(stranger(RefuseCode::NOT_AUTHORISED, &text))
    }

    /// Somebody with our id: ourselves, or another process. A newer one is not told an epoch, for it is not the one to go.
    fn own_id(&self, hello: &Hello) -> Refuse {
        let ours = self.settings;
        if hello.incarnation == ours.incarnation {
            return self.refusal(RefuseCode::SELF_CONNECTION, "the dialler reached itself");
        }
        let older = hello.incarnation < ours.incarnation;
        let which = if older { "a newer" } else { "an older" };
        let text = format!("this is {which} process with the same id {}", ours.node);
        Refuse {
            epoch: older.then_some(ours.incarnation.epoch),
            address: ours.advertised.first().cloned(),
            ..self.refusal(RefuseCode::DUPLICATE_ID, &text)
        }
    }

    /// What speaks against a session with an incarnation; `replace` is the session that the dialler wants replaced.
    pub(super) fn standing(
        &self,
        node: &NodeId,
        standing: Standing,
        replace: Option<SessionId>,
    ) -> Result<(), Refuse> {
        match standing {
            Standing::Free => Ok(()),
            Standing::InSession(session) if replace == Some(session) => Ok(()),
            Standing::InSession(session) => {
                let text = format!("session {session} is there");
                let refusal = self.refusal(RefuseCode::ALREADY_CONNECTED, &text);
                Err(Refuse { session: Some(session), ..refusal })
            }
            Standing::Superseded { epoch } => {
                let text = format!("an incarnation of {node} with epoch {epoch} is on record");
                Err(Refuse { epoch: Some(epoch), ..self.refusal(RefuseCode::SUPERSEDED, &text) })
            }
            Standing::Duplicate { epoch, address, .. } => {
                let place =
                    address.as_ref().map_or_else(|| "an unknown address".to_owned(), ToString::to_string);
                let text = format!("an incarnation of {node} with epoch {epoch} is in session, at {place}");
                let refusal = self.refusal(RefuseCode::DUPLICATE_ID, &text);
                Err(Refuse { epoch: Some(epoch), address, ..refusal })
            }
        }
    }

    /// A refusal of somebody who may know who refuses.
    pub(super) fn refusal(&self, code: RefuseCode, text: &str) -> Refuse {
        Refuse { node: Some(self.settings.node.clone()), ..stranger(code, text) }
    }
}

fn no_common(theirs: VersionRange) -> Refuse {
    let ours = VersionRange::OURS;
    let text = format!(
        "versions {} to {} are spoken here, not {} to {}",
        ours.min, ours.max, theirs.min, theirs.max
    );
    stranger(RefuseCode::NO_COMMON_VERSION, &text)
}

/// A refusal that does not say who refuses.
pub(super) fn stranger(code: RefuseCode, text: &str) -> Refuse {
    Refuse { code, session: None, epoch: None, address: None, node: None, text: Text::lossy(text) }
}
