//! What a node's membership is set to.

use std::num::NonZeroU32;
use std::time::Duration;

use cluster_transport::proto::{Incarnation, NodeId};

use super::timing::{DEFAULT_HEARTBEAT, Timing};
use crate::engine::registers::Awaited;

/// Default quorum: a node alone is enough.
pub const DEFAULT_MINIMUM_NODES: NonZeroU32 = NonZeroU32::MIN;
/// Default time that a member may take to let this node catch up before it is degraded.
pub const DEFAULT_READY_WAIT: Duration = Duration::from_secs(10);
/// The shortest heartbeat.
pub const MIN_HEARTBEAT: Duration = Duration::from_millis(10);
/// The longest heartbeat.
pub const MAX_HEARTBEAT: Duration = Duration::from_secs(60);

/// Settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembersSettingsError {
    /// The heartbeat is out of range.
    #[error("a heartbeat of {got:?} is out of range: choose {MIN_HEARTBEAT:?} to {MAX_HEARTBEAT:?}")]
    Heartbeat {
        /// The value given.
        got: Duration,
    },
}

/// The settings of [`Members`](super::Members).
#[derive(Clone, Debug)]
pub struct MembersSettings {
    pub(super) me: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) minimum_nodes: NonZeroU32,
    pub(super) ready_wait: Duration,
    pub(super) discovery: Discovery,
    pub(super) timing: Timing,
    pub(super) registers: Option<Awaited>,
}

/// Whether this node is told of others by discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// No provider is configured: readiness does not wait for one.
    Absent,
    /// Readiness waits until one provider has answered.
    Configured,
}

impl MembersSettings {
    /// Settings of this node, everything else at its default.
    pub fn builder(me: NodeId, incarnation: Incarnation) -> MembersSettingsBuilder {
        MembersSettingsBuilder {
            me,
            incarnation,
            minimum_nodes: DEFAULT_MINIMUM_NODES,
            heartbeat: DEFAULT_HEARTBEAT,
            ready_wait: DEFAULT_READY_WAIT,
            discovery: Discovery::Absent,
        }
    }

    /// As these, with registers that are to be read before the node is ready.
    pub(in crate::engine) fn awaiting(self, registers: Option<Awaited>) -> Self {
        Self { registers, ..self }
    }

    /// All that was chosen of them: who and which life this is stands elsewhere, and so do the registers.
    pub(in crate::engine) fn chosen(&self) -> (NonZeroU32, Duration, Duration, Discovery) {
        let Self { me: _, incarnation: _, minimum_nodes, ready_wait, discovery, timing, registers: _ } = self;
        (*minimum_nodes, timing.heartbeat(), *ready_wait, *discovery)
    }

    /// How often peers hear of this node.
    pub fn heartbeat(&self) -> Duration {
        self.timing.heartbeat()
    }

    /// How many nodes, this one included, are needed to be ready.
    pub fn minimum_nodes(&self) -> NonZeroU32 {
        self.minimum_nodes
    }

    /// Whether a discovery provider is configured.
    pub fn discovery(&self) -> Discovery {
        self.discovery
    }

    /// How long a member may take to let this node catch up.
    pub fn ready_wait(&self) -> Duration {
        self.ready_wait
    }
}

/// Makes [`MembersSettings`].
#[derive(Clone, Debug)]
pub struct MembersSettingsBuilder {
    me: NodeId,
    incarnation: Incarnation,
    minimum_nodes: NonZeroU32,
    heartbeat: Duration,
    ready_wait: Duration,
    discovery: Discovery,
}

impl MembersSettingsBuilder {
    /// How many nodes, this one included, are needed to be ready. Default 1.
    #[must_use]
    pub fn minimum_nodes(mut self, nodes: NonZeroU32) -> Self {
        self.minimum_nodes = nodes;
        self
    }

    /// How often peers hear of this node when there is nothing else to say. Default 500 ms.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// How long one member may hold back this node's readiness. Default 10 s.
    #[must_use]
    pub fn ready_wait(mut self, wait: Duration) -> Self {
        self.ready_wait = wait;
        self
    }

    /// Whether a discovery provider is configured. Default: none.
    #[must_use]
    pub fn discovery(mut self, discovery: Discovery) -> Self {
        self.discovery = discovery;
        self
    }

    /// The settings.
    ///
    /// # Errors
    /// A heartbeat out of range.
    pub fn build(self) -> Result<MembersSettings, MembersSettingsError> {
        if !(MIN_HEARTBEAT..=MAX_HEARTBEAT).contains(&self.heartbeat) {
            return Err(MembersSettingsError::Heartbeat { got: self.heartbeat });
        }
        Ok(MembersSettings {
            me: self.me,
            incarnation: self.incarnation,
            minimum_nodes: self.minimum_nodes,
            ready_wait: self.ready_wait,
            discovery: self.discovery,
            registers: None,
            timing: Timing::new(self.heartbeat),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_out_of_range_is_named_with_its_range() {
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        let builder = MembersSettings::builder("a".parse().unwrap(), incarnation);
        let error = builder.heartbeat(Duration::ZERO).build().unwrap_err();
        assert_eq!(error.to_string(), "a heartbeat of 0ns is out of range: choose 10ms to 60s");
    }
}
