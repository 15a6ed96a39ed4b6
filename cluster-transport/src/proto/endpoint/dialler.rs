//! Which addresses are dialled when: targets, their attempts, their back-off and their rest while in session.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::event::DialOutcome;
use super::settings::{DialSettings, SELF_SLEEP};
use crate::proto::address::Scheme;
use crate::proto::{Address, Instant, SessionId};

/// The part of the interval within which an address is dialled again after its session ended.
const REDIAL_SPREAD: f64 = 0.1;

/// How long an address of TCP waits for the one of QUIC at the same host and port to be tried first.
const TWIN_WAIT: Duration = Duration::from_millis(250);

/// A target that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// There are as many targets as are allowed.
    #[error("{address} is not dialled: there are {limit} targets already; remove some or raise the limit")]
    TooManyTargets {
        /// The address.
        address: Address,
        /// How many there may be.
        limit: usize,
    },
    /// There are as many probes under way as are allowed.
    #[error("{address} is not probed: {limit} probes are under way; ask again when one has an outcome")]
    TooManyProbes {
        /// The address.
        address: Address,
        /// How many there may be.
        limit: usize,
    },
    /// The node is leaving and dials nobody any more.
    #[error("{address} is not probed: this node is leaving")]
    Leaving {
        /// The address.
        address: Address,
    },
}

/// When a target is dialled. Of those whose time comes together the one that was scheduled first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    due: Instant,
    place: u64,
}

/// What a target is up to.
#[derive(Debug, PartialEq, Eq)]
enum Activity {
    /// Dialled again at this time.
    Waits(Turn),
    Dialling,
    /// Who is there is in session with us; dialled again when that session ends.
    Rests(SessionId),
}

#[derive(Debug)]
struct Target {
    activity: Activity,
    failures: u32,
    last: Option<DialOutcome>,
}

/// The targets and their schedule.
#[derive(Debug)]
pub(super) struct Dialler {
    settings: DialSettings,
    targets: BTreeMap<Address, Target>,
    schedule: BTreeMap<Turn, Address>,
    next_place: u64,
    /// Those at rest, in order, by the session that they rest for.
    resting: BTreeMap<SessionId, Vec<Address>>,
}

impl Dialler {
    pub(super) fn new(settings: DialSettings) -> Self {
        Self {
            settings,
            targets: BTreeMap::new(),
            schedule: BTreeMap::new(),
            next_place: 0,
            resting: BTreeMap::new(),
        }
    }

    /// Takes an address on, to be dialled at once; one that is there stays as it is.
    pub(super) fn add(&mut self, now: Instant, address: Address) -> Result<(), DialError> {
        if self.targets.contains_key(&address) {
            return Ok(());
        }
        let limit = self.settings.targets;
        if self.targets.len() >= limit {
            return Err(DialError::TooManyTargets { address, limit });
        }
        let turn = self.turn(now + self.twin_wait(&address));
        self.schedule.insert(turn, address.clone());
        self.targets.insert(address, Target { activity: Activity::Waits(turn), failures: 0, last: None });
        Ok(())
    }

    fn turn(&mut self, due: Instant) -> Turn {
        self.next_place += 1;
        Turn { due, place: self.next_place }
    }

    /// A node that has both is to be reached over QUIC, unless that does not work.
    fn twin_wait(&self, address: &Address) -> Duration {
        let has_twin = || self.targets.contains_key(&address.with_scheme(Scheme::Quic));
        let waits = address.scheme() == Scheme::Tcp && has_twin();
        if waits { TWIN_WAIT } else { Duration::ZERO }
    }

    pub(super) fn remove(&mut self, address: &Address) -> bool {
        // Takes it out of the schedule.
        self.set_activity(address, Activity::Dialling);
        self.targets.remove(address).is_some()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.schedule.first_key_value().map(|(turn, _)| turn.due)
    }

