//! The processes, and what a schedule does to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use cluster_core::sim::schedule::Step;
use cluster_tests::{NodeProcess, Pki, reserve_port};

use crate::watch::{are_near, unix_ms};

/// How many processes there are.
pub(crate) const NODES: usize = 4;
/// The one that lives all through the run: it may be stopped, and never ends.
const WITNESS: usize = 0;

/// What befell a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It ended by `kill -9`.
    Killed,
    /// It did not run for a while.
    Stopped,
}

/// What befell whom, from when until when, in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates(Vec<(usize, Fate, (u64, u64))>);

impl Fates {
    fn killed(&mut self, node: usize, now: u64) {
        self.goes_on(node, now);
        self.0.push((node, Fate::Killed, (now, now)));
    }

    fn stopped(&mut self, node: usize, now: u64) {
        self.0.push((node, Fate::Stopped, (now, u64::MAX)));
    }

    /// It runs again, or nobody runs there any more.
    fn goes_on(&mut self, node: usize, now: u64) {
        let lasting = self.0.iter_mut().filter(|(of, _, (_, until))| *of == node && *until == u64::MAX);
        lasting.for_each(|(_, _, (_, until))| *until = now);
    }

    /// Whether this befell a node around these moments, or lasted then.
    pub(crate) fn near(&self, node: usize, fate: Fate, between: (u64, u64), reach: Duration) -> bool {
        self.0.iter().any(|(of, what, span)| (*of, *what) == (node, fate) && are_near(*span, between, reach))
    }
}

struct Seat {
    name: String,
    /// Where clients and members connect, in all of its lives.
    ports: (u16, u16),
    process: Option<NodeProcess>,
    is_stopped: bool,
}

/// All processes; each is ended at the latest with this value.
pub(crate) struct Crew {
    pki: Pki,
    seats: Vec<Seat>,
    done: BTreeMap<&'static str, u64>,
    fates: Fates,
}

impl Crew {
    pub(crate) async fn start() -> Self {
        let seat = |number: usize| Seat {
            name: format!("node-{number}"),
            ports: (reserve_port(), reserve_port()),
            process: None,
            is_stopped: false,
        };
        let mut crew = Self {
            pki: Pki::new("kuzzle"),
            seats: (0..NODES).map(seat).collect(),
            done: BTreeMap::new(),
            fates: Fates::default(),
        };
        for node in 0..NODES {
            crew.launch(node).await;
        }
        crew
    }

