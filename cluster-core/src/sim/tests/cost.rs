//! What things cost on the wire.

use super::*;
use crate::engine::state::Subscribed;

#[test]
fn a_notification_goes_only_where_a_subscriber_is() {
    let mut sim = formed(3);
    sim.subscribe(1, 1, 1);
    calm(&mut sim);
    for _ in 0..100 {
        sim.publish(0, 1, 100);
    }
    calm(&mut sim);
    let counters = sim.counters();
    assert_eq!((counters.notifications_sent, counters.notifications_avoided), (100, 100));
    assert_eq!(counters.notifications_received, 100);
    assert_eq!(sim.host(1).delivery().total(), 100);
}

#[test]
fn one_subscription_beside_ten_thousand_rooms_costs_a_peer_at_most_400_bytes() {
    let mut sim = formed(2);
    for room in 0..10_000 {
        sim.subscribe(0, 1, room);
    }
    calm(&mut sim);
    // Within a beat, so that what is counted is one change and not the passing of time.
    let window = 200 * MILLI;
    let idle: Vec<u64> = (0..20).map(|_| spent(&mut sim, window, |_| None)).collect();
    let quiet = idle.iter().min().unwrap();
    let busy = (0..20).map(|n| spent(&mut sim, window, |sim| sim.subscribe(0, 2, 20_000 + n)));
    let cost = busy.min().unwrap() - quiet;
    println!("{cost} bytes, both ways");
    assert!(cost > 0 && cost <= 400, "{cost} bytes, both ways");
}

/// The bytes that both nodes send in a span that begins with an act.
fn spent(sim: &mut Sim, span: Duration, act: impl FnOnce(&mut Sim) -> Option<Subscribed>) -> u64 {
    let sent = |sim: &Sim| sim.bytes_sent(0, 1) + sim.bytes_sent(1, 0);
    let before = sent(sim);
    act(sim);
    sim.run_for(span);
    sent(sim) - before
}
