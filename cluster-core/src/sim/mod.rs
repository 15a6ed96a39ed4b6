//! A cluster in virtual time: the engines and sessions of the runtime on one clock and a seeded network.
//!
//! Authors of nodes can try network splits with it. Everything in a run follows from its settings, its seed and the calls
//! that are made, so a failure is replayed by its seed; [`Sim::trace`] tells two runs apart. [`schedule`] makes random runs.
//!
//! ```
//! use std::time::Duration;
//! use cluster_core::sim::{Sim, SimSettings, invariants};
//!
//! let mut sim = Sim::new(SimSettings::new(3), 7);
//! sim.run_until_calm(Duration::from_secs(10))?;
//! sim.split(&[0], &[1, 2]);
//! sim.subscribe(0, 1, 42);
//! sim.run_for(Duration::from_secs(5));
//! sim.heal();
//! sim.run_until_calm(Duration::from_secs(30))?;
//! assert_eq!(sim.engine(2).state().rooms(), 1);
//! assert!(sim.counters().dropped > 0, "the split cut nothing");
//! # Ok::<(), invariants::Violation>(())
//! ```
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod blocks;
mod clock;
mod counters;
mod desk;
mod discovery;
mod driving;
mod faults;
mod host;
pub mod invariants;
mod judging;
mod links;
mod live;
mod model;
mod network;
mod numbers;
mod pieces;
mod process;
mod queue;
mod reading;
mod rule;
pub mod schedule;
mod sessions;
mod settings;
mod swallow;
mod tapes;
mod timetable;
mod trace;
mod verbs;
mod watched;
mod wires;
mod world;

pub use counters::Counters;
pub use host::{Host, Stamp, Told};
pub use model::{Model, room};
pub use rule::{Duplication, Jitter, Loss, Passage, Rule, SlowPeer, Verdict};
pub use settings::SimSettings;
pub use trace::Trace;
pub use world::Sim;

#[cfg(test)]
mod tests;