    /// Where clients connect, in the order of the nodes.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.seats.iter().map(|seat| ([127, 0, 0, 1], seat.ports.0).into()).collect()
    }

    /// The processes that run just now; the one that lives all through the run is the first.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.seats.iter().filter_map(|seat| Some(seat.process.as_ref()?.id())).collect()
    }

    /// The process that lives all through the run.
    pub(crate) fn witness(&self) -> u32 {
        self.seats[WITNESS].process.as_ref().unwrap().id()
    }

    /// What befell the processes.
    pub(crate) fn fates(&self) -> &Fates {
        &self.fates
    }

    /// What was done, in words.
    pub(crate) fn tally(&self) -> String {
        let done: Vec<_> = self.done.iter().map(|(what, times)| format!("{times} {what}")).collect();
        done.join(", ")
    }

    /// Does what a step says, if it is one that can be done to a process.
    pub(crate) async fn perform(&mut self, step: &Step) {
        match step {
            Step::Wait { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Crash { node: WITNESS }
            | Step::CrashSlowly { node: WITNESS, .. }
            | Step::Restart { node: WITNESS }
            | Step::Leave { node: WITNESS } => {}
            Step::Crash { node } | Step::CrashSlowly { node, .. } if self.kill(*node) => self.count("killed"),
            Step::Restart { node } => {
                self.kill(*node);
                self.launch(*node).await;
                self.count("restarted");
            }
            Step::Start { node } if self.seats[*node].process.is_none() => {
                self.launch(*node).await;
                self.count("started");
            }
            Step::Pause { node } if self.signal(*node, "STOP", true) => self.count("stopped"),
            Step::Resume { node } => {
                self.signal(*node, "CONT", false);
            }
            Step::Leave { node } if !self.seats[*node].is_stopped => self.leave(*node).await,
            // What clients do is done by clients, and what the network does by that of the machine.
            _ => {}
        }
    }

    /// Everybody runs.
    pub(crate) async fn put_right(&mut self) {
        for node in 0..NODES {
            self.signal(node, "CONT", false);
            if self.seats[node].process.is_none() {
                self.launch(node).await;
            }
        }
    }

    pub(crate) fn end(mut self) {
        for node in 0..NODES {
            self.kill(node);
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn kill(&mut self, node: usize) -> bool {
        let seat = &mut self.seats[node];
        seat.is_stopped = false;
        let killed = seat.process.take().is_some();
        if killed {
            self.fates.killed(node, unix_ms(SystemTime::now()));
        }
        killed
    }

    /// Sends a signal to a process that runs, unless that is how it is already.
    fn signal(&mut self, node: usize, signal: &str, stops: bool) -> bool {
        let seat = &mut self.seats[node];
        match &seat.process {
            Some(process) if seat.is_stopped != stops => {
                process.signal(signal);
                seat.is_stopped = stops;
                let now = unix_ms(SystemTime::now());
                if stops {
                    self.fates.stopped(node, now);
                } else {
                    self.fates.goes_on(node, now);
                }
                true
            }
            _ => false,
        }
    }

    async fn leave(&mut self, node: usize) {
        let Some(mut process) = self.seats[node].process.take() else { return };
        process.signal("TERM");
        let code = tokio::task::spawn_blocking(move || process.ended()).await.unwrap();
        assert_eq!(code, Some(0), "node-{node} was told to leave");
        self.count("told to leave");
    }

    async fn launch(&mut self, node: usize) {
        let seat = &self.seats[node];
        let files = self.pki.node(&seat.name);
        let others = self.seats.iter().filter(|other| other.name != seat.name);
        let seeds: Vec<_> = others.map(|other| format!("\"tcp://127.0.0.1:{}\"", other.ports.1)).collect();
        let settings = [
            format!("server.port={}", seat.ports.0),
            format!("plugins.cluster.bind=tcp://127.0.0.1:{}", seat.ports.1),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            "plugins.cluster.minimumNodes=2".to_owned(),
            "plugins.cluster.timers.joinAttemptInterval=200".to_owned(),
            format!("plugins.cluster.tls.certificate={}", files.certificate.display()),
            format!("plugins.cluster.tls.key={}", files.key.display()),
            format!("plugins.cluster.tls.authorities={}", files.authorities[0].display()),
        ];
        let name = seat.name.clone();
        let launched = tokio::task::spawn_blocking(move || NodeProcess::launch(&name, &settings));
        self.seats[node].process = Some(launched.await.unwrap());
    }
}

#[test]
fn a_stop_lasts_until_the_process_goes_on_or_is_killed() {
    let mut fates = Fates::default();
    fates.stopped(0, 100_000);
    let is_stopped = |fates: &Fates, at: u64| fates.near(0, Fate::Stopped, (at, at), Duration::from_secs(1));
    assert_eq!([98_999, 99_000, 500_000].map(|at| is_stopped(&fates, at)), [false, true, true]);
    fates.goes_on(0, 200_000);
    fates.stopped(1, 300_000);
    fates.stopped(0, 300_000);
    fates.killed(0, 400_000);
    let seen = [150_000, 201_000, 201_001, 350_000, 401_001].map(|at| is_stopped(&fates, at));
    assert_eq!(seen, [true, true, false, true, false]);
    assert!(fates.near(0, Fate::Killed, (399_000, 400_500), Duration::ZERO));
    assert!(!fates.near(1, Fate::Killed, (0, u64::MAX), Duration::ZERO));
}
