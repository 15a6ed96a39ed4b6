//! What happened in a run, as one number, and as lines if they are asked for.

use std::fmt;

use cluster_transport::proto::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The happenings of a run.
#[derive(Default)]
pub struct Trace {
    hash: u64,
    happenings: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    pub(super) fn note(&mut self, now: Instant, node: usize, what: &str, bytes: &[u8]) {
        self.happenings += 1;
        let time = u64::try_from(now.since_origin().as_nanos()).unwrap_or(u64::MAX);
        let mixed = self.hash.rotate_left(17) ^ time ^ ((node as u64) << 48);
        self.hash = xxh3_64_with_seed(bytes, xxh3_64_with_seed(what.as_bytes(), mixed));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now} n{node} {what}"));
        }
    }

    /// A number that two runs have in common only if the same happened in them.
    pub fn digest(&self) -> u64 {
        self.hash
    }

    /// How much happened.
    pub fn len(&self) -> u64 {
        self.happenings
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.happenings == 0
    }

    /// A line for each happening, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} after {} happenings", self.digest(), self.happenings)
    }
}
