//! A node of a cluster with mutual TLS is attacked: by strangers, by members that break the protocol, and by members that lie.
//!
//! Each attack meets a bound, a close code or a refusal, and a counter; the node's other member and both their clients go on
//! meanwhile, and its memory stays where it was. `tests/attacks` makes the table of docs/SECURITY.md of the rows that are printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has measured"
)]

mod liars;
mod members;
mod strangers;
