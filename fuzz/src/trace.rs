//! The file of a trace, whole or made of records of the fuzzer's own: it is read and played, or refused.
//!
//! Reading takes little memory, and the same file is played to the same end again.

use std::sync::OnceLock;
use std::time::Duration;

use cluster_core::engine::tape::file::{Reader, chunk_header, end};
use cluster_core::engine::tape::{Ending, Replay};
use cluster_core::sim::{Sim, SimSettings};

use crate::memory::bounded;

/// The property. The first byte says whether the rest is a file, or records behind a real beginning.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let file = if kind % 2 == 0 { rest.to_vec() } else { framed(rest) };
    bounded(&file, || read(&file));
    assert_eq!(play(&file), play(&file));
}

/// Reads it as far as that goes.
fn read(file: &[u8]) {
    let Ok((_, mut reader)) = Reader::open(file) else { return };
    while let Ok(Some(_)) = reader.next() {}
}

/// All of it is played, whatever it differs from: what the engine is then.
fn play(file: &[u8]) -> Option<String> {
    let (head, mut reader) = Reader::open(file).ok()?;
    let mut replay = Replay::new(&head).ok()?;
    while let Ok(Some((record, bytes))) = reader.next() {
        // The records are the fuzzer's: nobody ever came to what their checks say.
        let _ = replay.play(&record, bytes);
    }
    Some(format!("{:?}", replay.engine()))
}

fn framed(rest: &[u8]) -> Vec<u8> {
    let mut file = real().0.clone();
    let mut rest = rest;
    while let Some((length, after)) = rest.split_first_chunk() {
        let (record, others) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        file.extend_from_slice(&chunk_header(record));
        file.extend_from_slice(record);
        rest = others;
    }
    file
}

/// What becomes a file of these records.
pub(crate) fn input_of(records: &[Vec<u8>]) -> Vec<u8> {
    let mut input = vec![1];
    for record in records {
        let length = u16::try_from(record.len()).unwrap_or(u16::MAX);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(record);
    }
    input
}

/// A real trace, as an input.
pub(crate) fn whole() -> Vec<u8> {
    let (_, records) = real();
    let parts = input_of(records);
    [vec![0], framed(&parts[1..]), end(Ending::Stopped)].concat()
}

/// The beginning of a trace of a simulated node, and its records.
pub(crate) fn real() -> &'static (Vec<u8>, Vec<Vec<u8>>) {
    static REAL: OnceLock<(Vec<u8>, Vec<Vec<u8>>)> = OnceLock::new();
    REAL.get_or_init(|| {
        let mut sim = Sim::new(SimSettings::new(3).taped(), 1);
        sim.run_for(Duration::from_secs(1));
        sim.subscribe(0, 1, 1);
        sim.subscribe(1, 1, 2);
        sim.set_register(2, "key", "value");
        sim.run_for(Duration::from_secs(1));
        sim.crash(1);
        sim.unsubscribe(0, 1, 1);
        sim.run_for(Duration::from_secs(2));
        sim.drain(0);
        sim.verify(0);
        sim.run_for(Duration::from_secs(1));
        let (_, tape) = sim.tapes().next().expect("a node has run");
        let (_, mut reader) = Reader::open(&*tape).expect("a trace");
        let mut records = Vec::new();
        while let Some((_, bytes)) = reader.next().expect("a whole trace") {
            records.push(bytes.to_vec());
        }
        // Each record of a simulation is a chunk of its own, and the last one says that it ends.
        let after: usize = records.iter().map(|record| record.len() + 8).sum();
        let behind = after + end(Ending::Stopped).len();
        (tape[..tape.len() - behind].to_vec(), records)
    })
}
