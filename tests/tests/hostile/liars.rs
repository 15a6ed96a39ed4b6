//! Members with valid credentials that keep to the protocol and lie.

use cluster_core::engine::wire::encode;
use cluster_tests::attacker::{Attacker, Verdict, begin, delta, heartbeat, hello, hints};
use cluster_tests::{SLACK_MIB, Siege};
use cluster_transport::proto::body::{Refuse, RefuseCode};
use cluster_transport::proto::frame::Frame;
use cluster_transport::proto::wire::{Extensions, Text};
use cluster_transport::proto::{Incarnation, Lane, NodeId};
use serde_json::Value;

/// What the victim says of a member.
fn member<'a>(status: &'a Value, node: &str) -> Option<&'a Value> {
    status["pool"].as_array()?.iter().find(|member| member["id"] == node)
}

/// A member that says good-bye by closing its link, once the victim has removed it.
async fn gone(siege: &Siege, peer: Attacker, node: &str) {
    drop(peer);
    siege.shows("the end of the liar", |status| member(status, node).is_none()).await;
}

#[tokio::test]
async fn false_versions_and_hashes_are_shown_and_harm_nobody() {
    const TRIES: u64 = 2_000;
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("false versions and hashes of the own state", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            for number in 0..TRIES {
                let claim = heartbeat(u64::MAX - number, u128::MAX - u128::from(number));
                assert!(peer.say(Lane::Control, &claim).await);
            }
            siege
                .shows("a member that does not agree", |status| {
                    let liar = member(status, "node-x");
                    liar.is_some_and(|it| it["agrees"] == false) && status["converged"] == false
                })
                .await;
            assert_eq!(siege.status().await["current"]["ready"], true);
            // A state with another hash than it says, time and again.
            assert!(peer.say(Lane::State, &begin(1)).await);
            for version in 1..200 {
                let frame = delta((version - 1, version), Some(12_345), [(version, 1)]);
                assert!(peer.say(Lane::State, &frame).await);
            }
            siege.shows("a difference", |status| status["hashMismatches"].as_u64() >= Some(1)).await;
            gone(siege, peer, "node-x").await;
            siege.shows("agreement", |status| status["converged"] == true && status["rooms"] == 2).await;
            TRIES + 199
        })
        .await;
    aftermath.finish("shown as not agreeing; one pass is asked for and no more", SLACK_MIB).await;
}

#[tokio::test]
async fn deltas_that_cannot_be_are_not_applied() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("deltas from the future, backwards, of more rooms than fit, of 0 clients", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            for ahead in 1..1_000_u64 {
                let frame = delta((u64::MAX / 2 + ahead, u64::MAX / 2 + ahead + 1), None, [(ahead, 1)]);
                assert!(peer.say(Lane::State, &frame).await);
            }
            assert_eq!(siege.status().await["rooms"], 2);
            peer.say(Lane::State, &delta((5, 3), None, [])).await;
            let verdict = peer.verdict().await;
            let text = "a delta from 5 to 3 that cannot be".to_owned();
            assert_eq!(verdict, Verdict::Closed(1, text));

            let mut peer = siege.traitor("node-y").await;
            peer.say(Lane::State, &delta((0, 1), None, [(1, 0)])).await;
            let text = "a malformed body in a message of kind 2".to_owned();
            assert_eq!(peer.verdict().await, Verdict::Closed(1, text));

            // "You have told me of your version 2^63."
            let mut peer = siege.traitor("node-z").await;
            peer.say(Lane::Control, &encode(3, &(1_u64 << 63))).await;
            let verdict = peer.verdict().await;
            assert!(
                matches!(&verdict, Verdict::Closed(1, text) if text.contains("our version")),
                "{verdict:?}"
            );
            siege.counts("/sessionsClosed/violation", 3).await;
            siege.shows("two rooms", |status| status["rooms"] == 2).await;
            1_002
        })
        .await;
    aftermath.finish("a gap is not applied; Close 1 for what cannot be", SLACK_MIB).await;
}

#[tokio::test]
async fn counts_at_their_maximum_add_up_and_go_with_their_owner() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("counts of 2^32 - 1 from two members", async |siege| {
            let mut peers = Vec::new();
            for node in ["node-x", "node-y"] {
                let mut peer = siege.traitor(node).await;
                assert!(peer.say(Lane::State, &begin(4)).await);
                for from in 0..4 {
                    let rooms = (0..500).map(|room| (from * 500 + room, u32::MAX));
                    assert!(peer.say(Lane::State, &delta((from, from + 1), None, rooms)).await);
                }
                peers.push((peer, node));
            }
            let all = 2 * 2_000 * u64::from(u32::MAX) + 2;
            siege
                .shows("all rooms", |status| {
                    status["rooms"] == 2_002 && status["subscriptions"].as_u64() == Some(all)
                })
                .await;
            for (peer, node) in peers {
                gone(siege, peer, node).await;
            }
            siege.shows("no ghosts", |status| status["rooms"] == 2 && status["subscriptions"] == 2).await;
            4_000
        })
        .await;
    aftermath.finish("added in 64 bits; gone with the liar", SLACK_MIB).await;
}

