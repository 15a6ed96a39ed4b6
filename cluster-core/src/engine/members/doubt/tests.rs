use super::super::timing::DEFAULT_HEARTBEAT;
use super::*;

const ALONE: Surroundings = Surroundings { witnesses: false, self_doubt: false, held_until: None };
const ASKED: Surroundings = Surroundings { witnesses: true, ..ALONE };

fn at(ms: u64) -> Instant {
    Instant::after_origin(Duration::from_millis(ms))
}

fn node(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn timing() -> Timing {
    Timing::new(DEFAULT_HEARTBEAT)
}

fn life(epoch: u64) -> Incarnation {
    Incarnation { epoch, nonce: 0 }
}

fn address(port: u16) -> Address {
    format!("10.0.0.2:{port}").parse().unwrap()
}

/// A doubt that began at 10 s about a member of which the last byte came at 8.5 s, and that has asked once.
fn doubt(cause: DoubtCause) -> Doubt {
    let mut doubt = Doubt::new((node("b"), life(5)), cause, &[address(1), address(2)], at(8_500), at(10_000));
    assert_eq!(doubt.take_due_probes(at(10_000)), [address(1), address(2)]);
    assert_eq!(doubt.take_due_round(at(10_000), timing()), Some(0));
    doubt
}

fn outcome(doubt: &mut Doubt, ms: u64, port: u16, outcome: DialOutcome) {
    doubt.handle_outcome(at(ms), &address(port), &outcome, timing());
}

fn refuse(doubt: &mut Doubt, ms: u64) {
    outcome(doubt, ms, 1, DialOutcome::ConnectionRefused);
    outcome(doubt, ms, 2, DialOutcome::ConnectionRefused);
}

fn verdict(doubt: &Doubt, ms: u64, around: Surroundings) -> Verdict {
    doubt.verdict(at(ms), &around, timing())
}

fn opinion(doubt: &mut Doubt, ms: u64, by: &str, heard: Heard) -> bool {
    doubt.handle_opinion(at(ms), &node(by), 0, heard, timing())
}

#[test]
fn nothing_and_no_veto_is_gone_a_second_after_the_doubt_began() {
    let mut doubt = doubt(DoubtCause::Silence);
    outcome(&mut doubt, 10_100, 1, DialOutcome::NoAnswer);
    outcome(&mut doubt, 10_100, 2, DialOutcome::Unreachable("no route".into()));
    assert_eq!(verdict(&doubt, 10_999, ASKED), Verdict::Wait(at(11_000)));
    assert_eq!(verdict(&doubt, 11_000, ASKED), Verdict::Gone(RemovalReason::Silent));
}

#[test]
fn two_refusals_a_tenth_of_a_second_apart_are_enough_with_nobody_to_ask() {
    let mut doubt = doubt(DoubtCause::Eof);
    refuse(&mut doubt, 10_001);
    assert_eq!(doubt.take_due_probes(at(10_100)), []);
    assert_eq!(doubt.take_due_probes(at(10_101)), [address(1), address(2)]);
    assert_eq!(verdict(&doubt, 10_101, ALONE), Verdict::Wait(at(11_000)));
    refuse(&mut doubt, 10_102);
    assert_eq!(verdict(&doubt, 10_102, ALONE), Verdict::Gone(RemovalReason::Refused));
    assert_eq!(verdict(&doubt, 10_102, ASKED), Verdict::Wait(at(11_000)), "somebody is to answer first");
    opinion(&mut doubt, 10_103, "c", Heard::NoSession);
    assert_eq!(verdict(&doubt, 10_103, ASKED), Verdict::Gone(RemovalReason::Refused));
}

#[test]
fn an_address_that_refused_twice_is_dialled_at_the_pace_of_the_beats() {
    let mut doubt = doubt(DoubtCause::Eof);
    for ms in [10_001, 10_101] {
        doubt.take_due_probes(at(ms));
        refuse(&mut doubt, ms);
    }
    assert_eq!(doubt.take_due_probes(at(10_600)), []);
    assert_eq!(doubt.take_due_probes(at(10_601)), [address(1), address(2)]);
}

#[test]
fn an_address_that_cuts_links_off_is_dialled_soon_a_few_times_and_then_at_the_pace_of_the_beats() {
    let (doubt, dialled) = dialled(11_500, |_| false);
    let soon = [10_001, 10_051, 10_101, 10_151, 10_201, 10_251, 10_301];
    assert_eq!(dialled[..7], soon);
    assert_eq!(dialled[7..], [10_801, 11_301]);
    assert_eq!(
        verdict(&doubt, 11_500, ALONE),
        Verdict::Gone(RemovalReason::Silent),
        "nobody was seen to run there"
    );
}

/// A doubt up to this moment, and when an address was dialled in it that refuses some of the dials and cuts the others off.
fn dialled(until: u64, refuses: impl Fn(usize) -> bool) -> (Doubt, Vec<u64>) {
    let mut doubt = doubt(DoubtCause::Eof);
    let mut dialled: Vec<u64> = Vec::new();
    for ms in 10_001..until {
        if ms != 10_001 && doubt.take_due_probes(at(ms)).is_empty() {
            continue;
        }
        if refuses(dialled.len()) {
            outcome(&mut doubt, ms, 1, DialOutcome::ConnectionRefused);
        } else {
            doubt.handle_connected(&address(1));
            outcome(&mut doubt, ms, 1, DialOutcome::CutOff("reset".into()));
        }
        dialled.push(ms);
    }
    (doubt, dialled)
}

#[test]
fn an_address_that_now_refuses_and_now_cuts_off_is_dialled_soon_a_few_times_in_a_doubt() {
    let beat = u64::try_from(timing().ask_again().as_millis()).unwrap();
    for every in [2, 3, 4, 8] {
        let (_, dialled) = dialled(20_000, |number| number % every == 1);
        let soon = dialled.windows(2).filter(|pair| pair[1] - pair[0] < beat).count();
        assert_eq!(soon, usize::try_from(SOON).unwrap(), "one in {every} refuses: {dialled:?}");
    }
}

#[test]
fn one_address_that_refuses_says_nothing_of_the_other() {
    let mut doubt = doubt(DoubtCause::Eof);
    outcome(&mut doubt, 10_001, 1, DialOutcome::ConnectionRefused);
    outcome(&mut doubt, 10_102, 1, DialOutcome::ConnectionRefused);
    assert_eq!(verdict(&doubt, 10_102, ALONE), Verdict::Wait(at(11_000)));
}

#[test]
fn who_answers_in_its_place_ends_the_doubt_at_once() {
    for (who, life_there, why) in [
        ("b", Some(life(6)), RemovalReason::NewerIncarnation),
        ("x", Some(life(1)), RemovalReason::AddressTaken { by: node("x") }),
        ("x", None, RemovalReason::AddressTaken { by: node("x") }),
    ] {
        let mut doubt = doubt(DoubtCause::Eof);
        assert_eq!(doubt.handle_met(at(10_010), &address(1), &node(who), life_there, timing()), Sign::None);
        assert_eq!(verdict(&doubt, 10_010, ALONE), Verdict::Gone(why));
    }
}

#[test]
fn the_member_itself_answering_is_a_sign_of_life_and_an_older_life_is_none() {
    let mut doubt = doubt(DoubtCause::Silence);
    let signs = [None, Some(life(5)), Some(life(4))]
        .map(|life| doubt.handle_met(at(10_010), &address(1), &node("b"), life, timing()));
    assert_eq!(signs, [Sign::Alive, Sign::Alive, Sign::None]);
    assert_eq!(verdict(&doubt, 10_010, ALONE), Verdict::Wait(at(11_000)));
}

#[test]
fn a_peer_that_accepts_and_is_silent_is_frozen_for_fifteen_seconds() {
    let mut doubt = doubt(DoubtCause::Silence);
    doubt.handle_connected(&address(1));
    assert_eq!(verdict(&doubt, 11_000, ASKED), Verdict::Wait(at(25_000)));
    outcome(&mut doubt, 15_000, 1, DialOutcome::NoWelcome);
    assert_eq!(verdict(&doubt, 25_000, ASKED), Verdict::Gone(RemovalReason::Frozen));
    refuse(&mut doubt, 16_000);
    refuse(&mut doubt, 16_100);
    opinion(&mut doubt, 16_100, "c", Heard::NoSession);
    assert_eq!(verdict(&doubt, 16_100, ASKED), Verdict::Gone(RemovalReason::Refused), "it was killed then");
}

#[test]
fn only_who_heard_it_certainly_after_we_did_vetoes() {
    for (heard, vetoes) in [
        (Heard::NoSession, false),
        (Heard::Since, true),
        // Our last byte came 1.5 s before the question. Less than a beat later says nothing: beats go round.
        (Heard::Before(1_500), false),
        (Heard::Before(1_000), false),
        (Heard::Before(999), true),
        (Heard::Before(u64::MAX), false),
    ] {
        let mut doubt = doubt(DoubtCause::Silence);
        assert_eq!(opinion(&mut doubt, 10_050, "c", heard), vetoes, "{heard:?}");
        assert_eq!(doubt.is_vetoed(), vetoes, "{heard:?}");
    }
}

#[test]
fn a_veto_counts_as_a_byte_of_our_own_and_expires_after_ten_seconds() {
    let mut doubt = doubt(DoubtCause::Silence);
    assert!(opinion(&mut doubt, 10_050, "c", Heard::Since));
    assert_eq!(verdict(&doubt, 11_000, ASKED), Verdict::Wait(at(12_500)));
    assert_eq!(verdict(&doubt, 12_500, ASKED), Verdict::Gone(RemovalReason::Silent));
    for (round, ms) in (1..=20).zip((10_500..).step_by(500)) {
        assert_eq!(doubt.take_due_round(at(ms), timing()), Some(round));
        assert!(!doubt.handle_opinion(at(ms), &node("c"), round, Heard::Since, timing()));
    }
    assert_eq!(verdict(&doubt, 20_049, ASKED), Verdict::Wait(at(20_050)));
    assert_eq!(verdict(&doubt, 20_050, ASKED), Verdict::Gone(RemovalReason::Unreachable));
}

#[test]
fn a_veto_outweighs_refusals_until_its_author_loses_the_member_too() {
    let mut doubt = doubt(DoubtCause::Eof);
    opinion(&mut doubt, 10_001, "c", Heard::Since);
    refuse(&mut doubt, 10_001);
    refuse(&mut doubt, 10_101);
    assert_eq!(verdict(&doubt, 10_101, ASKED), Verdict::Wait(at(12_500)));
    opinion(&mut doubt, 10_110, "c", Heard::NoSession);
    assert_eq!(verdict(&doubt, 10_110, ASKED), Verdict::Gone(RemovalReason::Refused));
}

#[test]
fn a_node_that_doubts_itself_waits_ten_seconds_and_a_hold_as_long_as_it_says() {
    let doubt = doubt(DoubtCause::Silence);
    let unsure = Surroundings { self_doubt: true, ..ASKED };
    assert_eq!(verdict(&doubt, 19_999, unsure), Verdict::Wait(at(20_000)));
    let held = Surroundings { held_until: Some(at(90_000)), ..ASKED };
    assert_eq!(verdict(&doubt, 89_999, held), Verdict::Wait(at(90_000)));
    assert_eq!(verdict(&doubt, 90_000, held), Verdict::Gone(RemovalReason::Silent));
}

#[test]
fn an_answer_to_a_round_that_was_never_asked_is_ignored() {
    let mut doubt = doubt(DoubtCause::Silence);
    assert!(!doubt.handle_opinion(at(10_050), &node("c"), 77, Heard::Since, timing()));
    assert_eq!(doubt.evidence(at(10_050)).opinions, []);
}

#[test]
fn the_evidence_says_what_the_verdict_rests_on() {
    let mut doubt = doubt(DoubtCause::Silence);
    refuse(&mut doubt, 10_001);
    opinion(&mut doubt, 10_100, "c", Heard::Before(1_400));
    opinion(&mut doubt, 10_100, "d", Heard::NoSession);
    let expected = Evidence {
        cause: DoubtCause::Silence,
        doubted: Duration::from_millis(500),
        silent: Duration::from_millis(2_000),
        refusals: 2,
        opinions: vec![(node("c"), Some(Duration::from_millis(1_900))), (node("d"), None)],
    };
    assert_eq!(doubt.evidence(at(10_500)), expected);
}

#[test]
fn of_a_member_over_quic_the_same_port_over_tcp_is_dialled_too_and_its_refusals_count() {
    let subject = (node("b"), life(1));
    let quic: Address = "quic://10.0.0.1:1".parse().unwrap();
    let mut doubt = Doubt::new(subject, DoubtCause::Eof, std::slice::from_ref(&quic), at(0), at(0));
    let tcp = quic.with_scheme(Scheme::Tcp);
    assert_eq!(doubt.take_due_probes(at(0)), [quic.clone(), tcp.clone()]);
    doubt.handle_outcome(at(1), &quic, &DialOutcome::NoAnswer, timing());
    for ms in [10, 110] {
        assert!(!doubt.is_refused());
        doubt.handle_outcome(at(ms), &tcp, &DialOutcome::ConnectionRefused, timing());
    }
    assert!(doubt.is_refused());
}

#[test]
fn a_probe_for_which_there_is_no_room_is_asked_for_again_soon() {
    let mut doubt = doubt(DoubtCause::Eof);
    doubt.handle_deferred(at(10_000), &address(1));
    assert_eq!(doubt.take_due_probes(at(10_049)), []);
    assert_eq!(doubt.take_due_probes(at(10_050)), [address(1)]);
}
