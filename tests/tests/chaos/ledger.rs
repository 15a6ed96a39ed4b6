//! What was heard of whom: each message once and in order, and every one that is missing with its reason.
//!
//! A pair is a life of a listener and a life of a publisher. What lies between two messages that the listener heard is to be accounted
//! for, and what the publisher said before the first or after the last of them while the listener was there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::crew::{Fate, Fates};
use crate::watch::{Removals, unix_ms};

/// What was published so shortly after a listener had subscribed or before its connection ended may have been on its way.
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
    first: u64,
    next: u64,
    received: u64,
    gaps: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Books {
    /// When each message of a publisher had gone out, by its number.
    sent: BTreeMap<Life, Vec<u64>>,
    /// When each listener had subscribed, and when its connection ended, if it has.
    listeners: BTreeMap<Life, (u64, Option<u64>)>,
    heard: BTreeMap<(Life, Life), Heard>,
    wrong: Vec<String>,
}

/// Of a publisher of whom a listener never heard.
static NOTHING: Heard = Heard { first: 0, next: 0, received: 0, gaps: Vec::new() };

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
             processes that were killed or stopped, none without a reason"
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
        self.books().listeners.insert(listener, (unix_ms(SystemTime::now()), None));
    }

    /// Its connection has ended.
    pub(crate) fn ended(&self, listener: Life) {
        if let Some((_, ended)) = self.books().listeners.get_mut(&listener) {
            *ended = Some(unix_ms(SystemTime::now()));
        }
    }

    pub(crate) fn heard(&self, listener: Life, said: Said) {
        let mut books = self.books();
        let pair = (listener, said.from);
        let is_first = !books.heard.contains_key(&pair);
        let heard = books.heard.entry(pair).or_default();
        if is_first {
            heard.first = said.number;
        }
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
                books.listeners.iter().filter(|(_, (_, ended))| ended.is_none()).map(|(life, _)| *life);
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
        let sent = books.sent.values().map(|sent| sent.len() as u64).sum();
        let received = books.heard.values().map(|heard| heard.received).sum();
        let mut totals = Totals { sent, received, ..Totals::default() };
        for ((listener, from), heard) in books.pairs() {
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
            for missing in books.at_the_ends(listener, from, heard) {
                let (Some(first), Some(last)) = (missing.first(), missing.last()) else { continue };
                let (span, count) = ((*first, *last), missing.len() as u64);
                // What a process that is killed had not written yet is lost, and what one had not read that is killed while it is stopped.
                if fates.near(from.0, Fate::Killed, span, ON_ITS_WAY)
                    || fates.near(listener.0, Fate::Stopped, span, ON_ITS_WAY)
                {
                    totals.died += count;
                } else if removals.near(pair, span, NEAR) {
                    totals.removed += count;
                } else {
                    panic!(
                        "{count} messages of {from:?}, said in {span:?}, did not reach {listener:?}, which heard {heard:?}: \
                         {removals:?}, {fates:?} (CLUSTER_SEED={seed})"
                    );
                }
            }
        }
        totals
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }
}

impl Books {
    /// Each listener with each publisher, whether it heard anything of it or not.
    fn pairs(&self) -> impl Iterator<Item = ((Life, Life), &Heard)> {
        let all =
            self.listeners.keys().flat_map(|listener| self.sent.keys().map(move |from| (*listener, *from)));
        all.map(|pair| (pair, self.heard.get(&pair).unwrap_or(&NOTHING)))
    }

    /// When those messages were published which were owed to the listener, and came before the first that it heard or after the
    /// last. Owed is what was published while it was there.
    fn at_the_ends(&self, listener: Life, from: Life, heard: &Heard) -> [&[u64]; 2] {
        let sent = self.sent.get(&from).map(Vec::as_slice).unwrap_or_default();
        let Some((began, ended)) = self.listeners.get(&listener) else { return [&[]; 2] };
        let way = u64::try_from(ON_ITS_WAY.as_millis()).unwrap();
        let until = |moment: u64| sent.partition_point(|at| *at < moment);
        let (start, end) =
            (until(began + way), ended.map_or(sent.len(), |ended| until(ended.saturating_sub(way))));
        let number = |number: u64| usize::try_from(number).unwrap().clamp(start.min(end), end);
        [&sent[start.min(end)..number(heard.first)], &sent[number(heard.next)..end]]
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
