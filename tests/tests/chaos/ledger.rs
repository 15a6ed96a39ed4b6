//! What was heard of whom: each message once and in order, and every one that is missing with its reason.
//!
//! A pair is a life of a listener and a life of a publisher. What lies between two messages that the listener heard is a gap,
//! what the publisher said after the last of them the tail; both are to be accounted for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::crew::{Fate, Fates};
use crate::watch::{Removals, unix_ms};

/// What was published so shortly before a listener's connection ended may have been on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// What is missing belongs to something that befell either end no further away than this.
const NEAR: Duration = Duration::from_secs(40);
/// How many more messages each has to hear of each when everything is well again.
const AT_THE_END: u64 = 50;
/// When that takes longer, it does not happen.
const GIVE_UP: Duration = Duration::from_secs(60);

/// A message of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) from: Life,
    pub(crate) number: u64,
}

/// A connection of the listener or of the publisher of a node: which node, and which connection of it.
pub(crate) type Life = (usize, u64);

#[derive(Debug, Default)]
struct Heard {
    next: u64,
    received: u64,
    gaps: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Books {
    /// When each message of a publisher had gone out, by its number.
    sent: BTreeMap<Life, Vec<u64>>,
    /// When each listener's connection ended, if it has.
    listeners: BTreeMap<Life, Option<u64>>,
    heard: BTreeMap<(Life, Life), Heard>,
    wrong: Vec<String>,
}

/// The books of all clients. Clones are the same books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

/// The sums. Whatever was owed and not received is in one of the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) received: u64,
    sent: u64,
    removed: u64,
    died: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, sent, removed, died } = self;
        write!(
            f,
            "{sent} published, {received} received; missing: {removed} between members that had removed each other, {died} with \
             processes that were killed, none without a reason"
        )
    }
}

impl Ledger {
    /// A publisher was told that its next message has gone out.
    pub(crate) fn sent(&self, by: Life) {
        self.books().sent.entry(by).or_default().push(unix_ms(SystemTime::now()));
    }

    /// A listener has subscribed.
    pub(crate) fn listens(&self, listener: Life) {
        self.books().listeners.insert(listener, None);
    }

    /// Its connection has ended.
    pub(crate) fn ended(&self, listener: Life) {
        if let Some(ended) = self.books().listeners.get_mut(&listener) {
            *ended = Some(unix_ms(SystemTime::now()));
        }
    }

    pub(crate) fn heard(&self, listener: Life, said: Said) {
        let mut books = self.books();
        let pair = (listener, said.from);
        let is_first = !books.heard.contains_key(&pair);
        let heard = books.heard.entry(pair).or_default();
        heard.received += 1;
        let expected = std::mem::replace(&mut heard.next, said.number + 1);
        if said.number > expected && !is_first {
            heard.gaps.push((unix_ms(SystemTime::now()), said.number - expected));
        } else if said.number < expected {
            let wrong = format!("{listener:?} heard {said:?} where {expected} was next");
            books.wrong.push(wrong);
        }
    }

    /// Waits until everybody has heard more of everybody.
    pub(crate) async fn quiet(&self, seed: u64) {
        let count = || {
            let mut counts = BTreeMap::<(usize, usize), u64>::new();
            for ((listener, from), heard) in &self.books().heard {
                *counts.entry((listener.0, from.0)).or_default() += heard.received;
            }
            counts
        };
        let before = count();
        let all = crate::crew::NODES * crate::crew::NODES;
        let has_more = || {
            let now = count();
            let more = |(pair, received): (&(usize, usize), &u64)| {
                *received >= before.get(pair).copied().unwrap_or(0) + AT_THE_END
            };
            now.len() == all && now.iter().all(more)
        };
        let why = || format!("not everybody hears of everybody: {before:?} → {:?}", count());
        wait(has_more, why, seed).await;
    }

    /// Waits until all that listen have heard the last word of each node's publisher. Nobody publishes any more.
    pub(crate) async fn last_words(&self, seed: u64) {
        let missing = || -> Vec<String> {
            let books = self.books();
            let last: BTreeMap<usize, (Life, u64)> =
                books.sent.iter().map(|(life, sent)| (life.0, (*life, sent.len() as u64))).collect();
            let listening =
                books.listeners.iter().filter(|(_, ended)| ended.is_none()).map(|(life, _)| *life);
            let pairs = listening.flat_map(|listener| last.values().map(move |last| (listener, *last)));
            let lacks = |(listener, (from, sent)): (Life, (Life, u64))| {
                let next = books.heard.get(&(listener, from)).map_or(0, |heard| heard.next);
                (next < sent).then(|| format!("{listener:?} lacks {next}..{sent} of {from:?}"))
            };
            pairs.filter_map(lacks).collect()
        };
        wait(|| missing().is_empty(), || format!("the last words have not arrived: {:?}", missing()), seed)
            .await;
    }

    /// Adds everything up; what is missing without a reason was lost in silence.
    pub(crate) fn account(&self, removals: &Removals, fates: &Fates, seed: u64) -> Totals {
        let books = self.books();
        assert_eq!(books.wrong, [""; 0], "(CLUSTER_SEED={seed})");
        let mut totals =
            Totals { sent: books.sent.values().map(|sent| sent.len() as u64).sum(), ..Totals::default() };
        for (&(listener, from), heard) in &books.heard {
            totals.received += heard.received;
            let pair = (listener.0, from.0);
            for &(at, missing) in &heard.gaps {
                let excused = removals.near(pair, (at, at), NEAR);
                assert!(
                    excused,
                    "{missing} messages of {from:?} were lost on their way to {listener:?} at {at}: {removals:?} \
                     (CLUSTER_SEED={seed})"
                );
                totals.removed += missing;
            }
            let tail = books.tail(listener, from, heard.next);
            let (Some(first), Some(last)) = (tail.first(), tail.last()) else { continue };
            let (span, missing) = ((*first, *last), tail.len() as u64);
            let died = [pair.0, pair.1].into_iter().any(|node| fates.near(node, Fate::Killed, span, NEAR));
            if died || fates.near(listener.0, Fate::Stopped, span, NEAR) {
                totals.died += missing;
            } else if removals.near(pair, span, NEAR) {
                totals.removed += missing;
            } else {
                panic!(
                    "the last {missing} messages of {from:?} did not reach {listener:?}, in {span:?}: {removals:?}, {fates:?} \
                     (CLUSTER_SEED={seed})"
                );
            }
        }
        totals
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }
}

impl Books {
    /// When that was published which followed the last message that was heard, and was owed for as long as the listener was there.
    fn tail(&self, listener: Life, from: Life, next: u64) -> &[u64] {
        let sent = self.sent.get(&from).map(Vec::as_slice).unwrap_or_default();
        let rest = sent.get(usize::try_from(next).unwrap()..).unwrap_or_default();
        let Some(ended) = self.listeners.get(&listener).copied().flatten() else { return rest };
        let owed = rest.partition_point(|at| u128::from(*at) + ON_ITS_WAY.as_millis() <= u128::from(ended));
        &rest[..owed]
    }
}

async fn wait(holds: impl Fn() -> bool, why: impl Fn() -> String, seed: u64) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(GIVE_UP, held).await.is_err() {
        panic!("{} (CLUSTER_SEED={seed})", why());
    }
}
