//! A run is a function of its seed.

use super::super::schedule::{Profile, Schedule};
use super::*;

fn trace(seed: u64) -> (u64, u64) {
    let report = Profile::Chaos.schedule(seed, 3..=5, 10).run();
    (report.digest, report.happenings)
}

#[test]
fn the_same_seed_makes_the_same_trace_and_another_seed_another() {
    for seed in 0..10 {
        let first = trace(seed);
        assert!(first.1 > 100, "a trace of {} happenings says little", first.1);
        assert_eq!(first, trace(seed), "seed {seed}");
        assert_ne!(first, trace(seed + 1_000));
    }
}

#[test]
fn lines_tell_what_a_trace_is_made_of_and_do_not_change_it() {
    let run = |with_lines: bool| {
        let mut sim = Sim::new(SimSettings::new(2), 1);
        if with_lines {
            sim.keep_lines();
        }
        sim.run_for(SECOND);
        (sim.trace().digest(), sim.trace().lines().to_vec())
    };
    let (quiet, none) = run(false);
    let (told, lines) = run(true);
    assert_eq!((quiet, none), (told, Vec::new()));
    assert!(lines.iter().any(|line| line.ends_with("n0 accepts")), "{lines:?}");
}

#[test]
fn a_schedule_that_was_written_down_runs_as_the_one_that_it_was_written_from() {
    let schedule = Profile::Chaos.schedule(3, 3..=5, 10);
    let text = serde_json::to_string(&schedule).unwrap();
    let read: Schedule = serde_json::from_str(&text).unwrap();
    assert_eq!(read, schedule);
    assert_eq!(read.run().digest, schedule.run().digest);
}
