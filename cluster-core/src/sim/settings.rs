//! What a simulation is told once.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use cluster_transport::proto::lanes::LaneSettings;

use crate::engine::members::{DEFAULT_HEARTBEAT, DEFAULT_MINIMUM_NODES};
use crate::engine::state::StateLimits;

/// The settings of a [`Sim`](super::Sim).
#[derive(Clone, Debug)]
pub struct SimSettings {
    pub(super) nodes: usize,
    pub(super) started: usize,
    pub(super) minimum_nodes: NonZeroU32,
    pub(super) heartbeat: Duration,
    pub(super) delay: RangeInclusive<Duration>,
    pub(super) lanes: LaneSettings,
    pub(super) limits: StateLimits,
    pub(super) taped: bool,
}

impl SimSettings {
    /// So many nodes, all started at the beginning, everything else at its default.
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes,
            started: nodes,
            minimum_nodes: DEFAULT_MINIMUM_NODES,
            heartbeat: DEFAULT_HEARTBEAT,
            delay: Duration::from_micros(100)..=Duration::from_millis(2),
            lanes: LaneSettings::default(),
            limits: StateLimits::default(),
            taped: false,
        }
    }

    /// Only the first so many nodes run at the beginning. Default: all.
    #[must_use]
    pub fn started(self, started: usize) -> Self {
        Self { started, ..self }
    }

    /// How many nodes are needed to be ready. Default 1.
    #[must_use]
    pub fn minimum_nodes(self, minimum_nodes: NonZeroU32) -> Self {
        Self { minimum_nodes, ..self }
    }

    /// How often nodes say that they live; out of range it is the default. Default 500 ms.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// How long a parcel takes. Default 0.1 to 2 ms.
    #[must_use]
    pub fn delay(self, delay: RangeInclusive<Duration>) -> Self {
        Self { delay, ..self }
    }

    /// The limits of the lanes. Default: those of the transport.
    #[must_use]
    pub fn lanes(self, lanes: LaneSettings) -> Self {
        Self { lanes, ..self }
    }

    /// What one member may hold. Default: those of the engine.
    #[must_use]
    pub fn limits(self, limits: StateLimits) -> Self {
        Self { limits, ..self }
    }

    /// The inputs of every engine are kept, which takes memory for as long as the run lasts. Default: they are not.
    #[must_use]
    pub fn taped(self) -> Self {
        Self { taped: true, ..self }
    }
}
