//! What a session gives to its link: frames of the lanes in turn, acknowledgements, and tunnels behind them.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::Lane;
use super::super::frame::{Acknowledge, Frame, TUNNELS};
use super::Session;
use super::outbox::{Outbox, Stream};

impl Session {
    /// Appends frames to be sent over one byte stream, about `budget` bytes of them. False if nothing is left to send just now.
    pub fn poll_transmit(&mut self, out: &mut VecDeque<Bytes>, budget: usize) -> bool {
        self.poll_transmit_into(&mut Stream { pieces: out, budget })
    }

    /// Puts frames up to be sent, lane by lane in turn, as long as they are taken. False if nothing is left to send just now.
    pub fn poll_transmit_into(&mut self, out: &mut impl Outbox) -> bool {
        if let Some(rare) = &mut self.rare {
            std::mem::take(&mut rare.frames).into_iter().for_each(|(lane, frame)| out.put(lane, frame));
            self.rare.take_if(|rare| rare.is_spare());
        }
        if self.ended {
            return false;
        }
        // A peer that sends and does not read makes no heap of these.
        let acknowledges = out.takes(Lane::Control);
        if acknowledges {
            let others = self.lanes.owing().without(Lane::Control);
            others.iter().for_each(|lane| self.acknowledge(lane, out));
            if self.transmit_alone(out) {
                return Self::is_refused(out);
            }
        }
        let has_more = self.transmit_lanes(out);
        // Nobody waits for an acknowledgement of the control lane before its window is used up. Peers always have something to
        // say to each other soon, so that it travels along: an idle pair sends half as many packets.
        if acknowledges && (!out.is_empty() || self.owes_much) {
            self.acknowledge(Lane::Control, out);
        }
        has_more
    }

    /// What most turns send: a segment of the control lane, and behind it in the same piece what is to be acknowledged of that lane. False
    /// if there is nothing of the kind, or something else to send.
    fn transmit_alone(&mut self, out: &mut impl Outbox) -> bool {
        if !self.lanes.busy().is_only(Lane::Control) || self.has_tunnels() {
            return false;
        }
        let Some(mut piece) = self.lanes.poll_alone(Lane::Control, self.id) else { return false };
        if let Some(acknowledge) = self.settle(Lane::Control) {
            piece.extend_from_slice(&acknowledge.encode());
        }
        out.put(Lane::Control, piece.freeze());
        true
    }

    /// A frame of each lane in turn, as long as any has one that is taken. False if none has.
    fn transmit_lanes(&mut self, out: &mut impl Outbox) -> bool {
        loop {
            let mut idle = true;
            for lane in self.lanes.busy().iter() {
                if !out.takes(lane) {
                    continue;
                }
                let Some(sent) = self.lanes.poll(lane, self.id) else { continue };
                idle = false;
                for piece in sent.into_iter().flatten().filter(|piece| !piece.is_empty()) {
                    out.put(lane, piece);
                }
            }
            if self.transmit_tunnels(out) {
                idle = false;
            }
            if idle {
                return Self::is_refused(out) || self.has_tunnels();
            }
        }
    }

    /// Whether more of any lane would not be taken just now.
    fn is_refused(out: &impl Outbox) -> bool {
        Lane::ALL.into_iter().any(|lane| !out.takes(lane))
    }

    /// A frame of the tunnels, if it is taken.
    fn transmit_tunnels(&mut self, out: &mut impl Outbox) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let frame = if out.takes(TUNNELS) { rare.tunnels.pop_front() } else { None };
        frame.map(|frame| out.put(TUNNELS, frame)).is_some()
    }

    fn has_tunnels(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.tunnels.is_empty())
    }

    fn acknowledge(&mut self, lane: Lane, out: &mut impl Outbox) {
        if let Some(acknowledge) = self.settle(lane) {
            out.put(Lane::Control, Frame::Acknowledge(acknowledge).encode());
        }
    }

    /// What is to be acknowledged of a lane, if that is news. From now on it counts as acknowledged.
    fn settle(&mut self, lane: Lane) -> Option<Acknowledge> {
        if !self.lanes.owing().contains(lane) {
            return None;
        }
        let (next, owes_much) = self.lanes.settle(lane, self.id)?;
        if lane == Lane::Control {
            self.owes_much = owes_much;
        }
        Some(Acknowledge { lane, next })
    }
}
