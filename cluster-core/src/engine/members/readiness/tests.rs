use std::time::Duration;

use super::super::timing::DEFAULT_HEARTBEAT;
use super::*;

fn at(ms: u64) -> Instant {
    Instant::after_origin(Duration::from_millis(ms))
}

fn facts() -> Facts {
    Facts { in_session: 3, members: 3, minimum: 2, ..Facts::default() }
}

/// Looks at facts while nobody is to be caught up with.
fn evaluate(readiness: &mut Readiness, now: Instant, facts: &Facts) -> Option<Change> {
    readiness.evaluate(now, facts, [].iter())
}

fn ready() -> Readiness {
    let mut readiness = Readiness::new(Timing::new(DEFAULT_HEARTBEAT));
    assert_eq!(evaluate(&mut readiness, at(0), &facts()), Some(Change::Entered));
    readiness
}

#[test]
fn every_rule_of_entering_is_named_while_it_is_not_met() {
    for (facts, reason) in [
        (Facts { discovery_pending: true, ..facts() }, Reason::Discovery),
        (Facts { addresses_waiting: 2, ..facts() }, Reason::Addresses { waiting: 2 }),
        (Facts { in_session: 1, ..facts() }, Reason::Quorum { nodes: 1, minimum: 2 }),
        (Facts { self_doubt: true, ..facts() }, Reason::SelfDoubt),
        (Facts { superseded: Some(9), ..facts() }, Reason::Superseded { epoch: 9 }),
        (Facts { draining: true, ..facts() }, Reason::Draining),
    ] {
        let mut readiness = Readiness::new(Timing::new(DEFAULT_HEARTBEAT));
        assert_eq!(evaluate(&mut readiness, at(0), &facts), None);
        assert_eq!((readiness.is_ready(), readiness.reasons()), (false, [reason].as_slice()));
    }
}

#[test]
fn whom_it_is_catching_up_with_is_named_as_of_now() {
    let mut readiness = Readiness::new(Timing::new(DEFAULT_HEARTBEAT));
    for with in [["b", "c"].as_slice(), &["b", "c"], &["c"], &["b", "c", "d"]] {
        let with: Vec<NodeId> = with.iter().map(|node| node.parse().unwrap()).collect();
        assert_eq!(readiness.evaluate(at(0), &facts(), with.iter()), None);
        assert_eq!(readiness.reasons(), [Reason::CatchingUp { with }]);
    }
    assert_eq!(evaluate(&mut readiness, at(0), &facts()), Some(Change::Entered));
    assert_eq!(readiness.reasons(), []);
}

#[test]
fn a_newcomer_a_stale_address_and_a_lost_session_do_not_end_it() {
    let mut readiness = ready();
    let new = ["new".parse().unwrap()];
    let bad = Facts { discovery_pending: true, addresses_waiting: 5, in_session: 1, ..facts() };
    assert_eq!([1_000, 60_000].map(|ms| readiness.evaluate(at(ms), &bad, new.iter())), [None, None]);
    assert!(readiness.is_ready() && readiness.reasons().is_empty());
}

#[test]
fn each_fault_of_its_own_ends_it_at_once() {
    for (facts, reason) in [
        (Facts { self_doubt: true, ..facts() }, Reason::SelfDoubt),
        (Facts { superseded: Some(9), ..facts() }, Reason::Superseded { epoch: 9 }),
        (Facts { draining: true, ..facts() }, Reason::Draining),
    ] {
        assert_eq!(evaluate(&mut ready(), at(1), &facts), Some(Change::Left(vec![reason])));
    }
}

#[test]
fn a_quorum_must_be_lost_for_two_beats() {
    let mut readiness = ready();
    let lost = Facts { members: 1, in_session: 1, ..facts() };
    assert_eq!(evaluate(&mut readiness, at(100), &lost), None);
    assert_eq!(readiness.next_deadline(), Some(at(1_100)));
    assert_eq!(evaluate(&mut readiness, at(600), &facts()), None);
    assert_eq!(readiness.next_deadline(), None, "it came back in time");
    assert_eq!(evaluate(&mut readiness, at(700), &lost), None);
    assert_eq!(evaluate(&mut readiness, at(1_699), &lost), None);
    let reasons = vec![Reason::Quorum { nodes: 1, minimum: 2 }];
    assert_eq!(evaluate(&mut readiness, at(1_700), &lost), Some(Change::Left(reasons)));
}

#[test]
fn after_a_pause_it_is_entered_again_by_all_rules() {
    let mut readiness = ready();
    assert_eq!(readiness.handle_pause(), Some(Change::Left(vec![Reason::Paused])));
    assert_eq!(readiness.handle_pause(), None);
    let with: Vec<NodeId> = vec!["b".parse().unwrap()];
    assert_eq!(readiness.evaluate(at(1), &facts(), with.iter()), None);
    assert_eq!(readiness.reasons(), [Reason::CatchingUp { with }, Reason::Paused]);
    assert_eq!(evaluate(&mut readiness, at(2), &facts()), Some(Change::Entered));
}

#[test]
fn reasons_read_as_plain_words() {
    let with = vec!["b".parse().unwrap(), "c".parse().unwrap()];
    assert_eq!(Reason::CatchingUp { with }.to_string(), "catching up with b, c");
    let quorum = Reason::Quorum { nodes: 1, minimum: 2 };
    assert_eq!(quorum.to_string(), "1 of 2 nodes (minimumNodes)");
}
