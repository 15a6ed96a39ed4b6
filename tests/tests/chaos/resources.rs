//! What the processes need over the run. The one that lives all through it has seen all others come and go, and is looked at most.

use std::fmt;

/// What the witness may need more in the last quarter of the run than in the second, in MiB.
const SLACK: u64 = 16;
/// How many more files and sockets it may have open in the end than in the beginning, with as many members and clients.
const MORE_FILES: usize = 8;

/// Samples of the resident memory in MiB, and of open files.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    witness: Vec<u64>,
    largest: u64,
    files: Option<(usize, usize)>,
}

impl Resources {
    /// Looks at the witness, which is the first, and at the others.
    pub(crate) fn sample(&mut self, processes: &[u32]) {
        let resident: Vec<u64> = processes.iter().filter_map(|id| resident_mib(*id)).collect();
        self.witness.extend(resident.first());
        self.largest = resident.into_iter().fold(self.largest, u64::max);
    }

    /// Counts the files of the witness, at times when everything is well.
    pub(crate) fn count_files(&mut self, witness: u32) {
        let open = std::fs::read_dir(format!("/proc/{witness}/fd")).unwrap().count();
        self.files = Some(self.files.map_or((open, open), |(first, _)| (first, open)));
    }

    /// The mean of one quarter of the run.
    fn quarter(&self, number: usize) -> u64 {
        let len = (self.witness.len() / 4).max(1);
        let samples: Vec<_> = self.witness.iter().skip(number * len).take(len).collect();
        samples.iter().copied().sum::<u64>() / samples.len().max(1) as u64
    }

    /// The last quarter needs no more than the second, and nothing was left open.
    pub(crate) fn assert_flat(&self, seed: u64) {
        let (before, after) = (self.quarter(1), self.quarter(3));
        assert!(after <= before + SLACK, "memory grows from {before} to {after} MiB (CLUSTER_SEED={seed})");
        let (first, last) = self.files.unwrap();
        assert!(last <= first + MORE_FILES, "{last} files are open, not {first} (CLUSTER_SEED={seed})");
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quarters = [0, 1, 2, 3].map(|number| self.quarter(number));
        let (first, last) = self.files.unwrap_or_default();
        write!(
            f,
            "the one that lived all through it resident {quarters:?} MiB in the quarters of the run, {first} → {last} files; any \
             process at most {} MiB",
            self.largest
        )
    }
}

fn resident_mib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(resident.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}
