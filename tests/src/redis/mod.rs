//! Real Redis servers on loopback: one server, one behind sentinels, or a Redis Cluster, each in a folder of its own
//! and ended with its value.

mod cluster;
mod sentinel;
mod server;

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;
pub use server::{Guard, RedisServer};
