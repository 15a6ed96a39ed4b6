//! Which addresses are dialled when.

use super::*;

/// Settings without chance: each interval is exact.
fn exact(dial: DialSettings) -> Side {
    Side::new(EndpointSettings { dial: DialSettings { jitter: 0, ..dial }, ..settings("a", 1) })
}

/// Fails the dial that is under way and says when the next one comes.
fn refuse_next(side: &mut Side) -> Option<Duration> {
    let now = side.endpoint.poll_timeout().map_or(at(1), |due| due.max(at(1)));
    side.endpoint.handle_timeout(now);
    side.actions();
    let link = side.dialled.pop_front()?;
    side.endpoint.handle_connect_failed(now, link, ConnectFailure::Refused);
    side.endpoint.poll_timeout().map(|next| next.since(now))
}

#[test]
fn after_its_attempts_an_address_is_dialled_ever_more_rarely_with_one_warning() {
    let mut a = exact(DialSettings { attempts: 3, ..DialSettings::default() });
    a.endpoint.add_target(at(0), address("tcp://b:1")).unwrap();
    a.actions();
    // The first dial is under way; its deadline is not the time of the next one.
    let first = a.dialled.pop_front().unwrap();
    a.endpoint.handle_connect_failed(at(1), first, ConnectFailure::Refused);
    let waits: Vec<u64> = (0..8).map(|_| refuse_next(&mut a).expect("no further dial").as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    let warnings: Vec<EndpointEvent> =
        a.events().into_iter().filter(|event| matches!(event, EndpointEvent::BackingOff { .. })).collect();
    let warning = EndpointEvent::BackingOff { address: address("tcp://b:1"), attempts: 3, cap: 30 * SECOND };
    assert_eq!(warnings, [warning]);
}

#[test]
fn each_outcome_is_reported_and_only_a_change_is_news() {
    let mut a = exact(DialSettings::default());
    a.endpoint.add_target(at(0), address("tcp://b:1")).unwrap();
    a.actions();
    let failures = [
        ConnectFailure::Refused,
        ConnectFailure::Refused,
        ConnectFailure::Unreachable("no route".to_owned()),
        ConnectFailure::Unreachable("no route to host".to_owned()),
        ConnectFailure::Refused,
    ];
    for (second, failure) in (1..).zip(failures) {
        let link = a.dialled.pop_front().unwrap();
        a.endpoint.handle_connect_failed(at(second), link, failure);
        a.endpoint.handle_timeout(at(second + 1));
        a.actions();
    }
    let news: Vec<bool> = a
        .events()
        .into_iter()
        .filter_map(|event| match event {
            EndpointEvent::DialOutcome { changed, .. } => Some(changed),
            _ => None,
        })
        .collect();
    assert_eq!(news, [true, false, true, false, true]);
}

#[test]
fn intervals_stray_by_no_more_than_the_jitter_and_do_stray() {
    let mut a = Side::node("a");
    a.endpoint.add_target(at(0), address("tcp://b:1")).unwrap();
    a.actions();
    let first = a.dialled.pop_front().unwrap();
    a.endpoint.handle_connect_failed(at(1), first, ConnectFailure::Refused);
    let waits: Vec<Duration> = (0..25).map(|_| refuse_next(&mut a).unwrap()).collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*least >= SECOND.mul_f64(0.8) && *most <= SECOND.mul_f64(1.2), "{waits:?}");
    assert!(*most - *least > SECOND / 10, "{waits:?}");
}

#[test]
fn an_address_rests_during_its_session_and_is_dialled_soon_after_it() {
    let (mut a, mut b) = (exact(DialSettings::default()), Side::node("b"));
    a.endpoint.add_target(at(0), address("tcp://b:1")).unwrap();
    a.actions();
    let dial = a.dialled.pop_front().unwrap();
    let session = shake_hands(at(1), &mut a, dial, &mut b);
    assert_eq!(a.endpoint.poll_timeout(), Some(at(2)), "for the rings alone");
    a.endpoint.handle_timeout(at(9));
    a.endpoint.handle_session_ended(at(9), session, SessionEnd::LinkLost("gone".to_owned()));
    let due = a.endpoint.poll_timeout().expect("the address is not dialled again");
    assert!(due.since(at(9)) <= SECOND / 10, "dialled again only at {due}");
    a.endpoint.handle_timeout(due);
    assert_eq!(a.actions(), ["link 2: connect tcp://b:1"]);
}

