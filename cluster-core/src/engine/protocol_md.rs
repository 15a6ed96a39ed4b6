//! The documented messages that the engine itself reads, against values built here.

use bytes::Bytes;
use cluster_transport::proto::Incarnation;

use super::greeting::{APPLIED, Applied, Greeting};
use super::members::{Claims, GREETING};
use super::state::Position;
use super::wire::split;
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
        ("StrategyAdded", ClusterEvent::StrategyAdded { name: "local".into(), definition: b"{}".to_vec() }),
        ("StrategyRemoved", ClusterEvent::StrategyRemoved { name: "local".into() }),
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
