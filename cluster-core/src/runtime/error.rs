//! What can go wrong between a host and its cluster.

use std::net::SocketAddr;
use std::time::Duration;

use cluster_transport::binding::{Binding, ResolveError};
use cluster_transport::endpoint::RequestError;
use cluster_transport::link::tcp::BindError;
use cluster_transport::proto::NodeId;
use cluster_transport::proto::endpoint::SettingsError;
use cluster_transport::tls::IdentityError;

use crate::config::ExposureError;
use crate::engine::members::MembersSettingsError;

/// Why a member did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The certificate, the key or the authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] IdentityError),
    /// A binding means nothing on this machine.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The machine's interfaces or a host name could not be read.
    #[error("cannot find out what {what} is: {source}")]
    Lookup {
        /// What was looked up.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Without TLS only loopback may be bound.
    #[error(transparent)]
    Exposure(#[from] ExposureError),
    /// An address could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A binding for QUIC on a node without TLS.
    #[error(
        "{binding} cannot be served: QUIC always has TLS; configure plugins.cluster.tls.certificate, key and authorities, or write tcp:// in place of quic://"
    )]
    QuicWithoutTls {
        /// The binding.
        binding: Binding,
    },
    /// A binding of which no other node can be told an address.
    #[error(
        "{binding} is bound as {bound}, which is no address for others: set plugins.cluster.advertise to where this node can be dialled"
    )]
    NotAdvertisable {
        /// The binding.
        binding: Binding,
        /// What was bound.
        bound: SocketAddr,
    },
    /// Settings of the membership that cannot be.
    #[error(transparent)]
    Members(#[from] MembersSettingsError),
    /// Settings of the endpoint that cannot be.
    #[error(transparent)]
    Endpoint(#[from] SettingsError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

/// Some members have not applied a change in time. What is published on them may still miss the subscriber.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after {waited:?} not heard by {}", names(.by))]
pub struct NotHeard {
    /// Which members.
    pub by: Vec<NodeId>,
    /// How long they had.
    pub waited: Duration,
}

/// Some members do not hold the same state as this one, as far as it has heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after {waited:?} not the same state as {}", names(.with))]
pub struct NotConverged {
    /// Which members.
    pub with: Vec<NodeId>,
    /// How long they had.
    pub waited: Duration,
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

/// Why a request to another node has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFailure {
    /// There is no session with that node.
    #[error("there is no session with {node}")]
    NoSession {
        /// The node.
        node: NodeId,
    },
    /// The name of the request is too long.
    #[error("the name of a request may have {limit} bytes, not {len}")]
    NameTooLong {
        /// How long it is.
        len: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The answer is none.
    #[error("{node} gave an answer that is none")]
    Nonsense {
        /// Who answered.
        node: NodeId,
    },
    /// The request was sent, or should have been.
    #[error(transparent)]
    Request(#[from] RequestError),
}
