//! Who a peer is: its cluster, its id and which life of that id it is.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
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
        #[derive(Clone)]
        pub struct $name {
            start: u64,
            text: SmolStr,
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.text
            }

            /// The name as a number, if it has less than eight bytes; different ones give different numbers, ordered as they are.
            pub fn as_number(&self) -> Option<u64> {
                is_whole(self.start).then_some(self.start)
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                match self.start.cmp(&other.start) {
                    Ordering::Equal if is_whole(self.start) => Ordering::Equal,
                    Ordering::Equal => self.text.cmp(&other.text),
                    differs => differs,
                }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.start == other.start && (is_whole(self.start) || self.text == other.text)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.text.hash(state);
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_label(text) {
                    Ok(Self { start: start_of(text), text: text.into() })
                } else {
                    Err(NameError { given: text.chars().take(MAX_LABEL + 1).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
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

/// The first eight bytes of a label, which decide about most comparisons: tables of members are searched for every message.
///
/// What is missing counts as 0, which no label has in it: so numbers are ordered as the texts are.
fn start_of(text: &str) -> u64 {
    let mut start = [0; 8];
    start.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
    u64::from_be_bytes(start)
}

/// Whether all of a label is in its start.
fn is_whole(start: u64) -> bool {
    start & 0xff == 0
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
    fn names_are_ordered_and_equal_as_their_texts_are() {
        let texts =
            ["0", "a", "a-b", "aa", "abcdefg", "abcdefgh", "abcdefgh0", "abcdefgha", "abcdefghb", "b"];
        let names = texts.map(|text| text.parse::<NodeId>().unwrap());
        for (one, text) in names.iter().zip(texts) {
            for (other, other_text) in names.iter().zip(texts) {
                assert_eq!(one.cmp(other), text.cmp(other_text), "{one} and {other}");
                assert_eq!(one == other, text == other_text, "{one} and {other}");
            }
            assert_eq!(one.as_number().is_some(), text.len() < 8, "{one}");
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
