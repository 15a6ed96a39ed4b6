//! One `redis-server` process.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use redis::{
    Client, Cmd, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo,
    TlsCertificates,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{GIVE_UP, reserve_port};

/// How a server is guarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Not at all.
    #[default]
    Open,
    /// By a password.
    Password,
    /// By a password over TLS, with a certificate for 127.0.0.1.
    Tls,
}

/// A server on a free port of 127.0.0.1. It keeps nothing on disk: once it was ended, it starts empty.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    folder: TempDir,
    guard: Guard,
    port: u16,
}

impl RedisServer {
    /// The password of a guarded server.
    pub const PASSWORD: &str = "correct horse";

    /// A server that answers.
    pub fn start(guard: Guard) -> Self {
        Self::start_with(guard, |_| Vec::new())
    }

    /// A server with more lines in its configuration, which may depend on its port.
    pub fn start_with(guard: Guard, lines: impl Fn(u16) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if guard == Guard::Tls {
            write_certificates(folder.path());
        }
        let port = reserve_port();
        let text = configuration(guard, port, lines(port)).join("\n");
        fs::write(folder.path().join("redis.conf"), text).unwrap();
        let process = Process::launch(folder.path(), &["redis.conf"]);
        let server = Self { process, folder, guard, port };
        server.wait_until_it_answers();
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The setting `plugins.cluster.redis` for it.
    pub fn setting(&self) -> Value {
        self.with_access(json!({ "host": "127.0.0.1", "port": self.port }))
    }

    /// Ends it as `kill -9` does; all that it held is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on its port, empty.
    pub fn restart(&mut self) {
        self.process = Process::launch(self.folder.path(), &["redis.conf"]);
        self.wait_until_it_answers();
    }

    /// Stops it where it stands: it accepts connections and answers nothing.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// A command to it, with its answer.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        command.arg(words);
        let answer = self.connect().and_then(|mut connection| command.query(&mut connection));
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}\n{}", log(self.folder.path())))
    }

    /// Waits until a command is answered in a certain way.
    pub fn wait_for<T: FromRedisValue>(&self, words: &[&str], fits: impl Fn(&T) -> bool) {
        let began = Instant::now();
        while !fits(&self.command(words)) {
            if began.elapsed() > GIVE_UP {
                panic!("{words:?} is not answered as wanted\n{}", log(self.folder.path()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A setting of one server or of many, with what this server's guard asks for.
    pub(super) fn with_access(&self, mut setting: Value) -> Value {
        if self.guard != Guard::Open {
            setting["password"] = Self::PASSWORD.into();
        }
        if self.guard == Guard::Tls {
            setting["tls"] = json!({ "ca": self.folder.path().join("ca.pem") });
        }
        setting
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let host = "127.0.0.1".to_owned();
        let login = match self.guard {
            Guard::Open => RedisConnectionInfo::default(),
            Guard::Password | Guard::Tls => RedisConnectionInfo::default().set_password(Self::PASSWORD),
        };
        let client = if self.guard == Guard::Tls {
            cluster_transport::tls::install_ring_if_none();
            let address = ConnectionAddr::TcpTls { host, port: self.port, insecure: false, tls_params: None };
            let root_cert = Some(fs::read(self.folder.path().join("ca.pem")).unwrap());
            let certificates = TlsCertificates { client_tls: None, root_cert };
            Client::build_with_tls(address.into_connection_info()?.set_redis_settings(login), certificates)?
        } else {
            let address = ConnectionAddr::Tcp(host, self.port);
            Client::open(address.into_connection_info()?.set_redis_settings(login))?
        };
        client.get_connection_with_timeout(Duration::from_secs(1))
    }

    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        loop {
            let answer = self
                .connect()
                .and_then(|mut connection| Cmd::new().arg("PING").query::<String>(&mut connection));
            match answer {
                Ok(_) => return,
                Err(error) if began.elapsed() > GIVE_UP => {
                    panic!("redis-server does not answer: {error}\n{}", log(self.folder.path()))
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// A process of Redis in its folder, ended with this value.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Its output goes to `log` in the folder.
    pub(super) fn launch(folder: &Path, arguments: &[&str]) -> Self {
        let log = || File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let child = Command::new("redis-server")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("redis-server starts: install it with `apt-get install redis-server`");
        Self(child)
    }

    pub(super) fn kill(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(super) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.0.id().to_string()).status();
        assert!(kill.expect("kill starts").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn configuration(guard: Guard, port: u16, more: Vec<String>) -> Vec<String> {
    let mut lines = vec!["bind 127.0.0.1".to_owned(), "save \"\"".to_owned(), "appendonly no".to_owned()];
    match guard {
        Guard::Tls => {
            lines.extend([
                "port 0".to_owned(),
                format!("tls-port {port}"),
                "tls-cert-file server.pem".to_owned(),
                "tls-key-file server-key.pem".to_owned(),
                "tls-ca-cert-file ca.pem".to_owned(),
                "tls-auth-clients no".to_owned(),
            ]);
        }
        Guard::Open | Guard::Password => lines.push(format!("port {port}")),
    }
    if guard != Guard::Open {
        let password = RedisServer::PASSWORD;
        lines.push(format!("requirepass \"{password}\""));
        lines.push(format!("masterauth \"{password}\""));
    }
    lines.extend(more);
    lines
}

/// The certificates of all servers of a process, in PEM: those of a Redis Cluster have to trust each other.
struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

fn write_certificates(folder: &Path) {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    let Certificates { authority, certificate, key } = CERTIFICATES.get_or_init(Certificates::new);
    for (name, text) in [("ca.pem", authority), ("server.pem", certificate), ("server-key.pem", key)] {
        fs::write(folder.join(name), text).unwrap();
    }
}

impl Certificates {
    /// An authority, and a certificate of it for 127.0.0.1 and localhost.
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate that has its issuer's name for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self { authority, certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
