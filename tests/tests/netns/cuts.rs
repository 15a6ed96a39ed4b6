//! Packets are lost: all of a node, in one direction, between groups, or some of all.

use std::cell::Cell;
use std::time::Instant;

use cluster_tests::netns::{Lab, View, inside};

use crate::{NODES, each, fault_for, forgotten, ms, name, tell};

#[test]
fn a_node_that_is_cut_off_in_silence_is_removed_by_the_others_and_comes_back() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &["plugins.cluster.minimumNodes=6"]);
        let (rest, cut): (Vec<u8>, [u8; 1]) = ((1..NODES).collect(), [NODES]);
        lab.split(&[&rest, &cut]);
        let (began, not_ready) = (Instant::now(), Cell::new(None));
        let gone = lab.until("the others have removed it, and it is not ready", ms(30_000), |views| {
            if not_ready.get().is_none() && each(views, &cut, |view| !view.ready) {
                not_ready.set(Some(began.elapsed()));
            }
            let clean = each(views, &rest, |view| view.rooms == u64::from(NODES));
            not_ready.get().is_some() && clean && forgotten(views, &rest, &cut)
        });
        tell(
            "1 of 10 cut off in silence, removed with its rooms by the 9 others after",
            gone,
            Some(ms(3_000)),
        );
        tell("1 of 10 cut off in silence, itself not ready after", not_ready.get().unwrap(), Some(ms(3_000)));
        lab.until("it has removed the others", ms(130_000), |views| forgotten(views, &cut, &rest));
        tell("1 of 10 cut off in silence, it removed the others after", began.elapsed(), Some(ms(13_000)));
        lab.throughout(ms(500), &rest, "the others are ready", |views| each(views, &rest, |view| view.ready));
        lab.subscribe(1, 20);
        lab.subscribe(NODES, 21);
        assert!(lab.dropped() > 0);
        lab.heal();
        let healed = lab.agreed(u64::from(NODES) + 3, ms(60_000));
        tell("1 of 10 cut off in silence, all agree after the heal within", healed, None);
        let among_the_rest = |(by, whom): &(String, String)| *by != name(NODES) && *whom != name(NODES);
        assert!(!lab.removals().iter().any(among_the_rest), "{:?}", lab.removals());
    });
}

#[test]
fn a_node_that_cannot_hear_one_other_meets_it_through_a_third_and_removes_nobody() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &[]);
        let all: Vec<u8> = (1..=NODES).collect();
        let tunnelled =
            |view: &View| view.transports.get(&name(4)).is_some_and(|by| by.as_deref() == Some("tunnel"));
        lab.deafen(3, 4);
        let met = lab.until("the deaf one has a tunnel", ms(40_000), |views| each(views, &[3], tunnelled));
        tell("one direction between two of 10 cut, a tunnel between them after", met, Some(ms(4_000)));
        lab.subscribe(4, 20);
        let agreed = lab.agreed(u64::from(NODES) + 2, ms(60_000));
        tell(
            "one direction between two of 10 cut, a new room known to all and all in agreement after",
            agreed,
            None,
        );
        lab.throughout(fault_for(), &all, "all are ready and nobody is gone", |views| {
            each(views, &all, |view| view.ready && view.members.len() + 1 == usize::from(NODES))
        });
        assert!(lab.dropped() > 0);
        lab.heal();
        let direct = lab.until("the tunnel is not needed", ms(300_000), |views| {
            each(views, &[3], |view| {
                !tunnelled(view) && view.members.get(&name(4)).is_some_and(|is| is == "connected")
            })
        });
        tell("one direction between two of 10 cut, a direct link after the heal within", direct, None);
        lab.agreed(u64::from(NODES) + 2, ms(60_000));
        assert_eq!(lab.removals(), []);
    });
}

#[test]
fn a_fifth_of_all_packets_lost_removes_nobody() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &[]);
        lab.lose("0.2");
        let all: Vec<u8> = (1..=NODES).collect();
        lab.throughout(fault_for(), &all, "nobody is gone", |views| {
            each(views, &all, |view| view.members.len() + 1 == usize::from(NODES))
        });
        lab.subscribe(1, 20);
        let known = lab.agreed(u64::from(NODES) + 2, ms(100_000));
        tell("20 % of all packets lost, a new room known to all and all in agreement after", known, None);
        println!("netns: 20 % of all packets lost: {} of them", lab.dropped());
        assert!(lab.dropped() > 0);
        lab.heal();
        let healed = lab.agreed(u64::from(NODES) + 2, ms(60_000));
        tell("20 % of all packets lost, all agree after the heal within", healed, None);
        assert_eq!(lab.removals(), []);
    });
}

#[test]
fn three_parts_of_a_cluster_stop_serving_and_merge_again() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &["plugins.cluster.minimumNodes=6"]);
        let all: Vec<u8> = (1..=NODES).collect();
        let parts: [&[u8]; 3] = [&[1, 2, 3, 4], &[5, 6, 7], &[8, 9, 10]];
        let others =
            |part: &[u8]| all.iter().copied().filter(|node| !part.contains(node)).collect::<Vec<_>>();
        let began = Instant::now();
        lab.split(&parts);
        lab.until("nobody is ready", ms(30_000), |views| each(views, &all, |view| !view.ready));
        tell("10 nodes in parts of 4, 3 and 3, nobody ready after", began.elapsed(), Some(ms(3_000)));
        lab.until("each part has removed the others", ms(130_000), |views| {
            parts.iter().all(|part| forgotten(views, part, &others(part)))
        });
        tell("10 nodes in parts of 4, 3 and 3, removed after", began.elapsed(), Some(ms(13_000)));
        for (number, room) in [(1, 20), (5, 21), (8, 22)] {
            lab.subscribe(number, room);
        }
        assert!(lab.dropped() > 0);
        lab.heal();
        let healed = lab.agreed(u64::from(NODES) + 4, ms(60_000));
        tell("10 nodes in parts of 4, 3 and 3, all agree after the heal within", healed, None);
        let within = |(by, whom): &(String, String)| {
            let has = |part: &&[u8], node: &String| part.iter().any(|number| name(*number) == *node);
            parts.iter().any(|part| has(part, by) && has(part, whom))
        };
        assert!(!lab.removals().iter().any(within), "{:?}", lab.removals());
    });
}
