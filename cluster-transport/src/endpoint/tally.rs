//! What all sessions of an endpoint skipped and refused, added up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::proto::session::Session;

/// What was skipped or refused so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Frames of unknown kinds that were skipped.
    pub skipped_frames: u64,
    /// Requests of peers that were refused because too many were under way.
    pub refused_requests: u64,
    /// How often this node did not believe that it had been superseded, because it was told so too often.
    pub disbelieved: u64,
    /// Datagrams that cannot be QUIC and came to where it listens for QUIC. They are dropped.
    pub strange_datagrams: u64,
}

/// The same, while it is being counted.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    skipped_frames: AtomicU64,
    refused_requests: AtomicU64,
}

impl Tallies {
    pub(super) fn tally(&self) -> Tally {
        Tally {
            skipped_frames: self.skipped_frames.load(Ordering::Relaxed),
            refused_requests: self.refused_requests.load(Ordering::Relaxed),
            disbelieved: 0,
            strange_datagrams: 0,
        }
    }

    /// Adds what is new in a session since the last time.
    pub(super) fn add(&self, session: &Session, counted: &mut Tally) {
        let (skipped, refused) = (session.skipped_frames(), session.refused_requests());
        if (skipped, refused) == (counted.skipped_frames, counted.refused_requests) {
            return;
        }
        self.skipped_frames.fetch_add(skipped - counted.skipped_frames, Ordering::Relaxed);
        self.refused_requests.fetch_add(refused - counted.refused_requests, Ordering::Relaxed);
        (counted.skipped_frames, counted.refused_requests) = (skipped, refused);
    }
}
