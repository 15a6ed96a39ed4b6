//! The bodies of the handshake and of the ends of a session. docs/PROTOCOL.md gives their bytes.

use serde::{Deserialize, Serialize};

use super::wire::{List, Text};
use super::{Address, ClusterName, Incarnation, Lane, NodeId, PerLane, SessionId};

/// The version of the wire that this crate speaks.
pub const VERSION: u16 = 1;
/// The most addresses a node advertises.
pub const MAX_ADDRESSES: usize = 8;
/// The longest explanation in a refusal or a close, in bytes.
pub const MAX_REASON: usize = 200;

/// The versions of the wire that a node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
}

impl VersionRange {
    /// What this crate speaks.
    pub const OURS: Self = Self { min: VERSION, max: VERSION };

    /// The highest version that both ranges have.
    pub fn common(self, other: Self) -> Option<u16> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// A fingerprint of host settings that must be equal on all members, such as the seed of filter ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

/// The next number expected on each lane whose numbers outlive a link; none when there is no memory of the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// On the events lane.
    pub events: Option<u64>,
    /// On the notifications lane.
    pub notifications: Option<u64>,
}

impl Positions {
    /// The position on a lane; lanes that are not resumed have none.
    pub fn on(&self, lane: Lane) -> Option<u64> {
        match lane {
            Lane::Events => self.events,
            Lane::Notifications => self.notifications,
            Lane::Control | Lane::State | Lane::Requests => None,
        }
    }
}

/// The dialler's opening: who it is, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The versions of the wire it speaks.
    pub versions: VersionRange,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its id.
    pub node: NodeId,
    /// Which life of that id it is.
    pub incarnation: Incarnation,
    /// Optional abilities, one bit each. None is defined yet.
    pub features: u64,
    /// Where it can be dialled.
    pub addresses: List<Address, MAX_ADDRESSES>,
    /// How many bytes it lets the acceptor have unacknowledged, per lane.
    pub windows: PerLane<u32>,
    /// Must equal the acceptor's.
    pub settings: Fingerprint,
    /// The session that this one shall replace: one that the acceptor named, and of which the dialler has no end.
    pub replace: Option<SessionId>,
}

/// The acceptor's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version of the wire from here on.
    pub version: u16,
    /// The acceptor's id.
    pub node: NodeId,
    /// Which life of that id it is.
    pub incarnation: Incarnation,
    /// Its optional abilities.
    pub features: u64,
    /// Where it can be dialled.
    pub addresses: List<Address, MAX_ADDRESSES>,
    /// How many bytes it lets the dialler have unacknowledged, per lane.
    pub windows: PerLane<u32>,
    /// The id of the session, if the dialler goes.
    pub session: SessionId,
    /// From where it wants the dialler's numbers.
    pub positions: Positions,
}

/// The dialler's last word: the session begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go {
    /// The session of the `Welcome`.
    pub session: SessionId,
    /// From where the dialler wants the acceptor's numbers.
    pub positions: Positions,
}

/// Why a `Hello` was refused. Numbers that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefuseCode(pub u16);

impl RefuseCode {
    /// The cluster names differ.
    pub const WRONG_CLUSTER: Self = Self(1);
    /// The ranges of versions do not meet.
    pub const NO_COMMON_VERSION: Self = Self(2);
    /// The dialler reached itself.
    pub const SELF_CONNECTION: Self = Self(3);
    /// The certificate does not permit the id.
    pub const NOT_AUTHORISED: Self = Self(4);
    /// A host setting that must be equal differs.
    pub const SETTINGS_DIFFER: Self = Self(5);
    /// There is a session with this incarnation; `session` names it.
    pub const ALREADY_CONNECTED: Self = Self(6);
    /// A newer incarnation is on record but not in session; `epoch` is its epoch.
    pub const SUPERSEDED: Self = Self(7);
    /// A newer incarnation is in session, at `address`.
    pub const DUPLICATE_ID: Self = Self(8);
    /// The acceptor is leaving the cluster.
    pub const LEAVING: Self = Self(9);
    /// The acceptor has as many handshakes open as it allows.
    pub const BUSY: Self = Self(10);

    /// The code in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::WRONG_CLUSTER => "wrong cluster",
            Self::NO_COMMON_VERSION => "no common version",
            Self::SELF_CONNECTION => "connected to itself",
            Self::NOT_AUTHORISED => "not authorised",
            Self::SETTINGS_DIFFER => "host settings differ",
            Self::ALREADY_CONNECTED => "already connected",
            Self::SUPERSEDED => "superseded",
            Self::DUPLICATE_ID => "duplicate id",
            Self::LEAVING => "leaving",
            Self::BUSY => "busy",
            _ => "refused for a reason that this version does not know",
        }
    }
}

/// A refusal of a `Hello`, or of a `Welcome` by the dialler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuse {
    /// Why.
    pub code: RefuseCode,
    /// The session there is, with `ALREADY_CONNECTED`.
    pub session: Option<SessionId>,
    /// The epoch on record, with `SUPERSEDED` and `DUPLICATE_ID`.
    pub epoch: Option<u64>,
    /// Where the other process is, with `DUPLICATE_ID`.
    pub address: Option<Address>,
    /// Who refuses, if it says so: not for strangers.
    pub node: Option<NodeId>,
    /// The same in words, with the values that differ.
    pub text: Text<MAX_REASON>,
}

/// A member leaves for good: its last words on each lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The number after the last one on each lane. The leave takes effect when all of them have arrived, or after 2 s.
    pub ends: PerLane<u64>,
}

/// Why a session is closed. Numbers that this version does not know are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The peer broke the protocol; the text says how.
    pub const VIOLATION: Self = Self(1);
    /// A frame of a kind that must be understood is not known.
    pub const UNKNOWN_KIND: Self = Self(2);
    /// Another session of the pair has taken over.
    pub const REPLACED: Self = Self(3);
    /// The peer's `Leave` has been taken in.
    pub const LEFT: Self = Self(4);
    /// A newer incarnation of the peer is in session.
    pub const SUPERSEDED: Self = Self(5);
    /// This side is shutting down without a `Leave`.
    pub const SHUTDOWN: Self = Self(6);
    /// The control lane is full: the peer does not take in what it must.
    pub const STALLED: Self = Self(7);
    /// The application asked for it.
    pub const APPLICATION: Self = Self(8);
    /// The handshake took too long.
    pub const HANDSHAKE_TIMEOUT: Self = Self(9);
    /// The peer was removed from the cluster by this side.
    pub const REMOVED: Self = Self(10);
    /// Never sent: stands for a `Refuse` that answered our `Go`.
    pub const REFUSED: Self = Self(11);

    /// The code in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::VIOLATION => "violation",
            Self::UNKNOWN_KIND => "unknown kind",
            Self::REPLACED => "replaced",
            Self::LEFT => "left",
            Self::SUPERSEDED => "superseded",
            Self::SHUTDOWN => "shutdown",
            Self::STALLED => "stalled",
            Self::APPLICATION => "application",
            Self::HANDSHAKE_TIMEOUT => "handshake took too long",
            Self::REMOVED => "removed",
            Self::REFUSED => "refused",
            _ => "for a reason that this version does not know",
        }
    }
}

/// The end of a session, by the one who ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Why.
    pub code: CloseCode,
    /// The same in words.
    pub text: Text<MAX_REASON>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        let range = |min, max| VersionRange { min, max };
        assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
        assert_eq!(range(2, 5).common(range(1, 3)), Some(3));
        assert_eq!(range(1, 1).common(range(2, 2)), None);
    }
}
