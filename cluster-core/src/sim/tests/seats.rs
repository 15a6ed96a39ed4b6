//! Seats of sessions, which are used again: what was meant for the session before is not taken for the next one's.

use bytes::Bytes;
use cluster_transport::proto::SessionId;
use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::session::{Session, SessionStart};

use super::super::links::Conduit;
use super::super::network::Arrival;
use super::super::process::Process;
use super::super::sessions::Seat;
use super::super::wires::Socket;
use super::*;

/// No session survives it.
const BAD_FRAME: &[u8] = &0_u32.to_be_bytes();

/// The session that a process has with a node.
fn session_with(process: &Process, node: usize) -> (SessionId, Seat, Socket) {
    let id = process.endpoint.session_with(&Sim::id(node)).unwrap();
    let live = process.sessions.get(id).unwrap();
    let Some(Conduit::Socket(socket)) = live.conduit() else { panic!("{live:?} has no socket") };
    (id, live.seat(), socket)
}

#[test]
fn bytes_of_another_socket_are_not_those_of_the_session_in_the_seat() {
    let mut sim = formed(3);
    let read = |sim: &mut Sim, socket: Socket, seat: Seat| {
        let bytes = Arrival::Bytes(Bytes::from_static(BAD_FRAME), seat);
        sim.act(0, |process, now, network| process.handle_arrival(now, socket, bytes, network)).unwrap();
    };
    let has = |sim: &Sim, id: SessionId| sim.process(0).unwrap().sessions.get(id).is_some();
    let (first, seat, socket) = session_with(sim.process(0).unwrap(), 1);
    let (second, _, other) = session_with(sim.process(0).unwrap(), 2);

    // A link of nobody: that of a session that is over.
    let nobodys = sim.network.connect(0, 1);
    read(&mut sim, nobodys, seat);
    assert!(has(&sim, first) && has(&sim, second));
    // The other session's, though the seat is the first one's.
    read(&mut sim, other, seat);
    assert!(has(&sim, first) && !has(&sim, second));
    read(&mut sim, socket, seat);
    assert!(!has(&sim, first));
}

#[test]
fn a_session_is_not_asked_in_the_place_of_the_one_that_had_its_seat() {
    let mut sim = formed(2);
    let next = SessionId(99);
    sim.act(0, |process, _, _| {
        let (old, seat, _) = session_with(process, 1);
        process.stir(old);
        let old = process.sessions.remove(old).unwrap();
        let start = SessionStart { session: next, ..old.session.start().clone() };
        assert_eq!(process.sessions.insert(Session::new(start), old.conduit().unwrap()), seat);
        process.sessions.get_mut(next).unwrap().session.close(CloseCode::STALLED, "");
    });
    let has_next = |sim: &Sim| sim.process(0).unwrap().sessions.get(next).is_some();
    assert!(has_next(&sim), "it was asked");
    sim.act(0, |process, _, _| process.stir(next));
    assert!(!has_next(&sim), "another was told that it has ended");
}
