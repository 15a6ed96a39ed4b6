//! Who a peer is: its cluster, its id and which life of that id it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// The longest DNS label, in bytes.
pub const MAX_LABEL: usize = 63;

/// A name that cannot be a node id or a cluster name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a DNS label: use 1 to {MAX_LABEL} of a-z, 0-9 and '-', with no '-' at either end")]
pub struct NameError {
    given: String,
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_label(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { given: text.chars().take(MAX_LABEL + 1).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <&str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

label! {
    /// The id of a node: a lower-case DNS label, unique in its cluster, kept over restarts. Cheap to clone.
    NodeId
}

label! {
    /// The name of a cluster: a lower-case DNS label. Nodes of different clusters refuse each other. Cheap to clone.
    ClusterName
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// One life of a node: a process start, or a return after it was superseded. Higher ones supersede lower ones.
///
/// The epoch starts from a clock but is a logical number from then on: a node that was refused with a higher epoch comes back
/// one above it. The random part tells two processes of one epoch apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Milliseconds since 1970 at boot, or the last epoch that refused this node plus one, whichever is more.
    pub epoch: u64,
    /// 64 random bits.
    pub nonce: u64,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.epoch, self.nonce)
    }
}

/// The id of one session between two nodes: 64 random bits, new with each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_dns_labels_are_names() {
        for good in ["a", "node-1", "0", &"x".repeat(63)] {
            assert_eq!(good.parse::<NodeId>().map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "A", "a.b", "-a", "a-", "ä", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?} was taken for a label");
        }
    }

    #[test]
    fn a_bad_name_is_named_in_the_error() {
        let error = "Node_1".parse::<ClusterName>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Node_1\" is not a DNS label: use 1 to 63 of a-z, 0-9 and '-', with no '-' at either end"
        );
    }

    #[test]
    fn incarnations_are_ordered_by_epoch_first() {
        let older = Incarnation { epoch: 1, nonce: 9 };
        let newer = Incarnation { epoch: 2, nonce: 0 };
        assert!(older < newer);
        assert_eq!(newer.to_string(), "2.0000000000000000");
    }
}
