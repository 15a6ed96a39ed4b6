//! The command line as a user meets it: real processes, their lines and their exit codes.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bench;
mod demo;
mod insight;
mod members;
mod operate;
mod process;
mod run;
mod simulate;
mod trace;
