//! What a link learned about its peer before a byte of the protocol: the names in the peer's certificate.
//!
//! The names are compared byte for byte. The verifier of the TLS library is laxer (it takes any wildcard and ignores
//! case), so it decides who belongs to the cluster, and this module who is which node.

use std::collections::BTreeSet;

use crate::proto::{ClusterName, NodeId};

/// The most DNS names that a peer's certificate may carry.
pub const MAX_NAMES: usize = 64;
/// The longest DNS name, in bytes.
const MAX_NAME: usize = 253;
/// What every name of a cluster ends in.
const SUFFIX: &str = ".cluster";

/// A certificate with more names, or longer ones, than a member's needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// Too many names.
    #[error(
        "the certificate carries more than {MAX_NAMES} DNS names: issue one for the cluster's names alone"
    )]
    TooMany,
    /// A name that cannot be a DNS name.
    #[error("the certificate carries a DNS name of {got} bytes, the longest possible is {MAX_NAME}")]
    TooLong {
        /// The name's length in bytes.
        got: usize,
    },
}

/// Who is at the other end of a link, as far as the link can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// Nobody vouched for the peer: it is whoever it says it is.
    Plaintext,
    /// The peer holds the key of a certificate that our authorities issued for these names.
    Certified(CertifiedNames),
}

impl PeerIdentity {
    /// Whether the peer may be this node of this cluster. In plaintext anybody may.
    pub fn permits(&self, cluster: &ClusterName, node: &NodeId) -> bool {
        match self {
            Self::Plaintext => true,
            Self::Certified(names) => names.permits(cluster, node),
        }
    }
}

/// The DNS names of a certificate, as they stand in it; at most [`MAX_NAMES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertifiedNames(BTreeSet<Box<str>>);

impl CertifiedNames {
    /// The names of a certificate, repeated ones once.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, NamesError> {
        let mut kept = BTreeSet::new();
        for name in names {
            if name.len() > MAX_NAME {
                return Err(NamesError::TooLong { got: name.len() });
            }
            kept.insert(Box::from(name));
            if kept.len() > MAX_NAMES {
                return Err(NamesError::TooMany);
            }
        }
        Ok(Self(kept))
    }

    /// Whether the holder may be this node: `NODE.NAME.cluster` or `*.NAME.cluster` is among the names, byte for byte.
    pub fn permits(&self, cluster: &ClusterName, node: &NodeId) -> bool {
        self.labels(cluster).any(|label| label == "*" || label == node.as_str())
    }

    /// Whether `NAME.cluster` itself is among the names, by which a dialler recognises any member.
    pub fn belongs_to(&self, cluster: &ClusterName) -> bool {
        self.iter().any(|name| name.strip_suffix(SUFFIX) == Some(cluster.as_str()))
    }

    /// The one node that the certificate is for; `None` if it is for several, for any, or for none.
    pub fn node_id(&self, cluster: &ClusterName) -> Option<NodeId> {
        let mut labels = self.labels(cluster);
        let only = labels.next().filter(|_| labels.next().is_none())?;
        only.parse().ok()
    }

    /// Whether it is for any node of the cluster at all, one or each.
    pub fn names_a_node(&self, cluster: &ClusterName) -> bool {
        self.labels(cluster).any(|label| label == "*" || label.parse::<NodeId>().is_ok())
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// What stands before `.NAME.cluster` in the names that end so: node ids, `*`, and whatever else an issuer put there.
    fn labels(&self, cluster: &ClusterName) -> impl Iterator<Item = &str> {
        self.iter()
            .filter_map(|name| name.strip_suffix(SUFFIX)?.strip_suffix(cluster.as_str())?.strip_suffix('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> CertifiedNames {
        CertifiedNames::new(names.iter().copied()).unwrap()
    }

    fn prod() -> ClusterName {
        "prod".parse().unwrap()
    }

    fn node(id: &str) -> NodeId {
        id.parse().unwrap()
    }

    #[test]
    fn a_node_is_permitted_by_its_own_name_or_by_the_shared_one() {
        for name in ["a.prod.cluster", "*.prod.cluster"] {
            let identity = PeerIdentity::Certified(names(&["prod.cluster", name]));
            assert!(identity.permits(&prod(), &node("a")), "{name} does not permit a");
        }
        assert!(PeerIdentity::Plaintext.permits(&prod(), &node("a")));
    }

    #[test]
    fn nothing_that_only_looks_like_the_name_permits() {
        for name in [
            "b.prod.cluster",
            "aa.prod.cluster",
            "A.prod.cluster",
            "a.Prod.cluster",
            "a.prod.Cluster",
            "a.prod.cluster.",
            "a.prod.cluster.example",
            "x.a.prod.cluster",
            "*.a.prod.cluster",
            "a*.prod.cluster",
            "*.test.cluster",
            "*.xprod.cluster",
            "*.cluster",
            "*",
            "a.prod",
            "aprod.cluster",
            "a..prod.cluster",
            "prod.cluster",
            ".prod.cluster",
            "",
        ] {
            assert!(!names(&[name]).permits(&prod(), &node("a")), "{name:?} permits a of prod");
        }
        assert!(!CertifiedNames::default().permits(&prod(), &node("a")));
    }

    #[test]
    fn a_certificate_names_a_node_only_if_it_names_exactly_one() {
        for (given, expected) in [
            (&["prod.cluster", "a.prod.cluster", "a.test.cluster"][..], Some("a")),
            (&["a.prod.cluster", "a.prod.cluster"], Some("a")),
            (&["a.prod.cluster", "b.prod.cluster"], None),
            (&["a.prod.cluster", "*.prod.cluster"], None),
            (&["prod.cluster", "*.prod.cluster"], None),
            (&["A.prod.cluster"], None),
            (&["prod.cluster"], None),
        ] {
            assert_eq!(names(given).node_id(&prod()), expected.map(node), "{given:?}");
        }
    }

    #[test]
    fn a_certificate_belongs_to_the_cluster_that_it_names_exactly() {
        assert!(names(&["prod.cluster"]).belongs_to(&prod()));
        for other in ["*.cluster", "Prod.cluster", "a.prod.cluster", "prod"] {
            assert!(!names(&[other]).belongs_to(&prod()), "{other}");
        }
    }

    #[test]
    fn a_certificate_with_names_without_end_is_refused() {
        let many: Vec<String> = (0..=MAX_NAMES).map(|n| format!("n{n}.prod.cluster")).collect();
        assert_eq!(CertifiedNames::new(many.iter().map(String::as_str)), Err(NamesError::TooMany));
        assert!(CertifiedNames::new(many.iter().skip(1).map(String::as_str)).is_ok());
        assert_eq!(CertifiedNames::new([&*"x".repeat(254)]), Err(NamesError::TooLong { got: 254 }));
    }
}
