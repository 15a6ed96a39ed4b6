//! The figures of each peer.

use std::fmt;

use cluster_core::runtime::{LaneStatus, MemberStatus, Status};
use prometheus_client::registry::Unit;

use super::writer::{Samples, Writer};
use super::{METRIC_PEERS, count, flag, large, one, seconds};

pub(super) fn write(writer: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let peers: Vec<&MemberStatus> = status.members.iter().take(METRIC_PEERS).collect();
    let omitted = one(count(status.members.len() - peers.len()));
    writer.gauge("peers_omitted", "Peers without figures of their own", None, omitted)?;
    states(writer, &peers)?;
    distances(writer, &peers)?;
    holdings(writer, &peers)?;
    interest(writer, &peers)?;
    lanes(writer, &peers)
}

fn states(writer: &mut Writer<'_>, peers: &[&MemberStatus]) -> fmt::Result {
    let connected = each(peers, |peer| Some(flag(peer.state == "connected")));
    writer.gauge(
        "peer_connected",
        "Whether there is a session with a peer, and no doubt",
        None,
        connected,
    )?;
    let ready = each(peers, |peer| Some(flag(peer.ready)));
    writer.gauge("peer_ready", "Whether a peer says that it serves clients", None, ready)?;
    let draining = each(peers, |peer| Some(flag(peer.draining)));
    writer.gauge("peer_draining", "Whether a peer drains, so that its clients move", None, draining)?;
    let agrees = each(peers, |peer| Some(flag(peer.agrees)));
    writer.gauge("peer_agrees", "Whether a peer's state is here as it claims it", None, agrees)?;
    let doubt = each(peers, |peer| Some(peer.doubt.as_ref().map_or(0.0, |doubt| seconds(doubt.for_ms))));
    writer.gauge("peer_doubt", "For how long a peer has been in doubt", Some(Unit::Seconds), doubt)
}

fn distances(writer: &mut Writer<'_>, peers: &[&MemberStatus]) -> fmt::Result {
    let seen = each(peers, |peer| Some(seconds(peer.last_seen_ms)));
    writer.gauge("peer_last_seen", "How long the last byte of a peer is ago", Some(Unit::Seconds), seen)?;
    let trip = each(peers, |peer| peer.round_trip_us.map(|micros| large(micros) / 1e6));
    writer.gauge("peer_round_trip", "A round trip to a peer, measured last", Some(Unit::Seconds), trip)?;
    let skew = each(peers, |peer| {
        let skew = peer.clock_skew_ms?;
        Some(seconds(skew.unsigned_abs()) * if skew < 0 { -1.0 } else { 1.0 })
    });
    let help = "A peer's wall clock less this node's, give or take half a round trip";
    writer.gauge("peer_clock_skew", help, Some(Unit::Seconds), skew)
}

fn holdings(writer: &mut Writer<'_>, peers: &[&MemberStatus]) -> fmt::Result {
    let behind = each(peers, |peer| Some(large(peer.behind)));
    writer.gauge("peer_behind", "Changes of a peer's state that have not come here", None, behind)?;
    let rooms = each(peers, |peer| Some(count(peer.held_rooms)));
    writer.gauge("peer_rooms", "Rooms of a peer", None, rooms)?;
    let bytes = each(peers, |peer| Some(count(peer.held_bytes)));
    writer.gauge("peer_state", "Memory that a peer's rooms take here", Some(Unit::Bytes), bytes)
}

fn interest(writer: &mut Writer<'_>, peers: &[&MemberStatus]) -> fmt::Result {
    let sent = count_each(peers, |peer| peer.notifications_sent);
    writer.counter("peer_notifications_sent", "Notifications that were for a peer, since it joined", sent)?;
    let avoided = count_each(peers, |peer| peer.notifications_avoided);
    let help = "Notifications that a peer did not need, since it joined";
    writer.counter("peer_notifications_avoided", help, avoided)
}

fn lanes(writer: &mut Writer<'_>, peers: &[&MemberStatus]) -> fmt::Result {
    let unsent = by_lane(peers, |lane| count(lane.unsent_bytes));
    writer.gauge("lane_unsent", "Bytes that wait to be sent to a peer", Some(Unit::Bytes), unsent)?;
    let sent = by_lane(peers, |lane| count(lane.unacknowledged_bytes));
    let help = "Bytes that were sent to a peer and not acknowledged";
    writer.gauge("lane_unacknowledged", help, Some(Unit::Bytes), sent)?;
    let messages = by_lane(peers, |lane| large(lane.unsent_messages));
    let help =
        "Messages that wait to be sent to a peer, those that gave way until it is told of them included";
    writer.gauge("lane_unsent_messages", help, None, messages)?;
    let oldest = by_lane(peers, |lane| seconds(lane.oldest_ms));
    let help = "For how long the oldest message to a peer has waited for its acknowledgement";
    writer.gauge("lane_oldest", help, Some(Unit::Seconds), oldest)?;
    let help = "Messages to a peer that gave way, since its first session";
    writer.counter("lane_shed_messages", help, by_lane(peers, |lane| lane.shed))
}

/// A figure of each peer that has it.
fn each(peers: &[&MemberStatus], figure: impl Fn(&MemberStatus) -> Option<f64>) -> Samples<f64> {
    let sample = |peer: &&MemberStatus| Some((vec![("peer", peer.node.clone())], figure(peer)?));
    peers.iter().filter_map(sample).collect()
}

fn count_each(peers: &[&MemberStatus], figure: impl Fn(&MemberStatus) -> u64) -> Samples<u64> {
    peers.iter().map(|peer| (vec![("peer", peer.node.clone())], figure(peer))).collect()
}

fn by_lane<T>(peers: &[&MemberStatus], figure: impl Fn(&LaneStatus) -> T) -> Samples<T> {
    let lanes = peers.iter().flat_map(|peer| peer.lag.iter().map(|(lane, status)| (*peer, lane, status)));
    let labels =
        |peer: &MemberStatus, lane: &String| vec![("peer", peer.node.clone()), ("lane", lane.clone())];
    lanes.map(|(peer, lane, status)| (labels(peer, lane), figure(status))).collect()
}
