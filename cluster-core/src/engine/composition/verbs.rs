//! What the host and its operators want of the membership and of registers.

use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId};

use super::Engine;
use crate::engine::members::{Drain, DrainError, HoldError, UnknownNode};
use crate::engine::registers::{Raw, RegisterEntry, RegisterError, RegisterKey, Written};
use crate::engine::tape::Input;

/// What operators want: see the methods of [`Members`](crate::engine::Members) of the same names.
impl Engine {
    /// Stops serving clients for good.
    ///
    /// # Errors
    /// The other nodes would be below the quorum and the drain is not forced.
    pub fn drain(&mut self, now: Instant, how: Drain) -> Result<(), DrainError> {
        self.taped(now, || Input::Drain(how));
        let drained = self.members.drain(now, how);
        self.settle(now);
        self.answered(drained)
    }

    /// Stops serving, before this node leaves.
    pub fn leave(&mut self, now: Instant) {
        self.taped(now, || Input::Leave);
        self.members.leave(now);
        self.settle(now);
    }

    /// Suspends verdicts about a member for so long; with no time it ends the suspension.
    ///
    /// # Errors
    /// The node is no member, or the span is too long.
    pub fn hold(&mut self, now: Instant, node: &NodeId, span: Duration) -> Result<(), HoldError> {
        self.taped(now, || Input::Hold { node: node.clone(), span });
        let held = self.members.hold(now, node, span);
        self.settle(now);
        self.answered(held)
    }

    /// Removes a node by hand.
    ///
    /// # Errors
    /// The node is neither a member nor looked for.
    pub fn forget(&mut self, now: Instant, node: &NodeId) -> Result<(), UnknownNode> {
        self.taped(now, || Input::Forget(node.clone()));
        let forgotten = self.members.forget(now, node);
        self.settle(now);
        self.answered(forgotten)
    }
}

/// Writing registers: see the methods of [`Registers`](crate::engine::Registers).
impl Engine {
    /// Gives a register a value, over whatever it has.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set_register(
        &mut self,
        now: Instant,
        key: RegisterKey,
        value: Bytes,
    ) -> Result<Written, RegisterError> {
        self.taped(now, || Input::SetRegister { key: key.clone(), value: Raw(&value) });
        let written = self.registers.set(now, key, value);
        self.settle(now);
        self.answered(written)
    }

    /// Gives a register a value if it never had one.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set_register_default(
        &mut self,
        now: Instant,
        key: RegisterKey,
        value: Bytes,
    ) -> Result<Written, RegisterError> {
        self.taped(now, || Input::SetRegisterDefault { key: key.clone(), value: Raw(&value) });
        let written = self.registers.set_default(now, key, value);
        self.settle(now);
        self.answered(written)
    }

    /// Takes a register's value away.
    ///
    /// # Errors
    /// When it was written as often as it may be.
    pub fn remove_register(&mut self, now: Instant, key: RegisterKey) -> Result<Written, RegisterError> {
        self.taped(now, || Input::RemoveRegister { key: key.clone() });
        let written = self.registers.remove(now, key);
        self.settle(now);
        self.answered(written)
    }

    /// The store was read: these are in it.
    pub fn handle_stored(&mut self, now: Instant, entries: Vec<RegisterEntry>) {
        self.taped(now, || Input::Stored(entries.clone()));
        self.registers.handle_stored(now, entries);
        self.settle(now);
    }
}
