//! Finding each other through real Redis servers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod leases;
mod outages;
mod registers;
mod store;
