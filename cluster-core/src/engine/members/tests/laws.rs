//! Laws that hold under any sequence of inputs.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Input {
    Up { peer: u8, epoch: u64, session: u64 },
    Down { peer: u8, session: u64, cause: u8 },
    Heard { peer: u8, session: u64 },
    Control { peer: u8, bytes: Vec<u8> },
    Greeting { peer: u8, version: u64 },
    Applied { peer: u8, version: u64 },
    Outcome { peer: u8, outcome: u8 },
    Connected { peer: u8 },
    Discovered { peers: Vec<u8> },
    Superseded { epoch: u64 },
    Forget { peer: u8 },
    Hold { peer: u8, ms: u64 },
    Wait { ms: u64 },
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let control = (any::<bool>(), 0..11_u8, prop::collection::vec(any::<u8>(), 0..40));
    let message = control.prop_map(|(known, kind, mut bytes)| {
        if known {
            bytes.insert(0, kind);
        }
        bytes
    });
    let input = prop_oneof![
        4 => (0..5_u8, 0..4_u64, 0..4_u64).prop_map(|(peer, epoch, session)| Input::Up { peer, epoch, session }),
        2 => (0..5_u8, 0..4_u64, 0..6_u8).prop_map(|(peer, session, cause)| Input::Down { peer, session, cause }),
        4 => (0..5_u8, 0..4_u64).prop_map(|(peer, session)| Input::Heard { peer, session }),
        3 => (0..5_u8, message).prop_map(|(peer, bytes)| Input::Control { peer, bytes }),
        1 => (0..5_u8, 0..9_u64).prop_map(|(peer, version)| Input::Greeting { peer, version }),
        1 => (0..5_u8, 0..9_u64).prop_map(|(peer, version)| Input::Applied { peer, version }),
        3 => (0..5_u8, 0..10_u8).prop_map(|(peer, outcome)| Input::Outcome { peer, outcome }),
        1 => (0..5_u8).prop_map(|peer| Input::Connected { peer }),
        1 => prop::collection::vec(0..5_u8, 0..3).prop_map(|peers| Input::Discovered { peers }),
        1 => (0..9_u64).prop_map(|epoch| Input::Superseded { epoch }),
        1 => (0..5_u8).prop_map(|peer| Input::Forget { peer }),
        1 => (0..5_u8, 0..20_000_u64).prop_map(|(peer, ms)| Input::Hold { peer, ms }),
        8 => (0..1_500_u64).prop_map(|ms| Input::Wait { ms }),
    ];
    prop::collection::vec(input, 0..120)
}

/// The peers' names; the last is this node's own.
fn name(peer: u8) -> NodeId {
    node(["b", "c", "d", "e", "me"][usize::from(peer)])
}

fn cause(number: u8) -> DownCause {
    match number {
        0 => DownCause::Left,
        1 => DownCause::Eof,
        2 => DownCause::Failed("reset".into()),
        3 => DownCause::Superseded,
        4 => DownCause::Replaced,
        _ => DownCause::ClosedByUs,
    }
}

fn outcome(number: u8) -> DialOutcome {
    match number {
        0 => DialOutcome::Session { node: node("b") },
        1 => DialOutcome::Alias { node: node("c") },
        2 => DialOutcome::Myself,
        3 | 4 => DialOutcome::ConnectionRefused,
        5 => DialOutcome::Unreachable("no route".into()),
        6 => DialOutcome::NoAnswer,
        7 => DialOutcome::NoWelcome,
        8 => DialOutcome::CutOff("reset".into()),
        _ => DialOutcome::OtherNode { node: node("b"), incarnation: life(3) },
    }
}

fn apply(world: &mut World, input: Input) {
    let now = at(world.now);
    let members = &mut world.members;
    match input {
        Input::Up { peer, epoch, session } => members.handle_session_up(
            now,
            SessionUp {
                node: name(peer),
                incarnation: life(epoch),
                session: SessionId(session),
                addresses: vec![address(name(peer).as_str())],
                dialled: None,
            },
        ),
        Input::Down { peer, session, cause: number } => {
            members.handle_session_down(now, &name(peer), SessionId(session), cause(number));
        }
        Input::Heard { peer, session } => members.handle_heard(now, &name(peer), SessionId(session)),
        Input::Control { peer, bytes } => {
            let _ = members.handle_control(now, &name(peer), &bytes);
        }
        Input::Greeting { peer, version } => {
            members.handle_greeting(now, &name(peer), &Claims { version, ..Claims::default() });
        }
        Input::Applied { peer, version } => {
            let row = StateRow { owner: name(peer), incarnation: life(1), version, hash: 0 };
            members.handle_state(now, row);
        }
        Input::Outcome { peer, outcome: number } => {
            members.handle_dial_outcome(now, &address(name(peer).as_str()), &outcome(number));
        }
        Input::Connected { peer } => members.handle_dial_connected(now, &address(name(peer).as_str())),
        Input::Discovered { peers } => {
            let found: Vec<Address> = peers.into_iter().map(|peer| address(name(peer).as_str())).collect();
            members.handle_discovered(now, "seeds", Ok(&found));
        }
        Input::Superseded { epoch } => members.handle_superseded(now, epoch),
        Input::Forget { peer } => {
            let _ = members.forget(now, &name(peer));
        }
        Input::Hold { peer, ms } => {
            let _ = members.hold(now, &name(peer), Duration::from_millis(ms));
        }
        Input::Wait { ms } => {
            // One step, so that late wakes and own pauses are among the histories.
            world.now += ms;
            world.members.handle_timeout(at(world.now));
        }
    }
    world.drain();
}

/// Joined and Removed, and Ready and NotReady, each alternate.
fn check_alternation(events: &[(u64, MemberEvent)]) {
    let (mut present, mut ready) = (BTreeMap::new(), false);
    for (_, event) in events {
        match event {
            MemberEvent::Joined { node, incarnation, .. } => {
                assert_eq!(present.insert(node.clone(), *incarnation), None, "{event:?}");
            }
            MemberEvent::Removed { node, incarnation, .. } => {
                assert_eq!(present.remove(node), Some(*incarnation), "{event:?}");
            }
            MemberEvent::Ready => assert!(!std::mem::replace(&mut ready, true)),
            MemberEvent::NotReady { reasons } => {
                assert!(!reasons.is_empty() && std::mem::replace(&mut ready, false));
            }
            _ => {}
        }
    }
}

/// Each address is added and removed in turn.
fn check_targets(actions: &[Action]) {
    let mut targets = BTreeSet::new();
    for action in actions {
        match action {
            Action::AddTarget(address) => assert!(targets.insert(address), "{address} twice"),
            Action::RemoveTarget(address) => assert!(targets.remove(address), "{address} was none"),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_history_keeps_the_laws(inputs in inputs()) {
        let mut world = World::new(settings(2, Discovery::Configured));
        for input in inputs {
            apply(&mut world, input);
            world.members.handle_timeout(at(world.now));
            prop_assert!(world.members.poll_timeout().unwrap() > at(world.now));
            prop_assert!(world.members.poll_timeout().unwrap() <= at(world.now + 500));
            prop_assert_eq!(world.members.is_ready(), world.members.reasons().is_empty());
            world.drain();
        }
        check_alternation(&world.events);
        check_targets(&world.actions);
        // Left alone, all who do not talk are gone, and every doubt has come to its end.
        world.run_to(world.now + 60_000);
        prop_assert_eq!(world.members.members().count(), 0);
        check_alternation(&world.events);
    }
}
