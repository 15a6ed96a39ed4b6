//! Keys in the order of their last change, each once.

use std::collections::BTreeMap;

use super::entry::RegisterKey;

#[derive(Debug, Default)]
pub(super) struct Log {
    keys: BTreeMap<u64, RegisterKey>,
    last: u64,
}

impl Log {
    pub(super) fn push(&mut self, at: u64, key: RegisterKey) {
        self.keys.insert(at, key);
        self.last = self.last.max(at);
    }

    pub(super) fn remove(&mut self, at: u64) {
        self.keys.remove(&at);
    }

    /// Forgets a key whose place nobody knows any more: rare, and so it may look at all.
    pub(super) fn forget(&mut self, key: &RegisterKey) {
        self.keys.retain(|_, kept| kept != key);
    }

    pub(super) fn pop_first(&mut self) -> Option<(u64, RegisterKey)> {
        self.keys.pop_first()
    }

    pub(super) fn after(&self, at: u64) -> impl Iterator<Item = (u64, &RegisterKey)> {
        self.keys.range(at.saturating_add(1)..).map(|(at, key)| (*at, key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The latest place that was ever given.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}
