//! Processes stop, starve, die and have doubles.

use std::time::Instant;

use cluster_tests::netns::{Lab, inside};

use crate::{NODES, each, fault_for, forgotten, ms, tell};

#[test]
fn half_of_the_nodes_killed_are_gone_everywhere_and_take_their_places_again() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &["plugins.cluster.minimumNodes=5"]);
        let (rest, killed): (Vec<u8>, Vec<u8>) = ((1..=5).collect(), (6..=10).collect());
        killed.iter().for_each(|number| lab.kill(*number));
        let gone = lab.until("the killed are gone", ms(5_000), |views| {
            forgotten(views, &rest, &killed) && each(views, &rest, |view| view.rooms == 6)
        });
        tell("5 of 10 killed at once, gone with their rooms at all others after", gone, Some(ms(500)));
        lab.throughout(ms(1_500), &rest, "the others are ready", |views| {
            each(views, &rest, |view| view.ready)
        });
        killed.iter().for_each(|number| lab.restart(*number));
        tell("5 of 10 killed and started again, all agree after", lab.agreed(6, ms(60_000)), None);
    });
}

#[test]
fn a_process_that_is_stopped_for_ten_seconds_is_kept_and_serves_again() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, NODES, &[]);
        lab.signal(5, "STOP");
        let rest: Vec<u8> = (1..=NODES).filter(|number| *number != 5).collect();
        lab.throughout(ms(10_000), &rest, "all others serve, and keep it", |views| {
            each(views, &rest, |view| view.ready && view.members.len() + 1 == usize::from(NODES))
        });
        lab.subscribe(1, 20);
        lab.signal(5, "CONT");
        let agreed = lab.agreed(u64::from(NODES) + 2, ms(60_000));
        tell("1 of 10 stopped for 10 s, all agree after it goes on within", agreed, None);
        assert_eq!(lab.removals(), []);
    });
}

#[test]
fn a_node_without_processor_time_is_not_removed_and_removes_nobody() {
    inside(|namespace| {
        let lab = Lab::start(namespace, NODES, &[]);
        let rest: Vec<u8> = (1..=NODES).filter(|number| *number != 5).collect();
        let (began, before) = (Instant::now(), lab.processor(5));
        let starvation = lab.starve(5);
        lab.throughout(fault_for(), &rest, "the others keep it", |views| {
            each(views, &rest, |view| view.members.len() + 1 == usize::from(NODES))
        });
        let (span, after) = (began.elapsed(), lab.processor(5));
        let (had, waited) = (after.0 - before.0, after.1 - before.1);
        println!(
            "netns: 1 of 10 starved: it had the processor for {had:.1?} of {span:.1?}, and waited {waited:.1?} for it"
        );
        assert!(waited > had, "it did not starve");
        drop(starvation);
        let agreed = lab.agreed(u64::from(NODES) + 1, ms(60_000));
        tell("1 of 10 starved, all agree afterwards within", agreed, None);
        assert_eq!(lab.removals(), []);
    });
}

#[test]
fn of_two_processes_with_one_id_the_newer_serves_and_the_older_says_why_not() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, 3, &["plugins.cluster.minimumNodes=2"]);
        lab.start_double(3);
        let took = lab.until("the older one is superseded", ms(30_000), |views| {
            let fenced = |why: &String| why.contains("another process of this id");
            each(views, &[3], |view| !view.ready && view.reasons.iter().any(fenced))
                && each(views, &[4], |view| view.ready)
                && each(views, &[1, 2], |view| view.ready && view.members.len() == 2 && view.rooms == 3)
        });
        tell("a second process of one id serves, and the first does not and owns nothing, after", took, None);
        lab.kill(4);
        let back = lab.until("the first serves again", ms(600_000), |views| {
            each(views, &[1, 2, 3], |view| view.ready && view.members.len() == 2 && view.rooms == 4)
        });
        tell("the second process of one id killed, the first serves again with its rooms after", back, None);
    });
}
