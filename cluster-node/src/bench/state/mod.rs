//! Measures what members know of each other: rooms on their way to a peer, joiners, idle meshes, killed processes.
//!
//! Every member is a process of its own on loopback, a [`Cluster`](cluster_core::runtime::Cluster) with defaults whose host
//! only counts. Times are read from the clock that all processes of a machine share, where what is awaited comes about.

mod crew;
mod figures;
mod host;
mod idle;
mod kill;
mod member;
mod orders;
mod plan;
mod rooms;
mod sync;

pub use idle::{Idle, idle};
pub use kill::{Killed, kill};
pub use member::serve as serve_member;
pub use plan::{IdlePlan, KillPlan, Links, RoomsPlan, SyncPlan};
pub use rooms::{Changes, rooms};
pub use sync::{Caught, sync};
