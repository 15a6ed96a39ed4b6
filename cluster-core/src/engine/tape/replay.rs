//! The playing side: an engine that is given a tape's inputs, and says where it comes to something else.

use std::fmt;

use cluster_transport::proto::Instant;

use super::{Head, HeadError, Input, Record, TapeSink, after};
use crate::engine::Engine;
use crate::engine::flight::Origin;

/// An engine that plays a tape.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    origin: Origin,
    now: Instant,
    inputs: u64,
}

/// The tape's engine had done something else before this input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("differs before input {number}, at {at}: {input}")]
pub struct Difference {
    /// Which input, from 1.
    pub number: u64,
    /// When, on the node's clock.
    pub at: Instant,
    /// The input.
    pub input: String,
}

struct Nowhere;

impl TapeSink for Nowhere {
    fn take(&mut self, _record: &[u8]) -> bool {
        true
    }
}

impl Replay {
    /// An engine at the beginning of a tape.
    ///
    /// # Errors
    /// When no engine can be made of the head.
    pub fn new(head: &Head) -> Result<Self, HeadError> {
        let mut engine = head.engine()?;
        engine.tape_to(head.started(), Box::new(Nowhere));
        let origin = Origin { node: head.node.clone(), incarnation: head.incarnation, wall_ms: head.wall_ms };
        Ok(Self { engine, origin, now: head.started(), inputs: 0 })
    }

    /// The engine as it is now.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whose decisions the engine's are, for showing them.
    pub fn origin(&self) -> Origin {
        Origin { incarnation: self.engine.incarnation(), ..self.origin.clone() }
    }

    /// How far the node's clock has come.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many inputs were played.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Plays the next record, given with its bytes. An end changes nothing.
    ///
    /// # Errors
    /// When this engine, given the same, records it otherwise: what the tape's engine held or handed out before was another.
    /// The replay may be gone on with, but every later record will differ too.
    pub fn play(&mut self, record: &Record<'_>, bytes: &[u8]) -> Result<(), Difference> {
        let Record::Input { elapsed, input, .. } = record else { return Ok(()) };
        self.now = after(self.now, *elapsed);
        self.inputs += 1;
        input.apply(&mut self.engine, self.now);
        let tape = self.engine.tape.as_ref();
        let same = tape.is_some_and(|tape| tape.records == self.inputs && tape.record == bytes);
        if same {
            return Ok(());
        }
        Err(Difference { number: self.inputs, at: self.now, input: Short(input).to_string() })
    }
}

/// An input in one line that is not too long.
struct Short<'a>(&'a Input<'a>);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        let shown: String = text.chars().take(MAX_SHOWN).collect();
        f.write_str(&shown)?;
        if shown.len() < text.len() { f.write_str("…") } else { Ok(()) }
    }
}

const MAX_SHOWN: usize = 200;
