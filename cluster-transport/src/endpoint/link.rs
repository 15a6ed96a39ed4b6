//! A link's task: dials, carries the handshake, then runs the session until it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Shared;
use super::clock::Alarm;
use super::handler::Incoming;
use super::inlet::Inlet;
use super::outlet::Outlet;
use super::session::{Ask, SessionHandle};
use super::tally::Tally;
use super::{life_line, tunnels};
use crate::link::quic::LaneStreams;
use crate::link::{ConnectError, Link, LinkFault};
use crate::proto::body::CloseCode;
use crate::proto::endpoint::{ConnectFailure, LinkId};
use crate::proto::frame::{Decoded, Frame};
use crate::proto::requests::RequestEvent;
use crate::proto::session::{Session, SessionEnd, SessionEvent};
use crate::proto::{Address, Instant};
use crate::tls::TlsFault;

/// How long the last words of an ended session may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the handshake machine wants of a link.
#[derive(Debug)]
pub(super) enum Command {
    Send(Bytes),
    Establish(Beginning),
    Close,
}

/// A session that begins on a link.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) session: Box<Session>,
    pub(super) handle: Arc<SessionHandle>,
    /// The session whose lanes it goes on with; nothing is read before that one's task is done with what it had read.
    pub(super) before: Option<Arc<SessionHandle>>,
}

/// Dials an address and runs the link that comes of it.
pub(super) async fn dial(shared: Arc<Shared>, id: LinkId, address: Address) {
    let deadline = tokio::time::Instant::now() + shared.connect_timeout;
    let reached = || shared.tell(|machine, _, now| machine.handle_reached(now, id));
    let connected = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        connected = connect(&shared, &address, deadline, &reached) => connected,
    };
    match connected {
        Ok(link) => {
            let info = link.info.clone();
            let mut registered = None;
            shared.tell(|machine, pump, now| {
                machine.handle_connected(now, id, info.identity.clone());
                registered = Some(pump.add_link(id, info));
            });
            if let Some(commands) = registered {
                LinkTask::new(&shared, id, link, commands).run().await;
            }
        }
        Err(error) => {
            let failure = failure_of(&error);
            shared.tell(|machine, _, now| machine.handle_connect_failed(now, id, failure));
        }
    }
}

async fn connect(
    shared: &Arc<Shared>,
    address: &Address,
    deadline: tokio::time::Instant,
    reached: &(dyn Fn() + Send + Sync),
) -> Result<Link, ConnectError> {
    match address.as_tunnel() {
        Some((via, to)) => tunnels::dial(shared, address, &via, &to, deadline).await,
        None => shared.connector.connect(address, deadline, reached).await,
    }
}

fn failure_of(error: &ConnectError) -> ConnectFailure {
    match error {
        ConnectError::Refused { .. } => ConnectFailure::Refused,
        ConnectError::TimedOut { .. } => ConnectFailure::TimedOut,
        ConnectError::Silent { .. } => ConnectFailure::Silent,
        ConnectError::Resolve { .. } => ConnectFailure::Resolve(error.to_string()),
        ConnectError::Unreachable { .. } => ConnectFailure::Unreachable(error.to_string()),
        ConnectError::CutOff { .. } | ConnectError::Tls { fault: TlsFault::Closed, .. } => {
            ConnectFailure::CutOff(error.to_string())
        }
        _ => ConnectFailure::Tls(error.to_string()),
    }
}

/// A link that was made, until it ends.
pub(super) struct LinkTask<'a> {
    shared: &'a Arc<Shared>,
    id: LinkId,
    inlet: Inlet,
    outlet: Outlet,
    lanes: Option<LaneStreams>,
    commands: mpsc::Receiver<Command>,
    /// What of the session has been added to the endpoint's tally.
    counted: Tally,
}

