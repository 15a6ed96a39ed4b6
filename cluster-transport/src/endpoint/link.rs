//! A link's task: dials or accepts, carries the handshake, then runs the session until it ends.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use super::Shared;
use super::handler::Incoming;
use super::session::{Ask, SessionHandle};
use crate::link::tcp::{AcceptError, ConnectError, Listener};
use crate::link::{Link, LinkFault, LinkWriter, Speech};
use crate::proto::endpoint::{ConnectFailure, LinkId, NoLink};
use crate::proto::frame::{Decoded, Frame, MAX_FRAME, MAX_HANDSHAKE_FRAME, PREFIX};
use crate::proto::requests::RequestEvent;
use crate::proto::session::{Session, SessionEnd, SessionEvent};
use crate::proto::{Address, Instant};

/// How many bytes one turn puts up for writing: enough to fill a socket's buffer, little enough to look at the rest soon.
const TURN: usize = 256 * 1024;
/// How many bytes one read asks for.
const READ: usize = 128 * 1024;
/// How many pieces one write takes.
const PIECES: usize = 64;
/// A link that has not taken a byte for so long is broken.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);
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

/// Accepts until the endpoint stops.
pub(super) async fn accept(shared: Arc<Shared>, mut listener: Listener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let task = Arc::clone(&shared);
        shared.spawn(async move {
            let remote = accepted.remote().to_string();
            let deadline = tokio::time::Instant::now() + task.connect_timeout;
            let secured = tokio::select! {
                biased;
                () = task.stop.cancelled() => return,
                secured = accepted.secure(task.tls.as_ref(), deadline) => secured,
            };
            match secured {
                Ok(link) => run_accepted(&task, link, remote).await,
                Err(error) => {
                    let (kind, text) = (no_link(&error), error.to_string());
                    task.tell(|machine, _, now| machine.handle_accept_failed(now, remote, kind, text));
                }
            }
        });
    }
}

/// Runs a link that was accepted.
pub(super) async fn run_accepted(shared: &Arc<Shared>, link: Link, remote: String) {
    let info = link.info.clone();
    let mut registered = None;
    shared.tell(|machine, pump, now| {
        let id = machine.handle_accepted(now, info.identity.clone(), remote);
        registered = Some((id, pump.add_link(id, info)));
    });
    if let Some((id, commands)) = registered {
        LinkTask::new(shared, id, link, commands).run().await;
    }
}

/// Dials an address and runs the link that comes of it.
pub(super) async fn dial(shared: Arc<Shared>, id: LinkId, address: Address) {
    let deadline = tokio::time::Instant::now() + shared.connect_timeout;
    let reached = || shared.tell(|machine, _, now| machine.handle_reached(now, id));
    let connected = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        connected = shared.connector.connect(&address, deadline, &reached) => connected,
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

fn failure_of(error: &ConnectError) -> ConnectFailure {
    match error {
        ConnectError::Refused { .. } => ConnectFailure::Refused,
        ConnectError::TimedOut { .. } => ConnectFailure::TimedOut,
        ConnectError::Silent { .. } => ConnectFailure::Silent,
        ConnectError::Resolve { .. } => ConnectFailure::Resolve(error.to_string()),
        ConnectError::Unreachable { .. } => ConnectFailure::Unreachable(error.to_string()),
        _ => ConnectFailure::Tls(error.to_string()),
    }
}

fn no_link(error: &AcceptError) -> NoLink {
    match error {
        AcceptError::Http { .. } => NoLink::Http,
        AcceptError::TlsToPlaintext { .. } | AcceptError::PlaintextToTls { .. } => NoLink::OtherSecurity,
        AcceptError::Stranger { .. } => NoLink::Stranger,
        AcceptError::Silent { .. } => NoLink::Silent,
        AcceptError::TimedOut { .. } => NoLink::TimedOut,
        AcceptError::Tls { .. } => NoLink::Tls,
        AcceptError::Io { .. } => NoLink::Broken,
    }
}

struct LinkTask<'a> {
    shared: &'a Arc<Shared>,
    id: LinkId,
    link: Link,
    commands: mpsc::Receiver<Command>,
    codec: LengthDelimitedCodec,
    buffer: BytesMut,
    out: VecDeque<Bytes>,
    /// Whether something was written that a flush has not seen yet: TLS may hold on to it.
    unflushed: bool,
}

impl<'a> LinkTask<'a> {
    fn new(shared: &'a Arc<Shared>, id: LinkId, link: Link, commands: mpsc::Receiver<Command>) -> Self {
        let mut codec = LengthDelimitedCodec::builder().length_field_length(PREFIX).new_codec();
        codec.set_max_frame_length(MAX_HANDSHAKE_FRAME);
        Self {
            shared,
            id,
            link,
            commands,
            codec,
            buffer: BytesMut::new(),
            out: VecDeque::new(),
            unflushed: false,
        }
    }

    async fn run(mut self) {
        let established = self.handshake().await;
        self.shared.pump().remove_link(self.id);
        if let Some(Beginning { session: begun, handle, before }) = established {
            self.codec.set_max_frame_length(MAX_FRAME);
            let session = handle.id();
            if let Some(before) = before {
                before.ended().await;
            }
            let end = self.session(*begun, &handle).await;
            self.shared.tell(|machine, pump, now| {
                pump.remove_session(session);
                machine.handle_session_ended(now, session, end.into());
            });
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.link.writer.shutdown()).await;
    }

