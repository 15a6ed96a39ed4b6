//! What operators want of a member: drain it, hold verdicts, forget a node, wait for agreement, read its flight recorder.

use std::time::Duration;

use cluster_transport::proto::NodeId;

use super::Cluster;
use super::activity;
use super::error::NotConverged;
use crate::engine::Engine;
use crate::engine::flight::FlightLine;
use crate::engine::members::{Drain, DrainError, HoldError, UnknownNode};

/// Operating a member.
impl Cluster {
    /// Stops serving clients for good, so that they can move before this node leaves: it is not ready from now on and says
    /// `draining`, and still serves the other members. [`leave`](Self::leave) when the clients are gone.
    ///
    /// # Errors
    /// When fewer other nodes serve than `minimumNodes`, unless it is forced; the error has both numbers.
    pub fn drain(&self, how: Drain) -> Result<(), DrainError> {
        self.inner.with_engine(|engine, now| engine.drain(now, how))
    }

    /// Suspends this node's verdicts about a member for so long: while it is under a debugger or maintained. Holds here only, so
    /// each member that should wait for it has to be told. With no time it ends the suspension.
    ///
    /// # Errors
    /// When the node is no member, or the time is longer than [`MAX_HOLD`](crate::engine::members::MAX_HOLD).
    pub fn hold(&self, node: &NodeId, span: Duration) -> Result<(), HoldError> {
        self.inner.with_engine(|engine, now| engine.hold(now, node, span))
    }

    /// Removes a node by hand, with all that it owns, and looks for it no longer. If it lives, it comes back by itself.
    ///
    /// # Errors
    /// When the node is neither a member nor looked for.
    pub fn forget(&self, node: &NodeId) -> Result<(), UnknownNode> {
        self.inner.with_engine(|engine, now| engine.forget(now, node))
    }

    /// Waits until all members hold the same state as this one, as far as it has heard: what
    /// [`is_converged`](Self::is_converged) tells. About a heartbeat behind. Cancel safe.
    ///
    /// # Errors
    /// When the deadline passes first; the error names who differs.
    pub async fn converged(&self, deadline: Duration) -> Result<(), NotConverged> {
        let wait = self.inner.wait_until(|inner| inner.read(Engine::is_converged));
        if tokio::time::timeout(deadline, wait).await.is_ok() {
            return Ok(());
        }
        let with = self.inner.read(Engine::differing);
        if with.is_empty() { Ok(()) } else { Err(NotConverged { with, waited: deadline }) }
    }

    /// The last 1,000 decisions of membership, readiness and repair with their evidence, the oldest first: one JSON object a
    /// line, each complete in itself. `cluster-node timeline` puts those of several nodes together.
    pub fn flight_recorder(&self) -> String {
        let lines = self.flight_lines().into_iter();
        lines.filter_map(|line| serde_json::to_string(&line).ok()).map(|line| line + "\n").collect()
    }

    /// The same as values.
    pub fn flight_lines(&self) -> Vec<FlightLine> {
        let now = self.inner.now();
        self.inner.read(|engine| {
            let origin = activity::origin(engine, now);
            engine.decisions().map(|decision| FlightLine::new(&origin, decision)).collect()
        })
    }
}
