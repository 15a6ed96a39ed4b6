//! State messages that vanish without a fault: nothing follows them, so no gap tells of them.

use super::harness::{BEAT, NOW, Net, node_id};
use crate::engine::state::{Position, StateEvent, StateLimits};

/// Two connected nodes; the first has ten rooms, the second one.
fn pair() -> Net {
    let mut net = Net::connected(2);
    for number in 0..10 {
        net.nodes[0].subscribe(1, number);
    }
    net.nodes[1].subscribe(1, 3);
    net.settle();
    net
}

fn asked_again(net: &Net, node: usize) -> u64 {
    net.nodes[node].state.counters().asked_again
}

#[test]
fn a_delta_that_its_owner_never_sent_or_its_reader_swallowed_is_asked_for_after_three_beats() {
    for was_sent in [false, true] {
        let mut net = pair();
        let passes = net.nodes[1].state.counters().passes_begun;
        net.nodes[0].subscribe(1, 10);
        assert!(!was_sent || net.send(0, 1, 1_000));
        assert!(net.lose_state(0, 1));
        net.beat(3);
        assert_eq!((net.nodes[1].state.rooms(), asked_again(&net, 1)), (10, 0), "it may be on its way");
        net.bytes_sent = 0;
        net.beat(1);
        net.assert_converged();
        assert!(net.bytes_sent < 250, "{} bytes for one change", net.bytes_sent);
        let event = StateEvent::AskedAgain { owner: node_id(0), from: 10, to: 11, times: 1 };
        assert_eq!(net.nodes[1].events, [event]);
        net.beat(20);
        let of_the_owner = net.nodes[1].state.counters_of(&node_id(0)).unwrap();
        assert_eq!((of_the_owner.asked_again, of_the_owner.passes_begun), (1, passes));
        assert_eq!(asked_again(&net, 0), 0, "the other one misses nothing");
    }
}

#[test]
fn every_part_of_a_pass_may_vanish_and_so_may_the_question() {
    // A verification is an Ask, a Begin, and Deltas.
    for lost in 0..5 {
        let mut net = pair();
        net.nodes[1].state.verify();
        for number in 0..5 {
            let (from, to) = if number == 0 { (1, 0) } else { (0, 1) };
            if number == lost {
                assert!(net.lose_state(from, to), "there are fewer than {lost} messages");
            } else if net.send(from, to, 300) {
                assert!(net.deliver_state(from, to));
            }
        }
        net.settle();
        net.beat(8);
        net.assert_converged();
        assert_eq!(net.nodes[1].state.passes_running(), 0, "{lost}");
        let verified = StateEvent::Verified { owner: node_id(0), equal: true };
        assert!(net.nodes[1].events.contains(&verified), "{lost}: {:?}", net.nodes[1].events);
        net.beat(20);
        assert!(asked_again(&net, 1) <= 1, "{lost}: {}", asked_again(&net, 1));
    }
}

#[test]
fn a_first_pass_of_nothing_may_vanish_too() {
    for lost in 0..2 {
        let mut net = Net::new(2, 1, StateLimits::default());
        net.connect(0, 1);
        while net.deliver_control(1, 0) {}
        for _ in 0..lost {
            assert!(net.send(0, 1, 1_000) && net.deliver_state(0, 1));
        }
        assert!(net.lose_state(0, 1));
        net.beat(8);
        net.assert_converged();
        assert!(net.nodes[1].state.is_caught_up(&node_id(0), 0), "{lost}");
    }
}

#[test]
fn what_an_owner_has_forgotten_meanwhile_comes_as_a_pass() {
    let mut net = Net::new(2, 1, StateLimits::default().with_tombstones(0));
    net.connect_all();
    for number in 0..10 {
        net.nodes[0].subscribe(1, number);
    }
    net.settle();
    for number in 0..6 {
        net.nodes[0].unsubscribe(1, number);
    }
    assert!(net.lose_state(0, 1) && net.lose_state(0, 1));
    net.beat(4);
    net.assert_converged();
    assert_eq!((net.nodes[1].state.counters().swept_rooms, asked_again(&net, 1)), (6, 1));
}

#[test]
fn an_owner_that_goes_on_is_never_asked_again_however_slow_it_is() {
    let mut net = pair();
    for number in 10..100 {
        net.nodes[0].subscribe(1, number);
    }
    let mut now = NOW;
    while net.nodes[1].state.rooms() < 100 {
        // One message of a few rooms with each third beat.
        for _ in 0..3 {
            now += BEAT;
            net.exchange_claims(now);
        }
        assert!(net.send(0, 1, 300) && net.deliver_state(0, 1));
    }
    assert_eq!(asked_again(&net, 1), 0);
}