    /// Carries the handshake; what it agreed on, or nothing when the link is to be closed.
    async fn handshake(&mut self) -> Option<Beginning> {
        loop {
            // Commands go first: a frame may belong to the session that one of them begins.
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Send(frame) => self.out.push_back(frame),
                    Command::Establish(beginning) => return Some(beginning),
                    Command::Close => {
                        let _ = tokio::time::timeout(LAST_WORDS, self.write_all()).await;
                        return None;
                    }
                }
            }
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => {
                    self.handshake_frame(frame.freeze());
                    continue;
                }
                Ok(None) => {}
                Err(_) if Speech::of(&self.buffer) == Speech::Tls => {
                    return self.handshake_lost("the peer speaks TLS, and this node has no TLS settings");
                }
                Err(error) => return self.handshake_lost(&error.to_string()),
            }
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return None,
                command = self.commands.recv() => match command {
                    Some(Command::Send(frame)) => self.out.push_back(frame),
                    Some(Command::Establish(beginning)) => return Some(beginning),
                    Some(Command::Close) => {
                        let _ = tokio::time::timeout(LAST_WORDS, self.write_all()).await;
                        return None;
                    }
                    None => return None,
                },
                read = self.link.reader.read_buf(&mut self.buffer) => match read {
                    Ok(0) => return self.handshake_lost("the peer closed the link"),
                    Ok(_) => {}
                    Err(error) => return self.handshake_lost(&LinkFault::from(error).to_string()),
                },
                written = write_some(&mut self.link.writer, &mut self.out, &mut self.unflushed),
                    if !self.out.is_empty() || self.unflushed =>
                {
                    if let Err(error) = written {
                        return self.handshake_lost(&LinkFault::from(error).to_string());
                    }
                }
            }
        }
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

    async fn write_all(&mut self) -> std::io::Result<()> {
        while !self.out.is_empty() || self.unflushed {
            write_some(&mut self.link.writer, &mut self.out, &mut self.unflushed).await?;
        }
        Ok(())
    }

    async fn session(&mut self, mut session: Session, handle: &Arc<SessionHandle>) -> SessionEnd {
        let mut write_by = None;
        loop {
            if let Some(end) = self.turn(&mut session, handle) {
                // The next session of the pair may go on; what is left here are words to the peer.
                handle.set_ended();
                if self.shared.stop.is_cancelled() {
                    return end;
                }
                let _ = tokio::time::timeout(LAST_WORDS, self.write_all()).await;
                return end;
            }
            let clock = self.shared.clock;
            write_by = if self.out.is_empty() && !self.unflushed {
                None
            } else {
                write_by.or(Some(clock.now() + WRITE_DEADLINE))
            };
            self.buffer.reserve(READ);
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => {
                    session.handle_link_lost("this node has stopped");
                }
                () = clock.sleep_until(earliest(session.poll_timeout(), write_by)) => {
                    let now = clock.now();
                    session.handle_timeout(now);
                    if write_by.is_some_and(|by| by <= now) {
                        session.handle_link_lost("the peer has not taken a byte for 15 s");
                    }
                }
                read = self.link.reader.read_buf(&mut self.buffer) => match read {
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
                written = write_some(&mut self.link.writer, &mut self.out, &mut self.unflushed),
                    if !self.out.is_empty() || self.unflushed =>
                {
                    write_by = None;
                    if let Err(error) = written {
                        session.handle_link_lost(&LinkFault::from(error).to_string());
                    }
                }
                // Last, and every turn looks for what a wake would say: a flood of wakes never keeps the link waiting.
                () = handle.woken() => {}
            }
        }
    }

    /// Hands out what the session has to say, and collects what there is to send. The end, when it has come.
    fn turn(&mut self, session: &mut Session, handle: &Arc<SessionHandle>) -> Option<SessionEnd> {
        for ask in handle.take_asks() {
            match ask {
                Ask::Leave => session.leave(self.shared.clock.now()),
                Ask::Close(code, text) => session.close(code, &text),
            }
        }
        let handler = &self.shared.handler;
        let mut end = None;
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
                SessionEvent::Request(RequestEvent::Ended(id, outcome)) => handle.request_ended(id, outcome),
                SessionEvent::Ended(how) => end = Some(how),
            }
        }
        if end.is_none() {
            handler.before_sending(handle);
        }
        let waiting: usize = self.out.iter().map(Bytes::len).sum();
        if waiting < TURN || end.is_some() {
            session.poll_transmit(&mut self.out, TURN - waiting.min(TURN));
        }
        end
    }

    fn take_frames(&mut self, session: &mut Session, now: Instant) {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => session.handle_frame(now, frame.freeze()),
                Ok(None) => return,
                Err(error) => {
                    session.close(crate::proto::body::CloseCode::VIOLATION, &error.to_string());
                    return;
                }
            }
        }
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

/// Writes as much as the link takes at once, or flushes when everything was written. Cancel safe: nothing is taken from `out`
/// before it was written.
async fn write_some(
    writer: &mut LinkWriter,
    out: &mut VecDeque<Bytes>,
    unflushed: &mut bool,
) -> std::io::Result<()> {
    if out.is_empty() {
        writer.flush().await?;
        *unflushed = false;
        return Ok(());
    }
    let mut left = {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = out.iter().zip(&mut pieces).map(|(bytes, piece)| *piece = IoSlice::new(bytes)).count();
        writer.write_vectored(pieces.get(..count).unwrap_or_default()).await?
    };
    if left == 0 {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    *unflushed = true;
    while let Some(front) = out.front_mut() {
        if left < front.len() {
            front.advance(left);
            break;
        }
        left -= front.len();
        out.pop_front();
    }
    Ok(())
}
