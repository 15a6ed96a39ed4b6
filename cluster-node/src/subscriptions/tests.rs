use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::api::{Scope, Users};

fn room(n: u8) -> RoomId {
    RoomId::new([n; 32])
}

fn on(room_number: u8, scope: Scope, users: Users) -> Channel {
    Channel { room: room(room_number), options: ChannelOptions { scope, users } }
}

/// The channel with default options.
fn plain(room_number: u8) -> Channel {
    on(room_number, Scope::All, Users::None)
}

fn audience(channel: Channel, connections: &[u64]) -> Audience {
    Audience { channel, connections: connections.iter().copied().map(ConnectionId).collect() }
}

fn subscribe(table: &mut Subscriptions, connection: u64, channel: Channel) -> Subscribed {
    table.subscribe(ConnectionId(connection), channel, "i", "c", None).expect("within the limits")
}

/// The refusal in the table's words and in the API's, and how many rooms there are after it.
fn refused(table: &mut Subscriptions, connection: u64, channel: Channel) -> (String, &'static str, usize) {
    let result = table.subscribe(ConnectionId(connection), channel, "i", "c", None);
    let error = result.expect_err("over the limit");
    (error.to_string(), ApiError::from(error).id(), table.rooms())
}

fn entered(connections: usize, audiences: &[Audience]) -> Subscribed {
    Subscribed::Entered { connections, audiences: audiences.to_vec() }
}

#[test]
fn subscribing_again_with_the_same_options_changes_nothing() {
    let mut table = Subscriptions::default();
    let channel = on(1, Scope::All, Users::All);
    assert_eq!(subscribe(&mut table, 1, channel), entered(1, &[]));
    assert_eq!(subscribe(&mut table, 1, channel), Subscribed::Unchanged);
    assert_eq!(table.connections_in(&room(1)), 1);
}

#[test]
fn the_count_is_per_connection_and_not_per_channel() {
    let mut table = Subscriptions::default();
    subscribe(&mut table, 1, plain(1));
    assert_eq!(subscribe(&mut table, 1, on(1, Scope::In, Users::None)), Subscribed::ChannelAdded);
    assert_eq!(table.connections_in(&room(1)), 1);
    assert_eq!(subscribe(&mut table, 2, plain(1)), entered(2, &[]));
    assert_eq!(table.unsubscribe(ConnectionId(1), room(1)).map(|departure| departure.connections), Some(1));
    assert_eq!(table.document_audiences(&[room(1)], Direction::In), [audience(plain(1), &[2])]);
}

#[test]
fn a_subscriber_hears_of_itself_only_on_a_channel_that_was_there() {
    let mut table = Subscriptions::default();
    let (all, incoming) = (on(1, Scope::All, Users::All), on(1, Scope::All, Users::In));
    assert_eq!(subscribe(&mut table, 1, all), entered(1, &[]));
    assert_eq!(subscribe(&mut table, 2, all), entered(2, &[audience(all, &[1, 2])]));
    assert_eq!(subscribe(&mut table, 3, incoming), entered(3, &[audience(all, &[1, 2])]));
    assert_eq!(
        subscribe(&mut table, 4, plain(1)),
        entered(4, &[audience(all, &[1, 2]), audience(incoming, &[3])])
    );
}

#[test]
fn a_channel_is_gone_with_its_last_connection() {
    let mut table = Subscriptions::default();
    let all = on(1, Scope::All, Users::All);
    subscribe(&mut table, 1, plain(1));
    subscribe(&mut table, 2, all);
    table.unsubscribe(ConnectionId(2), room(1));
    assert_eq!(subscribe(&mut table, 3, all), entered(2, &[]));
}

#[test]
fn who_leaves_is_told_to_those_who_stay() {
    let mut table = Subscriptions::default();
    let (all, out) = (on(1, Scope::All, Users::All), on(1, Scope::All, Users::Out));
    let volatile = Some(json!({"who": "first"}));
    table.subscribe(ConnectionId(1), all, "i", "c", volatile.clone()).expect("within the limits");
    table
        .subscribe(ConnectionId(1), out, "i", "c", Some(json!({"who": "later"})))
        .expect("within the limits");
    subscribe(&mut table, 2, out);
    subscribe(&mut table, 3, on(1, Scope::All, Users::In));
    assert_eq!(
        table.unsubscribe(ConnectionId(1), room(1)),
        Some(Departure {
            room: room(1),
            index: "i".into(),
            collection: "c".into(),
            volatile,
            connections: 2,
            audiences: vec![audience(out, &[2])],
        })
    );
    assert_eq!(table.unsubscribe(ConnectionId(1), room(1)), None);
    assert_eq!(table.unsubscribe(ConnectionId(9), room(1)), None);
}

#[test]
fn a_disconnected_client_leaves_all_its_rooms() {
    let mut table = Subscriptions::default();
    for n in [3, 1, 2] {
        subscribe(&mut table, 1, plain(n));
    }
    subscribe(&mut table, 2, on(2, Scope::None, Users::Out));
    let departures = table.disconnect(ConnectionId(1));
    let left: Vec<_> =
        departures.into_iter().map(|gone| (gone.room, gone.connections, gone.audiences)).collect();
    assert_eq!(
        left,
        [
            (room(1), 0, vec![]),
            (room(2), 1, vec![audience(on(2, Scope::None, Users::Out), &[2])]),
            (room(3), 0, vec![]),
        ]
    );
    assert_eq!(table.disconnect(ConnectionId(1)), []);
    assert_eq!((table.rooms(), table.place(&room(1)), table.place(&room(2))), (1, None, Some(("i", "c"))));
}