#[test]
fn a_session_that_does_not_last_is_not_dialled_again_at_once() {
    let mut dialler = Dialler::new(DialSettings { jitter: 0, ..DialSettings::default() });
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    dialler.add(at(1), address("tcp://b:1")).unwrap();
    assert_eq!(dialler.take_due(at(1)), Some(address("tcp://b:1")));
    dialler.rest(&address("tcp://b:1"), SessionId(1));
    dialler.wake(at(2), SessionId(1), SECOND / 2, &mut rng);
    assert_eq!(dialler.next_due(), Some(at(3)));
}

#[test]
fn a_dial_that_hangs_and_a_handshake_that_hangs_are_given_up() {
    let mut a = exact(DialSettings::default());
    let (first, second) = (a.dial(at(1), "tcp://b:1"), a.dial(at(1), "tcp://b:2"));
    a.endpoint.handle_connected(at(2), second, PeerIdentity::Plaintext);
    a.events();
    assert_eq!(a.endpoint.poll_timeout(), Some(at(6)));
    a.endpoint.handle_timeout(at(6));
    assert_eq!(a.actions(), [format!("{first}: close")]);
    a.endpoint.handle_timeout(at(7));
    assert_eq!(
        a.actions(),
        [format!("{second}: Close 9: the handshake took too long"), format!("{second}: close")]
    );
    let outcome =
        |to: &str, outcome| EndpointEvent::DialOutcome { address: address(to), outcome, changed: true };
    assert_eq!(
        a.events(),
        [
            outcome("tcp://b:1", DialOutcome::NotConnected(ConnectFailure::TimedOut)),
            outcome("tcp://b:2", DialOutcome::Failed(HandshakeFailure::TimedOut)),
        ]
    );
}

#[test]
fn only_so_many_addresses_are_dialled_at_a_time_and_kept_at_all() {
    let mut a = exact(DialSettings { concurrent: 2, targets: 3, ..DialSettings::default() });
    let mut add = |port: u16| {
        a.endpoint.add_target(at(1), address(&format!("tcp://b:{port}"))).map(|()| a.actions().len())
    };
    assert_eq!((add(1), add(2), add(3), add(3)), (Ok(1), Ok(1), Ok(0), Ok(0)));
    let message = "tcp://b:4 is not dialled: there are 3 targets already; remove some or raise the limit";
    assert_eq!(add(4).unwrap_err().to_string(), message);
    assert!(a.endpoint.remove_target(at(1), &address("tcp://b:1")));
    assert_eq!(a.actions(), ["link 1: close", "link 3: connect tcp://b:3"]);
    assert!(!a.endpoint.remove_target(at(1), &address("tcp://b:1")));
}

#[test]
fn a_probe_goes_out_at_once_and_leaves_the_schedule_alone() {
    let mut a = exact(DialSettings::default());
    a.endpoint.add_target(at(1), address("tcp://b:1")).unwrap();
    a.actions();
    let target = a.dialled.pop_front().unwrap();
    a.endpoint.probe(at(1), address("tcp://b:1")).unwrap();
    assert_eq!(a.actions(), Vec::<String>::new(), "the dial under way is as good");
    a.endpoint.handle_connect_failed(at(1), target, ConnectFailure::Refused);
    let probe = a.dial(at(1), "tcp://b:1");
    a.endpoint.handle_connect_failed(at(1), probe, ConnectFailure::Refused);
    assert_eq!(a.endpoint.poll_timeout(), Some(at(2)));
    for port in 1..=64 {
        a.endpoint.probe(at(1), address(&format!("tcp://c:{port}"))).unwrap();
    }
    let message = "tcp://c:99 is not probed: 64 probes are under way; ask again when one has an outcome";
    assert_eq!(a.endpoint.probe(at(1), address("tcp://c:99")).unwrap_err().to_string(), message);
}
