//! `bench`: every work and transport, short, accounting for each message.

use serde_json::Value;

use super::process::{Ended, run};

fn measured(arguments: &[&str]) -> Value {
    let common = ["--seconds", "0.2", "--json"];
    let Ended { code, output, errors } = run(&[&["bench"], arguments, &common].concat());
    assert_eq!(code, Some(0), "{output}{errors}");
    let report: Value = serde_json::from_str(&output).expect("one JSON object");
    assert_eq!(report["accounted"], true, "{report}");
    assert!(report["value"].as_f64().is_some_and(|value| value > 0.0), "{report}");
    assert!(report["sent"].as_u64().is_some_and(|sent| sent > 0), "{report}");
    report
}

#[test]
fn publishing_that_waits_loses_nothing_over_any_transport() {
    for transport in [
        &["--transport", "tcp"][..],
        &["--transport", "tcp", "--tls", "mutual"],
        &["--transport", "quic"],
        &["--transport", "memory"],
    ] {
        let report = measured(&[&["publish"], transport].concat());
        assert_eq!((&report["work"], &report["lost"]), (&"pub".into(), &0.into()), "{report}");
        assert_eq!(report["received"], report["sent"], "{report}");
    }
}

#[test]
fn publishing_that_does_not_wait_announces_every_message_that_gives_way() {
    let report = measured(&["publish", "--shed", "--size", "4096"]);
    assert_eq!(report["lost"], report["lagged"], "{report}");
}

#[test]
fn each_message_reaches_every_subscriber() {
    let report = measured(&["fanout", "--peers", "3"]);
    let of_each = report["sent"].as_u64().map(|sent| 3 * sent);
    assert_eq!((report["subs"].as_u64(), report["received"].as_u64()), (Some(3), of_each), "{report}");
}

#[test]
fn messages_in_parts_are_accounted_for_too() {
    let report = measured(&["publish", "--size", "300000"]);
    assert_eq!(report["lost"], 0, "{report}");
}

#[test]
fn every_request_has_its_reply() {
    let one_at_a_time: &[&str] = &["request"];
    let many = &["request", "--in-flight", "64"];
    let awaiting = &["request", "--in-flight", "64", "--awaiting"];
    for (arguments, work) in [(one_at_a_time, "rtt"), (many, "req"), (awaiting, "req")] {
        let report = measured(arguments);
        assert_eq!((&report["work"], &report["received"]), (&work.into(), &report["sent"]), "{report}");
    }
}

#[test]
fn a_report_for_people_names_what_was_measured() {
    let Ended { code, output, errors } =
        run(&["bench", "publish", "--seconds", "0.1", "--transport", "memory"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        output.starts_with("100 bytes to 1 over memory, plaintext: published, waiting for room, for 0."),
        "{output}"
    );
    for line in ["rate", "latency", "messages", "both"] {
        assert!(output.contains(&format!("\n  {line} ")), "{output}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_remedy() {
    for (arguments, says) in [
        (
            &["--transport", "quic", "--tls", "none"][..],
            "--transport quic always has TLS: leave out --tls none",
        ),
        (&["--transport", "memory", "--tls", "mutual"], "--transport memory has no TLS"),
        (&["--size", "15"], "15 is not in 16..=8388608"),
        (&["--seconds", "0"], "0 is not from 0.1 to 3600"),
        (&["--peers", "65"], "65 is not in 1..=64"),
    ] {
        let Ended { code, errors, .. } = run(&[&["bench", "publish"], arguments].concat());
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
}