    /// The next address whose time has come; it counts as being dialled from here on.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Address> {
        let address = self.schedule.first_key_value().filter(|(turn, _)| turn.due <= now)?.1.clone();
        self.set_activity(&address, Activity::Dialling);
        Some(address)
    }

    /// A dial of this target found whom it looked for, or a probe found out who is there.
    pub(super) fn rest(&mut self, address: &Address, session: SessionId) {
        if let Some(target) = self.targets.get_mut(address) {
            target.failures = 0;
            self.set_activity(address, Activity::Rests(session));
        }
    }

    /// A dial of this target came to nothing. How many did in a row, at the moment when the interval begins to grow.
    pub(super) fn retry(
        &mut self,
        now: Instant,
        address: &Address,
        outcome: &DialOutcome,
        rng: &mut ChaCha8Rng,
    ) -> Option<u32> {
        let settings = self.settings;
        let target = self.targets.get_mut(address)?;
        let failed = !matches!(outcome, DialOutcome::ToSelf | DialOutcome::Abandoned);
        target.failures = target.failures.saturating_add(u32::from(failed));
        let failures = target.failures;
        let wait = match outcome {
            DialOutcome::ToSelf => SELF_SLEEP,
            DialOutcome::Abandoned => Duration::ZERO,
            _ => jittered(interval_after(&settings, failures), settings.jitter, rng),
        };
        let turn = self.turn(now + wait);
        self.set_activity(address, Activity::Waits(turn));
        (failed && failures == settings.attempts).then_some(failures)
    }

    /// Takes note of an outcome; whether it differs from the one before it.
    pub(super) fn note(&mut self, address: &Address, outcome: &DialOutcome) -> bool {
        let Some(target) = self.targets.get_mut(address) else { return true };
        let changed = target.last.as_ref().is_none_or(|last| !last.is_like(outcome));
        target.last = Some(outcome.clone());
        changed
    }

    /// The addresses at rest for a session are dialled again: soon, or after an interval if it did not even last as long.
    pub(super) fn wake(&mut self, now: Instant, ended: SessionId, lasted: Duration, rng: &mut ChaCha8Rng) {
        for address in self.resting_for(ended) {
            let wait = if lasted < self.settings.interval {
                jittered(self.settings.interval, self.settings.jitter, rng)
            } else {
                self.settings.interval.mul_f64(rng.random_range(0.0..REDIAL_SPREAD))
            };
            let wait = wait + self.twin_wait(&address);
            let turn = self.turn(now + wait);
            self.set_activity(&address, Activity::Waits(turn));
        }
    }

    /// The addresses at rest for a session rest for the one that took its place.
    pub(super) fn pass_on(&mut self, old: SessionId, new: SessionId) {
        for address in self.resting_for(old) {
            self.set_activity(&address, Activity::Rests(new));
        }
    }

    fn resting_for(&self, session: SessionId) -> Vec<Address> {
        self.resting.get(&session).cloned().unwrap_or_default()
    }

    /// The one place where an activity changes, so that the schedule holds exactly those that wait, and the other index those at rest.
    fn set_activity(&mut self, address: &Address, activity: Activity) {
        let Some(target) = self.targets.get_mut(address) else { return };
        match &activity {
            Activity::Waits(turn) => drop(self.schedule.insert(*turn, address.clone())),
            Activity::Rests(session) => {
                let resting = self.resting.entry(*session).or_default();
                if let Err(at) = resting.binary_search(address) {
                    resting.insert(at, address.clone());
                }
            }
            Activity::Dialling => {}
        }
        let before = std::mem::replace(&mut target.activity, activity);
        if target.activity == before {
            return;
        }
        match before {
            Activity::Waits(turn) => drop(self.schedule.remove(&turn)),
            Activity::Rests(session) => self.rests_no_more(session, address),
            Activity::Dialling => {}
        }
    }

    fn rests_no_more(&mut self, session: SessionId, address: &Address) {
        let Some(resting) = self.resting.get_mut(&session) else { return };
        resting.retain(|other| other != address);
        if resting.is_empty() {
            self.resting.remove(&session);
        }
    }
}

