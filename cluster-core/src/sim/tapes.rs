//! The tapes of all engines of a run, if they are asked for: each can be replayed by itself.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use cluster_transport::proto::{Instant, NodeId};

use super::schedule::Schedule;
use super::world::Sim;
use crate::engine::tape::{Ending, Head, TapeSink, file};
use crate::engine::{Engine, EngineSettings};

/// What was recorded, one tape for each process that was started.
#[derive(Debug, Default)]
pub(super) struct Tapes(Vec<(NodeId, Shared)>);

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl TapeSink for Shared {
    fn take(&mut self, record: &[u8]) -> bool {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(&file::chunk_header(record));
        bytes.extend_from_slice(record);
        true
    }
}

impl Tapes {
    /// Has a new engine record its inputs.
    pub(super) fn tape(
        &mut self,
        engine: &mut Engine,
        settings: &EngineSettings,
        now: Instant,
        seed: [u8; 32],
    ) {
        let head = Head::new(settings, now, seed, 0);
        let shared = Shared(Arc::new(Mutex::new(file::beginning(&head))));
        engine.tape_to(now, Box::new(shared.clone()));
        self.0.push((head.node, shared));
    }
}

impl Schedule {
    /// Runs it with the inputs of all engines kept, to its end or to the first promise that is broken; the cluster as it is then.
    pub fn run_taped(&self) -> Sim {
        let mut sim = Sim::new(self.settings().taped(), self.seed);
        // What it comes to is told by a run without tapes, which is the same.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| self.run_in(&mut sim)));
        sim
    }
}

impl Sim {
    /// Gives an engine what no verb of the simulation does.
    #[cfg(test)]
    pub(crate) fn with_engine(&mut self, node: usize, act: impl FnOnce(&mut Engine, Instant)) {
        self.act(node, |process, now, _| act(&mut process.engine, now));
    }

    /// The inputs of every engine that ran so far, in the order of their starts, as files that a node writes with `--trace`; none
    /// unless the settings ask for [tapes](super::SimSettings::taped).
    pub fn tapes(&self) -> impl Iterator<Item = (&NodeId, Vec<u8>)> {
        self.tapes.0.iter().map(|(node, Shared(bytes))| {
            let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            bytes.extend(file::end(Ending::Stopped));
            (node, bytes)
        })
    }
}
