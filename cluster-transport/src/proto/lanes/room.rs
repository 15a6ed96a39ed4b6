//! Waiting for room in a lane: who waits, in which order, and who is woken when the peer has taken something.
//!
//! Room is what a lane takes without shedding or refusing anything. Whoever finds none takes a ticket; tickets are served in
//! their order, and whoever comes new stands behind those who wait. A ticket leaves the queue when there is room for it, under
//! the lock that made the room, so no wake is lost; a woken one that goes away without using the room passes it on.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::outbound::Outbound;
use super::{Lane, Payload, PeerLanes, Pushed, SendError};

/// Those who wait are woken once this part of the ring is free: not one message, but a few thousand, follow a wake.
const WAKE_AT: usize = 8;

/// Who waits for room in a lane.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Waiters {
    next: u64,
    /// How many tickets there are, in the queue or woken.
    tickets: usize,
    queue: BTreeMap<Ticket, Waiter>,
}

/// The place of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

#[derive(Debug)]
struct Waiter {
    len: usize,
    waker: Waker,
}

impl Waiters {
    /// Where what a push looks at begins; nothing comes after it.
    #[cfg(test)]
    pub(super) const FOR_PUSHES: usize = std::mem::offset_of!(Self, queue);

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether nobody holds a ticket, so that their numbers may begin anew.
    pub(super) fn is_unused(&self) -> bool {
        self.tickets == 0
    }

    fn is_first(&self, ticket: Option<Ticket>) -> bool {
        self.queue.keys().next().is_none_or(|first| ticket.is_some_and(|ticket| ticket <= *first))
    }

    /// Queues at the old place, or at a new one. What stood there is to be dropped once the lock is released.
    fn wait(&mut self, ticket: &mut Option<Ticket>, len: usize, waker: &Waker) -> Option<Waiter> {
        let ticket = *ticket.get_or_insert_with(|| {
            self.next += 1;
            self.tickets += 1;
            Ticket(self.next)
        });
        self.queue.insert(ticket, Waiter { len, waker: waker.clone() })
    }

    /// Takes a ticket back. What stood in the queue is to be dropped once the lock is released.
    fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        self.tickets -= 1;
        self.queue.remove(&ticket)
    }
}

impl Outbound {
    #[inline]
    fn takes(&self, ticket: Option<Ticket>, len: usize) -> bool {
        let has_room = self.held() == 0 || Self::cost(len) <= self.free();
        has_room && (!self.is_waited_for() || self.is_turn_of(ticket))
    }

    /// Whether nobody waits but this one, or only later ones.
    fn is_turn_of(&self, ticket: Option<Ticket>) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.waiters.is_first(ticket))
    }

    /// Takes those out of the queue for whom there is room together. To be woken once the lock is released.
    fn take_woken(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        let (mut free, mut is_empty) = (self.free(), self.held() == 0);
        let enough = free.saturating_add(self.held()).min(self.may_hold()) / WAKE_AT;
        while let Some(first) = self.rare().waiters.queue.first_entry() {
            let cost = Self::cost(first.get().len);
            if !is_empty && cost.max(enough) > free {
                break;
            }
            is_empty = false;
            free = free.saturating_sub(cost);
            woken.push(first.remove().waker);
        }
        woken
    }
}

impl PeerLanes {
    /// Puts a message into a lane if that costs nobody anything: nothing gives way, and nobody waits who came before. `None` if
    /// there is no such room. Never waits.
    ///
    /// # Errors
    /// When the message is longer than the lane takes.
    #[inline]
    pub fn push_if_room(
        &self,
        lane: Lane,
        head: &[u8],
        message: &Payload<'_>,
    ) -> Result<Option<Pushed>, SendError> {
        self.push_in_turn(lane, None, head, message)
    }

    /// Waits until a lane has room for a message of so many bytes, its head included.
    pub fn room_for(self: &Arc<Self>, lane: Lane, len: usize) -> RoomFor {
        RoomFor { lanes: Arc::clone(self), lane, len, ticket: None }
    }

    /// Takes an acknowledgement in, and wakes those for whom there is room now. False if it speaks of what was not sent.
    #[inline]
    pub(in crate::proto) fn acknowledged(&self, lane: Lane, next: u64) -> bool {
        let mut outbound = self.outbound(lane);
        if lane == Lane::Control {
            // What it has sent takes nobody's room, and none of its flags tells of it.
            return outbound.acknowledged(next);
        }
        self.change(lane, outbound, |outbound| outbound.acknowledged(next))
    }

    /// Changes a lane and wakes those for whom that has made room.
    #[inline]
    pub(in crate::proto) fn changing<T>(&self, lane: Lane, change: impl FnOnce(&mut Outbound) -> T) -> T {
        self.change(lane, self.outbound(lane), change)
    }

    #[inline]
    fn change<T>(
        &self,
        lane: Lane,
        mut outbound: MutexGuard<'_, Outbound>,
        change: impl FnOnce(&mut Outbound) -> T,
    ) -> T {
        let result = change(&mut outbound);
        self.flags.note(lane, !outbound.is_idle(), outbound.keeps_any());
        if outbound.is_resumed() {
            let held = outbound.held();
            if let Some(account) = &mut outbound.account {
                account.report(held);
            }
        }
        if !outbound.is_waited_for() {
            return result;
        }
        let woken = outbound.take_woken();
        drop(outbound);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    #[inline]
    fn push_in_turn(
        &self,
        lane: Lane,
        ticket: Option<Ticket>,
        head: &[u8],
        message: &Payload<'_>,
    ) -> Result<Option<Pushed>, SendError> {
        let len = head.len() + message.as_slice().len();
        let pushed = self.changing(lane, |outbound| {
            let may = len > outbound.longest() || outbound.takes(ticket, len);
            may.then(|| outbound.push(head, message)).transpose()
        })?;
        Ok(pushed.map(|pushed| self.relieved(lane, pushed)))
    }
}

/// Waits for room in a lane: a future that is ready when [`push`](Self::push) will probably succeed. Made by
/// [`PeerLanes::room_for`].
///
/// Cancel safe: dropped, it gives its place to the next one. It has to be polled or dropped once it was woken, for those behind it
/// may be waiting for it.
#[derive(Debug)]
pub struct RoomFor {
    lanes: Arc<PeerLanes>,
    lane: Lane,
    len: usize,
    ticket: Option<Ticket>,
}

impl RoomFor {
    /// Puts the message in whose room was waited for; `None` if somebody who does not wait was quicker. Then the future may be
    /// polled again, and keeps its place.
    ///
    /// # Errors
    /// When the message is longer than the lane takes.
    pub fn push(&mut self, head: &[u8], message: &Payload<'_>) -> Result<Option<Pushed>, SendError> {
        self.lanes.push_in_turn(self.lane, self.ticket, head, message)
    }
}

impl Future for RoomFor {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut outbound = this.lanes.outbound(this.lane);
        if this.len > outbound.longest() || outbound.takes(this.ticket, this.len) {
            return Poll::Ready(());
        }
        let replaced = outbound.rare().waiters.wait(&mut this.ticket, this.len, context.waker());
        drop(outbound);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for RoomFor {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.lanes.changing(self.lane, |outbound| {
                outbound.rare.as_mut().and_then(|rare| rare.waiters.leave(ticket))
            });
        }
    }
}

#[cfg(test)]
mod tests;
