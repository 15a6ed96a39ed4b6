//! Clusters in virtual time, from the command line.

use std::fs;

use serde_json::Value;

use super::process::run;

fn last_line(output: &str) -> Value {
    serde_json::from_str(output.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn a_simulation_sums_up_what_it_did_in_its_last_line() {
    let ended =
        run(&["simulate", "--nodes", "3", "--seeds", "0..4", "--seconds", "3", "--jobs", "2", "--json"]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{}", ended.output);
    let summary = last_line(&ended.output);
    assert_eq!((&summary["seeds"], &summary["violations"]), (&4.into(), &0.into()));
    assert!(summary["node_seconds"].as_f64() >= Some(4.0 * 3.0 * 3.0), "{summary}");
    assert!(summary["wall_seconds"].as_f64() > Some(0.0), "{summary}");
    assert!(summary["node_seconds_per_second"].as_f64() > Some(0.0), "{summary}");
    for kind in ["cuts", "crashes", "dropped", "pauses", "passes", "notifications_received", "sessions"] {
        assert!(summary[kind].is_u64(), "{kind}: {summary}");
    }
}

#[test]
fn a_schedule_in_a_file_is_run_as_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("schedule.json");
    let schedule = r#"{"seed":7,"nodes":3,"minimumNodes":2,"ring":1000000,"steps":[
        {"wait":{"ms":2000}}, {"crash":{"node":1}}, {"wait":{"ms":1500}}, {"start":{"node":1}}, "endTwin"]}"#;
    fs::write(&file, schedule).expect("written");
    let file = file.to_str().expect("a path");
    let traces = folder.path().join("traces");
    let traces = traces.to_str().expect("a path");
    let ended = run(&["simulate", "--replay", file, "--json", "--traces", traces]);
    assert_eq!(ended.code, Some(0), "{} {}", ended.output, ended.errors);
    for (trace, says) in [("n0-1", "removed n1: "), ("n1-1", "n2 joined"), ("n1-2", "n2 joined")] {
        let replayed = run(&["trace", &format!("{traces}/seed-7-{trace}.trace")]);
        assert!(replayed.code == Some(0) && replayed.output.contains(says), "{trace}: {replayed:?}");
    }
    let summary = last_line(&ended.output);
    assert_eq!((&summary["crashes"], &summary["removals"]), (&1.into(), &2.into()));
}

#[test]
fn what_cannot_be_simulated_is_refused_with_what_can() {
    let refused = |arguments: &[&str], with: &str| {
        let ended = run(&[&["simulate"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.errors.contains(with), "{arguments:?}: {}", ended.errors);
    };
    refused(&["--profile", "storm"], "there is no profile \"storm\": use one of calm, chaos");
    refused(&["--seeds", "9..3"], "names no number: use N, A..B (without B) or A..=B");
    refused(&["--nodes", "0"], "a cluster of the simulation has 1 to 1000 nodes");
    refused(&["--nodes", "3..=2000"], "a cluster of the simulation has 1 to 1000 nodes");
    refused(&["--replay", "/nowhere/schedule.json"], "--replay /nowhere/schedule.json: No such file");
    refused(&["--replay", "-"], "not a schedule");
    refused(&["--replay", "x", "--seeds", "1"], "cannot be used with");
}
