//! What the host writes, at once or when the registers of the others have been read.

use bytes::Bytes;
use cluster_transport::proto::Instant;

use super::change::Written;
use super::entry::{MAX_COUNTER, MAX_KEYS, MAX_VALUE, RegisterEntry, RegisterError, RegisterKey, Stamp};
use super::{Registers, Told};

/// A write that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Set(Bytes),
    Default(Bytes),
    Remove,
}

impl Registers {
    pub(super) fn write(
        &mut self,
        now: Instant,
        key: RegisterKey,
        intent: Intent,
    ) -> Result<Written, RegisterError> {
        if let Intent::Set(value) | Intent::Default(value) = &intent
            && value.len() > MAX_VALUE
        {
            return Err(RegisterError::ValueTooLong { got: value.len() });
        }
        if self.read { self.write_now(now, key, intent, &[Told::Peers]) } else { self.hold(key, intent) }
    }

    fn hold(&mut self, key: RegisterKey, intent: Intent) -> Result<Written, RegisterError> {
        let is_default = matches!(intent, Intent::Default(_));
        if is_default && (self.intents.contains_key(&key) || self.table.get(&key).is_some()) {
            return Ok(Written::Kept);
        }
        if !self.intents.contains_key(&key) && self.intents.len() >= MAX_KEYS {
            return Err(RegisterError::TooMany);
        }
        self.intents.insert(key, intent);
        Ok(Written::Held)
    }

    fn write_now(
        &mut self,
        now: Instant,
        key: RegisterKey,
        intent: Intent,
        told: &[Told],
    ) -> Result<Written, RegisterError> {
        let known =
            self.table.get(&key).map(|slot| (slot.entry.stamp().counter, slot.entry.value().is_some()));
        let (counter, value) = match (known, intent) {
            (Some(_), Intent::Default(_)) | (None | Some((_, false)), Intent::Remove) => {
                return Ok(Written::Kept);
            }
            (None, Intent::Default(_) | Intent::Set(_)) if self.table.len() >= self.table.limit() => {
                return Err(RegisterError::TooMany);
            }
            (None, Intent::Default(value)) => (0, Some(value)),
            (known, Intent::Set(value)) => (next(known)?, Some(value)),
            (known, Intent::Remove) => (next(known)?, None),
        };
        let entry = RegisterEntry::new(key, Stamp { counter, node: self.me.clone() }, value)?;
        // The highest counter wins over what is here, and there is room.
        Ok(self.insert(now, entry, told).map_or(Written::Kept, |at| Written::Now { at }))
    }

    /// The registers of the others are known: what was held takes effect.
    pub(super) fn set_read(&mut self, now: Instant) {
        if self.read {
            return;
        }
        self.read = true;
        for (key, intent) in std::mem::take(&mut self.intents) {
            if self.write_now(now, key, intent, &[Told::Peers, Told::Host]).is_err() {
                self.counters.held_writes_lost += 1;
            }
        }
        self.to_tell.extend(self.peers.nodes().cloned());
    }
}

fn next(known: Option<(u64, bool)>) -> Result<u64, RegisterError> {
    let highest = known.map_or(0, |(counter, _)| counter);
    if highest >= MAX_COUNTER { Err(RegisterError::Exhausted) } else { Ok(highest + 1) }
}

/// What the host wants.
impl Registers {
    /// Gives a register a value, over whatever it has.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set(&mut self, now: Instant, key: RegisterKey, value: Bytes) -> Result<Written, RegisterError> {
        self.write(now, key, Intent::Set(value))
    }

    /// Gives a register a value if it never had one.
    ///
    /// # Errors
    /// When the value is too long, or there are too many registers.
    pub fn set_default(
        &mut self,
        now: Instant,
        key: RegisterKey,
        value: Bytes,
    ) -> Result<Written, RegisterError> {
        self.write(now, key, Intent::Default(value))
    }

    /// Takes a register's value away; that is remembered, so that no default fills it again.
    ///
    /// # Errors
    /// When it was written as often as it may be.
    pub fn remove(&mut self, now: Instant, key: RegisterKey) -> Result<Written, RegisterError> {
        self.write(now, key, Intent::Remove)
    }
}
