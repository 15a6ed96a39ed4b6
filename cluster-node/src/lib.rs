//! A reference node on the public API of the cluster crates.

pub mod api;
pub mod filter;
pub mod notification;
pub mod subscriptions;
