//! What was heard of whom: each message once and in order, and every gap with its reason.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::watch::{Removals, unix_ms};

/// A gap belongs to a removal that is no further away than this.
const NEAR: Duration = Duration::from_secs(40);
/// How many more messages each has to hear of each when everything is well again.
const AT_THE_END: u64 = 50;
/// When that takes longer, it does not happen.
const GIVE_UP: Duration = Duration::from_secs(60);

/// A message of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) from: usize,
    pub(crate) life: u64,
    pub(crate) number: u64,
}

/// A life of a listener, and a life of a publisher.
type Pair = ((usize, u64), (usize, u64));

#[derive(Debug, Default)]
struct Heard {
    next: u64,
    received: u64,
    gaps: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Books {
    heard: BTreeMap<Pair, Heard>,
    sent: u64,
    wrong: Vec<String>,
}

/// The books of all clients. Clones are the same books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

/// The sums.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) received: u64,
    sent: u64,
    excused: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, sent, excused } = self;
        write!(
            f,
            "{sent} published, {received} received, {excused} lost between members that had removed each other"
        )
    }
}

impl Ledger {
    pub(crate) fn sent(&self, _node: usize, _life: u64, _number: u64) {
        self.0.lock().unwrap().sent += 1;
    }

    pub(crate) fn heard(&self, listener: (usize, u64), said: Said) {
        let Said { from, life, number } = said;
        let mut books = self.0.lock().unwrap();
        let pair = (listener, (from, life));
        let is_first = !books.heard.contains_key(&pair);
        let heard = books.heard.entry(pair).or_default();
        heard.received += 1;
        let expected = std::mem::replace(&mut heard.next, number + 1);
        if number > expected && !is_first {
            heard.gaps.push((unix_ms(SystemTime::now()), number - expected));
        } else if number < expected {
            let wrong = format!("{listener:?} heard {said:?} where {expected} was next");
            books.wrong.push(wrong);
        }
    }

    /// Waits until everybody has heard more of everybody.
    pub(crate) async fn quiet(&self, seed: u64) {
        let count = || {
            let mut counts = BTreeMap::<(usize, usize), u64>::new();
            for (((listener, _), (from, _)), heard) in &self.0.lock().unwrap().heard {
                *counts.entry((*listener, *from)).or_default() += heard.received;
            }
            counts
        };
        let before = count();
        let more = async {
            let all = crate::crew::NODES * crate::crew::NODES;
            loop {
                let now = count();
                let has_more = |(pair, received): (&(usize, usize), &u64)| {
                    *received >= before.get(pair).copied().unwrap_or(0) + AT_THE_END
                };
                if now.len() == all && now.iter().all(has_more) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP, more).await.is_err() {
            panic!("not everybody hears of everybody: {before:?} → {:?} (CLUSTER_SEED={seed})", count());
        }
    }

    /// Adds everything up; a gap without a removal is a message lost in silence.
    pub(crate) fn account(&self, removals: &Removals, seed: u64) -> Totals {
        let books = self.0.lock().unwrap();
        assert_eq!(books.wrong, [""; 0], "(CLUSTER_SEED={seed})");
        let mut totals = Totals { sent: books.sent, ..Totals::default() };
        for (((listener, life), (from, of_life)), heard) in &books.heard {
            totals.received += heard.received;
            for (at, missing) in &heard.gaps {
                let near = u64::try_from(NEAR.as_millis()).unwrap();
                let excused = removals.iter().any(|(one, other, when)| {
                    [(*one, *other), (*other, *one)].contains(&(*listener, *from))
                        && when.abs_diff(*at) <= near
                });
                assert!(
                    excused,
                    "{missing} messages of node-{from} (life {of_life}) were lost on their way to node-{listener} \
                     (life {life}) at {at}: {removals:?} (CLUSTER_SEED={seed})"
                );
                totals.excused += missing;
            }
        }
        totals
    }
}
