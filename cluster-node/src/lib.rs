//! A reference node on the public API of the cluster crates.

pub mod api;
pub mod bench;
pub mod cli;
pub mod client;
pub mod filter;
pub mod load;
pub mod node;
pub mod notification;
pub mod server;
pub mod subscriptions;
