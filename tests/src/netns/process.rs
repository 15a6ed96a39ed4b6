//! One node: its namespace, its address, and the process in it.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Namespace;
use super::link::Rules;
use crate::binary;

/// Where clients and members connect, in each namespace.
const CLIENTS: u16 = 7512;
const MEMBERS: u16 = 7511;

/// A node of the lab.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    namespace: Namespace,
    child: Option<Child>,
}

impl Process {
    /// A namespace that is plugged into the bridge of this one; nothing runs in it yet.
    pub(super) fn plugged_in(lab: &str, number: u8, bridge: &str) -> Self {
        let name = format!("n{number}");
        let namespace = Namespace::new(format!("{lab}-{name}"));
        let address = Ipv4Addr::new(198, 18, 0, number);
        let port = format!("port{number}");
        let peer = ["peer", "name", "eth0", "netns", &namespace.name];
        super::run("ip", &[&["link", "add", &port, "type", "veth"][..], &peer[..]].concat());
        super::run("ip", &["link", "set", &port, "master", bridge, "up"]);
        namespace.run("ip", &["address", "add", &format!("{address}/24"), "dev", "eth0"]);
        namespace.run("ip", &["link", "set", "eth0", "up"]);
        namespace.run("ip", &["link", "set", "lo", "up"]);
        Self { name, address, namespace, child: None }
    }

    /// A command of the node with the settings of this id, whose certificates are in the folder.
    pub(super) fn command(
        &self,
        word: &str,
        folder: &Path,
        id: &str,
        seeds: &[Ipv4Addr],
        settings: &[String],
    ) -> Command {
        let seeds: Vec<String> = seeds.iter().map(|seed| format!("\"tcp://{seed}:{MEMBERS}\"")).collect();
        let file = |ending: &str| folder.join(format!("{id}{ending}"));
        let own = [
            "server.host=0.0.0.0".to_owned(),
            format!("server.port={CLIENTS}"),
            format!("plugins.cluster.nodeId={id}"),
            format!("plugins.cluster.bind=tcp://[eth0:ipv4]:{MEMBERS}"),
            format!("plugins.cluster.seeds=[{}]", seeds.join(",")),
            format!("plugins.cluster.tls.certificate={}", file(".pem").display()),
            format!("plugins.cluster.tls.key={}", file("-key.pem").display()),
            format!("plugins.cluster.tls.authorities={}", folder.join("ca.pem").display()),
        ];
        let mut command = self.namespace.command(&binary().to_string_lossy());
        command.arg(word);
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts a node with this id; its log goes to a file in the folder.
    pub(super) fn start(&mut self, folder: &Path, id: &str, seeds: &[Ipv4Addr], settings: &[String]) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{}.log", self.name)))
            .expect("a log file");
        let mut command = self.command("run", folder, id, seeds, settings);
        // A group of its own, whose priority can be changed for all of its threads.
        command.process_group(0);
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("the node starts"));
    }

    /// From now on its interface takes packets of at most so many bytes.
    pub(super) fn narrow(&self, mtu: u16) {
        self.namespace.run("ip", &["link", "set", "eth0", "mtu", &mtu.to_string()]);
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules::new(&self.namespace, MEMBERS)
    }

    /// Where its routes are.
    pub(super) fn clients(&self) -> (Ipv4Addr, u16) {
        (self.address, CLIENTS)
    }

    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Ends the process as `kill -9` does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child that runs");
            child.wait().expect("a child");
        }
    }

    /// Sends the process a signal, such as `STOP`.
    pub(super) fn signal(&self, signal: &str) {
        super::run("kill", &[&format!("-{signal}"), &self.pid()]);
    }

    /// Leaves the process about 35 ms of each second, a thirtieth of what each of the busy loops on its core gets.
    pub(super) fn starve(&self) -> Starvation {
        super::run("renice", &["-n", "10", "-g", &self.pid()]);
        super::run("taskset", &["--all-tasks", "--cpu-list", "--pid", "0", &self.pid()]);
        let hog = || {
            let mut hog = Command::new("taskset");
            hog.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]);
            hog.spawn().expect("a busy loop starts")
        };
        Starvation { hogs: (0..HOGS).map(|_| hog()).collect() }
    }

    /// The processor time that its threads have had, and how long they have waited for it.
    pub(super) fn processor(&self) -> (Duration, Duration) {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("a process");
        let mut sums = [0, 0];
        for thread in threads.flatten() {
            let times = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            for (sum, field) in sums.iter_mut().zip(times.split_whitespace()) {
                *sum += field.parse::<u64>().expect("nanoseconds");
            }
        }
        let [had, waited] = sums.map(Duration::from_nanos);
        (had, waited)
    }

    fn pid(&self) -> String {
        self.child.as_ref().expect("a node that runs").id().to_string()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may be stopped, or dead.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How many busy loops take the time of a node that starves.
const HOGS: usize = 3;

/// A node that hardly runs, as long as this lives.
#[derive(Debug)]
pub struct Starvation {
    hogs: Vec<Child>,
}

impl Drop for Starvation {
    fn drop(&mut self) {
        for hog in &mut self.hogs {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}
