use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const AC: SessionId = SessionId(1);
const CB: SessionId = SessionId(2);

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

/// Nodes whose frames arrive at once; `a` dialled `c`, and `c` dialled `b`.
struct Line {
    nodes: BTreeMap<&'static str, Tunnels>,
    /// What each node has to do beside sending.
    seen: Vec<(&'static str, TunnelOutput)>,
}

impl Line {
    fn new() -> Self {
        Self::with(true)
    }

    /// The session of `c` and `b` is direct, or goes through a tunnel itself.
    fn with(is_direct: bool) -> Self {
        let nodes = ["a", "b", "c"].map(|name| (name, Tunnels::new(node(name))));
        let mut line = Self { nodes: nodes.into(), seen: Vec::new() };
        line.at("a").handle_session_up(AC, node("c"), true, true);
        line.at("c").handle_session_up(AC, node("a"), true, false);
        line.at("c").handle_session_up(CB, node("b"), is_direct, true);
        line.at("b").handle_session_up(CB, node("c"), is_direct, false);
        line
    }

    fn at(&mut self, name: &str) -> &mut Tunnels {
        self.nodes.get_mut(name).unwrap()
    }

    /// Delivers everything; what ends and nodes were told since the last time.
    fn run(&mut self) -> Vec<(&'static str, TunnelOutput)> {
        loop {
            let next = self.nodes.iter_mut().find_map(|(name, node)| Some((*name, node.poll_output()?)));
            let Some((name, output)) = next else { return std::mem::take(&mut self.seen) };
            let TunnelOutput::Send { session, frame } = output else {
                self.seen.push((name, output));
                continue;
            };
            let to = match (name, session) {
                ("a", AC) | ("b", CB) => "c",
                ("c", AC) => "a",
                ("c", CB) => "b",
                other => panic!("{other:?} is no session"),
            };
            self.at(to).handle_frame(session, frame);
        }
    }

    /// A tunnel from `a` to `b`: both its ends.
    fn open(&mut self) -> (Leg, Leg) {
        let near = self.at("a").open(&node("c"), &node("b")).unwrap();
        let seen = self.run();
        let [("b", TunnelOutput::Accepted { leg, from, via })] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((from, via), (&node("a"), &node("c")));
        (near, *leg)
    }

    /// An end sends.
    fn data(&mut self, name: &str, leg: Leg, bytes: &[u8]) {
        let frame = TunnelFrame::Data(leg.tunnel, Bytes::copy_from_slice(bytes));
        let _ = name;
        self.at("c").handle_frame(leg.session, frame);
    }

