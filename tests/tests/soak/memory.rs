//! The memory of this process over the run.

use std::fmt;

/// What may come and go with what is on its way just now, in MiB.
const SLACK: u64 = 48;

/// Samples of the resident memory, in MiB.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<u64>);

impl Memory {
    pub(crate) fn sample(&mut self) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        self.0.push(kib / 1024);
    }

    /// The mean of one quarter of the run, in MiB.
    fn quarter(&self, number: usize) -> u64 {
        let len = (self.0.len() / 4).max(1);
        let samples = self.0.iter().skip(number * len).take(len);
        samples.sum::<u64>() / len as u64
    }

    /// The last quarter needs no more than the second, within what is on its way.
    pub(crate) fn assert_flat(&self, seed: u64) {
        let (before, after) = (self.quarter(1), self.quarter(3));
        assert!(after <= before + SLACK, "memory grows from {before} to {after} MiB (CLUSTER_SEED={seed})");
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.0.iter().max().unwrap_or(&0);
        write!(f, "resident {} → {} MiB, at most {most}", self.quarter(1), self.quarter(3))
    }
}
