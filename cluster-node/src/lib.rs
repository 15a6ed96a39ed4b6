//! A reference node on the public API of the cluster crates.

pub mod filter;
