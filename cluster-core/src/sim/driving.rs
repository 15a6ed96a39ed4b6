//! What follows from an input of a process: its machines are drained into each other until none has anything to say.

use cluster_transport::proto::body::CloseCode;
use cluster_transport::proto::endpoint::SessionEnd;
use cluster_transport::proto::lanes::{Batch, Payload};
use cluster_transport::proto::requests::RequestEvent;
use cluster_transport::proto::session::SessionEvent;
use cluster_transport::proto::{Instant, Lane, NodeId, SessionId};

use super::host::Stamp;
use super::network::Network;
use super::process::Process;
use super::sessions::Seat;
use crate::engine::members::{Action, MemberEvent};
use crate::engine::state::StateEvent;
use crate::engine::{ClusterEvent, ContinuityEvent, EngineEvent, Notification, Transmit, wiring};

impl Process {
    /// Drains everything that has something to say, and asks nobody else: most inputs concern one session and lead to nothing.
    pub(super) fn settle(&mut self, now: Instant, network: &mut Network) {
        loop {
            let mut quiet = self.settle_machines(now, network);
            while let Some((seat, session)) = self.stirred.pop_front() {
                quiet = false;
                self.settle_session(now, seat, session, network);
            }
            if quiet {
                return;
            }
        }
    }

    /// Drains all but the sessions. Whether there was nothing.
    fn settle_machines(&mut self, now: Instant, network: &mut Network) -> bool {
        let mut quiet = true;
        if self.endpoint.has_output() {
            quiet = false;
            self.settle_endpoint(now, network);
        }
        if self.engine.has_output() {
            quiet = false;
            self.settle_engine(now, network);
        }
        if self.tunnels.has_output() {
            quiet = false;
            self.settle_tunnels(now, network);
        }
        if self.desk.is_free(now) && self.has_for_host() {
            quiet = false;
            self.serve_host(now, network);
        }
        let offered = self.engine.offered();
        if offered != self.offered {
            self.offered = offered;
            self.stir_all();
        }
        quiet
    }

