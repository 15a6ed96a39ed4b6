//! What came of the links of each host that dialled us, so that logs speak at a change and not per attempt.

use std::collections::{BTreeMap, VecDeque};

use super::event::HandshakeFailure;
use crate::proto::body::RefuseCode;

/// How many hosts are remembered; the one remembered longest goes first.
const MAX_HOSTS: usize = 256;

/// What came of an accepted link that has no session.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Refused(RefuseCode),
    Failed(HandshakeFailure),
}

impl Trouble {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(a), Self::Refused(b)) => a == b,
            (Self::Failed(a), Self::Failed(b)) => a.is_like(b),
            _ => false,
        }
    }
}

/// The last trouble with each host.
#[derive(Debug, Default)]
pub(super) struct CallerLog {
    last: BTreeMap<String, Trouble>,
    order: VecDeque<String>,
}

impl CallerLog {
    /// Takes note of trouble; whether it differs from the last one with that host.
    pub(super) fn note(&mut self, remote: &str, trouble: Trouble) -> bool {
        let host = host_of(remote);
        if let Some(last) = self.last.get_mut(host) {
            let changed = !last.is_like(&trouble);
            *last = trouble;
            return changed;
        }
        if self.order.len() == MAX_HOSTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.last.remove(&oldest);
        }
        self.order.push_back(host.to_owned());
        self.last.insert(host.to_owned(), trouble);
        true
    }

    /// A link from that host has a session: its next trouble is news.
    pub(super) fn clear(&mut self, remote: &str) {
        let host = host_of(remote);
        if self.last.remove(host).is_some() {
            self.order.retain(|kept| kept != host);
        }
    }
}

/// The remote without its port, which differs with every link.
pub(super) fn host_of(remote: &str) -> &str {
    remote.rsplit_once(':').map_or(remote, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_with_a_host_is_news_once() {
        let mut log = CallerLog::default();
        let refused = || Trouble::Refused(RefuseCode::WRONG_CLUSTER);
        assert!(log.note("10.0.0.1:4000", refused()));
        assert!(!log.note("10.0.0.1:4001", refused()));
        assert!(log.note("10.0.0.2:4001", refused()));
        assert!(log.note("10.0.0.1:4002", Trouble::Failed(HandshakeFailure::TimedOut)));
        log.clear("10.0.0.2:1");
        assert!(log.note("10.0.0.2:4001", refused()));
    }

    #[test]
    fn only_so_many_hosts_are_remembered() {
        let mut log = CallerLog::default();
        for host in 0..=MAX_HOSTS {
            assert!(log.note(&format!("host-{host}:1"), Trouble::Refused(RefuseCode::BUSY)));
        }
        assert_eq!((log.last.len(), log.order.len()), (MAX_HOSTS, MAX_HOSTS));
        assert!(log.note("host-0:1", Trouble::Refused(RefuseCode::BUSY)));
        assert!(!log.note("host-2:1", Trouble::Refused(RefuseCode::BUSY)));
    }
}
