//! A node's entry: 32 hexadecimal digits of its life, which sort as lives do, and JSON.

use cluster_transport::proto::{Address, Incarnation};
use serde::{Deserialize, Serialize};

use super::Announcement;
use crate::discovery::Fingerprint;

/// The digits of a life.
const RANK: usize = 32;
/// The longest entry that is looked at, in bytes.
const MAX_ENTRY: usize = 8 * 1024;
/// The most addresses that are taken from an entry.
const MAX_ADDRESSES: usize = 16;

/// What a node says of itself. Members that are added later are left alone by those who do not know them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) addresses: Vec<Address>,
    pub(super) fingerprint: Fingerprint,
}

impl Entry {
    pub(super) fn of(own: &Announcement) -> Self {
        let addresses = own.addresses.iter().take(MAX_ADDRESSES).cloned().collect();
        Self { addresses, fingerprint: own.fingerprint.clone() }
    }

    pub(super) fn to_json(&self) -> String {
        // Texts alone: nothing that has no JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The life and the entry of a value, if it is one.
    pub(super) fn decode(value: &[u8]) -> Option<(Incarnation, Self)> {
        let (life, json) = value.split_at_checked(RANK).filter(|_| value.len() <= MAX_ENTRY)?;
        let mut entry: Self = serde_json::from_slice(json).ok()?;
        entry.addresses.truncate(MAX_ADDRESSES);
        Some((incarnation(std::str::from_utf8(life).ok()?)?, entry))
    }
}

/// A life as digits that sort as lives do.
pub(super) fn rank(incarnation: Incarnation) -> String {
    format!("{:016x}{:016x}", incarnation.epoch, incarnation.nonce)
}

pub(super) fn incarnation(rank: &str) -> Option<Incarnation> {
    let (epoch, nonce) = rank.split_at_checked(RANK / 2).filter(|_| rank.len() == RANK)?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some(Incarnation { epoch: number(epoch)?, nonce: number(nonce)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::FilterSeed;

    fn entry() -> Entry {
        let cluster = "kuzzle".parse().unwrap();
        let fingerprint = Fingerprint::new(&cluster, ["ca"], &FilterSeed::of_cluster(&cluster));
        Entry { addresses: vec!["tcp://[::1]:7511".parse().unwrap()], fingerprint }
    }

    proptest! {
        #[test]
        fn ranks_sort_as_lives_do_and_come_back(a: (u64, u64), b: (u64, u64)) {
            let life = |(epoch, nonce)| Incarnation { epoch, nonce };
            let (a, b) = (life(a), life(b));
            prop_assert_eq!(rank(a).cmp(&rank(b)), a.cmp(&b));
            prop_assert_eq!(incarnation(&rank(a)), Some(a));
        }

        #[test]
        fn any_value_decodes_or_does_not(value: Vec<u8>) {
            let _ = Entry::decode(&value);
        }
    }

    #[test]
    fn an_entry_comes_back_and_one_with_more_members_is_read() {
        let life = Incarnation { epoch: 7, nonce: 9 };
        let value = rank(life) + &entry().to_json();
        assert_eq!(Entry::decode(value.as_bytes()), Some((life, entry())));
        let newer = value.replace("\"addresses\"", "\"more\":[1],\"addresses\"");
        assert_eq!(Entry::decode(newer.as_bytes()), Some((life, entry())));
    }

    #[test]
    fn an_entry_that_is_too_long_or_cut_is_none() {
        let value = rank(Incarnation { epoch: 1, nonce: 1 }) + &entry().to_json();
        assert_eq!(Entry::decode(&value.as_bytes()[..value.len() - 1]), None);
        assert_eq!(Entry::decode((value + &" ".repeat(MAX_ENTRY)).as_bytes()), None);
    }
}