#[tokio::test]
async fn a_flood_of_new_rooms_stops_at_its_sender() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("new rooms without end", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            let mut version = 0;
            assert!(peer.say(Lane::State, &begin(1)).await);
            while peer.is_open() && version < 10_000 {
                let rooms = (0..1_000).map(|room| (version * 1_000 + room, 1));
                let frame = delta((version, version + 1), None, rooms);
                if !peer.say(Lane::State, &frame).await {
                    break;
                }
                version += 1;
            }
            // What is over the budget is not acknowledged, so that a sender that goes on is over its window.
            let verdict = peer.verdict().await;
            let fits = matches!(&verdict, Verdict::Closed(1, text) if text.contains("the window is 1048576"));
            assert!(fits, "{verdict:?}");
            siege.counts("/sessionsClosed/violation", 1).await;

            let mut peer = siege.traitor("node-y").await;
            assert!(peer.say(Lane::State, &begin(7)).await);
            for version in 0..7 {
                let rooms = (0..1_000).map(|room| (version * 1_000 + room, 1));
                assert!(peer.say(Lane::State, &delta((version, version + 1), None, rooms)).await);
            }
            siege
                .shows("a member over its budget", |status| {
                    member(status, "node-y").is_some_and(|it| it["overBudget"] == true)
                        && status["rooms"].as_u64() <= Some(5_002)
                })
                .await;
            gone(siege, peer, "node-y").await;
            version * 1_000 + 7_000
        })
        .await;
    aftermath.finish("5,000 rooms (the limit here) are kept; Close 1 beyond the window", SLACK_MIB).await;
}

#[tokio::test]
async fn what_is_said_of_others_moves_none_of_them() {
    let siege = Siege::begin().await;
    let aftermath = siege
        .under("false addresses, views and opinions of another member", async |siege| {
            let mut peer = siege.traitor("node-x").await;
            let friend: NodeId = "node-b".parse().unwrap();
            let mut tries = 0;
            for number in 0..200_u16 {
                let address = format!("tcp://127.0.0.1:{}", 20_000 + number);
                assert!(peer.say(Lane::Control, &hints([(&friend, address)])).await);
                // "node-b is at version 0 of another life", and "nobody has heard of it".
                let of_another_life = Incarnation { epoch: u64::MAX, nonce: number.into() };
                let row = (&friend, of_another_life, u64::MAX, u128::MAX);
                assert!(peer.say(Lane::Control, &encode(10, &vec![row])).await);
                let question = (u32::from(number), &friend, of_another_life);
                assert!(peer.say(Lane::Control, &encode(7, &(question, 0_u8))).await);
                assert!(peer.say(Lane::Control, &encode(6, &question)).await);
                tries += 4;
            }
            siege
                .shows("node-b as it was", |status| {
                    member(status, "node-b")
                        .is_some_and(|it| it["state"] == "connected" && it["agrees"] == true)
                })
                .await;
            gone(siege, peer, "node-x").await;
            tries
        })
        .await;
    aftermath.finish("addresses are tried, at most 1,024; nothing else is believed", SLACK_MIB).await;
}

#[tokio::test]
async fn a_liar_can_have_a_node_begin_anew_three_times_and_no_more() {
    const TRIES: u64 = 10;
    let siege = Siege::begin().await;
    let incarnation = |status: &Value| status["current"]["incarnation"].as_str().unwrap().to_owned();
    let mut lives = std::collections::BTreeSet::from([incarnation(&siege.status().await)]);
    let credentials = siege.credentials("node-x");
    for _ in 0..TRIES {
        let opening = Frame::Hello(hello("kuzzle", "node-x"), Extensions::default());
        let mut peer = Attacker::dial(&siege.address(), Some(&credentials)).await;
        peer.frame(opening).await;
        let refuse = Refuse {
            code: RefuseCode::SUPERSEDED,
            session: None,
            epoch: Some(u64::MAX - 100),
            address: None,
            node: None,
            text: Text::lossy("you are old"),
        };
        peer.frame(Frame::Refuse(refuse, Extensions::default())).await;
        let _ = peer.verdict().await;
        lives.insert(incarnation(&siege.status().await));
    }
    assert!(lives.len() <= 4, "{lives:?}");
    println!(
        "| refusals that say \"you are superseded\" | {TRIES} | comes back as a later life 3 times, then once a minute | | |"
    );
    siege
        .shows("node-b again", |status| {
            status["current"]["ready"] == true && member(status, "node-b").is_some()
        })
        .await;
}
