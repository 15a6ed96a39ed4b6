//! Mutual TLS 1.3 between members.
//!
//! A member proves two things with its certificate: that it belongs to the cluster (`NAME.cluster`, checked by the stock
//! verifier of the TLS library) and which node it is (`NODE.NAME.cluster`, checked byte for byte by
//! [`PeerIdentity::permits`](crate::proto::PeerIdentity::permits) once the peer has said its id).
//!
//! There are no session tickets, no resumption and no early data: each link is judged by the certificates in force
//! when it is made. The crypto provider is ring, passed explicitly; nothing here depends on a process-wide default.

mod config;
mod fault;
#[cfg(test)]
pub(crate) mod fixture;
mod identity;
mod leaf;
mod pem;
mod watch;
mod witness;

pub use config::{ALPN, Tls, days_until, install_ring_if_none};
pub(crate) use config::{Shown, identity_of, peer_identity};
pub use fault::TlsFault;
pub use identity::TlsIdentity;
pub use pem::{IdentityError, TlsFiles};
pub use watch::{DEFAULT_WATCH_INTERVAL, TlsWatcher, WatchReport};
pub(crate) use witness::Witness;
