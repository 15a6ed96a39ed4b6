//! What is known of a peer's registers in its present session.

use cluster_transport::proto::Instant;

use super::entry::RegisterKey;
use super::message::Standing;
use super::table::BUCKETS;

#[derive(Debug)]
pub(super) struct Peer {
    /// Until when it holds back a node that has not read the registers yet; none when that has passed.
    pub(super) patience: Option<Instant>,
    /// What it said last of what it holds.
    pub(super) digest: Option<u128>,
    /// Whether it has read the registers of the cluster.
    pub(super) read: bool,
    /// What it was told last.
    pub(super) told: Option<Standing>,
    /// Whether everything that it had is here; of one that has read the registers since, everything that it had then.
    pub(super) taken: bool,
    /// Up to which of this node's own writes it was told.
    pub(super) pushed: u64,
    pub(super) answer: Option<Answer>,
}

/// What a peer has asked for and has not got yet.
#[derive(Debug)]
pub(super) struct Answer {
    /// A bit for each bucket.
    pub(super) buckets: u64,
    /// The last key that was sent.
    pub(super) sent: Option<RegisterKey>,
}

impl Peer {
    /// Until when a node that has read nothing yet waits for this peer.
    pub(super) fn awaited(&self) -> Option<Instant> {
        self.patience.filter(|_| !self.taken)
    }

    /// A session begins; what was written before that is a matter of digests.
    pub(super) fn new(patience: Instant, pushed: u64) -> Self {
        Self {
            patience: Some(patience),
            digest: None,
            read: false,
            told: None,
            taken: false,
            pushed,
            answer: None,
        }
    }
}

impl Answer {
    /// From the beginning, the buckets that differ.
    pub(super) fn new(ours: &[u128; BUCKETS], theirs: &[u128]) -> Self {
        let differ = ours.iter().zip(theirs).map(|(ours, theirs)| ours != theirs);
        let buckets = differ.rev().fold(0, |bits, differs| bits << 1 | u64::from(differs));
        Self { buckets, sent: None }
    }

    pub(super) fn has(&self, bucket: usize) -> bool {
        self.buckets >> (bucket % BUCKETS) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_buckets_that_differ_and_no_others() {
        let mut theirs = [0; BUCKETS];
        for bucket in [0, 5, 63] {
            theirs[bucket] = 1;
        }
        let answer = Answer::new(&[0; BUCKETS], &theirs);
        let owed: Vec<usize> = (0..BUCKETS).filter(|bucket| answer.has(*bucket)).collect();
        assert_eq!(owed, [0, 5, 63]);
    }
}
