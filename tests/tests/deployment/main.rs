//! What operators are given to start from: the compose files, the fronts and the example for Kubernetes. No container engine
//! is needed: the files are read as one would read them, and the same topology runs as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod files;
mod fronts;
mod image;
mod kubernetes;
mod topology;
