//! A Redis Cluster of three masters, with replicas on demand.

use serde_json::{Value, json};

use super::server::{Guard, RedisServer};
use crate::reserve_port;

/// The slots of the three masters.
const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// A Redis Cluster on loopback that answers for all slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters first, then a replica of each in the same order.
    servers: Vec<RedisServer>,
    /// The master that was ended.
    ended: Option<usize>,
}

impl RedisCluster {
    /// Three masters without replicas.
    pub fn start(guard: Guard) -> Self {
        Self::of_masters(guard)
    }

    /// Three masters, each with a replica that takes its place within about two seconds.
    pub fn start_with_replicas(guard: Guard) -> Self {
        let mut cluster = Self::of_masters(guard);
        for number in 0..SLOTS.len() {
            let replica = server(guard);
            let master: String = cluster.servers[number].command(&["CLUSTER", "MYID"]);
            meet(&replica, &cluster.servers[0]);
            replica.wait_for(&["CLUSTER", "NODES"], |nodes: &String| nodes.contains(&master));
            replica.command::<()>(&["CLUSTER", "REPLICATE", &master]);
            cluster.servers.push(replica);
        }
        let all = cluster.servers.len();
        for server in &cluster.servers {
            server.wait_for(&["CLUSTER", "NODES"], |nodes: &String| nodes.lines().count() == all);
        }
        for replica in &cluster.servers[SLOTS.len()..] {
            replica
                .wait_for(&["INFO", "replication"], |info: &String| info.contains("master_link_status:up"));
        }
        cluster
    }

    fn of_masters(guard: Guard) -> Self {
        let servers: Vec<_> = SLOTS.iter().map(|_| server(guard)).collect();
        for (number, (server, (first, last))) in servers.iter().zip(SLOTS).enumerate() {
            let (epoch, first, last) = ((number + 1).to_string(), first.to_string(), last.to_string());
            server.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            server.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
        }
        for server in &servers[1..] {
            meet(server, &servers[0]);
        }
        for server in &servers {
            let is_whole =
                |info: &String| info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
            server.wait_for(&["CLUSTER", "INFO"], is_whole);
        }
        Self { servers, ended: None }
    }

    /// The setting `plugins.cluster.redis` for it: the three masters.
    pub fn setting(&self) -> Value {
        let (first, masters) = (&self.servers[0], self.servers.iter().take(SLOTS.len()));
        masters
            .map(|server| first.with_access(json!({ "host": "127.0.0.1", "port": server.port() })))
            .collect()
    }

    /// All its servers.
    pub fn servers(&mut self) -> &mut [RedisServer] {
        &mut self.servers
    }

    /// Ends the master that a key is on.
    pub fn kill_master_of(&mut self, key: &str) {
        let slot: u16 = self.servers[0].command(&["CLUSTER", "KEYSLOT", key]);
        let master = SLOTS.iter().position(|(first, last)| (*first..=*last).contains(&slot)).unwrap();
        self.servers[master].kill();
        self.ended = Some(master);
    }

    /// Waits until the replica of the master that was ended answers in its place.
    pub fn wait_for_successor(&self) {
        let replica = &self.servers[self.ended.unwrap() + SLOTS.len()];
        replica.wait_for(&["ROLE"], |role: &redis::Value| format!("{role:?}").contains("master"));
        replica.wait_for(&["CLUSTER", "INFO"], |info: &String| info.contains("cluster_state:ok"));
    }
}

fn server(guard: Guard) -> RedisServer {
    RedisServer::start_with(guard, |_| {
        let mut lines = vec![
            "cluster-enabled yes".to_owned(),
            "cluster-config-file nodes.conf".to_owned(),
            format!("cluster-port {}", reserve_port()),
            "cluster-node-timeout 1000".to_owned(),
            "cluster-replica-validity-factor 0".to_owned(),
        ];
        if guard.is_encrypted() {
            lines.push("tls-cluster yes".to_owned());
        }
        lines
    })
}

/// The other one's bus port is not the usual one, and has to be named.
fn meet(server: &RedisServer, other: &RedisServer) {
    let config: Vec<String> = other.command(&["CONFIG", "GET", "cluster-port"]);
    server.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &config[1]]);
}
