//! What the clients of a node cost it: what there is of each thing that is bounded, and how often each bound was met.
//!
//! A [`Load`] is shared by all who serve clients, and decides nothing: whoever holds to a bound counts here that it was met.
//! The node is overloaded from the moment it meets a bound on all its clients until [`OVERLOADED_FOR`] after the last time,
//! and while requests wait for longer than [`LATE`] for a thread.

mod bound;
mod reserve;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cluster_http::{Figure, HostLoad};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use bound::Bound;
pub(crate) use reserve::{Held, Reserve};

/// How long a node says that it is overloaded after it has last met a bound.
pub const OVERLOADED_FOR: Duration = Duration::from_secs(3);

/// From how long a wait for a thread on a node says that it is overloaded.
pub const LATE: Duration = Duration::from_millis(500);

/// How many requests of a client may be under way.
const AT_A_TIME: usize = 256;

/// Once half of the requests of all that may be are under way, this part of them is the share of a client: so few clients that ask
/// for much cannot use up the other half, which has room for the shares of some 240 more.
const SHARES: usize = 500;

/// How often the wait for a thread is measured.
const PULSE: Duration = Duration::from_millis(250);

/// The load of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Load(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    began: Instant,
    met: [Meeting; Bound::ALL.len()],
    present: [AtomicUsize; 3],
    requests: AtomicU64,
    messages_shed: [AtomicU64; 2],
    reserve: Arc<Reserve>,
    lateness: AtomicU64,
    /// When a wait was last too long, as in [`Meeting`].
    late: AtomicU64,
}

/// How often a bound was met, and when last: in milliseconds since the beginning, and one more; 0 is never.
#[derive(Debug, Default)]
struct Meeting {
    times: AtomicU64,
    last: AtomicU64,
}

/// Something of which there is a bounded number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Client = 0,
    PlainConnection = 1,
    Request = 2,
}

