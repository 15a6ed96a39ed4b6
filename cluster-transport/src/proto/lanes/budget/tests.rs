use proptest::prelude::*;

use super::*;
use crate::proto::SessionId;
use crate::proto::lanes::{LaneSettings, Payload};

const LANE: Lane = Lane::Notifications;
const TOTAL: usize = 1 << 20;
const SESSION: SessionId = SessionId(1);

fn peers(count: usize) -> (Arc<RingBudget>, Vec<Arc<PeerLanes>>) {
    let budget = RingBudget::new(TOTAL);
    let settings = Arc::new(LaneSettings { ring: TOTAL / 2, ring_total: TOTAL, ..LaneSettings::default() });
    let peers = (0..count).map(|_| PeerLanes::sharing(&settings, &budget)).collect();
    (budget, peers)
}

fn push(peer: &PeerLanes, bytes: usize) -> u64 {
    peer.push(LANE, Payload::Copied(&vec![0; bytes])).unwrap().shed
}

#[test]
fn the_largest_sheds_its_oldest_and_those_below_their_share_lose_nothing() {
    let (budget, peers) = peers(4);
    let (small, large) = peers.split_first().unwrap();
    for _ in 0..20 {
        push(small, 1_000);
    }
    let mut shed = 0;
    for _ in 0..2_000 {
        shed += large.iter().map(|peer| push(peer, 1_000)).sum::<u64>();
    }
    assert!(budget.used() <= TOTAL + TOTAL / RELIEF, "{}", budget.used());
    let lost: u64 = peers.iter().map(|peer| peer.lag(LANE).shed).sum();
    let untold: u64 = peers.iter().map(|peer| peer.take_untold(LANE)).sum();
    assert!(untold > 0, "nobody gave way for others");
    assert_eq!(shed + untold, lost, "each is told once");
    assert_eq!(small.lag(LANE).shed, 0);
}

#[test]
fn those_who_wait_never_make_anybody_shed() {
    let (budget, peers) = peers(8);
    let mut sent = 0;
    while let Some(peer) = peers.iter().find(|peer| {
        let pushed = peer.push_if_room(LANE, &[], &Payload::Copied(&[0; 900])).unwrap();
        assert!(pushed.is_none_or(|pushed| pushed.shed == 0));
        pushed.is_some()
    }) {
        sent += 1;
        assert_eq!(peer.lag(LANE).shed, 0);
    }
    assert!(sent > 400, "half of the memory is for the events: {sent}");
    assert!(budget.used() <= TOTAL);
}

#[test]
fn a_peer_that_is_forgotten_gives_its_memory_back() {
    let (budget, mut peers) = peers(2);
    for peer in &peers {
        push(peer, 100_000);
    }
    assert!(budget.used() > 190_000);
    peers.pop();
    assert!(budget.used() < 110_000);
    assert_eq!(budget.share(), TOTAL / 2);
}

proptest! {
    #[test]
    fn what_is_reported_is_what_is_held(
        steps in prop::collection::vec((0..3_usize, 0..4_u8, 0..70_000_usize), 0..80),
    ) {
        let (budget, peers) = peers(3);
        for peer in &peers {
            peer.changing(LANE, |outbound| outbound.start(SESSION, 100_000, None));
        }
        for (peer, what, bytes) in steps {
            let peer = &peers[peer];
            match what {
                0 | 1 => {
                    push(peer, bytes);
                }
                2 => while peer.changing(LANE, |outbound| outbound.poll(SESSION)).is_some() {},
                _ => {
                    let sent = peer.outbound(LANE).sent_end();
                    prop_assert!(peer.acknowledged(LANE, sent));
                }
            }
            let held: usize = peers.iter().map(|peer| peer.outbound(LANE).held()).sum();
            prop_assert!(budget.used().abs_diff(held) <= 3 * STEP, "{} {held}", budget.used());
            prop_assert!(budget.used() <= TOTAL + 3 * 100_000 + STEP);
        }
    }
}
