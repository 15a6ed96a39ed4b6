//! A master and a replica behind a sentinel.

use std::fs;

use redis::Cmd;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Guard, Process, RedisServer, connect, tls_lines, write_certificates};
use crate::reserve_port;

/// A master with a replica, and one sentinel that fails over within about two seconds.
#[derive(Debug)]
pub struct RedisSentinel {
    _sentinel: Process,
    folder: TempDir,
    guard: Guard,
    port: u16,
    master: RedisServer,
    replica: RedisServer,
}

impl RedisSentinel {
    /// The name of the master.
    pub const MASTER: &str = "themaster";

    /// All three, once they know each other. TLS is for all of them, a password for the servers and not for the sentinel.
    pub fn start(guard: Guard) -> Self {
        let master = RedisServer::start(guard);
        let master_port = master.port();
        let replica = RedisServer::start_with(guard, |_| vec![format!("replicaof 127.0.0.1 {master_port}")]);
        replica.wait_for(&["INFO", "replication"], |info: &String| info.contains("master_link_status:up"));
        let (folder, port, name) = (tempfile::tempdir().unwrap(), reserve_port(), Self::MASTER);
        let mut lines = if guard.is_encrypted() {
            write_certificates(folder.path());
            tls_lines(guard, port)
        } else {
            vec![format!("port {port}")]
        };
        lines.extend([
            "bind 127.0.0.1".to_owned(),
            format!("sentinel monitor {name} 127.0.0.1 {master_port} 1"),
            format!("sentinel down-after-milliseconds {name} 1000"),
            format!("sentinel failover-timeout {name} 3000"),
        ]);
        if guard != Guard::Open {
            lines.push(format!("sentinel auth-pass {name} \"{}\"", RedisServer::PASSWORD));
        }
        fs::write(folder.path().join("sentinel.conf"), lines.join("\n")).unwrap();
        let sentinel = Process::launch(folder.path(), &["sentinel.conf", "--sentinel"]);
        let all = Self { _sentinel: sentinel, folder, guard, port, master, replica };
        all.wait_for(|masters| masters.contains("slaves=1") && masters.contains("status=ok"));
        all
    }

    /// The setting `plugins.cluster.redis` for it.
    pub fn setting(&self) -> Value {
        let sentinels = json!([{ "host": "127.0.0.1", "port": self.port }]);
        let mut setting = self.master.with_access(json!({ "sentinels": sentinels, "name": Self::MASTER }));
        if self.guard.is_encrypted() {
            setting["sentinelTLS"] = self.master.tls();
            setting["enableTLSForSentinelMode"] = true.into();
        }
        setting
    }

    /// Ends the master.
    pub fn kill_master(&mut self) {
        self.master.kill();
    }

    /// Waits until the replica is master and the sentinel says so.
    pub fn wait_for_successor(&self) {
        let replica = format!("address=127.0.0.1:{}", self.replica.port());
        self.wait_for(|masters| masters.contains(&replica));
        self.replica.wait_for(&["ROLE"], |role: &redis::Value| format!("{role:?}").contains("master"));
    }

    fn wait_for(&self, fits: impl Fn(&str) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let answer = connect(self.folder.path(), self.guard, self.port, None)
                .and_then(|mut link| Cmd::new().arg("INFO").arg("sentinel").query::<String>(&mut link));
            if answer.is_ok_and(|info| fits(&info)) {
                return;
            }
            assert!(began.elapsed() < crate::GIVE_UP, "the sentinel does not get there");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