/// One of the things that are counted, for as long as this value is kept.
#[derive(Debug)]
pub(crate) struct Present(Load, Thing);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.count(self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// No load yet; for all clients together so many bytes may wait.
    pub(crate) fn new(outgoing_total: usize) -> Self {
        Self(Arc::new(Counts {
            began: Instant::now(),
            met: Default::default(),
            present: Default::default(),
            requests: AtomicU64::new(0),
            messages_shed: Default::default(),
            reserve: Arc::new(Reserve::new(outgoing_total)),
            lateness: AtomicU64::new(0),
            late: AtomicU64::new(0),
        }))
    }

    /// How often a bound was met.
    pub fn met(&self, bound: Bound) -> u64 {
        self.meeting(bound).times.load(Ordering::Relaxed)
    }

    /// Counts that a bound was met.
    pub(crate) fn meets(&self, bound: Bound) {
        let meeting = self.meeting(bound);
        meeting.times.fetch_add(1, Ordering::Relaxed);
        meeting.last.store(self.moment(), Ordering::Relaxed);
    }

    /// Counts messages that a client does not get because it was too slow, for its own bound or for that of all.
    pub(crate) fn shed(&self, bound: Bound, messages: usize) {
        let all = usize::from(bound == Bound::OutgoingTotal);
        if let Some(count) = self.0.messages_shed.get(all) {
            count.fetch_add(u64::try_from(messages).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Counts one more of a thing.
    pub(crate) fn enter(&self, thing: Thing) -> Present {
        self.count(thing).fetch_add(1, Ordering::Relaxed);
        Present(self.clone(), thing)
    }

    /// Counts a request, unless so many are under way already.
    pub(crate) fn admit(&self, limit: usize) -> Option<Present> {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let one_more = |present: usize| (present < limit).then_some(present + 1);
        let admitted =
            self.count(Thing::Request).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        admitted.ok().map(|_| Present(self.clone(), Thing::Request))
    }

    /// How many requests of one client may be under way just now, where so many of all may be: at least 1.
    pub(crate) fn at_a_time(&self, limit: usize) -> usize {
        let is_half = self.present(Thing::Request) >= limit.div_ceil(2);
        if is_half { (limit / SHARES).clamp(1, AT_A_TIME) } else { AT_A_TIME }
    }

    /// The memory for what waits for clients.
    pub(crate) fn reserve(&self) -> &Arc<Reserve> {
        &self.0.reserve
    }

    /// Measures how long a task that has something to do waits for a thread, and logs when the node becomes overloaded and when it
    /// is well again. Never ends.
    pub(crate) async fn watch(self) {
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut overloaded = false;
        loop {
            let due = pulse.tick().await;
            self.late_by(due.elapsed());
            let reasons = HostLoad::overloaded(&self);
            if overloaded == reasons.is_empty() {
                overloaded = !overloaded;
                match overloaded {
                    true => tracing::warn!("overloaded: {}", reasons.join("; ")),
                    false => tracing::info!("not overloaded any more"),
                }
            }
        }
    }

    fn late_by(&self, lateness: Duration) {
        self.0.lateness.store(millis(lateness), Ordering::Relaxed);
        if lateness >= LATE {
            self.0.late.store(self.moment(), Ordering::Relaxed);
        }
    }

    fn present(&self, thing: Thing) -> usize {
        self.count(thing).load(Ordering::Relaxed)
    }

    #[expect(clippy::indexing_slicing, reason = "there is one for each thing")]
    fn count(&self, thing: Thing) -> &AtomicUsize {
        &self.0.present[thing as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there is one for each bound")]
    fn meeting(&self, bound: Bound) -> &Meeting {
        &self.0.met[bound as usize]
    }

    /// Now, in milliseconds since the beginning, and one more.
    fn moment(&self) -> u64 {
        millis(self.0.began.elapsed()).saturating_add(1)
    }

    fn is_recent(&self, last: &AtomicU64) -> bool {
        let last = last.load(Ordering::Relaxed);
        last > 0 && self.moment().saturating_sub(last) < millis(OVERLOADED_FOR)
    }

    fn by_bound<const N: usize>(&self, bounds: [Bound; N]) -> [(&'static str, u64); N] {
        bounds.map(|bound| (bound.name(), self.met(bound)))
    }

    fn shed_messages(&self) -> [(&'static str, u64); 2] {
        let [one, all] = &self.0.messages_shed;
        let of = |bound: Bound, count: &AtomicU64| (bound.name(), count.load(Ordering::Relaxed));
        [of(Bound::Outgoing, one), of(Bound::OutgoingTotal, all)]
    }
}

impl HostLoad for Load {
    fn overloaded(&self) -> Vec<String> {
        let recent = |bound: &Bound| self.is_recent(&self.meeting(*bound).last);
        let met = Bound::ALL.into_iter().filter(recent).filter_map(Bound::complaint).map(str::to_owned);
        let late = self.is_recent(&self.0.late);
        let late =
            late.then(|| format!("clients have waited more than {} ms for a thread", LATE.as_millis()));
        met.chain(late).collect()
    }

    fn details(&self) -> Map<String, Value> {
        let met: Map<_, _> = self
            .by_bound(Bound::ALL)
            .into_iter()
            .map(|(name, times)| (name.to_owned(), json!(times)))
            .collect();
        let shed: Map<_, _> =
            self.shed_messages().into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
        let shown = [
            ("bounds", Value::Object(met)),
            ("clients", json!(self.present(Thing::Client))),
            ("latenessMs", json!(self.0.lateness.load(Ordering::Relaxed))),
            ("messagesShed", Value::Object(shed)),
            ("plainConnections", json!(self.present(Thing::PlainConnection))),
            ("requests", json!(self.0.requests.load(Ordering::Relaxed))),
            ("requestsUnderWay", json!(self.present(Thing::Request))),
            ("waitingBytes", json!(self.0.reserve.used())),
        ];
        shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        let lateness = self.0.lateness.load(Ordering::Relaxed);
        vec![
            Figure::gauge("clients", "Clients by WebSocket", float(self.present(Thing::Client))),
            Figure::counter("clients_refused", "Clients that were refused", self.met(Bound::Clients)),
            Figure::by_reason(
                "clients_closed",
                "Clients that were told to go",
                self.by_bound([Bound::Outgoing, Bound::OutgoingTotal, Bound::Silence, Bound::Length]),
            ),
            Figure::gauge(
                "plain_connections",
                "Plain HTTP connections",
                float(self.present(Thing::PlainConnection)),
            ),
            Figure::counter(
                "plain_connections_closed",
                "Plain connections that gave way to others",
                self.met(Bound::PlainConnections),
            ),
            Figure::counter(
                "client_requests",
                "Requests of clients, those that were refused too",
                self.0.requests.load(Ordering::Relaxed),
            ),
            Figure::gauge(
                "client_requests_under_way",
                "Requests of clients that are being answered",
                float(self.present(Thing::Request)),
            ),
            Figure::by_reason(
                "client_requests_refused",
                "Requests of clients that were refused",
                self.by_bound([Bound::Requests, Bound::Rooms, Bound::Subscriptions]),
            ),
            Figure::gauge(
                "client_waiting_bytes",
                "Bytes that wait to be sent to clients",
                float(self.0.reserve.used()),
            ),
            Figure::by_reason(
                "client_messages_shed",
                "Messages that clients did not get because they were too slow",
                self.shed_messages(),
            ),
            Figure::gauge(
                "client_lateness_seconds",
                "How long a client's task waited for a thread when that was last measured",
                Duration::from_millis(lateness).as_secs_f64(),
            ),
        ]
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a monitoring system computes with floats too")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_place_and_a_name_of_its_own() {
        let load = Load::new(1);
        for (number, bound) in Bound::ALL.into_iter().enumerate() {
            assert_eq!(bound as usize, number);
            (0..=number).for_each(|_| load.meets(bound));
        }
        let counts = load.details()["bounds"].clone();
        for (number, bound) in Bound::ALL.into_iter().enumerate() {
            assert_eq!(counts[bound.name()], json!(number + 1), "{bound:?}");
        }
    }

    #[test]
    fn one_request_too_many_is_refused_until_another_is_done() {
        let load = Load::new(1);
        let first = load.admit(1);
        assert!(first.is_some() && load.admit(1).is_none());
        assert_eq!(load.present(Thing::Request), 1);
        drop(first);
        assert!(load.admit(1).is_some());
        assert_eq!(load.details()["requests"], 3);
    }

    #[test]
    fn from_half_of_all_requests_on_a_client_has_a_small_share() {
        for (limit, half, share) in [(10_000, 5_000, 20), (1_000_000, 500_000, 256), (7, 4, 1), (1, 1, 1)] {
            let load = Load::new(1);
            let others: Vec<_> = (1..half).map(|_| load.admit(limit)).collect();
            assert_eq!(load.at_a_time(limit), AT_A_TIME, "{limit}");
            let one_more = load.admit(limit);
            assert_eq!(load.at_a_time(limit), share, "{limit}");
            drop((others, one_more));
            assert_eq!(load.at_a_time(limit), AT_A_TIME, "{limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_overloaded_for_a_while_after_it_has_met_a_bound_on_all_clients() {
        let load = Load::new(1);
        load.meets(Bound::Subscriptions);
        load.meets(Bound::Outgoing);
        assert!(load.overloaded().is_empty(), "that is one client's own business");
        load.meets(Bound::Clients);
        assert_eq!(load.overloaded(), ["clients are turned away (server.limits.clients)"]);
        tokio::time::advance(OVERLOADED_FOR - Duration::from_millis(1)).await;
        assert_eq!(load.overloaded().len(), 1);
        load.meets(Bound::Requests);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(load.overloaded(), ["requests are refused (server.limits.requests)"]);
        tokio::time::advance(OVERLOADED_FOR).await;
        assert!(load.overloaded().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_whose_clients_wait_for_a_thread_is_overloaded() {
        let load = Load::new(1);
        load.late_by(LATE - Duration::from_millis(1));
        assert!(load.overloaded().is_empty());
        load.late_by(LATE);
        assert_eq!(load.overloaded(), ["clients have waited more than 500 ms for a thread"]);
        tokio::time::advance(OVERLOADED_FOR).await;
        assert!(load.overloaded().is_empty());
    }
}