impl<'a> LinkTask<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        id: LinkId,
        link: Link,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let Link { reader, writer, lanes, .. } = link;
        Self {
            shared,
            id,
            inlet: Inlet::new(reader),
            outlet: Outlet::new(writer, shared.write_timeout),
            lanes,
            commands,
            counted: Tally::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let established = self.handshake().await;
        self.shared.pump().remove_link(self.id);
        if let Some(Beginning { session: begun, handle, before }) = established {
            let session = handle.id();
            if let Some(before) = before {
                before.ended().await;
            }
            life_line::begin(self.shared, &handle);
            let end = self.session(*begun, &handle).await;
            self.shared.tunnels.session_down(session);
            self.shared.tell(|machine, pump, now| {
                pump.remove_session(session);
                machine.handle_session_ended(now, session, end.into());
            });
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.outlet.shutdown()).await;
    }

    /// Carries the handshake; what it agreed on, or nothing when the link is to be closed.
    async fn handshake(&mut self) -> Option<Beginning> {
        loop {
            // Commands go first: a frame may belong to the session that one of them begins.
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Send(frame) => self.outlet.push(frame),
                    Command::Establish(beginning) => return Some(beginning),
                    Command::Close => {
                        let _ = tokio::time::timeout(LAST_WORDS, self.outlet.write_all()).await;
                        return None;
                    }
                }
            }
            match self.inlet.next_frame() {
                Ok(Some(frame)) => {
                    self.handshake_frame(frame);
                    continue;
                }
                Ok(None) => {}
                Err(_) if self.inlet.sees_tls() => {
                    return self.handshake_lost("the peer speaks TLS, and this node has no TLS settings");
                }
                Err(error) => {
                    self.shared
                        .tell(|machine, _, now| machine.handle_unframed(now, self.id, &error.to_string()));
                    return self.last_commands().await;
                }
            }
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return None,
                command = self.commands.recv() => match command {
                    Some(Command::Send(frame)) => self.outlet.push(frame),
                    Some(Command::Establish(beginning)) => return Some(beginning),
                    Some(Command::Close) => {
                        let _ = tokio::time::timeout(LAST_WORDS, self.outlet.write_all()).await;
                        return None;
                    }
                    None => return None,
                },
                read = self.inlet.read() => match read {
                    Ok(0) => return self.handshake_lost("the peer closed the link"),
                    Ok(_) => {}
                    Err(error) => return self.handshake_lost(&LinkFault::from(error).to_string()),
                },
                written = self.outlet.write(), if !self.outlet.is_done() => {
                    if let Err(error) = written {
                        return self.handshake_lost(&LinkFault::from(error).to_string());
                    }
                }
            }
        }
    }

    /// Says what is still to be said on a link of which nothing more is read.
    async fn last_commands(&mut self) -> Option<Beginning> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Send(frame) => self.outlet.push(frame),
                Command::Establish(beginning) => return Some(beginning),
                Command::Close => break,
            }
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.outlet.write_all()).await;
        None
    }

    fn handshake_frame(&self, frame: Bytes) {
        let id = self.id;
        match Frame::decode(frame) {
            Ok(Decoded::Known(frame)) => {
                self.shared.tell(|machine, _, now| machine.handle_frame(now, id, frame));
            }
            Ok(Decoded::Skipped(_)) => {}
            Err(error) => self.shared.tell(|machine, _, now| machine.handle_bad_frame(now, id, &error)),
        }
    }

    fn handshake_lost<T>(&self, why: &str) -> Option<T> {
        self.shared.tell(|machine, _, now| machine.handle_link_closed(now, self.id, why.to_owned()));
        None
    }

    async fn session(&mut self, mut session: Session, handle: &Arc<SessionHandle>) -> SessionEnd {
        if let Err(error) = self.open_lanes(&session) {
            session.handle_link_lost(&LinkFault::from(error).to_string());
        }
        // What came in one read with the last frame of the handshake; nothing more may come for a long time.
        self.take_frames(&mut session, self.shared.clock.now());
        let mut alarm = Alarm::new(self.shared.clock);
        loop {
            if let Some(end) = self.turn(&mut session, handle) {
                // The next session of the pair may go on; what is left here are words to the peer.
                handle.set_ended();
                session.end_requests();
                self.hand_out(&mut session, handle);
                if self.shared.stop.is_cancelled() {
                    return end;
                }
                let _ = tokio::time::timeout(LAST_WORDS, self.outlet.write_all()).await;
                return end;
            }
            let clock = self.shared.clock;
            let deadline = earliest(session.poll_timeout(), self.outlet.poll_timeout(clock.now()));
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => {
                    session.handle_link_lost("this node has stopped");
                }
                () = alarm.wait(deadline) => {
                    let now = clock.now();
                    session.handle_timeout(now);
                    if let Some(why) = self.outlet.handle_timeout(now) {
                        session.handle_link_lost(&why);
                    }
                }
                read = self.inlet.read() => match read {
                    Ok(0) => session.handle_link_closed(),
                    Ok(_) => {
                        handle.set_heard(clock.now());
                        self.shared.handler.on_heard(handle);
                        self.take_frames(&mut session, clock.now());
                    }
                    // TLS without its goodbye: nobody was left to say it.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => session.handle_link_closed(),
                    Err(error) => session.handle_link_lost(&LinkFault::from(error).to_string()),
                },
                written = self.outlet.write(), if !self.outlet.is_done() => match written {
                    Ok(()) => self.outlet.handle_written(clock.now()),
                    Err(error) => session.handle_link_lost(&LinkFault::from(error).to_string()),
                },
                // Last, and every turn looks for what a wake would say: a flood of wakes never keeps the link waiting.
                () = handle.woken() => {
                    if session.is_asking_much() {
                        // Those who were woken by the answers of one read put their next requests into one write.
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    /// From here on the lanes have streams of their own, if the link has such.
    fn open_lanes(&mut self, session: &Session) -> std::io::Result<()> {
        let streams = self.lanes.take().map(|lanes| lanes.open(&session.start().peer_windows)).transpose()?;
        let (readers, writers) = streams.unzip();
        self.inlet.begin_session(readers);
        self.outlet.begin_session(writers);
        Ok(())
    }

    /// Hands out what the session has to say, and collects what there is to send. The end, when it has come.
    fn turn(&mut self, session: &mut Session, handle: &Arc<SessionHandle>) -> Option<SessionEnd> {
        for ask in handle.take_asks() {
            match ask {
                Ask::Leave => session.leave(self.shared.clock.now()),
                Ask::Close(code, text) => session.close(code, &text),
                Ask::Tunnel(frame) => session.send_tunnel(frame),
            }
        }
        let end = self.hand_out(session, handle);
        if end.is_none() {
            self.shared.handler.before_sending(handle);
        }
        self.outlet.begin_turn();
        session.poll_transmit_into(&mut self.outlet);
        end
    }

    /// Gives what has come to whom it is for. The end, when it has come.
    fn hand_out(&self, session: &mut Session, handle: &Arc<SessionHandle>) -> Option<SessionEnd> {
        let handler = &self.shared.handler;
        let (mut end, mut answered) = (None, Vec::new());
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::Batch(batch) => handler.on_incoming(handle, Incoming::Batch(batch)),
                SessionEvent::Lagged { lane, direction, missed } => {
                    handler.on_incoming(handle, Incoming::Lagged { lane, direction, missed });
                }
                SessionEvent::Request(RequestEvent::Asked { id, payload, .. }) => {
                    handler.on_incoming(handle, Incoming::Asked { id, payload });
                }
                SessionEvent::Request(RequestEvent::Cancelled(id)) => {
                    handler.on_incoming(handle, Incoming::Cancelled(id));
                }
                SessionEvent::Request(RequestEvent::Ended { id, token: Some(token), outcome }) => {
                    handler.on_incoming(handle, Incoming::Answered { id, token, outcome });
                }
                SessionEvent::Request(RequestEvent::Ended { id, token: None, outcome }) => {
                    answered.push((id, outcome));
                }
                SessionEvent::Tunnel(frame) => tunnels::take_frame(self.shared, handle.id(), *frame),
                SessionEvent::Ended(how) => end = Some(how),
            }
        }
        handle.requests_ended(answered);
        end
    }

    fn take_frames(&mut self, session: &mut Session, now: Instant) {
        loop {
            match self.inlet.next_frame() {
                Ok(Some(frame)) => session.handle_frame(now, frame),
                Ok(None) => break,
                Err(error) => {
                    session.close(CloseCode::VIOLATION, &error.to_string());
                    break;
                }
            }
        }
        self.shared.tallies.add(session, &mut self.counted);
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
