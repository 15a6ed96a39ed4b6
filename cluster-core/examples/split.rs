//! A cluster in virtual time: what a split does to a document that one half publishes and the other half waits for.
//!
//! `cargo run -p cluster-core --features sim --example split` runs it. Everything in it follows from the seed.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use cluster_core::sim::schedule::Profile;
use cluster_core::sim::{Passage, Rule, Sim, SimSettings, Verdict};
use cluster_transport::proto::Instant;
use rand_chacha::ChaCha8Rng;

/// A fault of one's own: whatever node 0 sends takes half a second longer.
#[derive(Debug)]
struct SlowUplink;

impl Rule for SlowUplink {
    fn judge(&mut self, _: Instant, passage: Passage, _: &mut ChaCha8Rng) -> Verdict {
        if passage.from == 0 { Verdict::Delay(Duration::from_millis(500)) } else { Verdict::Pass }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = 7;
    let quorum = NonZeroU32::MIN.saturating_add(2);
    let mut sim = Sim::new(SimSettings::new(5).minimum_nodes(quorum), seed);
    sim.run_until_calm(Duration::from_secs(10))?;
    println!("5 nodes agree after {}", sim.now());

    // A client of node 4 subscribes to room 1; nodes 3 and 4 are cut off from the others.
    sim.subscribe(4, 1, 1);
    sim.run_for(Duration::from_secs(1));
    sim.split(&[0, 1, 2], &[3, 4]);
    let removed =
        sim.run_until(Duration::from_secs(20), |sim| sim.engine(0).members().members().count() == 2);
    println!("the majority has removed them: {removed}, at {}", sim.now());
    println!("node 4 serves clients: {}", sim.engine(4).members().is_ready());

    // What is published meanwhile does not reach it, and nobody claims that it does.
    assert_eq!(sim.publish(0, 1, 100), 0, "nodes that the document is sent to");

    // The network heals, with a slow line: all promises hold again, without a restart.
    sim.heal();
    sim.add_rule(SlowUplink);
    sim.run_until_calm(Duration::from_secs(60))?;
    println!("all agree again at {}", sim.now());
    assert_eq!(sim.publish(0, 1, 100), 1);
    sim.run_for(Duration::from_secs(2));
    println!("node 4 got {} document", sim.host(4).delivery().total());

    let counters = sim.counters();
    assert!(counters.dropped > 0 && counters.delayed > 0, "the faults took place");

    // The same under a random schedule; a failing one can be written down, shortened and run again.
    let schedule = Profile::Chaos.schedule(seed, 3..=5, 10);
    match schedule.run().violation {
        None => println!("{} random steps broke no promise", schedule.steps.len()),
        Some(violation) => println!("{violation}: {:?}", schedule.shrunk(100).steps),
    }
    Ok(())
}
