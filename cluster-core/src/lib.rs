//! The brain: membership, replicated rooms, discovery and configuration.

pub mod config;
pub mod engine;
