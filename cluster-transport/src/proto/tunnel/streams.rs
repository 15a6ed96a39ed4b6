//! One node's tunnels with the ends at this node as byte streams: to a link they are what a socket is.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{Leg, MAX_DATA, TunnelCode, TunnelEnd, TunnelError, TunnelFrame, TunnelOutput, Tunnels};
use crate::proto::{NodeId, SessionId};

/// What a read of a stream gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet: [`StreamOutput::Stirred`] tells when there may be more.
    Nothing,
    /// The other end is done with it, and everything was read.
    End,
    /// It is over for another reason, and everything was read.
    Broken(TunnelCode),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOutput {
    /// Send a frame on a session.
    Send {
        /// The session.
        session: SessionId,
        /// The frame.
        frame: TunnelFrame,
    },
    /// Somebody wants a link to this node. The stream is there until it is closed.
    Accepted {
        /// This end of it.
        leg: Leg,
        /// Who says to be at the other end. The handshake will show.
        from: NodeId,
        /// Who carries it.
        via: NodeId,
    },
    /// A stream may have something to read or room to write, or is over.
    Stirred(Leg),
}

/// The tunnels of one node, and the streams that end at it.
#[derive(Debug)]
pub struct TunnelStreams {
    tunnels: Tunnels,
    /// Until this node closes them: what came before the end of a tunnel can be read after it.
    ends: BTreeMap<Leg, TunnelEnd>,
    outputs: VecDeque<StreamOutput>,
}

/// What the world did.
impl TunnelStreams {
    /// Of this node; none yet.
    pub fn new(node: NodeId) -> Self {
        Self { tunnels: Tunnels::new(node), ends: BTreeMap::new(), outputs: VecDeque::new() }
    }

    /// A session began.
    pub fn handle_session_up(&mut self, session: SessionId, node: NodeId, is_direct: bool, we_dialled: bool) {
        self.tunnels.handle_session_up(session, node, is_direct, we_dialled);
    }

    /// A session ended: so did all tunnels over it.
    pub fn handle_session_down(&mut self, session: SessionId) {
        self.tunnels.handle_session_down(session);
        self.settle();
    }

    /// A frame came on a session.
    pub fn handle_frame(&mut self, session: SessionId, frame: TunnelFrame) {
        self.tunnels.handle_frame(session, frame);
        self.settle();
    }
}

/// What this node wants.
impl TunnelStreams {
    /// Begins a tunnel; the stream can be written to at once.
    ///
    /// # Errors
    /// When there is no direct session with the carrier, or there are too many tunnels.
    pub fn open(&mut self, via: &NodeId, to: &NodeId) -> Result<Leg, TunnelError> {
        let leg = self.tunnels.open(via, to)?;
        self.ends.insert(leg, TunnelEnd::default());
        self.settle();
        Ok(leg)
    }

    /// Takes bytes of a stream out, as many as there are and fit.
    pub fn read(&mut self, leg: Leg, into: &mut [u8]) -> Reading {
        let Some(end) = self.ends.get_mut(&leg) else { return Reading::Broken(TunnelCode::DONE) };
        if end.is_empty() {
            return match end.closed() {
                None => Reading::Nothing,
                Some(TunnelCode::DONE) => Reading::End,
                Some(code) => Reading::Broken(code),
            };
        }
        let (len, credit) = end.read(into);
        if let Some(credit) = credit.filter(|_| end.closed().is_none()) {
            self.send(leg, TunnelFrame::Credit(leg.tunnel, credit));
        }
        Reading::Bytes(len)
    }

    /// Sends bytes on a stream; how many were taken. None of some is no error: there is no credit just now.
    ///
    /// # Errors
    /// The tunnel is over.
    pub fn write(&mut self, leg: Leg, bytes: &[u8]) -> Result<usize, TunnelCode> {
        let end = self.ends.get_mut(&leg).ok_or(TunnelCode::DONE)?;
        if let Some(code) = end.closed() {
            return Err(code);
        }
        let taken = end.spend(bytes.len().min(MAX_DATA));
        if let Some(part) = bytes.get(..taken).filter(|part| !part.is_empty()) {
            self.send(leg, TunnelFrame::Data(leg.tunnel, Bytes::copy_from_slice(part)));
        }
        Ok(taken)
    }

    /// This node is done with a stream.
    pub fn close(&mut self, leg: Leg) {
        self.ends.remove(&leg);
        self.tunnels.close(leg, TunnelCode::DONE);
        self.settle();
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<StreamOutput> {
        self.outputs.pop_front()
    }

    /// Whether there is something to be done.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// How many tunnels end here, and how many are carried.
    pub fn counts(&self) -> (usize, usize) {
        self.tunnels.counts()
    }

    /// How many bytes this node has carried for others.
    pub fn carried_bytes(&self) -> u64 {
        self.tunnels.carried_bytes()
    }

    /// How many bytes each stream holds that came and were not read.
    pub fn unread(&self) -> impl Iterator<Item = (Leg, usize)> {
        self.ends.iter().map(|(leg, end)| (*leg, end.unread()))
    }
}

impl TunnelStreams {
    fn settle(&mut self) {
        while let Some(output) = self.tunnels.poll_output() {
            match output {
                TunnelOutput::Send { session, frame } => self.send_on(session, frame),
                TunnelOutput::Accepted { leg, from, via } => {
                    self.ends.insert(leg, TunnelEnd::default());
                    self.outputs.push_back(StreamOutput::Accepted { leg, from, via });
                }
                TunnelOutput::Data(leg, bytes) => self.at_end(leg, |end| end.handle_data(&bytes)),
                TunnelOutput::Credit(leg, bytes) => self.at_end(leg, |end| end.handle_credit(bytes)),
                TunnelOutput::Closed(leg, code) => self.at_end(leg, |end| {
                    end.handle_closed(code);
                    true
                }),
            }
        }
    }