#[test]
fn scope_chooses_the_document_notifications() {
    let mut table = Subscriptions::default();
    let channels = [Scope::All, Scope::In, Scope::Out, Scope::None].map(|scope| on(1, scope, Users::None));
    for (connection, channel) in (1..).zip(channels) {
        subscribe(&mut table, connection, channel);
    }
    subscribe(&mut table, 1, channels[1]);
    subscribe(&mut table, 5, plain(2));
    let [all, only_in, only_out, _] = channels;
    assert_eq!(
        table.document_audiences(&[room(2), room(1), room(9)], Direction::In),
        [audience(plain(2), &[5]), audience(all, &[1]), audience(only_in, &[1, 2])]
    );
    assert_eq!(
        table.document_audiences(&[room(1)], Direction::Out),
        [audience(all, &[1]), audience(only_out, &[3])]
    );
}

#[test]
fn users_chooses_the_user_notifications() {
    let mut table = Subscriptions::default();
    let channels = [Users::All, Users::In, Users::Out, Users::None].map(|users| on(1, Scope::All, users));
    for (connection, channel) in (1..).zip(channels) {
        subscribe(&mut table, connection, channel);
    }
    let [all, only_in, only_out, _] = channels;
    let coming = [audience(all, &[1]), audience(only_in, &[2])];
    assert_eq!(table.user_audiences(&room(1), Direction::In), coming);
    let going = [audience(all, &[1]), audience(only_out, &[3])];
    assert_eq!(table.user_audiences(&room(1), Direction::Out), going);
    assert_eq!(table.user_audiences(&room(2), Direction::Out), []);
}

#[test]
fn limits_hold_and_a_refused_subscription_changes_nothing() {
    let mut table = Subscriptions::new(SubscriptionLimits { per_connection: 2, rooms: 2 });
    subscribe(&mut table, 1, plain(1));
    subscribe(&mut table, 1, on(1, Scope::In, Users::None));
    assert_eq!(
        refused(&mut table, 1, plain(2)),
        ("a connection may have 2 subscriptions".to_owned(), "core.realtime.too_many_subscriptions", 1)
    );
    subscribe(&mut table, 2, plain(2));
    assert_eq!(
        refused(&mut table, 2, plain(3)),
        ("clients of a node may be in 2 rooms".to_owned(), "core.realtime.too_many_rooms", 2)
    );
    assert_eq!(subscribe(&mut table, 1, plain(1)), Subscribed::Unchanged);
    table.unsubscribe(ConnectionId(1), room(1));
    assert_eq!(subscribe(&mut table, 2, plain(3)), entered(1, &[]));
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(u64, Channel),
    Unsubscribe(u64, u8),
    Disconnect(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let scope = select(vec![Scope::All, Scope::In, Scope::Out, Scope::None]);
    let users = select(vec![Users::All, Users::In, Users::Out, Users::None]);
    prop_oneof![
        6 => (0..5_u64, 0..3_u8, scope, users).prop_map(|(connection, n, scope, users)| {
            Step::Subscribe(connection, on(n, scope, users))
        }),
        2 => (0..5_u64, 0..3_u8).prop_map(|(connection, n)| Step::Unsubscribe(connection, n)),
        1 => (0..5_u64).prop_map(Step::Disconnect),
    ]
}

proptest! {
    #[test]
    fn the_table_is_what_was_subscribed_and_not_ended(steps in vec(step(), 0..60)) {
        let mut table = Subscriptions::default();
        let mut model: BTreeSet<(u64, Channel)> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Subscribe(connection, channel) => {
                    let known = model.contains(&(connection, channel));
                    let inside = model.iter().any(|(who, other)| *who == connection && other.room == channel.room);
                    let change = subscribe(&mut table, connection, channel);
                    prop_assert_eq!(known, change == Subscribed::Unchanged);
                    prop_assert_eq!(inside && !known, change == Subscribed::ChannelAdded);
                    model.insert((connection, channel));
                }
                Step::Unsubscribe(connection, n) => {
                    let before = model.len();
                    model.retain(|(who, channel)| *who != connection || channel.room != room(n));
                    let left = table.unsubscribe(ConnectionId(connection), room(n)).is_some();
                    prop_assert_eq!(left, model.len() < before);
                }
                Step::Disconnect(connection) => {
                    table.disconnect(ConnectionId(connection));
                    model.retain(|(who, _)| *who != connection);
                }
            }
        }
        let rooms: BTreeSet<RoomId> = model.iter().map(|(_, channel)| channel.room).collect();
        prop_assert_eq!(table.rooms(), rooms.len());
        for n in 0..3 {
            let mut channels: BTreeMap<Channel, Vec<u64>> = BTreeMap::new();
            for (who, channel) in model.iter().filter(|(_, channel)| channel.room == room(n)) {
                channels.entry(*channel).or_default().push(*who);
            }
            let inside: BTreeSet<u64> = channels.values().flatten().copied().collect();
            prop_assert_eq!(table.connections_in(&room(n)), inside.len());
            let wanted = channels.iter().filter(|(channel, _)| matches!(channel.options.scope, Scope::All | Scope::Out));
            let wanted: Vec<Audience> = wanted.map(|(channel, who)| audience(*channel, who)).collect();
            prop_assert_eq!(table.document_audiences(&[room(n)], Direction::Out), wanted);
        }
    }
}
