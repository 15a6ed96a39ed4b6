//! Real processes in network namespaces, and what happens to them: the figures that docs/RELIABILITY.md tells.
//!
//! A figure is printed and never asserted; a test gives up at ten times what is expected. What is asserted is that nobody is
//! removed who should not be, and that all agree afterwards. What the doctor says of such networks is here too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cuts;
mod doctor;
mod processes;

use std::time::Duration;

use cluster_tests::netns::Views;

/// How many nodes there are in each test.
const NODES: u8 = 10;

/// For how long a fault lasts, in seconds.
fn fault_for() -> Duration {
    let seconds = std::env::var("CLUSTER_NETNS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A figure, and what the design wants it to be.
fn tell(what: &str, figure: Duration, target: Option<Duration>) {
    let target = target.map(|target| format!(" (target {target:?})")).unwrap_or_default();
    println!("netns: {what}: {:.2} s{target}", figure.as_secs_f64());
}

fn name(number: u8) -> String {
    format!("n{number}")
}

/// Whether each of these nodes answers and what it says fits.
fn each(views: &Views, nodes: &[u8], fits: impl Fn(&cluster_tests::netns::View) -> bool) -> bool {
    nodes.iter().all(|number| views.get(&name(*number)).and_then(Option::as_ref).is_some_and(&fits))
}

/// Whether none of these nodes has one of those as a member.
fn forgotten(views: &Views, by: &[u8], whom: &[u8]) -> bool {
    each(views, by, |view| whom.iter().all(|node| !view.members.contains_key(&name(*node))))
}
