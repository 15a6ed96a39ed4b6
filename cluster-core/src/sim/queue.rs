//! Which parcel arrives next, on any of the links.
//!
//! A hashed timing wheel (Varghese and Lauck, 1987) whose first slot in use lies sorted: in a cluster of a thousand nodes thousands of
//! parcels are on their way at a moment, and each would go through a dozen levels of a heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use cluster_transport::proto::Instant;

use super::wires::{Pipe, Socket};

/// How many nanoseconds are one slot, as a power of two: about eight microseconds.
const SLOT: u32 = 13;
/// How many slots the wheel has: for about eight milliseconds, longer than a parcel takes by default that nothing holds up.
const SLOTS: usize = 1_024;

/// The first parcel of each pipe, by its time; of those with the same, the one that was scheduled first.
#[derive(Debug)]
pub(super) struct Queue {
    /// What is in the first slot in use, the last first.
    front: Vec<Scheduled>,
    /// Which slot since the origin that is, if there is anything in it.
    slot: u64,
    /// Where the wheel begins: nothing is in a slot before that.
    now: u64,
    wheel: Wheel,
    /// What is beyond the wheel.
    later: BinaryHeap<Scheduled>,
    sequence: u64,
}

impl Default for Queue {
    fn default() -> Self {
        let wheel = Wheel::default();
        Self { front: Vec::new(), slot: 0, now: 0, wheel, later: BinaryHeap::new(), sequence: 0 }
    }
}

impl Queue {
    pub(super) fn next_time(&self) -> Option<Instant> {
        match (self.front.last(), self.later.peek()) {
            (Some(next), None) => Some(next.at),
            (next, later) => next.max(later).map(|next| next.at),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Socket> {
        if self.later.peek() > self.front.last() {
            let next = self.later.pop()?;
            self.now = self.now.max(slot_of(next.at));
            return Some(next.socket);
        }
        let next = self.front.pop()?;
        self.now = self.slot;
        if self.front.is_empty() {
            self.turn();
        }
        Some(next.socket)
    }

    /// Has the first parcel of a pipe arrive then, if that is not planned already. Whatever was to come before now has come.
    pub(super) fn schedule(&mut self, now: Instant, at: Instant, socket: Socket, pipe: &mut Pipe) {
        if !std::mem::replace(&mut pipe.is_scheduled, true) {
            self.push(now, at, socket);
        }
    }

    fn push(&mut self, now: Instant, at: Instant, socket: Socket) {
        self.sequence += 1;
        let scheduled = Scheduled { at, sequence: self.sequence, socket };
        let slot = slot_of(at);
        if !self.reaches(slot) {
            self.now = slot_of(now);
        }
        if !self.reaches(slot) {
            self.later.push(scheduled);
        } else if self.front.is_empty() || slot < self.slot {
            self.front.drain(..).for_each(|behind| self.wheel.push(self.slot, behind));
            self.front.push(scheduled);
            self.slot = slot;
        } else if slot == self.slot {
            let place = self.front.partition_point(|other| *other < scheduled);
            self.front.insert(place, scheduled);
        } else {
            self.wheel.push(slot, scheduled);
        }
    }

    fn reaches(&self, slot: u64) -> bool {
        slot < self.now.saturating_add(SLOTS as u64)
    }

    /// Goes on to the next slot in use.
    fn turn(&mut self) {
        let Some(slot) = self.wheel.next(self.slot) else { return };
        self.slot = slot;
        self.wheel.take(slot, &mut self.front);
        if self.front.len() > 1 {
            self.front.sort_unstable();
        }
    }
}

fn slot_of(at: Instant) -> u64 {
    u64::try_from(at.since_origin().as_nanos() >> SLOT).unwrap_or(u64::MAX)
}

/// What is scheduled, by its slot, in no order.
#[derive(Debug)]
struct Wheel {
    /// The place of one of each slot, and so on.
    firsts: Vec<Place>,
    /// A bit for each slot that has any.
    used: [u64; SLOTS / WORD],
    places: Vec<(Scheduled, Place)>,
    /// The place that was left last, and so on.
    free: Place,
}

/// Where one of what is scheduled is; nowhere if there is no such place.
#[derive(Clone, Copy, Debug)]
struct Place(u32);

/// How many slots have their bits together.
const WORD: usize = 64;

impl Default for Wheel {
    fn default() -> Self {
        let nowhere = Place(u32::MAX);
        Self { firsts: vec![nowhere; SLOTS], used: [0; SLOTS / WORD], places: Vec::new(), free: nowhere }
    }
}

impl Wheel {
    fn push(&mut self, slot: u64, scheduled: Scheduled) {
        let index = index_of(slot);
        let Some(first) = self.firsts.get_mut(index) else { return };
        let place = self.free;
        let added = match self.places.get_mut(place.0 as usize) {
            Some(free) => {
                self.free = free.1;
                *free = (scheduled, *first);
                place
            }
            None => {
                self.places.push((scheduled, *first));
                Place(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX))
            }
        };
        *first = added;
        if let Some(word) = self.used.get_mut(index / WORD) {
            *word |= 1 << (index % WORD);
        }
    }

    /// The first slot in use after another.
    fn next(&self, slot: u64) -> Option<u64> {
        let first = index_of(slot + 1);
        let words = (0..=SLOTS / WORD).map(|word| (first / WORD + word) % (SLOTS / WORD));
        // Of the first word what is before is behind all others, and it is looked at again last.
        let masks = std::iter::once(u64::MAX << (first % WORD)).chain(std::iter::repeat(u64::MAX));
        let used = words.zip(masks).find_map(|(word, mask)| {
            let used = self.used.get(word)? & mask;
            (used != 0).then(|| word * WORD + used.trailing_zeros() as usize)
        })?;
        Some(slot + 1 + ((used + SLOTS - first) % SLOTS) as u64)
    }

    /// Moves what is in a slot.
    fn take(&mut self, slot: u64, to: &mut Vec<Scheduled>) {
        let index = index_of(slot);
        let Some(first) = self.firsts.get_mut(index) else { return };
        let mut place = std::mem::replace(first, Place(u32::MAX));
        while let Some((scheduled, next)) = self.places.get_mut(place.0 as usize) {
            to.push(*scheduled);
            let behind = std::mem::replace(next, self.free);
            self.free = std::mem::replace(&mut place, behind);
        }
        if let Some(word) = self.used.get_mut(index / WORD) {
            *word &= !(1 << (index % WORD));
        }
    }
}

fn index_of(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or_default()
}

/// What is to arrive. The greatest of them arrives first, and no two have the same sequence: the socket plays no part.
#[derive(Clone, Copy, Debug)]
struct Scheduled {
    at: Instant,
    sequence: u64,
    socket: Socket,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::super::wires::{End, Wires};
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    type Plain = BTreeMap<(Instant, u64), Socket>;

