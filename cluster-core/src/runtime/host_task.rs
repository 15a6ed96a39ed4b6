//! The one thread that calls the host, and what waits for it.
//!
//! Bounds: changes of rooms and registers wait in the engine, at most one each; batches are bounded by the windows of their peers, because they
//! are acknowledged only when the host has taken them, and small ones are put together, so that they hold on to no more than that;
//! requests by what each member is allowed; other events by [`MAX_EVENTS`], where the oldest give way with a count.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cluster_transport::endpoint::SessionHandle;
use cluster_transport::proto::lanes::Batch;
use cluster_transport::proto::requests::{FailureCode, RequestId};
use cluster_transport::proto::{Instant, Lane, NodeId};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::allowance::Share;
use super::commands::Command;
use super::for_host::ForHost;
use super::inner::Inner;
use super::pacing::Pace;
use crate::engine::members::MemberEvent;
use crate::engine::state::{Change, RoomEvent};
use crate::engine::{ClusterEvent, ContinuityEvent, Notification, NotificationKind, PeerFault};
use crate::host::{Answer, Host, Readiness};
use crate::seldom::Seldom;

/// How many changes of membership and continuity wait for a slow host.
const MAX_EVENTS: usize = 4_096;
/// What is shorter is copied when it has to wait, in bytes.
const SMALL: usize = 16 * 1024;
/// How many changes of rooms or registers the host gets at a time; also the longest hold of the engine's lock for it.
const CHANGES_AT_A_TIME: usize = 1_000;

/// A request's part of what its member may have waiting here, in requests and in bytes.
pub(super) type HostShare = (Share, Share);

/// Something for the host besides rooms.
enum Item {
    Member(MemberEvent),
    Continuity(ContinuityEvent),
    Batch(Arc<SessionHandle>, Batch),
    Request { session: Arc<SessionHandle>, id: RequestId, name: String, payload: Bytes, _share: HostShare },
    Command { session: Arc<SessionHandle>, id: RequestId, command: Command, _share: HostShare },
}

/// What waits for the host.
#[derive(Default)]
pub(super) struct HostQueue {
    items: Mutex<VecDeque<Item>>,
    news: Notify,
    /// The engine has something for which somebody waits.
    is_urgent: AtomicBool,
    /// The engine has changes of rooms.
    has_changes: AtomicBool,
    dropped: AtomicU64,
}

impl HostQueue {
    /// The engine has something for the host.
    pub(super) fn wake(&self) {
        self.is_urgent.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// The engine has changes of rooms that may wait a little for others.
    pub(super) fn wake_in_time(&self) {
        if !self.has_changes.swap(true, Ordering::AcqRel) {
            self.news.notify_one();
        }
    }

    /// Whether the engine is to be asked now, given until when changes wait.
    fn take_due(&self, held_until: Option<Instant>) -> bool {
        let is_urgent = self.is_urgent.swap(false, Ordering::AcqRel);
        if is_urgent || held_until.is_none() {
            return self.has_changes.swap(false, Ordering::AcqRel) || is_urgent;
        }
        false
    }

    /// How many events gave way because the host was slow.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn push_member(&self, event: MemberEvent) {
        self.push_event(Item::Member(event));
    }

    pub(super) fn push_continuity(&self, event: ContinuityEvent) {
        self.push_event(Item::Continuity(event));
    }

    pub(super) fn push_batch(&self, session: Arc<SessionHandle>, batch: Batch) {
        let mut items = self.items();
        let rest = match items.back_mut() {
            Some(Item::Batch(of, last)) if of.id() == session.id() => last.join(batch).err(),
            _ => Some(batch),
        };
        if let Some(batch) = rest {
            items.push_back(Item::Batch(session, batch));
        }
        drop(items);
        self.news.notify_one();
    }

    pub(super) fn push_request(
        &self,
        session: Arc<SessionHandle>,
        id: RequestId,
        name: String,
        payload: Bytes,
        share: HostShare,
    ) {
        // A small part of a large read would hold on to all of it.
        let payload = if payload.len() < SMALL { Bytes::copy_from_slice(&payload) } else { payload };
        self.items().push_back(Item::Request { session, id, name, payload, _share: share });
        self.news.notify_one();
    }

    pub(super) fn push_command(
        &self,
        session: Arc<SessionHandle>,
        id: RequestId,
        command: Command,
        share: HostShare,
    ) {
        self.items().push_back(Item::Command { session, id, command, _share: share });
        self.news.notify_one();
    }

