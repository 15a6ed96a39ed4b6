//! The traces of all engines of a simulated cluster, as files for `cluster-node trace`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use cluster_core::sim::schedule::Schedule;

use crate::cli::Failure;

/// Runs a schedule once more and writes what each process of it was given: `seed-7-n2-1.trace` is of the first life of n2. How
/// many there are.
pub(super) fn write(folder: &Path, schedule: &Schedule) -> Result<usize, Failure> {
    let failed = |path: &Path, error: io::Error| Failure::Trace(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let sim = schedule.run_taped();
    let mut lives = BTreeMap::new();
    for (node, tape) in sim.tapes() {
        let life = lives.entry(node.clone()).or_insert(0_usize);
        *life += 1;
        let path = folder.join(format!("seed-{}-{node}-{life}.trace", schedule.seed));
        fs::write(&path, tape).map_err(|error| failed(&path, error))?;
    }
    Ok(lives.values().sum())
}
