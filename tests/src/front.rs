//! What stands in front of the nodes: nginx and HAProxy, with the configurations that operators are given.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{GIVE_UP, compose, http, reserve_port};

/// A running front, ended with this value.
#[derive(Debug)]
pub struct Front {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Front {
    /// nginx with the `nginx.conf` of docker-compose: addresses are replaced, and `/tmp` is a folder of its own.
    pub fn nginx(nodes: &[u16]) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), reserve_port());
        let own = folder.path().to_str().unwrap().to_owned();
        let servers = servers(nodes, |node| format!("server 127.0.0.1:{node} max_fails=1 fail_timeout=2s;"));
        let text = replaced(
            "nginx.conf",
            &[
                ("listen 7512;", &format!("listen 127.0.0.1:{port};")),
                ("resolver 127.0.0.11 valid=2s ipv6=off;", ""),
                ("server node:7512 resolve max_fails=1 fail_timeout=2s;", &servers),
            ],
        );
        let text = format!("daemon off;\n{}", text.replace("/tmp/", &format!("{own}/")));
        let arguments = ["-p", &own, "-e", "stderr", "-c"];
        Self::launch("nginx", &arguments, &text, folder, port)
    }

    /// HAProxy with the `haproxy.cfg` of docker-compose, in which addresses are replaced.
    pub fn haproxy(nodes: &[u16]) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), reserve_port());
        let servers = servers(nodes, |node| format!("server node-{node} 127.0.0.1:{node}"));
        let text = replaced(
            "haproxy.cfg",
            &[
                ("bind :7512", &format!("bind 127.0.0.1:{port}")),
                ("server-template node 16 node:7512 resolvers docker init-addr none", &servers),
            ],
        );
        // -db: in the foreground.
        Self::launch("haproxy", &["-db", "-f"], &text, folder, port)
    }

    fn launch(program: &str, arguments: &[&str], text: &str, folder: TempDir, port: u16) -> Self {
        let (configuration, log) = (folder.path().join("configuration"), folder.path().join("log"));
        fs::write(&configuration, text).unwrap();
        let log = File::create(log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&configuration).stdin(Stdio::null()).stdout(log.try_clone().unwrap());
        let child = command.stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
        let mut front = Self { child, folder, port };
        front.wait_until_it_answers();
        front
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn wait_until_it_answers(&mut self) {
        let began = Instant::now();
        while http::get(self.port, "/_healthcheck").is_none_or(|(status, _)| status != 200) {
            let ended = self.child.try_wait().unwrap();
            let in_time = ended.is_none() && began.elapsed() < GIVE_UP;
            assert!(in_time, "it has not come up ({ended:?}): {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to end, and leaves them behind when it is killed.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn servers(nodes: &[u16], line: impl Fn(&u16) -> String) -> String {
    nodes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A file of docker-compose in which each of these texts, which is there once, is replaced by another.
fn replaced(file: &str, by: &[(&str, &str)]) -> String {
    let path: &Path = &compose::folder().join(file);
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in by {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        text = text.replace(from, to);
    }
    text
}
