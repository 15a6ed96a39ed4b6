//! `bench rooms`, `sync`, `idle` and `kill`: small runs, each with members in processes of their own.

use serde_json::Value;

use super::process::{Ended, run};

/// The JSON objects that a run prints, one a line.
fn measured(arguments: &[&str]) -> Vec<Value> {
    let Ended { code, output, errors } = run(&[&["bench"], arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{output}{errors}");
    let reports: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    for report in &reports {
        assert!(report["value"].as_f64().is_some_and(|value| value > 0.0), "{report}");
    }
    reports
}

#[test]
fn rooms_reach_every_peer_whatever_carries_them() {
    for links in [&["--transport", "tcp"][..], &["--tls", "mutual"], &["--transport", "quic", "--trace"]] {
        let small = ["rooms", "--changes", "2000", "--rooms", "100,2000", "--peers", "2", "--rounds", "1"];
        let reports = measured(&[&small, links].concat());
        let in_collection: Vec<_> = reports.iter().map(|report| &report["rooms_in_collection"]).collect();
        assert_eq!(in_collection, [100, 2_000], "{reports:?}");
        assert!(reports.iter().all(|report| report["heard_p50"].as_f64() > Some(0.0)), "{reports:?}");
        assert!(reports.iter().all(|report| report["traced"] == links.contains(&"--trace")), "{reports:?}");
    }
}

#[test]
fn a_joiner_catches_up_with_several_owners() {
    let reports = measured(&["sync", "--rooms", "2001,6000", "--owners", "3", "--rounds", "2"]);
    let rooms: Vec<_> = reports.iter().map(|report| &report["rooms"]).collect();
    assert_eq!(rooms, [2_001, 6_000], "{reports:?}");
    for report in &reports {
        assert_eq!(report["rounds"].as_array().map(Vec::len), Some(2), "{report}");
        assert!(report["told_seconds"].as_f64() > Some(0.0), "{report}");
        assert!(report["grown_bytes"].as_f64() > Some(0.0), "{report}");
    }
}

#[test]
fn an_idle_mesh_is_formed_and_watched() {
    let reports = measured(&["idle", "--nodes", "4", "--seconds", "1"]);
    assert!(reports.iter().all(|report| report["resident_bytes"].as_f64() > Some(1e6)), "{reports:?}");
}

#[test]
fn a_killed_member_is_missed_by_all_others_again_and_again() {
    let reports = measured(&["kill", "--nodes", "3", "--rooms", "50", "--rounds", "2"]);
    assert_eq!(reports[0]["rounds"].as_array().map(Vec::len), Some(2), "{reports:?}");
}

#[test]
fn reports_for_people_name_what_was_measured() {
    for (arguments, begins, lines) in [
        (
            &["rooms", "--changes", "500", "--rooms", "500", "--rounds", "1"][..],
            "500 connections subscribe to a room each, 500 in a collection, filters of 64 bytes, 1 peers over tcp, \
             plaintext: medians of 1\n",
            &["rate", "heard", "cost"][..],
        ),
        (
            &["sync", "--rooms", "500", "--rounds", "1"],
            "a member joins 1 with 500 rooms, filters of 64 bytes, over tcp, plaintext: medians of 1\n",
            &["caught up", "memory", "cost"],
        ),
        (
            &["idle", "--nodes", "2", "--seconds", "0.1"],
            "2 members over tcp, plaintext, idle for 0 s\n",
            &["cost", "memory"],
        ),
        (
            &["kill", "--nodes", "2", "--rooms", "5", "--rounds", "1"],
            "one of 2 members with 5 rooms each is killed, over tcp, plaintext, 1 times\n",
            &["gone everywhere with its rooms after"],
        ),
    ] {
        let Ended { code, output, errors } = run(&[&["bench"], arguments].concat());
        assert_eq!(code, Some(0), "{errors}");
        assert!(output.starts_with(begins), "{output}");
        for line in lines {
            assert!(output.contains(&format!("\n  {line} ")), "{output}");
        }
    }
}

#[test]
fn what_cannot_be_measured_of_members_is_refused_with_the_remedy() {
    for (arguments, says) in [
        (
            &["rooms", "--transport", "quic", "--tls", "none"][..],
            "--transport quic always has TLS: leave out --tls none",
        ),
        (
            &["idle", "--transport", "memory"],
            "--transport memory does not reach other processes: take tcp or quic",
        ),
        (&["rooms", "--rooms", "0"], "0 is not in 1..=1000000"),
        (&["rooms", "--filters", "31"], "31 is not in 32..=16384"),
        (&["sync", "--rooms", "2000001", "--owners", "2"], "2 nodes have from 2 to 2000000 rooms"),
        (&["idle", "--seconds", "0"], "0 is not from 0.1 to 3600"),
        (&["kill", "--nodes", "1"], "1 is not in 2..=200"),
        (&["kill", "--rounds", "0"], "0 is not in 1..=1000"),
    ] {
        let Ended { code, errors, .. } = run(&[&["bench"], arguments].concat());
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
}