    fn push_event(&self, item: Item) {
        let mut items = self.items();
        if items.len() >= MAX_EVENTS {
            let is_event = |item: &Item| matches!(item, Item::Member(_) | Item::Continuity(_));
            if let Some(oldest) = items.iter().position(is_event) {
                items.remove(oldest);
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        items.push_back(item);
        drop(items);
        self.news.notify_one();
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls the host on a thread of its own until the member ends, so that a host that blocks keeps nobody else waiting.
///
/// The host is called within the runtime that the member was started in: it may spawn tasks there.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn spawn(inner: &Arc<Inner>, host: Arc<dyn Host>) -> std::io::Result<()> {
    let runtime = Handle::current();
    let logging = tracing::dispatcher::get_default(Clone::clone);
    // The thread ends with the member, and with the runtime.
    let ended = CancellationToken::new();
    let (member, guard) = (Arc::clone(inner), ended.clone().drop_guard());
    tokio::spawn(async move {
        let _guard = guard;
        member.ended().await;
    });
    let task = HostTask {
        inner: Arc::clone(inner),
        complaints: Seldom::default(),
        host,
        readiness: None,
        pace: Pace::default(),
    };
    let thread = std::thread::Builder::new().name(format!("host-{}", inner.node()));
    thread.spawn(move || {
        let _logging = tracing::dispatcher::set_default(&logging);
        let _runtime = runtime.enter();
        run(task, &runtime, &ended);
    })?;
    Ok(())
}

/// A host that panics ends the member: half a node would be worse.
fn run(mut task: HostTask, runtime: &Handle, ended: &CancellationToken) {
    let inner = Arc::clone(&task.inner);
    loop {
        match std::panic::catch_unwind(AssertUnwindSafe(|| task.step())) {
            Ok(true) => {}
            Ok(false) if ended.is_cancelled() => return,
            Ok(false) => runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => {}
                    () = inner.host_queue.news.notified() => {}
                    () = inner.sleep_until(task.wakes_at()) => {}
                }
            }),
            Err(panic) => {
                let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                inner.fail(format!("the host has panicked: {words}"));
                return;
            }
        }
    }
}

struct HostTask {
    inner: Arc<Inner>,
    complaints: Seldom,
    host: Arc<dyn Host>,
    readiness: Option<Readiness>,
    pace: Pace,
}

impl HostTask {
    /// Hands over what the engine has, if that is due, and one thing of the queue, which may be about it. False if there was
    /// nothing.
    fn step(&mut self) -> bool {
        let queue = &self.inner.host_queue;
        let item = queue.items().pop_front();
        let held_until = self.pace.holds_until(self.inner.now()).filter(|_| item.is_none());
        let is_due = queue.take_due(held_until) || item.is_some() || self.readiness.is_none();
        if is_due {
            self.hand_over_engine();
        }
        if let Some(item) = item {
            self.hand_over(item);
        }
        is_due
    }

    /// When changes that are held back are to be handed over, if there are any.
    fn wakes_at(&self) -> Option<Instant> {
        let has_changes = self.inner.host_queue.has_changes.load(Ordering::Acquire);
        let now = self.inner.now();
        has_changes.then(|| self.pace.holds_until(now).unwrap_or(now))
    }

    fn hand_over_engine(&mut self) {
        let ForHost { rooms, applied, registers, readiness, is_all } =
            self.inner.take_for_host(CHANGES_AT_A_TIME);
        if !rooms.is_empty() {
            self.hand_over_rooms(rooms);
        }
        applied.into_iter().for_each(|applied| self.inner.send_control(applied));
        if !registers.is_empty() {
            self.host.registers_changed(&registers);
        }
        self.hand_over_readiness(readiness);
        if is_all {
            self.pace.tell_all(self.inner.now());
        } else {
            self.inner.host_queue.wake();
        }
    }

    fn hand_over_rooms(&self, changes: Vec<RoomEvent>) {
        let described_well = |event: &RoomEvent| match &event.change {
            Change::Appeared(room) => {
                let right = self.host.verify_room(room);
                if !right && let Some(unsaid) = self.complaints.worth_a_line(self.inner.node()) {
                    let room = room.id();
                    tracing::warn!(%room, "a room that its filters do not give is left out ({unsaid} more were)");
                }
                right
            }
            Change::Disappeared(_) => true,
        };
        let changes: Vec<RoomEvent> = changes.into_iter().filter(described_well).collect();
        if !changes.is_empty() {
            self.host.rooms_changed(&changes);
        }
    }