    /// Changes an end. One whose other end broke the rules is over.
    fn at_end(&mut self, leg: Leg, change: impl FnOnce(&mut TunnelEnd) -> bool) {
        let Some(end) = self.ends.get_mut(&leg) else { return };
        if !change(end) {
            end.handle_closed(TunnelCode::VIOLATION);
            self.tunnels.close(leg, TunnelCode::VIOLATION);
        }
        self.outputs.push_back(StreamOutput::Stirred(leg));
    }

    fn send(&mut self, leg: Leg, frame: TunnelFrame) {
        self.send_on(leg.session, frame);
    }

    fn send_on(&mut self, session: SessionId, frame: TunnelFrame) {
        self.outputs.push_back(StreamOutput::Send { session, frame });
    }
}

#[cfg(test)]
mod tests {
    use super::super::CREDIT;
    use super::*;

    const AB: SessionId = SessionId(1);

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    /// Node `a`, with a session to its carrier `b`, and a stream to `c` through it.
    fn opened() -> (TunnelStreams, Leg) {
        let mut streams = TunnelStreams::new(node("a"));
        streams.handle_session_up(AB, node("b"), true, true);
        let leg = streams.open(&node("b"), &node("c")).unwrap();
        assert!(matches!(sent(&mut streams)[..], [TunnelFrame::Open(..)]));
        (streams, leg)
    }

    fn sent(streams: &mut TunnelStreams) -> Vec<TunnelFrame> {
        let outputs = std::iter::from_fn(|| streams.poll_output());
        let frame = |output| if let StreamOutput::Send { frame, .. } = output { Some(frame) } else { None };
        outputs.filter_map(frame).collect()
    }

    #[test]
    fn a_stream_takes_no_more_than_its_credit_and_goes_on_when_it_gets_some() {
        let (mut streams, leg) = opened();
        let bytes = vec![7; CREDIT + 1];
        let mut written = 0;
        while let Ok(taken @ 1..) = streams.write(leg, &bytes[written..]) {
            assert!(taken <= MAX_DATA);
            written += taken;
        }
        assert_eq!(written, CREDIT);
        assert_eq!(sent(&mut streams).len(), CREDIT / MAX_DATA);
        streams.handle_frame(AB, TunnelFrame::Credit(leg.tunnel, 1));
        assert_eq!(streams.poll_output(), Some(StreamOutput::Stirred(leg)));
        assert_eq!(streams.write(leg, &bytes), Ok(1));
    }

    #[test]
    fn what_came_before_the_end_is_read_and_then_why_it_ended() {
        for (code, last) in [
            (TunnelCode::DONE, Reading::End),
            (TunnelCode::LINK_LOST, Reading::Broken(TunnelCode::LINK_LOST)),
        ] {
            let (mut streams, leg) = opened();
            let mut buffer = [0; 8];
            assert_eq!(streams.read(leg, &mut buffer), Reading::Nothing);
            streams.handle_frame(AB, TunnelFrame::Data(leg.tunnel, Bytes::from_static(b"last words")));
            streams.handle_frame(AB, TunnelFrame::close(leg.tunnel, code));
            assert_eq!(streams.write(leg, b"x"), Err(code));
            assert_eq!(streams.read(leg, &mut buffer), Reading::Bytes(8));
            assert_eq!(streams.read(leg, &mut buffer), Reading::Bytes(2));
            assert_eq!(streams.read(leg, &mut buffer), last);
            streams.close(leg);
            assert_eq!((streams.counts(), streams.unread().count()), ((0, 0), 0));
        }
    }

    #[test]
    fn one_that_sends_more_than_it_may_is_cut_off_and_told_why() {
        let (mut streams, leg) = opened();
        let part = Bytes::from(vec![7; CREDIT]);
        streams.handle_frame(AB, TunnelFrame::Data(leg.tunnel, part));
        streams.handle_frame(AB, TunnelFrame::Data(leg.tunnel, Bytes::from_static(&[7])));
        assert_eq!(sent(&mut streams), [TunnelFrame::close(leg.tunnel, TunnelCode::VIOLATION)]);
        assert_eq!((streams.counts(), streams.write(leg, b"x")), ((0, 0), Err(TunnelCode::VIOLATION)));
    }

    #[test]
    fn a_stream_ends_with_the_session_that_carries_it() {
        let (mut streams, leg) = opened();
        streams.handle_session_down(AB);
        assert_eq!(streams.poll_output(), Some(StreamOutput::Stirred(leg)));
        assert_eq!(streams.read(leg, &mut [0; 8]), Reading::Broken(TunnelCode::LINK_LOST));
        streams.close(leg);
        assert_eq!(streams.poll_output(), None);
    }
}
