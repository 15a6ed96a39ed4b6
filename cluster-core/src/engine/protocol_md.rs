//! The documented messages that the engine itself reads, against values built here.

use bytes::Bytes;
use cluster_transport::proto::Incarnation;

use super::greeting::{APPLIED, Applied, Greeting};
use super::members::{Claims, GREETING};
use super::registers::{OFFER, Offer, PULL, Pull, RegisterEntry, STANDING, Stamp, Standing};
use super::state::Position;
use super::wire::{Bounded, decode, encode, split};
use super::{ClusterEvent, IndexEntry, Notification, NotificationKind, RoomId, notification};
use crate::protocol_md::Chapter;

#[test]
fn the_greeting_and_what_was_applied_are_those_of_the_document() {
    let mut chapter = Chapter::of("The control lane");
    let greeting = Greeting {
        claims: Claims { version: 300, hash: 1, digest: 2, ready: true },
        position: Position::At {
            incarnation: Incarnation { epoch: 1_700_000_000_001, nonce: 7 },
            version: 200,
        },
    };
    let bytes = chapter.take("Greeting");
    let (kind, body) = split(&bytes).unwrap();
    assert_eq!((kind, Greeting::decode(body)), (GREETING, Ok(greeting)));
    assert_eq!(greeting.encode(), bytes);
    let applied = Applied { version: 300 };
    let bytes = chapter.take("Applied");
    let (kind, body) = split(&bytes).unwrap();
    assert_eq!((kind, Applied::decode(body)), (APPLIED, Ok(applied)));
    assert_eq!(applied.encode(), bytes);
}

#[test]
fn the_messages_of_registers_are_those_of_the_document() {
    let mut chapter = Chapter::of("Registers");
    let standing = Standing { digest: 5, read: true };
    let bytes = chapter.take("Standing");
    assert_eq!(decode(STANDING, &bytes[1..]), Ok(standing));
    assert_eq!(encode(STANDING, &standing), bytes);
    let buckets = (0..64).map(|bucket| if bucket == 63 { 300 } else { 0 });
    let pull = Pull { buckets: Bounded::take_from(buckets) };
    let bytes = chapter.take("Pull");
    assert_eq!(decode(PULL, &bytes[1..]), Ok(pull.clone()));
    assert_eq!(encode(PULL, &pull), bytes);
    let entry = |key: &str, counter, node: &str, value| {
        let stamp = Stamp { counter, node: node.parse().unwrap() };
        RegisterEntry::new(key.parse().unwrap(), stamp, value).unwrap()
    };
    let entries = [
        entry("strategy/local", 300, "node-1", Some(Bytes::from_static(b"{}"))),
        entry("strategy/old", 2, "node-2", None),
    ];
    let offer = Offer { complete: Some(standing), entries: Bounded::take_from(entries) };
    let bytes = chapter.take("Offer");
    assert_eq!(decode(OFFER, &bytes[1..]), Ok(offer.clone()));
    assert_eq!(encode(OFFER, &offer), bytes);
    chapter.assert_empty();
}

#[test]
fn the_events_are_those_of_the_document() {
    let mut chapter = Chapter::of("The events lane");
    let entry = IndexEntry { index: "i".into(), collection: Some("c".into()), scope: "public".into() };
    let index = IndexEntry { collection: None, ..entry.clone() };
    for (name, event) in [
        ("IndexCacheAdded", ClusterEvent::IndexCacheAdded(entry)),
        ("IndexCacheRemoved", ClusterEvent::IndexCacheRemoved(index)),
        ("ProfileInvalidated", ClusterEvent::ProfileInvalidated { id: "admin".into() }),
        ("RoleInvalidated", ClusterEvent::RoleInvalidated { id: "default".into() }),
        ("ValidatorsChanged", ClusterEvent::ValidatorsChanged),
        ("SecurityReset", ClusterEvent::SecurityReset),
        ("Custom", ClusterEvent::Custom { name: "mine".into(), payload: vec![0, 255] }),
    ] {
        let bytes = chapter.take(name);
        assert_eq!(ClusterEvent::decode(&bytes), Ok(Some(event.clone())), "{name}");
        assert_eq!(event.encode(), bytes, "{name}");
    }
    chapter.assert_empty();
}

#[test]
fn the_notifications_are_those_of_the_document() {
    let mut chapter = Chapter::of("The notifications lane");
    let rooms = [RoomId::new([0x11; 32]), RoomId::new([0x22; 32])];
    for (name, kind, rooms) in
        [("Document", NotificationKind::Document, &rooms[..]), ("User", NotificationKind::User, &rooms[..1])]
    {
        let bytes = chapter.take(name);
        let payload = Bytes::from_static(b"{}");
        let expected = Notification { kind, rooms: rooms.to_vec(), payload: payload.clone() };
        assert_eq!(Notification::decode(bytes.clone().into()), Ok(Some(expected)), "{name}");
        assert_eq!([notification::head(kind, rooms), payload.to_vec()].concat(), bytes, "{name}");
    }
    chapter.assert_empty();
}
