//! The recording side: a record for each input, and the check over what came of those before.

use std::fmt::{self, Debug, Write as _};

use bytes::Bytes;
use cluster_transport::proto::{Instant, NodeId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Ending, Input, Record, elapsed, file};
use crate::engine::{Engine, Transmit};

/// Where the records of a tape go.
pub trait TapeSink: Send {
    /// Takes one encoded [`Record`]. Called under whatever protects the engine: it must not wait. False ends the tape.
    fn take(&mut self, record: &[u8]) -> bool;

    /// The tape ends for this reason, and not because its engine does.
    fn fail(&mut self, _why: Ending) {}
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

    /// Whom it is for, where its bytes do not say.
    fn to(&self) -> Option<&NodeId> {
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

    fn to(&self) -> Option<&NodeId> {
        Some(&self.to)
    }
}

impl Output for crate::engine::EngineEvent {}
impl Output for crate::engine::members::Action {}
impl Output for crate::engine::registers::RegisterChange {}
impl Output for crate::engine::state::RoomEvent {}
impl Output for NodeId {}

impl Tape {
    fn note(&mut self, output: &impl Output) {
        if let Some(to) = output.to() {
            self.mix(to.as_str().as_bytes());
        }
        match output.bytes() {
            Some(bytes) => self.mix(bytes),
            None => self.note_text(output),
        }
    }

    fn note_text(&mut self, output: &impl Debug) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        // Writing into a text fails only in a type's own code, and ours do not.
        let _ = write!(text, "{output:?}");
        self.mix(text.as_bytes());
        text.shrink_to(file::CHUNK);
        self.text = text;
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.outputs = xxh3_64_with_seed(bytes, self.outputs);
    }

    /// Hands a record over; whether the tape goes on.
    fn record(&mut self, now: Option<Instant>, check: u32, input: Input<'_>) -> bool {
        let now = now.unwrap_or(self.last);
        let record = Record::Input { elapsed: elapsed(self.last, now), check, input };
        self.last = now;
        self.record.clear();
        self.record.shrink_to(file::CHUNK);
        self.records += 1;
        match postcard::to_extend(&record, std::mem::take(&mut self.record)) {
            Ok(bytes) => self.record = bytes,
            Err(_) => {
                self.sink.fail(Ending::Unencodable);
                return false;
            }
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

    /// The first line of each method that is given something.
    pub(in crate::engine) fn taped<'a>(&mut self, now: Instant, input: impl FnOnce() -> Input<'a>) {
        if self.tape.is_some() {
            self.record_made(Some(now), input);
        }
    }

    /// As [`taped`](Self::taped), for what has no time.
    pub(in crate::engine) fn taped_timeless<'a>(&mut self, input: impl FnOnce() -> Input<'a>) {
        if self.tape.is_some() {
            self.record_made(None, input);
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

    /// What a method that was taped answers.
    pub(in crate::engine) fn answered<T: Debug>(&mut self, answer: T) -> T {
        if let Some(tape) = &mut self.tape {
            tape.note_text(&answer);
        }
        answer
    }

    /// Apart from those who call it: most engines have no tape, and none of this in the way of an input.
    #[cold]
    #[inline(never)]
    fn record_made<'a>(&mut self, now: Option<Instant>, make: impl FnOnce() -> Input<'a>) {
        self.record(now, make());
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::engine::EngineSettings;
    use crate::engine::members::MembersSettings;
    use crate::engine::registers::StoreUse;
    use crate::engine::state::StateLimits;
    use cluster_transport::proto::Incarnation;

    #[derive(Clone, Default)]
    struct Last(Arc<Mutex<Vec<u8>>>);

    impl TapeSink for Last {
        fn take(&mut self, record: &[u8]) -> bool {
            *self.0.lock().unwrap() = record.to_vec();
            true
        }
    }

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    /// The record of the input after these.
    fn record_after(act: impl FnOnce(&mut Engine)) -> Vec<u8> {
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        let settings = EngineSettings {
            node: node("me"),
            incarnation,
            members: MembersSettings::builder(node("me"), incarnation).build().unwrap(),
            limits: StateLimits::default(),
            store: StoreUse::Absent,
        };
        let mut engine = Engine::new(settings, Instant::ORIGIN, [7; 32]);
        let last = Last::default();
        engine.tape_to(Instant::ORIGIN, Box::new(last.clone()));
        act(&mut engine);
        engine.handle_timeout(Instant::ORIGIN);
        last.0.lock().unwrap().clone()
    }

    #[test]
    fn the_same_message_to_somebody_else_is_not_the_same() {
        let beat = Bytes::from_static(&[3, 200, 1]);
        let to = |name| {
            let transmit = Transmit { to: node(name), message: beat.clone() };
            record_after(|engine| engine.note(&transmit))
        };
        assert_eq!(to("a"), to("a"));
        assert_ne!(to("a"), to("b"));
    }

    #[test]
    fn what_a_verb_answers_is_checked_too() {
        let forgets = |name| record_after(|engine| drop(engine.forget(Instant::ORIGIN, &node(name))));
        assert_eq!(forgets("a"), forgets("a"));
        assert_ne!(forgets("a"), forgets("b"), "both change nothing, and name another node in the error");
        let holds = |seconds| {
            record_after(|engine| {
                drop(engine.hold(Instant::ORIGIN, &node("me"), Duration::from_secs(seconds)));
            })
        };
        assert_ne!(holds(1), holds(u64::MAX), "one is refused for the node, one for the span");
    }

    #[test]
    fn a_long_record_is_not_kept() {
        let mut tape = Tape {
            sink: Box::new(Last::default()),
            last: Instant::ORIGIN,
            outputs: 0,
            record: Vec::new(),
            records: 0,
            text: String::new(),
        };
        let message = vec![0; 4 * file::CHUNK];
        let input = Input::Discovered { provider: "p", answer: Err(std::str::from_utf8(&message).unwrap()) };
        assert!(tape.record(None, 0, input));
        assert!(tape.record(None, 0, Input::Timeout));
        assert!(tape.record.capacity() <= file::CHUNK, "{}", tape.record.capacity());
    }
}
