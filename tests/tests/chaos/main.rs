//! A day in miniature: four real processes with mutual TLS under a schedule that the simulator's generator makes from a seed.
//!
//! They are killed, stopped, started again and told to leave, while clients of each publish to clients of all others. In the
//! end every message between two processes that lived and had not given each other up has arrived, once and in order, up to the
//! last one; all agree, by their status, which never told of anything that may not be; and the one process that lived all through
//! it needs no more memory and has no more files open than before.
//!
//! `CLUSTER_CHAOS_SECONDS` (default 120) says for how long, `CLUSTER_SEED` what happens.
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
mod promises;
mod resources;
mod watch;

use std::time::Duration;

use cluster_core::sim::schedule::{Profile, Step};
use tokio::time::Instant;

use clients::Clients;
use crew::{Crew, NODES};
use ledger::Ledger;
use promises::{are_at_rest, are_settled};
use resources::Resources;
use watch::Watch;

/// Each node has one.
const LISTENERS: u64 = NODES as u64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_die_stop_and_come_back_lose_nothing_without_a_word() {
    let seconds = variable("CLUSTER_CHAOS_SECONDS").unwrap_or(120);
    let seed = variable("CLUSTER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("chaos: {seconds} s with CLUSTER_SEED={seed}");
    let (mut crew, ledger, mut resources) = (Crew::start().await, Ledger::default(), Resources::default());
    let watch = Watch::over(crew.addresses(), seed);
    watch.until("find each other", |all| are_settled(all, 0)).await;
    let mut clients = Clients::start(&crew.addresses(), &ledger);
    watch.until("agree", |all| are_settled(all, LISTENERS)).await;
    resources.count_files(crew.witness());

    let schedule = Profile::Processes.schedule(seed, NODES..=NODES, seconds);
    let end = Instant::now() + Duration::from_secs(seconds);
    for step in &schedule.steps {
        if Instant::now() >= end {
            break;
        }
        crew.perform(step).await;
        if matches!(step, Step::Wait { .. }) {
            watch.sample().await;
            resources.sample(&crew.processes());
        }
    }
    crew.put_right().await;
    let right = Instant::now();
    watch.until("agree again", |all| are_settled(all, LISTENERS)).await;
    println!("chaos: all agree {:.1} s after the last trouble", right.elapsed().as_secs_f64());
    ledger.quiet(seed).await;
    resources.count_files(crew.witness());
    clients.stop_publishing().await;
    ledger.last_words(seed).await;
    watch.until("come to rest", |all| are_at_rest(all, LISTENERS)).await;
    clients.stop().await;

    let totals = ledger.account(&watch.removals(), crew.fates(), seed);
    println!("chaos: {seconds} s, seed {seed}: {}; {totals}; {resources}", crew.tally());
    assert!(totals.received > 0, "nothing was tried (CLUSTER_SEED={seed})");
    resources.assert_flat(seed);
    crew.end();
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, which is not a whole number")))
}
