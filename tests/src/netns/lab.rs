//! Some nodes on one bridge, what is done to them, and how long it takes until they say what they should.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::clients::Clients;
use super::process::{Process, Starvation};
use super::{View, run};
use crate::{GIVE_UP, binary};

const BRIDGE: &str = "bridge";
/// How often the nodes are asked while something is waited for; a figure is not more exact than that.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What each running node says, by its name; none if it does not answer.
pub type Views = BTreeMap<String, Option<View>>;

/// Nodes with default timers and mutual TLS, each in its own namespace.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
    nodes: Vec<Process>,
    settings: Vec<String>,
    namespace: String,
    clients: Clients,
}

impl Lab {
    /// Starts so many nodes, `n1` and so on, the first two of which are the seeds of all, and waits until they agree: each
    /// has a client in a room of its own number, and one in the room 0.
    pub fn start(namespace: &str, count: u8, settings: &[&str]) -> Self {
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["link", "add", BRIDGE, "type", "bridge"]);
        run("ip", &["address", "add", "198.18.0.254/24", "dev", BRIDGE]);
        run("ip", &["link", "set", BRIDGE, "up"]);
        let folder = tempfile::tempdir().expect("a folder");
        let nodes: Vec<Process> =
            (1..=count).map(|number| Process::plugged_in(namespace, number, BRIDGE)).collect();
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let mut certs = Command::new(binary());
        certs.args(["certs", "--nodes", &names.join(","), "--out"]).arg(folder.path());
        assert!(certs.stdout(Stdio::null()).status().expect("the binary starts").success());
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut lab =
            Self { folder, nodes, settings, namespace: namespace.to_owned(), clients: Clients::new() };
        for number in 1..=count {
            lab.restart(number);
        }
        lab.agreed(0, GIVE_UP);
        for number in 1..=count {
            lab.subscribe(number, u32::from(number));
            lab.subscribe(number, 0);
        }
        lab.agreed(u64::from(count) + 1, GIVE_UP);
        lab
    }

    /// Starts a node that does not run.
    pub fn restart(&mut self, number: u8) {
        let seeds: Vec<Ipv4Addr> = self.nodes.iter().take(2).map(|node| node.address).collect();
        let Self { folder, nodes, settings, .. } = self;
        nodes[usize::from(number) - 1].start(folder.path(), &name(number), &seeds, settings);
    }

    /// What the doctor says in place of a node that does not run, and its exit code.
    pub fn doctor(&self, number: u8) -> (String, i32) {
        let seeds: Vec<Ipv4Addr> = self.nodes.iter().take(2).map(|node| node.address).collect();
        let folder = self.folder.path();
        let mut doctor = self.node(number).command("doctor", folder, &name(number), &seeds, &self.settings);
        let output = doctor.output().expect("the binary starts");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (text.into_owned(), output.status.code().expect("an exit code"))
    }

    /// A node's interface takes packets of at most so many bytes from now on.
    pub fn narrow(&self, number: u8, mtu: u16) {
        self.node(number).narrow(mtu);
    }

    /// From now on a node gets nothing over UDP.
    pub fn drop_udp(&self, number: u8) {
        self.node(number).rules().drop_udp();
    }

    /// Starts a second process with the id of a node, at the next free place; it is shown under the name of that place.
    pub fn start_double(&mut self, of: u8) {
        let number = u8::try_from(self.nodes.len() + 1).expect("a few nodes");
        let mut double = Process::plugged_in(&self.namespace, number, BRIDGE);
        let seeds: Vec<Ipv4Addr> = self.nodes.iter().take(2).map(|node| node.address).collect();
        double.start(self.folder.path(), &name(of), &seeds, &self.settings);
        self.nodes.push(double);
    }

    /// A new client of a node subscribes to the room of this number.
    pub fn subscribe(&mut self, number: u8, room: u32) {
        let node = self.nodes[usize::from(number) - 1].clients();
        self.clients.subscribe(node, room);
    }

    /// Ends a node as `kill -9` does.
    pub fn kill(&mut self, number: u8) {
        self.nodes[usize::from(number) - 1].kill();
    }

    /// Sends a node a signal, such as `STOP`.
    pub fn signal(&self, number: u8, signal: &str) {
        self.node(number).signal(signal);
    }

    /// Leaves a node hardly any processor time, as long as the result lives.
    pub fn starve(&self, number: u8) -> Starvation {
        self.node(number).starve()
    }

    /// The processor time that a node has had, and how long its threads have waited for it.
    pub fn processor(&self, number: u8) -> (Duration, Duration) {
        self.node(number).processor()
    }

    /// From now on a node does not get what another one sends.
    pub fn deafen(&self, number: u8, to: u8) {
        self.node(number).rules().deafen(self.node(to).address);
    }

    /// Cuts the nodes of different groups off from each other, in both directions.
    pub fn split(&self, groups: &[&[u8]]) {
        for (mine, group) in groups.iter().enumerate() {
            for (theirs, others) in groups.iter().enumerate() {
                if mine != theirs {
                    group.iter().for_each(|node| others.iter().for_each(|other| self.deafen(*node, *other)));
                }
            }
        }
    }

    /// Every node loses this share of what it gets.
    pub fn lose(&self, probability: &str) {
        self.nodes.iter().for_each(|node| node.rules().lose(probability));
    }

    /// Ends everything that was done to the network.
    pub fn heal(&self) {
        self.nodes.iter().for_each(|node| node.rules().heal());
    }

    /// What each running node says now.
    pub fn views(&self) -> Views {
        let running = self.nodes.iter().filter(|node| node.is_running());
        running.map(|node| (node.name.clone(), View::of(node.clients()))).collect()
    }

    /// What these nodes say now.
    pub fn views_of(&self, nodes: &[u8]) -> Views {
        let nodes = nodes.iter().map(|number| self.node(*number));
        nodes.map(|node| (node.name.clone(), View::of(node.clients()))).collect()
    }

    /// How long it takes from now on until what the nodes say fits.
    pub fn until(&self, what: &str, give_up: Duration, fits: impl Fn(&Views) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let asked = began.elapsed();
            let views = self.views();
            if fits(&views) {
                return asked;
            }
            assert!(began.elapsed() < give_up, "not after {give_up:?}: {what}: {views:#?}\n{}", self.logs());
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Checks for so long that what these nodes say fits all the time.
    pub fn throughout(&self, span: Duration, nodes: &[u8], what: &str, fits: impl Fn(&Views) -> bool) {
        let began = Instant::now();
        while began.elapsed() < span {
            let views = self.views_of(nodes);
            assert!(
                fits(&views),
                "after {:?} not any more: {what}: {views:#?}\n{}",
                began.elapsed(),
                self.logs()
            );
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// How long it takes until all running nodes are ready, know exactly each other and hold the same so many rooms.
    pub fn agreed(&self, rooms: u64, give_up: Duration) -> Duration {
        self.until("all agree", give_up, |views| agree(views, rooms))
    }

    /// How many packets were dropped for the rules, of all nodes.
    pub fn dropped(&self) -> u64 {
        self.nodes.iter().map(|node| node.rules().dropped()).sum()
    }

    /// Whom the nodes have removed since they were started, as `by` and `whom`.
    pub fn removals(&self) -> Vec<(String, String)> {
        let mut removals = Vec::new();
        for node in &self.nodes {
            for line in self.log(&node.name).lines().filter(|line| line.contains(" removed: ")) {
                let whom = line.split_once("node=").and_then(|(_, rest)| rest.split(' ').next());
                removals.push((node.name.clone(), whom.expect("a node").to_owned()));
            }
        }
        removals
    }

    fn node(&self, number: u8) -> &Process {
        &self.nodes[usize::from(number) - 1]
    }

    fn log(&self, name: &str) -> String {
        let file = self.folder.path().join(format!("{name}.log"));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// The end of each node's log.
    fn logs(&self) -> String {
        let tail = |node: &Process| {
            let log = self.log(&node.name);
            let lines: Vec<&str> = log.lines().collect();
            format!("-- {}\n{}\n", node.name, lines[lines.len().saturating_sub(15)..].join("\n"))
        };
        self.nodes.iter().map(tail).collect()
    }
}

fn name(number: u8) -> String {
    format!("n{number}")
}

fn agree(views: &Views, rooms: u64) -> bool {
    let Some(views) =
        views.iter().map(|(name, view)| Some((name, view.as_ref()?))).collect::<Option<Vec<_>>>()
    else {
        return false;
    };
    let knows_all = |name: &String, view: &View| {
        view.members.len() + 1 == views.len()
            && views.iter().all(|(other, _)| *other == name || view.members.contains_key(*other))
    };
    let first = views.first().map(|(_, view)| &view.states);
    views.iter().all(|(name, view)| {
        let is_whole = view.ready && view.converged && view.rooms == rooms;
        is_whole && knows_all(name, view) && first == Some(&view.states)
    })
}