/// One more room of the first node, and what it leads to but for what is lost, with each beat.
fn change_and_beat(
    net: &mut Net,
    beats: std::ops::Range<u64>,
    loses: impl Fn(u64) -> Option<(usize, usize)>,
) {
    for beat in beats {
        net.nodes[0].subscribe(1, 100 + beat);
        if let Some((from, to)) = loses(beat) {
            assert!(net.lose_state(from, to), "there is nothing from {from} to {to} at beat {beat}");
        }
        net.beat(1);
    }
}

#[test]
fn an_owner_that_goes_on_changing_is_asked_again_for_what_was_lost() {
    // The delta is lost, and the next one leaves a gap; then the question is, or the answer to it.
    for lost in [(1, 0), (0, 1)] {
        let mut net = pair();
        net.nodes[0].subscribe(1, 50);
        assert!(net.lose_state(0, 1));
        net.nodes[0].subscribe(1, 51);
        assert!(net.send(0, 1, 1_000) && net.deliver_state(0, 1));
        if lost == (0, 1) {
            assert!(net.send(1, 0, 1_000) && net.deliver_state(1, 0));
        }
        assert!(net.lose_state(lost.0, lost.1));
        change_and_beat(&mut net, 0..10, |_| None);
        net.assert_converged();
        assert_eq!(asked_again(&net, 1), 1, "{lost:?}");
    }
}

#[test]
fn a_pass_that_was_asked_for_and_does_not_begin_is_asked_for_again_while_its_owner_goes_on_changing() {
    for lost in [(1, 0), (0, 1)] {
        let mut net = pair();
        net.nodes[1].state.verify();
        if lost == (0, 1) {
            assert!(net.send(1, 0, 1_000) && net.deliver_state(1, 0));
        }
        assert!(net.lose_state(lost.0, lost.1));
        change_and_beat(&mut net, 0..30, |_| None);
        net.assert_converged();
        let verified = StateEvent::Verified { owner: node_id(0), equal: true };
        assert!(net.nodes[1].events.contains(&verified), "{lost:?}: {:?}", net.nodes[1].events);
        assert_eq!(asked_again(&net, 1), 1, "{lost:?}");
    }
}

#[test]
fn over_a_link_where_each_message_takes_longer_than_the_patience_an_owner_is_asked_a_few_times_only() {
    let mut net = pair();
    for number in 10..300 {
        net.nodes[0].subscribe(1, number);
    }
    let (mut now, mut messages) = (NOW, 0);
    while net.nodes[1].state.rooms() < 300 {
        // A message of a few rooms with each eighth beat; the questions are as slow.
        for _ in 0..8 {
            now += BEAT;
            net.exchange_claims(now);
        }
        net.send(1, 0, 1_000);
        net.deliver_state(1, 0);
        assert!(net.send(0, 1, 300) && net.deliver_state(0, 1));
        messages += 1;
        assert!(messages < 300, "it gets nowhere");
    }
    assert!((1..=3).contains(&asked_again(&net, 1)), "{}", asked_again(&net, 1));
}

#[test]
fn after_a_pause_what_came_meanwhile_is_read_first() {
    let mut net = pair();
    net.nodes[0].subscribe(1, 10);
    assert!(net.send(0, 1, 1_000));
    let mut now = NOW;
    for beat in 0..20 {
        // Two beats, a pause, and the beats that piled up before the delta.
        now += if beat == 2 {
            20 * BEAT
        } else if beat < 2 {
            BEAT
        } else {
            std::time::Duration::ZERO
        };
        if beat == 2 {
            net.nodes[1].state.handle_pause();
        }
        net.exchange_claims(now);
    }
    assert_eq!(asked_again(&net, 1), 0);
    net.settle();
    net.assert_converged();
}

#[test]
fn an_owner_that_does_not_answer_is_asked_less_and_less_often_and_one_without_a_session_is_not() {
    let mut net = pair();
    net.nodes[0].subscribe(1, 10);
    assert!(net.lose_state(0, 1));
    let mut now = NOW;
    let mut beats = |net: &mut Net, beats: u32| {
        for _ in 0..beats {
            now += BEAT;
            net.exchange_claims(now);
            while net.lose_state(1, 0) {}
        }
    };
    beats(&mut net, 100);
    assert_eq!(asked_again(&net, 1), 5);
    net.cut(0, 1);
    beats(&mut net, 100);
    net.nodes[1].state.handle_beat(NOW, &node_id(0), 99, 0, BEAT);
    assert_eq!(asked_again(&net, 1), 5);
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    let Position::At { version, .. } = net.nodes[1].state.position_of(&node_id(0)) else {
        panic!("no position")
    };
    assert_eq!(version, 11);
}
