//! What the network does with what is sent: every parcel is judged on arrival.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cluster_transport::proto::Instant;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// What becomes of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives.
    Pass,
    /// It arrives that much later than it would have, and what comes after it on its link not before it.
    Delay(Duration),
    /// It arrives twice. If it opens a connection, the acceptor sees a second one on which nothing is ever said; of anything
    /// else its system drops the copy, as TCP does.
    Duplicate,
    /// It is lost; as TCP does it, it is sent again after a while, and what comes after it waits.
    Drop,
    /// The link is reset, or the connection refused.
    Break,
}

/// A parcel on its way, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The number of the node that sent it.
    pub from: usize,
    /// The number of the node that it is for.
    pub to: usize,
    /// Which link it is on: no two have the same number.
    pub link: u64,
    /// How many bytes of the link it carries; none if it opens or closes the link.
    pub bytes: usize,
}

/// Decides about parcels. Rules are asked in the order in which they were added, until one does not let the parcel pass.
pub trait Rule: fmt::Debug {
    /// Decides about one parcel. All chance comes from `rng`, so that a seed decides everything.
    fn judge(&mut self, now: Instant, passage: Passage, rng: &mut ChaCha8Rng) -> Verdict;
}

/// How one node reaches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing arrives, and nobody is told.
    Cut,
    /// Connections are refused, and those there are break.
    Refused,
}

/// The ways that are not open.
#[derive(Debug, Default)]
pub(super) struct Ways(pub(super) BTreeMap<(usize, usize), Way>);

impl Ways {
    pub(super) fn judge(&self, passage: Passage) -> Verdict {
        match self.0.get(&(passage.from, passage.to)) {
            None => Verdict::Pass,
            Some(Way::Cut) => Verdict::Drop,
            Some(Way::Refused) => Verdict::Break,
        }
    }
}

/// Loses a share of all parcels, everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// How many of a thousand parcels are lost.
    pub per_mille: u32,
}

impl Rule for Loss {
    fn judge(&mut self, _: Instant, _: Passage, rng: &mut ChaCha8Rng) -> Verdict {
        if rng.random_range(0..1_000) < self.per_mille { Verdict::Drop } else { Verdict::Pass }
    }
}

/// Holds a share of all parcels back, each for a time of its own: what went on one link overtakes what went on another.
#[derive(Clone, Debug)]
pub struct Jitter {
    /// How many of a thousand parcels are held back.
    pub per_mille: u32,
    /// For how long at most.
    pub at_most: Duration,
}

impl Rule for Jitter {
    fn judge(&mut self, _: Instant, _: Passage, rng: &mut ChaCha8Rng) -> Verdict {
        if rng.random_range(0..1_000) >= self.per_mille {
            return Verdict::Pass;
        }
        Verdict::Delay(self.at_most.mul_f64(rng.random_range(0.0..=1.0)))
    }
}

/// Duplicates a share of all parcels.
#[derive(Clone, Copy, Debug)]
pub struct Duplication {
    /// How many of a thousand parcels arrive twice.
    pub per_mille: u32,
}

impl Rule for Duplication {
    fn judge(&mut self, _: Instant, _: Passage, rng: &mut ChaCha8Rng) -> Verdict {
        if rng.random_range(0..1_000) < self.per_mille { Verdict::Duplicate } else { Verdict::Pass }
    }
}

/// A host with a bad line: whatever goes to it or comes from it takes this much longer.
#[derive(Clone, Copy, Debug)]
pub struct SlowPeer {
    /// The number of its node.
    pub node: usize,
    /// How much longer.
    pub by: Duration,
}

impl Rule for SlowPeer {
    fn judge(&mut self, _: Instant, passage: Passage, _: &mut ChaCha8Rng) -> Verdict {
        if [passage.from, passage.to].contains(&self.node) { Verdict::Delay(self.by) } else { Verdict::Pass }
    }
}
