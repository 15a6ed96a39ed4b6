//! A long run in miniature: three members with mutual TLS that publish at random sizes, while links are cut, hosts are slow and
//! certificates are renewed. In the end every notification has arrived once and in order, or its loss was announced; and the
//! memory has stayed where it was.
//!
//! `CLUSTER_SOAK_SECONDS` (default 60) says for how long, `CLUSTER_SEED` what happens.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has done"
)]

mod cast;
mod ledger;
mod memory;
mod trouble;

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use cast::Cast;
use memory::Memory;
use trouble::Troubles;

/// How often memory and queues are looked at.
const SAMPLE: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_without_a_word_and_memory_stays_flat() {
    let seconds = variable("CLUSTER_SOAK_SECONDS").unwrap_or(60);
    let seed = variable("CLUSTER_SEED").unwrap_or_else(rand_seed);
    println!("soak: {seconds} s with CLUSTER_SEED={seed}");
    let end = Instant::now() + Duration::from_secs(seconds);
    let cast = Cast::start(seed).await;
    let publishers = cast.publish_until(end, seed);
    let mut troubles = Troubles::new(ChaCha8Rng::seed_from_u64(seed));
    let mut memory = Memory::default();
    while Instant::now() < end {
        tokio::time::sleep_until(end.min(Instant::now() + SAMPLE)).await;
        troubles.turn(&cast);
        cast.assert_bounded(seed);
        memory.sample();
    }
    troubles.end(&cast);
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let totals = cast.settle(seed).await;
    println!("soak: {seconds} s, seed {seed}: {totals}; {troubles}; {memory}");
    assert!(totals.sent > 0 && troubles.cuts > 0, "nothing was tried (CLUSTER_SEED={seed})");
    memory.assert_flat(seed);
    cast.leave().await;
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is {value:?}, which is not a whole number")))
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
