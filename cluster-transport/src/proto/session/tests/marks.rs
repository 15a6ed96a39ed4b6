//! What is given up in a lane, and the marks that travel in its place.

use super::*;

/// Four parts.
const LONG: usize = 200 << 10;

#[test]
fn what_had_arrived_before_it_was_given_up_may_be_acknowledged_before_the_mark_is_sent() {
    let mut pair = Pair::new(&settings());
    pair.b.takes = false;
    for arrives in [b"first", b"other"] {
        pair.a.send(Lane::Events, arrives);
        pair.settle();
    }
    pair.a.send(Lane::Events, b"never");
    pair.cut(0);
    // The link is gone for so long that a gives up what it has not heard of.
    let age = pair.a.lanes.settings().ring_age;
    for at in [pair.now, pair.now + age] {
        pair.a.lanes.tick(at);
    }
    assert_eq!(pair.a.lanes.take_untold(Lane::Events), 3, "nobody said that any of them had arrived");
    pair.connect();
    pair.b.lagged.clear();
    pair.b.take();
    let acknowledgement = pair.b.written(usize::MAX);
    acknowledgement.iter().for_each(|piece| pair.a.wire.extend_from_slice(piece));
    pair.a.read(pair.now);
    pair.b.takes = true;
    pair.a.send(Lane::Events, b"later");
    pair.settle();
    assert_eq!((&pair.a.ended[1..], &pair.b.ended[1..]), (&[][..], &[][..]));
    let received: Vec<_> = pair.b.received.iter().map(|(_, message)| message.as_slice()).collect();
    assert_eq!(received, [b"first", b"other", b"later"]);
    assert_eq!(pair.b.lagged, [(Lane::Events, Direction::Inbound, Missed::Known(1))]);
}

/// A pair of which a can send nothing more on the requests lane, and how it withdraws one long request after the other.
fn withdrawing() -> (Pair, impl Fn(&mut Pair)) {
    let mut settings = settings();
    settings.windows[Lane::Requests] = 1_000;
    let mut pair = Pair::new(&settings);
    pair.settle();
    pair.a.ask(pair.now, Duration::from_secs(60), &[7; 2_000]);
    pair.a.written(usize::MAX);
    let withdraw = |pair: &mut Pair| {
        let id = pair.a.ask(pair.now, Duration::from_secs(60), &vec![7; LONG]);
        pair.a.written(usize::MAX);
        assert!(pair.a.cancel(id));
        pair.a.written(usize::MAX);
    };
    (pair, withdraw)
}

#[test]
fn requests_that_are_withdrawn_unsent_take_no_memory_each() {
    let (mut pair, withdraw) = withdrawing();
    for _ in 0..100 {
        withdraw(&mut pair);
    }
    let queued = pair.a.lanes.outbound(Lane::Requests).queued();
    assert!(queued <= 3, "{queued} entries");
}

#[test]
fn numbers_that_were_withdrawn_are_no_messages_that_wait() {
    let (mut pair, withdraw) = withdrawing();
    withdraw(&mut pair);
    let lag = pair.a.lanes.lag(Lane::Requests);
    assert_eq!(lag.unsent_messages, 1, "the word that it is cancelled");
    assert_eq!(pair.a.lanes.outbound(Lane::Requests).next(), 1 + 4 + 1, "its numbers are used all the same");
}