    /// How many nanoseconds the wheel has slots for.
    const WHEEL: u64 = (SLOTS as u64) << SLOT;

    /// At once, soon, at the end of the wheel, or long after it: at any moment, at the border of a slot, so far from now that it is just
    /// on the wheel or just not, or when another arrives.
    fn time(rng: &mut ChaCha8Rng, now: Instant, plain: &Plain) -> Instant {
        let from = u64::try_from(now.since_origin().as_nanos()).unwrap();
        let spread = [1, 200_000, 20_000_000, 3_000_000_000][rng.random_range(0..4)];
        let any = from + rng.random_range(0..spread);
        let at = match rng.random_range(0..8) {
            0 => (any >> SLOT) << SLOT,
            1 => from + WHEEL,
            2 => ((from + WHEEL) >> SLOT) << SLOT,
            3 if !plain.is_empty() => {
                let (at, _) = plain.keys().nth(rng.random_range(0..plain.len())).unwrap();
                return *at;
            }
            _ => any,
        };
        Instant::ORIGIN + Duration::from_nanos((at + rng.random_range(0..3)).saturating_sub(1).max(from))
    }

    #[test]
    fn parcels_come_in_the_order_of_their_times_and_then_of_their_schedules() {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut queue, mut plain, mut wires) = (Queue::default(), Plain::new(), Wires::default());
            let mut now = Instant::ORIGIN + Duration::from_secs(1);
            for number in 0_u64..3_000 {
                if rng.random_bool(0.2) {
                    // Time passes, at the most until the next is to arrive.
                    let until = plain.first_key_value().map_or(now + 20 * MILLI, |((at, _), _)| *at);
                    let span = until.since(now).min([MILLI, 100 * MILLI][rng.random_range(0..2)]);
                    now += span.mul_f64(rng.random_range(0.0..=1.0)).min(span);
                } else if rng.random_bool(if number < 1_500 { 0.7 } else { 0.3 }) {
                    let at = time(&mut rng, now, &plain);
                    let socket = wires.insert(now, End::new(0, true), End::new(1, true));
                    queue.push(now, at, socket);
                    plain.insert((at, number), socket);
                } else {
                    let next = plain.pop_first();
                    assert_eq!(queue.next_time(), next.map(|((at, _), _)| at), "seed {seed}");
                    assert_eq!(queue.pop(), next.map(|(_, socket)| socket), "seed {seed}");
                    now = next.map_or(now, |((at, _), _)| at);
                }
                let next = plain.first_key_value().map(|((at, _), _)| *at);
                assert_eq!(queue.next_time(), next, "seed {seed}");
            }
        }
    }

    #[test]
    fn of_two_at_the_same_time_the_one_before_the_wheel_reached_it_comes_first() {
        for beyond in [0, 1, 1 << SLOT] {
            let (mut queue, mut wires) = (Queue::default(), Wires::default());
            let now = Instant::ORIGIN + Duration::from_secs(1);
            let at = now + Duration::from_nanos(WHEEL + beyond);
            let mut push = |queue: &mut Queue, now| {
                let socket = wires.insert(now, End::new(0, true), End::new(1, true));
                queue.push(now, at, socket);
                socket
            };
            let first = push(&mut queue, now);
            assert_eq!(queue.later.len(), 1);
            let second = push(&mut queue, now + MILLI);
            assert_eq!((queue.later.len(), queue.front.len()), (1, 1));
            assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(first), Some(second), None]);
        }
    }
}
