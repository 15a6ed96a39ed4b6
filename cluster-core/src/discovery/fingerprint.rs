//! What two nodes must have in common for a session between them to come about.

use cluster_transport::proto::ClusterName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::FilterSeed;

/// The most authorities that are named.
const MAX_AUTHORITIES: usize = 16;

/// What two nodes must have in common for a session between them to come about: so those who cannot meet are told apart
/// before they are dialled. It holds hashes, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    cluster: String,
    /// Of the authorities that are trusted; none without TLS.
    authorities: Vec<String>,
    filter_seed: String,
}

impl Fingerprint {
    /// Of a node of this cluster that trusts these authorities; with none of them it speaks plaintext.
    ///
    /// An authority is any bytes that stand for it: the name and key that it signs with.
    pub fn new(
        cluster: &ClusterName,
        authorities: impl IntoIterator<Item = impl AsRef<[u8]>>,
        filter_seed: &FilterSeed,
    ) -> Self {
        let mut authorities: Vec<_> = authorities.into_iter().map(|one| short_hash(one.as_ref())).collect();
        authorities.sort_unstable();
        authorities.dedup();
        authorities.truncate(MAX_AUTHORITIES);
        Self { cluster: cluster.to_string(), authorities, filter_seed: short_hash(filter_seed.as_bytes()) }
    }

    /// Whether a session with that node may come about.
    ///
    /// One common authority is enough: while one replaces another, nodes trust the old one, both, or the new one.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let both_plain = self.authorities.is_empty() && other.authorities.is_empty();
        let common = self.authorities.iter().any(|one| other.authorities.contains(one));
        self.cluster == other.cluster && self.filter_seed == other.filter_seed && (both_plain || common)
    }
}

/// The first 64 bits of a SHA-256, as 16 hexadecimal digits.
fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(cluster: &str, authorities: &[&str], seed: u8) -> Fingerprint {
        Fingerprint::new(&cluster.parse().unwrap(), authorities, &FilterSeed::from([seed; 32]))
    }

    #[test]
    fn nodes_that_cannot_meet_are_told_apart() {
        let own = fingerprint("a", &["old"], 1);
        for (other, compatible) in [
            (fingerprint("a", &["old"], 1), true),
            (fingerprint("a", &["new", "old"], 1), true),
            (fingerprint("a", &["new"], 1), false),
            (fingerprint("a", &[], 1), false),
            (fingerprint("b", &["old"], 1), false),
            (fingerprint("a", &["old"], 2), false),
        ] {
            assert_eq!(own.is_compatible(&other), compatible, "{other:?}");
            assert_eq!(other.is_compatible(&own), compatible, "{other:?}");
        }
        let plain = fingerprint("a", &[], 1);
        assert!(plain.is_compatible(&plain));
    }

    #[test]
    fn it_does_not_show_the_seed() {
        let text = serde_json::to_string(&fingerprint("a", &[], 7)).unwrap();
        assert!(!text.contains("0707"), "{text}");
    }
}
