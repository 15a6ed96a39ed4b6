//! Notifications to clients as they travel: which rooms, and what the host put in.
//!
//! ```text
//! | kind: 1 (1 document, 2 user) | count: 2 | count x room: 32 | payload |
//! ```
//! The head is written once for all receivers; the payload is the host's own and is not looked at.

use bytes::{Buf, BufMut, Bytes};

use super::RoomId;
use super::wire::{PeerFault, SKIPPABLE};

/// The most rooms of one notification.
pub const MAX_ROOMS: usize = 2_000;

/// What a notification tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotificationKind {
    /// A document that entered or left rooms.
    Document,
    /// A user who entered or left a room.
    User,
}

impl NotificationKind {
    fn number(self) -> u8 {
        match self {
            Self::Document => 1,
            Self::User => 2,
        }
    }
}

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What it tells of.
    pub kind: NotificationKind,
    /// The rooms it is for.
    pub rooms: Vec<RoomId>,
    /// What the host put in.
    pub payload: Bytes,
}

/// What goes before the payload; at most the first [`MAX_ROOMS`] rooms.
pub fn head(kind: NotificationKind, rooms: &[RoomId]) -> Vec<u8> {
    let rooms = rooms.get(..MAX_ROOMS).unwrap_or(rooms);
    let mut head = Vec::with_capacity(3 + rooms.len() * RoomId::LEN);
    head.put_u8(kind.number());
    head.put_u16(u16::try_from(rooms.len()).unwrap_or(u16::MAX));
    for room in rooms {
        head.put_slice(room.as_bytes());
    }
    head
}

impl Notification {
    /// The notification, or `None` if its kind is unknown and may be skipped.
    ///
    /// # Errors
    /// When the bytes are cut short, name too many rooms, or are of a kind that must be understood and is not known.
    pub fn decode(mut message: Bytes) -> Result<Option<Self>, PeerFault> {
        let malformed = |kind| PeerFault::Malformed { kind };
        let kind = message.try_get_u8().map_err(|_| PeerFault::Empty)?;
        let known = match kind {
            1 => NotificationKind::Document,
            2 => NotificationKind::User,
            kind if kind & SKIPPABLE != 0 => return Ok(None),
            kind => return Err(PeerFault::UnknownKind { kind }),
        };
        let count = usize::from(message.try_get_u16().map_err(|_| malformed(kind))?);
        let bytes = count * RoomId::LEN;
        if count > MAX_ROOMS || message.len() < bytes {
            return Err(malformed(kind));
        }
        let ids = message.split_to(bytes);
        let rooms =
            ids.chunks_exact(RoomId::LEN).filter_map(|id| id.first_chunk()).map(|id| RoomId::new(*id));
        Ok(Some(Self { kind: known, rooms: rooms.collect(), payload: message }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(kind: NotificationKind, rooms: &[RoomId], payload: &[u8]) -> Bytes {
        [&head(kind, rooms)[..], payload].concat().into()
    }

    #[test]
    fn a_notification_comes_back_as_it_went() {
        let rooms = [RoomId::new([1; 32]), RoomId::new([2; 32])];
        let message = whole(NotificationKind::User, &rooms, b"payload");
        let expected = Notification {
            kind: NotificationKind::User,
            rooms: rooms.to_vec(),
            payload: Bytes::from_static(b"payload"),
        };
        assert_eq!(Notification::decode(message), Ok(Some(expected)));
    }

    #[test]
    fn what_is_cut_in_its_head_is_refused() {
        let message = whole(NotificationKind::Document, &[RoomId::new([1; 32])], b"");
        assert!(Notification::decode(message.clone()).is_ok());
        for end in 0..message.len() {
            assert!(Notification::decode(message.slice(..end)).is_err(), "{end} bytes");
        }
        assert_eq!(Notification::decode(Bytes::from_static(&[0x81])), Ok(None));
    }

    #[test]
    fn more_rooms_than_allowed_are_refused_before_they_are_read() {
        let message = [&[1_u8][..], &2_001_u16.to_be_bytes(), &[0; 2_001 * 32]].concat();
        assert!(Notification::decode(message.into()).is_err());
    }
}
