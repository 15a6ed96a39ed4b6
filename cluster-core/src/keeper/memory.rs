//! A keeper in memory, for nodes of one process and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Asking, Keeper, KeeperError, Mark, Offered};
use crate::engine::registers::{RegisterEntry, RegisterKey};

/// Registers in memory. Clones are the same keeper.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeeper {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<RegisterKey, RegisterEntry>,
    mark: Option<Mark>,
    is_down: bool,
    offers: u64,
}

impl MemoryKeeper {
    /// Loses everything, its mark too.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.entries.clear();
        kept.mark = None;
    }

    /// From now on it answers with errors, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.kept().is_down = is_down;
    }

    /// What it keeps, sorted by key.
    pub fn entries(&self) -> Vec<RegisterEntry> {
        self.kept().entries.values().cloned().collect()
    }

    /// How many offers it has answered.
    pub fn offers(&self) -> u64 {
        self.kept().offers
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> Result<T, KeeperError> {
        let mut kept = self.kept();
        if kept.is_down { Err(KeeperError("the keeper is down".to_owned())) } else { Ok(act(&mut kept)) }
    }
}

impl Keeper for MemoryKeeper {
    fn read(&self) -> Asking<'_, Vec<RegisterEntry>> {
        let entries = self.take(|kept| kept.entries.values().cloned().collect());
        Box::pin(async { entries })
    }

    fn offer<'a>(&'a self, entries: &'a [RegisterEntry], mark: Option<Mark>) -> Asking<'a, Offered> {
        let offered = self.take(|kept| {
            kept.offers += 1;
            let mut newer = Vec::new();
            for entry in entries {
                match kept.entries.get(entry.key()) {
                    Some(held) if held.wins_over(entry) => newer.push(held.clone()),
                    _ => drop(kept.entries.insert(entry.key().clone(), entry.clone())),
                }
            }
            kept.mark = kept.mark.or(mark);
            Offered { newer, mark: kept.mark }
        });
        Box::pin(async { offered })
    }
}
