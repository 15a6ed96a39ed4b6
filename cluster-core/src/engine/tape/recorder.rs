//! The recording side: a record for each input, and the check over what came of those before.

use std::fmt::{self, Debug, Write as _};

use bytes::Bytes;
use cluster_transport::proto::Instant;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Input, Record, elapsed};
use crate::engine::{Engine, Transmit};

/// Where the records of a tape go.
pub trait TapeSink: Send {
    /// Takes one encoded [`Record`]. Called under whatever protects the engine: it must not wait. False ends the tape.
    fn take(&mut self, record: &[u8]) -> bool;
}

/// The tape of an engine.
pub(in crate::engine) struct Tape {
    sink: Box<dyn TapeSink>,
    last: Instant,
    /// Over all outputs so far.
    outputs: u64,
    /// The last record, and how many there were.
    pub(super) record: Vec<u8>,
    pub(super) records: u64,
    text: String,
}

impl Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").finish_non_exhaustive()
    }
}

/// What an engine hands out.
pub(in crate::engine) trait Output: Debug {
    /// Its bytes, where they are quicker to take than its text.
    fn bytes(&self) -> Option<&Bytes> {
        None
    }
}

impl Output for Bytes {
    fn bytes(&self) -> Option<&Bytes> {
        Some(self)
    }
}

impl Output for Transmit {
    fn bytes(&self) -> Option<&Bytes> {
        Some(&self.message)
    }
}

impl Output for crate::engine::EngineEvent {}
impl Output for crate::engine::members::Action {}
impl Output for crate::engine::registers::RegisterChange {}
impl Output for crate::engine::state::RoomEvent {}
impl Output for cluster_transport::proto::NodeId {}

impl Tape {
    fn note(&mut self, output: &impl Output) {
        self.outputs = if let Some(bytes) = output.bytes() {
            xxh3_64_with_seed(bytes, self.outputs)
        } else {
            self.text.clear();
            // Writing into a text fails only in a type's own code, and ours do not.
            let _ = write!(self.text, "{output:?}");
            xxh3_64_with_seed(self.text.as_bytes(), self.outputs)
        };
    }

    /// Hands a record over; whether the tape goes on.
    fn record(&mut self, now: Option<Instant>, check: u32, input: Input<'_>) -> bool {
        let now = now.unwrap_or(self.last);
        let record = Record::Input { elapsed: elapsed(self.last, now), check, input };
        self.last = now;
        self.record.clear();
        self.records += 1;
        match postcard::to_extend(&record, std::mem::take(&mut self.record)) {
            Ok(bytes) => self.record = bytes,
            Err(_) => return false,
        }
        self.sink.take(&self.record)
    }
}

impl Engine {
    /// Tapes all inputs from now on: to be called right after the engine was made, for a tape begins with a new engine.
    pub fn tape_to(&mut self, started: Instant, sink: Box<dyn TapeSink>) {
        let (record, text) = (Vec::new(), String::new());
        self.tape = Some(Box::new(Tape { sink, last: started, outputs: 0, record, records: 0, text }));
    }

    /// Ends the tape, if there is one: its sink is dropped.
    pub fn stop_tape(&mut self) {
        self.tape = None;
    }

    /// The first line of each method that is given something.
    pub(in crate::engine) fn taped<'a>(&mut self, now: Instant, input: impl FnOnce() -> Input<'a>) {
        if self.tape.is_some() {
            self.record(Some(now), input());
        }
    }

    /// As [`taped`](Self::taped), for what has no time.
    pub(in crate::engine) fn taped_timeless<'a>(&mut self, input: impl FnOnce() -> Input<'a>) {
        if self.tape.is_some() {
            self.record(None, input());
        }
    }

    /// The last line of each method that is asked for something. Who has nothing has not changed.
    pub(in crate::engine) fn taped_output<T: Output>(
        &mut self,
        output: Option<T>,
        poll: Input<'_>,
    ) -> Option<T> {
        if self.tape.is_some()
            && let Some(output) = &output
        {
            self.record(None, poll);
            self.note(output);
        }
        output
    }

    /// An output of a method that was taped when it was called.
    pub(in crate::engine) fn note(&mut self, output: &impl Output) {
        if let Some(tape) = &mut self.tape {
            tape.note(output);
        }
    }

    fn record(&mut self, now: Option<Instant>, input: Input<'_>) {
        let state = self.fingerprint();
        let Some(tape) = &mut self.tape else { return };
        let check = low(xxh3_64_with_seed(&tape.outputs.to_le_bytes(), state));
        if !tape.record(now, check, input) {
            self.tape = None;
        }
    }

    /// What can be told of the whole state at no cost.
    fn fingerprint(&self) -> u64 {
        let timeout = self.poll_timeout().map_or(u128::MAX, |at| at.since_origin().as_nanos());
        let (version, writes) = self.offered();
        let numbers = [
            u128::from(version) << 64 | u128::from(writes),
            self.state().hash(),
            u128::from(self.state().at()) << 64 | u128::from(self.recorded()),
            self.registers().digest(),
            timeout,
        ];
        let mut bytes = [0; 80];
        for (to, number) in bytes.chunks_exact_mut(16).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        xxh3_64(&bytes)
    }
}

fn low(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
