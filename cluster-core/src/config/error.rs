//! What can be wrong with a configuration.

use std::net::SocketAddr;

use cluster_transport::binding::Binding;

use super::sources::Source;

/// A configuration that cannot be used. Each message says what was given, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {file}: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: String,
    },
    /// The text is not JSON.
    #[error("{given_by} is not JSON: {problem}")]
    Syntax {
        /// The file, variable or assignment.
        given_by: Source,
        /// What is wrong, and where.
        problem: String,
    },
    /// A `--set` without `=`.
    #[error("--set {given} is not an assignment: write --set plugins.cluster.minimumNodes=3")]
    NotAnAssignment {
        /// What was given.
        given: String,
    },
    /// A key that is no setting.
    #[error("{key}, given by {given_by}, is not a setting: the nearest one is {nearest}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was given.
        given_by: Source,
        /// The setting, or group of settings, that is spelled most alike.
        nearest: String,
    },
    /// A value of another type than the setting's, or out of its range.
    #[error("{key} is {given}, given by {given_by}: expected {expected}")]
    Unfit {
        /// The setting.
        key: String,
        /// The value; masked if it is a secret.
        given: String,
        /// Where it was given.
        given_by: Source,
        /// What fits.
        expected: String,
    },
    /// A text that cannot be the value of the setting.
    #[error("{key}, given by {given_by}: {problem}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// Where it was given.
        given_by: Source,
        /// What is wrong with it.
        problem: String,
    },
    /// A Redis Cluster with a database other than 0.
    #[error(
        "{key}, given by {given_by}, is a Redis Cluster, and of one with the database {database}: a Redis Cluster has \
         database 0 alone; set the database to 0, or name one server instead of a list"
    )]
    RedisClusterDatabase {
        /// The setting with the nodes.
        key: &'static str,
        /// Where it was given.
        given_by: Source,
        /// The database that was asked for.
        database: u32,
    },
    /// Both `bind` and one of `bindings` are given.
    #[error(
        "plugins.cluster.bind (given by {bind_by}) and {other} (given by {other_by}) exclude each other: \
         bind means one port for everything; give one of the two"
    )]
    BoundTwice {
        /// Where `bind` was given.
        bind_by: Source,
        /// The other setting.
        other: &'static str,
        /// Where the other one was given.
        other_by: Source,
    },
    /// Some of the files that TLS needs are given, but not all.
    #[error(
        "plugins.cluster.tls needs certificate, key and authorities together: missing is {missing}; \
         give it, or none of the three for a node that listens on loopback only"
    )]
    TlsIncomplete {
        /// The keys that are missing.
        missing: String,
    },
    /// TLS is configured and plaintext asked for.
    #[error(
        "plugins.cluster.tls.dangerousPlaintext (given by {given_by}) contradicts plugins.cluster.tls.certificate: \
         remove one of the two"
    )]
    TlsContradiction {
        /// Where plaintext was asked for.
        given_by: Source,
    },
    /// QUIC is asked for on a node without TLS.
    #[error(
        "{key} is {given}, given by {given_by}: QUIC always has TLS; give plugins.cluster.tls.certificate, key and \
         authorities, or write tcp:// in place of quic://"
    )]
    QuicWithoutTls {
        /// The setting.
        key: &'static str,
        /// The binding or address.
        given: String,
        /// Where it was given.
        given_by: Source,
    },
    /// A limit for one thing is above the limit for all such things.
    #[error("{key} is {value}, above {whole_key}, which is {whole}: lower the first or raise the second")]
    PartAboveWhole {
        /// The limit for one thing.
        key: &'static str,
        /// Its value.
        value: usize,
        /// The limit for all of them.
        whole_key: &'static str,
        /// Its value.
        whole: usize,
    },
}

/// A binding that strangers could reach, on a node without TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{binding} is refused: without TLS only loopback may be bound, and it means {address}; \
     configure plugins.cluster.tls.certificate, key and authorities, or set \
     plugins.cluster.tls.dangerousPlaintext to true if everybody who can reach this address may join and read all"
)]
pub struct ExposureError {
    /// What was asked for.
    pub(super) binding: Binding,
    /// What it resolved to.
    pub(super) address: SocketAddr,
}
