//! Publishing that waits for room at each receiver, so that nothing is shed while they take what they are sent.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cluster_transport::endpoint::{SendFailure, SessionHandle};
use cluster_transport::proto::lanes::{Payload, RoomFor};
use cluster_transport::proto::{Lane, NodeId};
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::inner::Inner;
use super::rooms::Notified;
use crate::engine::notification;
use crate::engine::{ClusterEvent, NotificationKind, RoomId};

/// Publishing without loss.
impl Cluster {
    /// As [`notify_document`](Self::notify_document), but waits for room at each interested node, all of them together for at most
    /// `at_most`. Where there is none by then the oldest unsent notifications give way; the answer says where, and how many.
    ///
    /// While the receivers take what they are sent, nothing is lost at any rate. A node with room has its notification at once,
    /// whoever else has none. Those who wait are served in their order for each node; one task that awaits each call keeps its
    /// order everywhere.
    ///
    /// Dropped before it is ready, it has gone to the nodes that had room so far, goes to no others, and they are not told.
    pub async fn notify_document_waiting(
        &self,
        rooms: &[RoomId],
        payload: &[u8],
        at_most: Duration,
    ) -> Notified {
        self.notify_waiting(NotificationKind::Document, rooms, payload, at_most).await
    }

    /// As [`notify_user`](Self::notify_user), but waits as [`notify_document_waiting`](Self::notify_document_waiting) does.
    pub async fn notify_user_waiting(&self, room: &RoomId, payload: &[u8], at_most: Duration) -> Notified {
        self.notify_waiting(NotificationKind::User, std::slice::from_ref(room), payload, at_most).await
    }

    /// As [`publish_event`](Self::publish_event), but waits as [`notify_document_waiting`](Self::notify_document_waiting) does.
    ///
    /// # Errors
    /// When the event is longer than a message may be.
    pub async fn publish_event_waiting(
        &self,
        event: &ClusterEvent,
        at_most: Duration,
    ) -> Result<Notified, SendFailure> {
        let message = Message { lane: Lane::Events, head: &[], payload: Payload::Shared(event.encode()) };
        let deadline = Instant::now() + at_most;
        let mut sent = Notified::default();
        let mut behind = Vec::new();
        for peer in self.inner.all_peers() {
            match message.send_if_room(&peer.session)? {
                true => sent.nodes += 1,
                false => behind.push(Arc::clone(&peer.session)),
            }
        }
        sent.add(message.send_waiting(&self.inner, behind, deadline).await);
        Ok(sent)
    }

    async fn notify_waiting(
        &self,
        kind: NotificationKind,
        rooms: &[RoomId],
        payload: &[u8],
        at_most: Duration,
    ) -> Notified {
        let deadline = Instant::now() + at_most;
        let mut all = Notified::default();
        for rooms in rooms.chunks(notification::MAX_ROOMS) {
            let head = notification::head(kind, rooms);
            let message =
                Message { lane: Lane::Notifications, head: &head, payload: Payload::Copied(payload) };
            let (mut sent, behind) = self.inner.with_peers_of(rooms, |interest, sessions| {
                let mut sent = Notified { avoided: interest.avoided, ..Notified::default() };
                let (mut behind, mut lost) = (Vec::new(), Vec::new());
                for session in sessions {
                    match message.send_if_room(session) {
                        Ok(true) => sent.nodes += 1,
                        Ok(false) => behind.push(Arc::clone(session)),
                        Err(_) => {
                            sent.lose(session.peer(), 1);
                            lost.push((session.peer().clone(), 1));
                        }
                    }
                }
                ((sent, behind), lost)
            });
            sent.add(message.send_waiting(&self.inner, behind, deadline).await);
            all.merge(sent);
        }
        self.inner.counters.count_notified(&all);
        all
    }
}

/// What is sent, and where it stands in the sessions.
struct Message<'a> {
    lane: Lane,
    head: &'a [u8],
    payload: Payload<'a>,
}

/// A session without room for the message.
struct Behind {
    session: Arc<SessionHandle>,
    room: RoomFor,
}

impl Message<'_> {
    /// Whether there was room.
    fn send_if_room(&self, session: &SessionHandle) -> Result<bool, SendFailure> {
        Ok(session.send_if_room(self.lane, self.head, &self.payload)?.is_some())
    }

    /// Sends to each as soon as it has room, and at the deadline to those that are left. Whoever is removed meanwhile is owed
    /// nothing any more.
    async fn send_waiting(
        &self,
        inner: &Inner,
        behind: Vec<Arc<SessionHandle>>,
        deadline: Instant,
    ) -> Notified {
        let len = self.head.len() + self.payload.len();
        let wait_for =
            |session: Arc<SessionHandle>| Behind { room: session.room_for(self.lane, len), session };
        let mut behind: Vec<_> = behind.into_iter().map(wait_for).collect();
        let mut sent = Notified::default();
        while !behind.is_empty() {
            let Ok(at) = timeout_at(deadline, first_with_room(&mut behind)).await else { break };
            let Some(one) = behind.get_mut(at) else { break };
            let pushed = inner.with_member_of(&one.session, || one.room.push(self.head, &self.payload));
            match pushed {
                // Somebody who does not wait was quicker; the place in the queue is kept.
                Some(Ok(None)) => continue,
                Some(Ok(Some(pushed))) => {
                    sent.nodes += 1;
                    if pushed.wake {
                        one.session.wake();
                    }
                }
                Some(Err(_)) => self.lost(inner, &mut sent, one.session.peer(), 1),
                None => {}
            }
            behind.swap_remove(at);
        }
        for Behind { session, room } in behind {
            drop(room);
            let send = || session.send(self.lane, self.head, self.payload.clone());
            match inner.with_member_of(&session, send) {
                Some(Ok(pushed)) => {
                    sent.nodes += 1;
                    self.lost(inner, &mut sent, session.peer(), pushed.shed);
                }
                Some(Err(_)) => self.lost(inner, &mut sent, session.peer(), 1),
                None => {}
            }
        }
        sent
    }

    fn lost(&self, inner: &Inner, sent: &mut Notified, peer: &NodeId, messages: u64) {
        if messages > 0 {
            sent.lose(peer, messages);
            inner.tell_lost(self.lane, &[(peer.clone(), messages)]);
        }
    }
}

/// Waits until one of them has room; which. Cancel safe: each keeps its place.
async fn first_with_room(behind: &mut [Behind]) -> usize {
    poll_fn(|context| {
        let ready = behind.iter_mut().position(|one| Pin::new(&mut one.room).poll(context).is_ready());
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
