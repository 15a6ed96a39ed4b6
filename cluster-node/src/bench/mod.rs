//! Measures the wire: publishing and asking, between two processes on loopback or within one over memory; and what members
//! know of each other ([`state`]).
//!
//! Nothing is left out for it: messages have numbers, windows, acknowledgements and a ring, links mutual TLS where it is asked
//! for. Every run accounts for each message: what was sent was received, or was announced to both sides as lost.

mod answering;
mod asking;
mod error;
mod latency;
mod node;
mod plan;
mod progress;
mod report;
mod run;
mod sending;
mod stamp;
pub mod state;
mod subscribing;
mod usage;

pub use error::BenchError;
pub use plan::{Plan, Transport, Work};
pub use report::Report;
pub use run::run;
pub use sending::serve as serve_sender;