    fn settle_engine(&mut self, now: Instant, network: &mut Network) {
        while let Some(action) = self.engine.poll_action() {
            self.take_action(now, action);
        }
        while let Some(transmit) = self.engine.poll_transmit() {
            self.transmit(transmit);
        }
        while let Some(event) = self.engine.poll_event() {
            self.take_event(event, network);
        }
        while let Some(node) = self.engine.poll_turn() {
            self.endpoint.session_with(&node).into_iter().for_each(|session| self.stir_to_tell(session));
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        let Some(live) = self.seats.seat_of(&transmit.to).and_then(|seat| self.sessions.at(seat)) else {
            return;
        };
        if let Err(error) = live.session.lanes().push(Lane::Control, Payload::Shared(transmit.message)) {
            live.session.close(CloseCode::STALLED, &error.to_string());
        }
        live.stir(&mut self.stirred);
    }

    /// Whether there is something for the host, or for peers once it is told. With each change of a room `at` grows.
    fn has_for_host(&self) -> bool {
        self.desk.is_waited_for()
            || self.engine.state().at() != self.desk.told_at
            || self.engine.has_register_changes()
            || self.engine.has_applied()
    }

    /// Gives the host, which is not busy, what there is for it; only then peers are told how far their state is applied here.
    fn serve_host(&mut self, now: Instant, network: &mut Network) {
        let mut took = false;
        let mut told = 0;
        while let Some(event) = self.engine.poll_room_event() {
            told += 1;
            self.host.on_room(&event);
        }
        while let Some(change) = self.engine.poll_register_change() {
            self.host.registers.observe(change);
        }
        let at = self.engine.state().at();
        network.counters.conflated += (at - self.desk.told_at).saturating_sub(told);
        self.desk.told_at = at;
        for waiting in self.desk.take_all() {
            took = true;
            let (session, lane, end) = (waiting.session, waiting.batch.lane(), waiting.batch.end());
            self.hand_over(&waiting.peer, session, waiting.batch, network);
            waiting.lanes.done(lane, end);
            self.stir(session);
        }
        while let Some(applied) = self.engine.poll_applied() {
            self.transmit(applied);
        }
        if took || told > 0 {
            network.counters.hosts_busy += u64::from(!self.desk.lag.is_zero());
            self.desk.took(now);
        }
    }

    /// The host takes events or notifications.
    fn hand_over(&mut self, peer: &NodeId, session: SessionId, batch: Batch, network: &mut Network) {
        let is_events = batch.lane() == Lane::Events;
        for message in batch.into_messages() {
            let taken = if is_events {
                ClusterEvent::decode(&message)
                    .map(|event| self.host.events.extend(event.map(|event| (peer.clone(), event))))
            } else {
                network.counters.notifications_received += 1;
                Notification::decode(message).map(|notification| {
                    let stamp = notification.and_then(|found| Stamp::decode(found.payload));
                    stamp.into_iter().for_each(|stamp| self.host.on_notification(stamp));
                })
            };
            if let Err(fault) = taken {
                self.engine.handle_fault(peer, session, fault);
            }
        }
    }

    fn take_action(&mut self, now: Instant, action: Action) {
        match action {
            // More targets than the dialler takes are not dialled.
            Action::AddTarget(address) => drop(self.endpoint.add_target(now, address)),
            Action::RemoveTarget(address) => {
                self.endpoint.remove_target(now, &address);
            }
            Action::ProbeNow(address) => {
                if self.endpoint.probe(now, address.clone()).is_err() {
                    self.engine.handle_probe_deferred(now, &address);
                }
            }
            Action::CloseSession { node, why, .. } => {
                self.endpoint.close_session(now, &node, wiring::close_code(why));
            }
        }
    }

    fn take_event(&mut self, event: EngineEvent, network: &mut Network) {
        let counters = &mut network.counters;
        match event {
            EngineEvent::Fault { session, fault, .. } => {
                counters.faults += 1;
                self.close_session(session, CloseCode::VIOLATION, &fault.to_string());
            }
            EngineEvent::Continuity(event) => {
                match &event {
                    ContinuityEvent::Lagged { .. } => counters.lags_told += 1,
                    ContinuityEvent::CachesStale { .. } => counters.stale_told += 1,
                }
                self.host.on_continuity(event);
            }
            EngineEvent::Member(event) => {
                self.host.on_member(&event);
                self.count_member(event, network);
            }
            // Its owner is asked.
            EngineEvent::State(StateEvent::Differs { owner, .. } | StateEvent::AskedAgain { owner, .. }) => {
                self.endpoint.session_with(&owner).into_iter().for_each(|session| self.stir_to_tell(session));
            }
            EngineEvent::State(_) => {}
        }
    }

    fn count_member(&mut self, event: MemberEvent, network: &mut Network) {
        let counters = &mut network.counters;
        match event {
            MemberEvent::Removed { node, .. } => {
                counters.removals += 1;
                if let Some(lanes) = self.lanes.get(&node) {
                    lanes.give_up();
                }
                if self.endpoint.session_with(&node).is_none() {
                    self.lanes.remove(&node);
                }
            }
            MemberEvent::Doubted { .. } => counters.doubts += 1,
            MemberEvent::Vetoed { .. } => counters.vetoes += 1,
            MemberEvent::Paused { .. } => counters.pauses_noticed += 1,
            MemberEvent::Ready => counters.became_ready += 1,
            MemberEvent::NotReady { .. } => counters.became_unready += 1,
            _ => {}
        }
    }

    fn settle_session(&mut self, now: Instant, seat: Seat, id: SessionId, network: &mut Network) {
        let Some(live) = self.sessions.at(seat).filter(|live| live.id() == id) else { return };
        live.unstir();
        let mut ended = None;
        while let Some(event) = live.session.poll_event() {
            match event {
                SessionEvent::Batch(batch) => {
                    let without = self.swallows.take(&live.peer, batch.lane());
                    live.take_batch(now, batch, without, &mut self.engine, &mut self.desk);
                }
                SessionEvent::Lagged { lane, direction, missed } => {
                    self.engine.handle_lagged(now, &live.peer, lane, direction, missed);
                }
                SessionEvent::Request(RequestEvent::Asked { .. } | RequestEvent::Cancelled(_)) => {}
                SessionEvent::Request(RequestEvent::Ended { .. }) => {}
                SessionEvent::Tunnel(frame) => self.tunnels.handle_frame(id, *frame),
                SessionEvent::Ended(end) => ended = Some(SessionEnd::from(end)),
            }
        }
        if let Some(end) = ended {
            return self.end(now, id, end, network);
        }
        if live.may_tell {
            live.fill_state(&mut self.engine);
        }
        live.write(now, &mut self.tunnels, network);
        live.note_deadline(&mut self.deadlines);
    }
}
