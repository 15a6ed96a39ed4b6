//! A line on standard error that says how far a run is.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::subscribing::as_f64;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(1);

/// Says how many messages have come, for as long as it is polled: on a terminal over and over in one line.
pub(super) async fn tell(what: &str, count: impl Fn() -> u64) -> Infallible {
    let (begin, terminal) = (Instant::now(), io::stderr().is_terminal());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.tick().await;
    let mut before = count();
    let mut at = begin;
    loop {
        ticks.tick().await;
        let (now, all) = (Instant::now(), count());
        let rate = as_f64(all - before) / (now - at).as_secs_f64();
        (before, at) = (all, now);
        let line = format!("{:>4.0} s  {all:>12} {what}  {rate:>10.0}/s", begin.elapsed().as_secs_f64());
        // With standard error closed there is nobody to tell.
        let _ = if terminal { write!(io::stderr(), "\r{line}") } else { writeln!(io::stderr(), "{line}") };
    }
}

/// Says what is done now: on a terminal in place of what was said before.
pub(super) fn step(what: &str) {
    let _ = if io::stderr().is_terminal() {
        write!(io::stderr(), "\r{what:<72}")
    } else {
        writeln!(io::stderr(), "{what}")
    };
}

/// Ends the line that was told over and over.
pub(super) fn end() {
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr());
    }
}
