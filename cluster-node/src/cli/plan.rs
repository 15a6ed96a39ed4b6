//! What a start with a configuration would do on this machine, found out without doing it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use cluster_core::config::{Config, Security};
use cluster_core::engine::members::doubted_after;
use cluster_transport::binding::Interface;
use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use cluster_transport::tls::{Tls, TlsFiles, TlsIdentity};
use serde::Serialize;

/// The heartbeat of the original, which its files often carry over.
const HEARTBEAT_OF_THE_ORIGINAL: Duration = Duration::from_secs(5);

/// What a start would do.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// Where it would listen for members.
    pub(super) listening: Vec<Place>,
    /// How links between members would be secured.
    pub(super) security: String,
    /// Where it would look for members; empty if it would wait to be found.
    pub(super) discovery: Vec<String>,
    /// Whether registers outlive the whole cluster, and where.
    pub(super) registers: String,
    /// What is allowed, and worth knowing.
    pub(super) notes: Vec<String>,
    /// Why it would not start.
    pub(super) problems: Vec<String>,
}

/// A place to listen at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// The name of the binding.
    pub(super) name: &'static str,
    /// As it is configured.
    pub(super) binding: String,
    /// What that means on this machine.
    pub(super) addresses: Vec<SocketAddr>,
    /// What other members would be told; nothing for an alias.
    pub(super) advertised: Vec<String>,
}

impl Plan {
    /// Reads interfaces, names and certificates; binds and dials nothing.
    pub(super) async fn of(config: &Config) -> Self {
        let mut plan = Self::default();
        plan.secure(config);
        plan.listen(config).await;
        plan.discover(config);
        plan.note(config);
        plan
    }

    fn secure(&mut self, config: &Config) {
        match config.security() {
            Security::Plaintext(_) => {
                self.security = "no TLS: whoever reaches this node can join and read everything".to_owned();
            }
            Security::Tls(_) => match tls(config) {
                Ok(tls) => {
                    let days = tls.days_to_expiry(SystemTime::now());
                    let node = tls.node_id().map_or_else(|| "any node".to_owned(), |node| node.to_string());
                    self.security =
                        format!("mutual TLS with the certificate of {node}, valid for {days} days");
                }
                Err(problem) => {
                    self.security = "mutual TLS, with files that cannot be used".to_owned();
                    self.problems.push(problem);
                }
            },
        }
    }

    async fn listen(&mut self, config: &Config) {
        let interfaces = match Interface::all() {
            Ok(interfaces) => interfaces,
            Err(error) => {
                self.problems.push(format!("this machine's interfaces cannot be read: {error}"));
                return;
            }
        };
        let own: Vec<String> = config.advertise().iter().map(Address::to_string).collect();
        for listener in config.listeners() {
            let (name, binding) = (listener.name(), listener.binding());
            let mut place = Place {
                name: name.as_str(),
                binding: binding.to_string(),
                addresses: Vec::new(),
                advertised: Vec::new(),
            };
            match binding.resolve(&interfaces) {
                Err(error) => self.problems.push(error.to_string()),
                Ok(resolved) => {
                    match resolved.lookup().await {
                        Ok(addresses) => place.addresses = addresses,
                        Err(error) => {
                            self.problems.push(format!("cannot find out what {binding} is: {error}"))
                        }
                    }
                    let exposed =
                        place.addresses.iter().find_map(|at| config.check_exposure(binding, *at).err());
                    self.problems.extend(exposed.map(|error| error.to_string()));
                    if name.is_advertised() && own.is_empty() {
                        match resolved.advertised(binding.port()) {
                            Some(address) => place.advertised.push(address.to_string()),
                            None => self.problems.push(format!(
                                "{binding} is no address for others: set plugins.cluster.advertise to where this node can be dialled"
                            )),
                        }
                    } else if name.is_advertised() {
                        place.advertised.clone_from(&own);
                    }
                }
            }
            if binding.scheme() == Scheme::Quic && matches!(config.security(), Security::Plaintext(_)) {
                self.problems
                    .push(format!("{binding} needs TLS, as all of QUIC does: configure plugins.cluster.tls"));
            }
            self.listening.push(place);
        }
    }

    fn discover(&mut self, config: &Config) {
        self.discovery.extend(config.seeds().iter().map(|seed| format!("the seed {seed}")));
        self.discovery.extend(config.dns().iter().map(|name| format!("the name {name} in the DNS")));
        self.discovery.extend(config.redis().map(ToString::to_string));
        self.registers = match config.redis() {
            Some(redis) => format!("kept in {redis} besides"),
            None => "kept by the members alone: they are gone when all have stopped".to_owned(),
        };
    }

    fn note(&mut self, config: &Config) {
        if config.heartbeat() == HEARTBEAT_OF_THE_ORIGINAL {
            let doubted = doubted_after(config.heartbeat());
            self.notes.push(format!(
                "a heartbeat of 5000 is the original's: a silent member is doubted after {doubted:?}; with the default of 500 it is after {:?}",
                doubted_after(cluster_core::config::DEFAULT_HEARTBEAT)
            ));
        }
        let nodes = config.minimum_nodes().get();
        if nodes > 1 && self.discovery.is_empty() {
            self.notes.push(format!(
                "{nodes} nodes are needed and this one looks for none: it waits to be found, or set plugins.cluster.seeds"
            ));
        }
    }

    /// As lines of text.
    pub(super) fn lines(&self, config: &Config) -> Vec<String> {
        let mut lines = Vec::new();
        for place in &self.listening {
            let at: Vec<String> = place.addresses.iter().map(SocketAddr::to_string).collect();
            let told = match place.advertised.as_slice() {
                [] => String::new(),
                told => format!(", and tell others {}", told.join(", ")),
            };
            lines.push(format!("It would listen at {} ({}){told}.", at.join(" or "), place.name));
        }
        lines.push(format!("Links between members: {}.", self.security));
        lines.push(match self.discovery.as_slice() {
            [] => "It would look for no members, and wait to be found.".to_owned(),
            from => format!("It would look for members through {}.", from.join(", ")),
        });
        lines.push(format!("Registers are {}.", self.registers));
        lines.push(format!("It would be ready with {}.", nodes(config.minimum_nodes().get())));
        lines.extend(self.notes.iter().map(|note| format!("Note: {note}.")));
        lines
    }
}

fn nodes(count: usize) -> String {
    match count {
        1 => "no other node".to_owned(),
        2 => "one other node".to_owned(),
        count => format!("{} other nodes", count - 1),
    }
}

/// The certificates of a configuration, as a start would load them.
pub(super) fn tls(config: &Config) -> Result<Tls, String> {
    let Security::Tls(files) = config.security() else { return Err("there is no TLS".to_owned()) };
    let files = TlsFiles {
        certificate: files.certificate().to_owned(),
        key: files.key().to_owned(),
        authorities: files.authorities().to_vec(),
    };
    let identity = TlsIdentity::load(&files).map_err(|error| error.to_string())?;
    let tls = Tls::new(identity, &config.cluster_name()).map_err(|error| error.to_string())?;
    if let Some(node) = config.node_id() {
        tls.require_node(&node).map_err(|error| error.to_string())?;
    }
    Ok(tls)
}