    fn hand_over_readiness(&mut self, readiness: Readiness) {
        if self.readiness.as_ref() == Some(&readiness) {
            return;
        }
        let changed = self.readiness.as_ref().is_none_or(|before| before.ready != readiness.ready);
        match (readiness.ready, changed) {
            (true, _) => tracing::info!("ready"),
            (false, true) => tracing::info!("not ready: {}", readiness.reasons.join("; ")),
            (false, false) => tracing::debug!("not ready: {}", readiness.reasons.join("; ")),
        }
        self.host.readiness_changed(&readiness);
        self.readiness = Some(readiness);
    }

    fn hand_over(&self, item: Item) {
        match item {
            Item::Member(event) => {
                log(&event);
                self.host.member_event(&event);
            }
            Item::Continuity(ContinuityEvent::CachesStale { peer }) => self.host.caches_stale(&peer),
            Item::Continuity(ContinuityEvent::Lagged { peer, direction, missed }) => {
                self.host.lagged(&peer, direction, missed);
            }
            Item::Batch(session, batch) => self.hand_over_batch(&session, batch),
            Item::Request { session, id, name, payload, _share } => {
                let from = session.peer().clone();
                self.host.request(&from, &name, payload, Answer::new(session, id));
            }
            Item::Command { session, id, command, _share } => self.obey(&session, id, &command),
        }
    }

    fn hand_over_batch(&self, session: &Arc<SessionHandle>, batch: Batch) {
        let (lane, end, from) = (batch.lane(), batch.end(), session.peer().clone());
        for message in batch.into_messages() {
            let taken = match lane {
                Lane::Notifications => Notification::decode(message).map(|notification| {
                    if let Some(notification) = notification {
                        self.notify(&from, &notification);
                    }
                }),
                _ => ClusterEvent::decode(&message).map(|event| {
                    if let Some(event) = event {
                        self.tell(&from, &event);
                    }
                }),
            };
            if let Err(fault) = taken {
                self.fault(session, fault);
            }
        }
        session.done(lane, end);
    }

    fn fault(&self, session: &SessionHandle, fault: PeerFault) {
        self.inner.with_engine(|engine, _| engine.handle_fault(session.peer(), session.id(), fault));
    }

    fn notify(&self, from: &NodeId, notification: &Notification) {
        self.inner.counters.notifications_received.fetch_add(1, Ordering::Relaxed);
        match notification.kind {
            NotificationKind::Document => {
                self.host.document_notification(from, &notification.rooms, &notification.payload);
            }
            NotificationKind::User => {
                for room in &notification.rooms {
                    self.host.user_notification(from, room, &notification.payload);
                }
            }
        }
    }

    fn tell(&self, from: &NodeId, event: &ClusterEvent) {
        let host = &self.host;
        match event {
            ClusterEvent::IndexCacheAdded(entry) => host.index_cache_added(from, entry),
            ClusterEvent::IndexCacheRemoved(entry) => host.index_cache_removed(from, entry),
            ClusterEvent::ProfileInvalidated { id } => host.profile_invalidated(from, id),
            ClusterEvent::RoleInvalidated { id } => host.role_invalidated(from, id),
            ClusterEvent::ValidatorsChanged => host.validators_changed(from),
            ClusterEvent::SecurityReset => host.security_reset(from),
            ClusterEvent::Custom { name, payload } => host.custom_event(from, name, payload),
        }
    }

    fn obey(&self, session: &Arc<SessionHandle>, id: RequestId, command: &Command) {
        let from = session.peer();
        let done = match command {
            Command::Dump { suffix } => self.host.dump(from, suffix),
            Command::Shutdown => self.host.shutdown(from),
            // The runtime carries these out itself.
            Command::Verify | Command::Blank { .. } => Ok(()),
        };
        match done {
            Ok(()) => session.reply(id, cluster_transport::proto::lanes::Payload::Copied(&[])),
            Err(refusal) => session.fail(id, FailureCode::APPLICATION, &refusal.reason),
        };
    }
}

/// One line a change of membership.
fn log(event: &MemberEvent) {
    match event {
        MemberEvent::Joined { node, incarnation, .. } => tracing::info!(%node, %incarnation, "joined"),
        MemberEvent::Removed { node, incarnation, why, .. } => {
            tracing::info!(%node, %incarnation, "removed: {why}");
        }
        MemberEvent::Doubted { node, cause } => tracing::info!(%node, "in doubt: {cause}"),
        MemberEvent::Recovered { node } => tracing::info!(%node, "well again"),
        MemberEvent::Vetoed { node, by } => {
            tracing::info!(%node, %by, "unreachable from here, but heard by another")
        }
        MemberEvent::Ready | MemberEvent::NotReady { .. } => {}
        other => tracing::info!("{other:?}"),
    }
}
