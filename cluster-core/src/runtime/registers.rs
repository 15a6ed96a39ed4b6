//! Registers: few, small values that any node may write and all are to know.

use bytes::Bytes;

use super::Cluster;
use crate::engine::registers::{RegisterError, RegisterKey, Written};

/// Registers, such as authentication strategies and keys of hosts. At most 10,000 keys, removed ones included, with at most
/// 16 KiB each; every node holds all of them, and they outlive their writers.
///
/// Between two writes of one register the one that had seen the other wins; between two that had not, the one with more writes
/// before it, then the one of the larger node id. No clock has a part in it. Until this node has read the registers of the
/// others, which it has once it is ready, writes are held; the host is told when they take effect.
impl Cluster {
    /// Gives a register a value, over whatever it has. Never waits; the others have it one way later.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set_register(&self, key: &RegisterKey, value: impl Into<Bytes>) -> Result<Written, RegisterError> {
        let (key, value) = (key.clone(), value.into());
        self.inner.with_engine(|engine, now| engine.set_register(now, key, value))
    }

    /// Gives a register a value unless it has one or was removed: what a plugin does when it starts. Of several nodes that fill
    /// one at the same moment the larger id wins everywhere. Never waits.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set_register_default(
        &self,
        key: &RegisterKey,
        value: impl Into<Bytes>,
    ) -> Result<Written, RegisterError> {
        let (key, value) = (key.clone(), value.into());
        self.inner.with_engine(|engine, now| engine.set_register_default(now, key, value))
    }

    /// Takes a register's value away. That is remembered: no default fills it again. Never waits.
    ///
    /// # Errors
    /// When it was written as often as it may be.
    pub fn remove_register(&self, key: &RegisterKey) -> Result<Written, RegisterError> {
        let key = key.clone();
        self.inner.with_engine(|engine, now| engine.remove_register(now, key))
    }

    /// The value of a register, from memory; none if it has none.
    pub fn register(&self, key: &RegisterKey) -> Option<Bytes> {
        self.inner.read(|engine| engine.registers().get(key).cloned())
    }

    /// The registers that have a value, sorted by key, after this one; at most `limit` of them.
    pub fn registers(&self, after: Option<&RegisterKey>, limit: usize) -> Vec<(RegisterKey, Bytes)> {
        self.inner.read(|engine| {
            let registers = engine.registers().list(after).take(limit);
            registers.map(|(key, value)| (key.clone(), value.clone())).collect()
        })
    }
}
