//! A day in miniature: four real processes with mutual TLS under a schedule that the simulator's generator makes from a seed.
//!
//! They are killed, stopped, started again and told to leave, while clients of each publish to clients of all others. In the
//! end every message between two processes that lived and had not given each other up has arrived, once and in order; all agree,
//! by their status; and the memory has stayed where it was.
//!
//! `CLUSTER_CHAOS_SECONDS` (default 25) says for how long, `CLUSTER_SEED` what happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has done"
)]

mod clients;
mod crew;
mod ledger;
mod watch;

use std::time::Duration;

use cluster_core::sim::schedule::{Profile, Step};
use tokio::time::Instant;

use clients::Clients;
use crew::{Crew, NODES};
use ledger::Ledger;
use watch::Watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_die_stop_and_come_back_lose_nothing_without_a_word() {
    let seconds = variable("CLUSTER_CHAOS_SECONDS").unwrap_or(25);
    let seed = variable("CLUSTER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("chaos: {seconds} s with CLUSTER_SEED={seed}");
    let (crew, ledger) = (Crew::start().await, Ledger::default());
    let watch = Watch::over(crew.addresses());
    watch.until("find each other", seed, watch::is_settled).await;
    let clients = Clients::start(&crew.addresses(), &ledger);

    let schedule = Profile::Processes.schedule(seed, NODES..=NODES, seconds);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut crew = crew;
    for step in &schedule.steps {
        if Instant::now() >= end {
            break;
        }
        crew.perform(step).await;
        if matches!(step, Step::Wait { .. }) {
            watch.sample(&crew.processes()).await;
        }
    }
    crew.put_right().await;
    watch.until("agree again", seed, watch::is_settled).await;
    ledger.quiet(seed).await;
    clients.stop().await;
    watch.sample(&crew.processes()).await;

    let (memory, removals) = (watch.memory(), watch.removals());
    let totals = ledger.account(&removals, seed);
    println!("chaos: {seconds} s, seed {seed}: {}; {totals}; {memory}", crew.tally());
    assert!(totals.received > 0, "nothing was tried (CLUSTER_SEED={seed})");
    memory.assert_flat(seed);
    crew.end();
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, which is not a whole number")))
}
