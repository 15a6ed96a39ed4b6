//! What a host was told, added up: numbered notifications of each publisher, and the losses that were announced.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cluster_core::engine::RoomId;
use cluster_core::engine::members::MemberEvent;
use cluster_core::host::Host;
use cluster_transport::proto::NodeId;
use cluster_transport::proto::session::{Direction, Missed};

/// How long a slow host takes for a notification.
const SLOW: Duration = Duration::from_millis(2);

/// What came from one publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The number that may come next.
    pub(crate) next: u64,
    pub(crate) received: u64,
    pub(crate) announced: u64,
    /// What must not be: a number twice or out of order, a content that does not belong to it.
    pub(crate) wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Ledger {
    accounts: Mutex<BTreeMap<String, Account>>,
    /// Members that this one removed, in words.
    removed: Mutex<Vec<String>>,
    /// For how many more notifications the host is slow.
    slow: AtomicU64,
}

/// A host that keeps a ledger. Clones are the same host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bookkeeper(Arc<Ledger>);

impl Bookkeeper {
    pub(crate) fn account(&self, publisher: &str) -> Account {
        self.0.accounts.lock().unwrap().get(publisher).cloned().unwrap_or_default()
    }

    pub(crate) fn removed(&self) -> Vec<String> {
        self.0.removed.lock().unwrap().clone()
    }

    /// Takes its time for so many notifications.
    pub(crate) fn be_slow_for(&self, notifications: u64) {
        self.0.slow.store(notifications, Ordering::Relaxed);
    }

    fn with_account(&self, publisher: &NodeId, change: impl FnOnce(&mut Account)) {
        change(self.0.accounts.lock().unwrap().entry(publisher.to_string()).or_default());
    }
}

/// A notification: its number, and bytes that follow from it.
pub(crate) fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut payload = vec![filling(number); 8 + len];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload
}

fn filling(number: u64) -> u8 {
    u8::try_from(number % 251).unwrap()
}

impl Host for Bookkeeper {
    fn document_notification(&self, from: &NodeId, _: &[RoomId], payload: &Bytes) {
        if self.0.slow.load(Ordering::Relaxed) > 0 {
            self.0.slow.fetch_sub(1, Ordering::Relaxed);
            tokio::task::block_in_place(|| std::thread::sleep(SLOW));
        }
        let number = u64::from_be_bytes(*payload.first_chunk().unwrap());
        let whole = payload[8..].iter().all(|byte| *byte == filling(number));
        self.with_account(from, |account| {
            if number < account.next || !whole {
                account.wrong.push(format!("{number} came where {} may come, whole: {whole}", account.next));
            }
            account.next = number + 1;
            account.received += 1;
        });
    }

    fn lagged(&self, peer: &NodeId, direction: Direction, missed: Missed) {
        if let (Direction::Inbound, Missed::Known(messages)) = (direction, missed) {
            self.with_account(peer, |account| account.announced += messages);
        }
    }

    fn member_event(&self, event: &MemberEvent) {
        if let MemberEvent::Removed { node, why, .. } = event {
            self.0.removed.lock().unwrap().push(format!("{node}: {why}"));
        }
    }
}
