//! One `redis-server` process.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use redis::{
    Client, ClientTlsConfig, Cmd, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates,
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
    /// As `Tls`, and only for clients with a certificate of the same authority.
    MutualTls,
    /// As `Tls`, in version 1.2 alone.
    Tls12,
}

impl Guard {
    /// Whether links to it are encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::MutualTls | Self::Tls12)
    }
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
        if guard.is_encrypted() {
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
        if self.guard.is_encrypted() {
            setting["tls"] = self.tls();
        }
        setting
    }

    /// The options of TLS that its clients need.
    pub(super) fn tls(&self) -> Value {
        let file = |name: &str| self.folder.path().join(name);
        match self.guard {
            Guard::MutualTls => {
                json!({ "ca": file("ca.pem"), "cert": file("client.pem"), "key": file("client-key.pem") })
            }
            _ => json!({ "ca": file("ca.pem") }),
        }
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let password = (self.guard != Guard::Open).then_some(Self::PASSWORD);
        connect(self.folder.path(), self.guard, self.port, password)
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

/// A connection to what listens at a port and is guarded so; certificates are in the folder.
pub(super) fn connect(
    folder: &Path,
    guard: Guard,
    port: u16,
    password: Option<&str>,
) -> redis::RedisResult<Connection> {
    let host = "127.0.0.1".to_owned();
    let login = RedisConnectionInfo::default();
    let login = password.map_or(login.clone(), |password| login.set_password(password));
    let client = if guard.is_encrypted() {
        cluster_transport::tls::install_ring_if_none();
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let client_tls =
            ClientTlsConfig { client_cert: read("client.pem"), client_key: read("client-key.pem") };
        let certificates = TlsCertificates { client_tls: Some(client_tls), root_cert: Some(read("ca.pem")) };
        Client::build_with_tls(address.into_connection_info()?.set_redis_settings(login), certificates)?
    } else {
        let address = ConnectionAddr::Tcp(host, port);
        Client::open(address.into_connection_info()?.set_redis_settings(login))?
    };
    client.get_connection_with_timeout(Duration::from_secs(1))
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
    if guard.is_encrypted() {
        lines.extend(tls_lines(guard, port));
    } else {
        lines.push(format!("port {port}"));
    }
    if guard != Guard::Open {
        let password = RedisServer::PASSWORD;
        lines.push(format!("requirepass \"{password}\""));
        lines.push(format!("masterauth \"{password}\""));
    }
    lines.extend(more);
    lines
}

/// How a server or a sentinel serves TLS alone, and uses it with others of its kind.
pub(super) fn tls_lines(guard: Guard, port: u16) -> Vec<String> {
    let wants_certificates = if guard == Guard::MutualTls { "yes" } else { "no" };
    let mut lines = vec![
        "port 0".to_owned(),
        format!("tls-port {port}"),
        "tls-cert-file server.pem".to_owned(),
        "tls-key-file server-key.pem".to_owned(),
        "tls-ca-cert-file ca.pem".to_owned(),
        "tls-replication yes".to_owned(),
        format!("tls-auth-clients {wants_certificates}"),
    ];
    if guard == Guard::Tls12 {
        lines.push("tls-protocols \"TLSv1.2\"".to_owned());
    }
    lines
}

/// The certificates of all servers and clients of a process, in PEM: those of a Redis Cluster have to trust each other.
struct Certificates {
    authority: String,
    /// Certificate and key.
    server: [String; 2],
    client: [String; 2],
}

/// Writes the certificates of an authority, a server and a client.
pub(super) fn write_certificates(folder: &Path) {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    let Certificates { authority, server, client } = CERTIFICATES.get_or_init(Certificates::new);
    for (name, text) in [
        ("ca.pem", authority),
        ("server.pem", &server[0]),
        ("server-key.pem", &server[1]),
        ("client.pem", &client[0]),
        ("client-key.pem", &client[1]),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

impl Certificates {
    /// An authority, and certificates of it for 127.0.0.1 and localhost, and for a client.
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate that has its issuer's name for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issue = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            [certificate.pem(), key.serialize_pem()]
        };
        Self { authority, server: issue(&["127.0.0.1", "localhost"]), client: issue(&["client"]) }
    }
}
