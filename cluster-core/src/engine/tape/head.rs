//! What a tape begins with: all that its engine was made of.

use std::num::NonZeroU32;
use std::time::Duration;

use cluster_transport::proto::{Incarnation, Instant, NodeId};
use serde::{Deserialize, Serialize};

use crate::engine::members::{Discovery, MembersSettings, MembersSettingsError};
use crate::engine::registers::StoreUse;
use crate::engine::state::StateLimits;
use crate::engine::{Engine, EngineSettings};

/// The longest wait for readiness that a head may name, far above what a configuration allows.
const MAX_READY_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What the engine of a tape was made of. The seed in it makes what it left to chance come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the software that recorded it: another one may decide otherwise.
    pub software: String,
    /// The node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Milliseconds since 1970 at the origin of the node's monotonic clock. Only for showing.
    pub wall_ms: u64,
    minimum_nodes: NonZeroU32,
    heartbeat: Duration,
    ready_wait: Duration,
    discovery: bool,
    store: bool,
    limits: [u64; 3],
    started: Duration,
    seed: [u8; 32],
}

/// A head of which no engine can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The settings of the membership cannot be.
    #[error(transparent)]
    Members(#[from] MembersSettingsError),
    /// The wait for readiness is out of range.
    #[error("a wait for readiness of {got:?} is longer than {MAX_READY_WAIT:?}")]
    ReadyWait {
        /// The value given.
        got: Duration,
    },
}

impl Head {
    /// The head of an engine that is made of these now. `wall_ms` is what the wall clock showed at the origin of its own.
    pub fn new(settings: &EngineSettings, now: Instant, seed: [u8; 32], wall_ms: u64) -> Self {
        let EngineSettings { node, incarnation, members, limits, store } = settings;
        let (minimum_nodes, heartbeat, ready_wait, discovery) = members.chosen();
        Self {
            software: env!("CARGO_PKG_VERSION").to_owned(),
            node: node.clone(),
            incarnation: *incarnation,
            wall_ms,
            minimum_nodes,
            heartbeat,
            ready_wait,
            discovery: discovery == Discovery::Configured,
            store: *store == StoreUse::Configured,
            limits: limits.numbers(),
            started: now.since_origin(),
            seed,
        }
    }

    /// Whether it was recorded by this version of the software.
    pub fn is_of_this_software(&self) -> bool {
        self.software == env!("CARGO_PKG_VERSION")
    }

    /// When the engine was made, by its own clock.
    pub fn started(&self) -> Instant {
        Instant::after_origin(self.started)
    }

    /// An engine as it was at the beginning.
    ///
    /// # Errors
    /// When the settings cannot be.
    pub fn engine(&self) -> Result<Engine, HeadError> {
        if self.ready_wait > MAX_READY_WAIT {
            return Err(HeadError::ReadyWait { got: self.ready_wait });
        }
        let discovery = if self.discovery { Discovery::Configured } else { Discovery::Absent };
        let members = MembersSettings::builder(self.node.clone(), self.incarnation)
            .minimum_nodes(self.minimum_nodes)
            .heartbeat(self.heartbeat)
            .ready_wait(self.ready_wait)
            .discovery(discovery)
            .build()?;
        let limits = StateLimits::of_numbers(self.limits);
        let store = if self.store { StoreUse::Configured } else { StoreUse::Absent };
        let settings =
            EngineSettings { node: self.node.clone(), incarnation: self.incarnation, members, limits, store };
        Ok(Engine::new(settings, self.started(), self.seed))
    }
}