    fn counts(&self) -> Vec<(usize, usize)> {
        self.nodes.values().map(Tunnels::counts).collect()
    }
}

#[test]
fn bytes_and_credit_pass_through_the_carrier_both_ways() {
    let mut line = Line::new();
    let (near, far) = line.open();
    assert_eq!(line.counts(), [(1, 0), (1, 0), (0, 1)]);
    line.data("a", near, b"there");
    assert_eq!(line.run(), [("b", TunnelOutput::Data(far, Bytes::from_static(b"there")))]);
    line.data("b", far, b"back");
    assert_eq!(line.run(), [("a", TunnelOutput::Data(near, Bytes::from_static(b"back")))]);
    line.at("c").handle_frame(far.session, TunnelFrame::Credit(far.tunnel, 5));
    assert_eq!(line.run(), [("a", TunnelOutput::Credit(near, 5))]);
}

#[test]
fn an_end_that_is_done_ends_the_other() {
    let mut line = Line::new();
    let (near, far) = line.open();
    line.at("b").close(far, TunnelCode::DONE);
    assert_eq!(line.run(), [("a", TunnelOutput::Closed(near, TunnelCode::DONE))]);
    assert_eq!(line.counts(), [(0, 0); 3]);
}

#[test]
fn a_session_on_the_way_that_ends_ends_both_ends() {
    let mut line = Line::new();
    let (near, far) = line.open();
    line.at("c").handle_session_down(CB);
    line.at("b").handle_session_down(CB);
    let lost = TunnelCode::LINK_LOST;
    let mut seen = line.run();
    seen.sort_by_key(|(name, _)| *name);
    assert_eq!(seen, [("a", TunnelOutput::Closed(near, lost)), ("b", TunnelOutput::Closed(far, lost))]);
    assert_eq!(line.counts(), [(0, 0); 3]);
}

#[test]
fn a_carrier_without_a_session_refuses() {
    let mut line = Line::new();
    let leg = line.at("a").open(&node("c"), &node("x")).unwrap();
    assert_eq!(line.run(), [("a", TunnelOutput::Closed(leg, TunnelCode::NO_SESSION))]);
    let error = line.at("a").open(&node("x"), &node("b")).unwrap_err();
    assert_eq!(error.to_string(), "there is no session with x, which is to carry a tunnel to b");
}

#[test]
fn a_tunnel_never_goes_through_a_tunnel() {
    let mut line = Line::with(false);
    let leg = line.at("a").open(&node("c"), &node("b")).unwrap();
    assert_eq!(line.run(), [("a", TunnelOutput::Closed(leg, TunnelCode::NESTED))]);
    let error = line.at("b").open(&node("c"), &node("a")).unwrap_err();
    assert_eq!(error.to_string(), "c is itself reached through a tunnel: it carries none to a");
}

#[test]
fn the_65th_tunnel_is_refused_by_whoever_has_64() {
    let mut line = Line::new();
    for _ in 0..MAX_TUNNELS {
        line.open();
    }
    let error = line.at("a").open(&node("c"), &node("b")).unwrap_err();
    assert_eq!(error, TunnelError::TooMany { limit: 64 });
    let leg = line.at("b").open(&node("c"), &node("a"));
    assert_eq!(leg, Err(TunnelError::TooMany { limit: 64 }));
    let open = TunnelOpen { tunnel: TunnelId(999), from: node("a"), to: node("b") };
    line.at("c").handle_frame(AC, TunnelFrame::Open(open, Extensions::default()));
    let refused = TunnelFrame::close(TunnelId(999), TunnelCode::TOO_MANY);
    assert_eq!(line.at("c").poll_output(), Some(TunnelOutput::Send { session: AC, frame: refused }));
}

#[test]
fn nobody_opens_a_tunnel_in_the_name_of_another() {
    let mut line = Line::new();
    let mut refused = |tunnel, from, to| {
        let tunnel = TunnelId(tunnel);
        let open = TunnelOpen { tunnel, from: node(from), to: node(to) };
        line.at("c").handle_frame(AC, TunnelFrame::Open(open, Extensions::default()));
        let frame = TunnelFrame::close(tunnel, TunnelCode::VIOLATION);
        let refused = line.at("c").poll_output() == Some(TunnelOutput::Send { session: AC, frame });
        refused && line.counts() == [(0, 0); 3]
    };
    assert!(refused(1, "x", "b"));
    assert!(refused(2, "a", "b"), "the even numbers are for c to give");
    assert!(refused(3, "a", "a"));
}

#[test]
fn more_than_the_credit_or_credit_for_nothing_breaks_the_tunnel_off() {
    let mut line = Line::new();
    let (near, far) = line.open();
    for _ in 0..CREDIT / MAX_DATA {
        line.data("a", near, &[0; MAX_DATA]);
    }
    line.run();
    line.data("a", near, b"one too many");
    let broken = TunnelCode::VIOLATION;
    assert_eq!(
        line.run(),
        [("a", TunnelOutput::Closed(near, broken)), ("b", TunnelOutput::Closed(far, broken))]
    );
    let (near, far) = line.open();
    line.at("c").handle_frame(far.session, TunnelFrame::Credit(far.tunnel, 1));
    let seen = line.run();
    assert!(seen.contains(&("a", TunnelOutput::Closed(near, broken))), "{seen:?}");
}

#[test]
fn the_two_sides_of_a_session_never_give_one_number_twice() {
    let mut line = Line::new();
    let there = line.at("a").open(&node("c"), &node("b")).unwrap();
    let back = line.at("c").open(&node("a"), &node("b")).unwrap();
    assert_ne!(there.tunnel, back.tunnel);
    assert_eq!((there.tunnel.0 % 2, back.tunnel.0 % 2), (1, 0));
}

proptest! {
    #[test]
    fn any_order_of_frames_leaves_a_table_whole(
        steps in prop::collection::vec((0..3_u8, 0..6_u8, 0..6_u64, 0..600_000_usize), 0..200),
    ) {
        let mut tunnels = Tunnels::new(node("c"));
        for (session, what, tunnel, bytes) in steps {
            let (session, tunnel) = (SessionId(u64::from(session)), TunnelId(tunnel));
            let name = |session: SessionId| node(["a", "b", "d"][usize::try_from(session.0).unwrap()]);
            match what {
                0 if !tunnels.hops.contains_key(&session) => {
                    tunnels.handle_session_up(session, name(session), true, false);
                }
                0 => {}
                1 => tunnels.handle_session_down(session),
                2 => {
                    let to = name(SessionId(tunnel.0 % 3));
                    let open = TunnelOpen { tunnel, from: name(session), to };
                    tunnels.handle_frame(session, TunnelFrame::Open(open, Extensions::default()));
                }
                3 => tunnels.handle_frame(session, TunnelFrame::Data(tunnel, vec![0; bytes].into())),
                4 => {
                    let credit = u32::try_from(bytes).unwrap();
                    tunnels.handle_frame(session, TunnelFrame::Credit(tunnel, credit));
                }
                _ => tunnels.handle_frame(session, TunnelFrame::close(tunnel, TunnelCode::DONE)),
            }
            while tunnels.poll_output().is_some() {}
            let (ends, carried) = tunnels.counts();
            prop_assert!(ends + carried <= MAX_TUNNELS);
            for (leg, role) in &tunnels.legs {
                prop_assert!(tunnels.hops.contains_key(&leg.session), "{leg:?} of a session that is gone");
                if let Role::Carried { other, under_way } = role {
                    let back = tunnels.legs.get(other);
                    let is_mutual = matches!(back, Some(Role::Carried { other, .. }) if other == leg);
                    prop_assert!(is_mutual, "half a tunnel at {:?}", leg);
                    prop_assert!(*under_way <= CREDIT);
                }
            }
        }
    }
}