/// How long to wait after this many failures in a row, before jitter.
fn interval_after(settings: &DialSettings, failures: u32) -> Duration {
    let doublings = failures.saturating_add(1).saturating_sub(settings.attempts).min(31);
    settings.interval.saturating_mul(1 << doublings).min(settings.cap)
}

fn jittered(interval: Duration, percent: u8, rng: &mut ChaCha8Rng) -> Duration {
    let off = f64::from(percent) / 100.0;
    interval.mul_f64(rng.random_range(1.0 - off..=1.0 + off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_tcp_lets_quic_at_the_same_port_go_first() {
        let (now, mut dialler) =
            (Instant::after_origin(Duration::ZERO), Dialler::new(DialSettings::default()));
        let addresses = ["quic://a:1", "tcp://a:1", "tcp://a:2"].map(|text| text.parse::<Address>().unwrap());
        for address in &addresses {
            dialler.add(now, address.clone()).unwrap();
        }
        let due = |dialler: &mut Dialler, now| -> Vec<_> {
            std::iter::from_fn(|| dialler.take_due(now)).map(|address| address.to_string()).collect()
        };
        assert_eq!(due(&mut dialler, now), ["quic://a:1", "tcp://a:2"]);
        assert_eq!(due(&mut dialler, now + TWIN_WAIT), ["tcp://a:1"]);
    }

    #[test]
    fn addresses_are_dialled_in_the_order_in_which_they_were_named() {
        let mut dialler = Dialler::new(DialSettings::default());
        let addresses = ["tcp://c:1", "tcp://a:1", "tcp://b:1"].map(|text| text.parse::<Address>().unwrap());
        addresses.iter().for_each(|address| dialler.add(Instant::ORIGIN, address.clone()).unwrap());
        let due: Vec<_> = std::iter::from_fn(|| dialler.take_due(Instant::ORIGIN)).collect();
        assert_eq!(due, addresses);
    }

    #[test]
    fn the_addresses_at_rest_for_a_session_are_dialled_again_when_it_ends_and_no_others() {
        use rand::SeedableRng;
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let (now, mut dialler) = (Instant::ORIGIN, Dialler::new(DialSettings::default()));
        let addresses = ["tcp://a:1", "tcp://a:2", "tcp://b:1", "tcp://c:1"];
        let addresses = addresses.map(|text| text.parse::<Address>().unwrap());
        addresses.iter().for_each(|address| dialler.add(now, address.clone()).unwrap());
        while dialler.take_due(now).is_some() {}
        let [a1, a2, b, c] = &addresses;
        for (address, session) in [(a2, 1), (a1, 1), (b, 2), (c, 3)] {
            dialler.rest(address, SessionId(session));
        }
        dialler.pass_on(SessionId(1), SessionId(4));
        dialler.remove(c);
        for ended in [1, 3] {
            dialler.wake(now, SessionId(ended), Duration::MAX, &mut rng);
            assert_eq!(dialler.next_due(), None, "nobody rests for session {ended}");
        }
        dialler.wake(now, SessionId(4), Duration::MAX, &mut rng);
        let mut due: Vec<_> =
            std::iter::from_fn(|| dialler.take_due(now + Duration::from_secs(60))).collect();
        due.sort();
        assert_eq!(due, [a1.clone(), a2.clone()]);
        assert_eq!(dialler.resting.keys().collect::<Vec<_>>(), [&SessionId(2)]);
    }

    #[test]
    fn the_interval_holds_for_the_attempts_and_then_doubles_up_to_the_cap() {
        let settings = DialSettings { attempts: 3, ..DialSettings::default() };
        let waits: Vec<u64> = (1..=9).map(|failures| interval_after(&settings, failures).as_secs()).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(interval_after(&settings, u32::MAX), settings.cap);
    }
}
