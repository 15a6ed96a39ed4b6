//! What a tape records, a new engine comes to as well; what is none is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use bytes::Bytes;
use cluster_transport::proto::session::{Direction, Missed};
use cluster_transport::proto::{Incarnation, Lane};

use super::file::{Reader, TapeError};
use super::*;
use crate::engine::members::Drain;
use crate::engine::registers::{RegisterEntry, Stamp};
use crate::engine::{Engine, PeerFault};
use crate::sim::schedule::{Profile, Schedule};
use crate::sim::{Sim, SimSettings};

mod golden;

/// Plays a whole tape.
fn play(tape: &[u8]) -> Result<(Replay, Option<Ending>), String> {
    let (head, mut reader) = Reader::open(tape).map_err(|error| error.to_string())?;
    let mut replay = Replay::new(&head).map_err(|error| error.to_string())?;
    while let Some((record, bytes)) = reader.next().map_err(|error| error.to_string())? {
        replay.play(&record, bytes).map_err(|error| error.to_string())?;
    }
    Ok((replay, reader.ending()))
}

/// Runs a schedule with all engines taped; the promises themselves are other tests' business.
fn taped(schedule: &Schedule) -> Sim {
    let mut sim = Sim::new(schedule.settings().taped(), schedule.seed);
    if let Err(violation) = schedule.run_in(&mut sim) {
        panic!("seed {}: {violation}", schedule.seed);
    }
    sim
}

/// All that an engine is, its tape aside.
fn whole(engine: &Engine) -> String {
    format!("{engine:?}")
}

#[test]
fn an_engine_that_is_given_a_tape_becomes_in_everything_the_one_that_was_recorded() {
    let (mut lives, mut inputs) = (0, 0);
    for seed in 0..32 {
        let schedule = Profile::Chaos.schedule(seed, 3..=5, 12);
        let sim = taped(&schedule);
        let mut replays = BTreeMap::new();
        for (node, tape) in sim.tapes() {
            let (replay, ending) = play(&tape).unwrap_or_else(|why| panic!("seed {seed}, {node}: {why}"));
            assert_eq!(ending, Some(Ending::Stopped));
            (lives, inputs) = (lives + 1, inputs + replay.inputs());
            replays.insert(replay.engine().incarnation().nonce, replay);
        }
        for number in 0..schedule.nodes {
            let recorded = sim.engine(number);
            let replayed = replays[&recorded.incarnation().nonce].engine();
            let (recorded, replayed) = (whole(recorded), whole(replayed));
            assert!(recorded == replayed, "seed {seed}: n{number} replayed is another engine");
        }
    }
    assert!(lives > 100 && inputs > 100_000, "{lives} engines with {inputs} inputs prove little");
}

/// The kinds of input on a tape.
fn kinds(tape: &[u8]) -> BTreeSet<String> {
    let (_, mut reader) = Reader::open(tape).unwrap();
    let mut kinds = BTreeSet::new();
    while let Some((record, _)) = reader.next().unwrap() {
        let Record::Input { input, .. } = record else { continue };
        let text = format!("{input:?}");
        kinds.extend(text.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned));
    }
    kinds
}

/// What simulated clusters do not do: a node alone with what its operators, its store and its host want of it.
fn operated() -> (Sim, Vec<u8>) {
    let mut sim = Sim::new(SimSettings::new(7).taped(), 9);
    sim.run_for(Duration::from_secs(3));
    sim.corrupt(0, 1, 1, 3);
    // So many passes at once that some wait for their turn.
    sim.verify(0);
    sim.run_for(Duration::from_secs(1));
    let node = Sim::id(1);
    let entry = RegisterEntry::new(
        "stored".parse().unwrap(),
        Stamp { counter: 3, node: node.clone() },
        Some(Bytes::from_static(b"{}")),
    );
    let fault = PeerFault::TooLong { got: 7, limit: 5 };
    sim.with_engine(0, |engine, now| {
        engine.misplace_sender(&node, -1);
        let session = engine.members().session_of(&node).unwrap();
        engine.handle_fault(&node, session, fault);
        engine.handle_lagged(now, &node, Lane::Events, Direction::Inbound, Missed::Unknown);
        engine.handle_duplicate(now, &node);
        engine.handle_life_line_cut(now, &node);
        engine.handle_probe_deferred(now, &Sim::address(1));
        engine.handle_superseded(now, 3);
        engine.handle_stored(now, vec![entry.unwrap()]);
        engine.set_register(now, "set".parse().unwrap(), Bytes::from_static(b"1")).unwrap();
        engine.set_register_default(now, "filled".parse().unwrap(), Bytes::new()).unwrap();
        engine.remove_register(now, "set".parse().unwrap()).unwrap();
        engine.hold(now, &node, Duration::from_secs(60)).unwrap();
        engine.drain(now, Drain::Anyway).unwrap();
        engine.forget(now, &node).unwrap();
        assert!(engine.blank(now, u64::MAX));
        let own = engine.incarnation();
        engine.reincarnate(now, Incarnation { epoch: own.epoch + 1, ..own });
        engine.leave(now);
    });
    sim.run_for(Duration::from_secs(3));
    let (_, tape) = sim.tapes().next().unwrap();
    (sim, tape)
}

#[test]
fn every_kind_of_input_was_played() {
    let mut seen = BTreeSet::new();
    for seed in 0..8 {
        let sim = taped(&Profile::Chaos.schedule(seed, 3..=5, 12));
        sim.tapes().for_each(|(_, tape)| seen.extend(kinds(&tape)));
    }
    let (sim, tape) = operated();
    let (replay, _) = play(&tape).unwrap();
    assert!(whole(sim.engine(0)) == whole(replay.engine()), "what operators want is not on the tape");
    seen.extend(kinds(&tape));
    // A new kind is counted here once it is played above.
    assert_eq!(seen.len(), KINDS, "{seen:?}");
}

#[test]
fn kinds_have_numbers_that_change_with_the_format_alone() {
    assert_eq!(file::FORMAT, 1);
    let number = |input: Input<'_>| postcard::to_allocvec(&input).unwrap()[0];
    let last =
        [Input::Timeout, Input::Verify, Input::Leave, Input::PollTransmit, Input::PollTurn].map(number);
    assert_eq!(last, [15, 20, 23, 31, 38]);
}

/// How many variants [`Input`] has.
const KINDS: usize = 41;

#[test]
fn taping_changes_nothing() {
    let schedule = Profile::Chaos.schedule(3, 3..=4, 8);
    assert_eq!(taped(&schedule).trace().digest(), schedule.run().digest);
}

fn small() -> Vec<u8> {
    let mut sim = Sim::new(SimSettings::new(2).taped(), 5);
    sim.subscribe(0, 1, 42);
    sim.run_for(Duration::from_secs(2));
    let (_, tape) = sim.tapes().next().unwrap();
    tape
}

/// Where the chunks behind the beginning start.
fn chunks(tape: &[u8]) -> Vec<usize> {
    let mut starts = vec![file::MARK.len() + 2];
    while let Some(header) = tape.get(*starts.last().unwrap()..).and_then(|rest| rest.first_chunk::<4>()) {
        starts.push(starts.last().unwrap() + 8 + u32::from_le_bytes(*header) as usize);
    }
    starts.pop();
    starts
}

#[test]
fn a_replay_says_before_which_input_it_differs() {
    let tape = small();
    let starts = chunks(&tape);
    let is_subscribe = |start: &usize| {
        let record = postcard::take_from_bytes::<Record<'_>>(&tape[start + 8..]);
        matches!(record, Ok((Record::Input { input: Input::Subscribe { .. }, .. }, _)))
    };
    // Without it the engine has no room.
    let which = (1..starts.len()).find(|which| is_subscribe(&starts[*which])).unwrap();
    let cut = [&tape[..starts[which]], &tape[starts[which + 1]..]].concat();
    let error = play(&cut).unwrap_err();
    assert!(error.starts_with(&format!("differs before input {which}, at ")), "{error}");
}

#[test]
fn a_tape_that_is_cut_or_damaged_anywhere_is_refused_with_the_reason() {
    let tape = small();
    for length in (0..tape.len()).step_by(7).chain([tape.len() - 1]) {
        let error = play(&tape[..length]).unwrap_err();
        let wanted = if length < file::MARK.len() { "not a trace" } else { "no end" };
        assert!(error.contains(wanted), "{length} bytes: {error}");
    }
    for at in (0..tape.len()).step_by(11) {
        let mut damaged = tape.clone();
        damaged[at] ^= 0x10;
        assert!(play(&damaged).is_err(), "nobody sees that byte {at} is another");
    }
    let mut newer = tape.clone();
    newer[file::MARK.len()] = 9;
    assert!(matches!(Reader::open(&*newer), Err(TapeError::Format { got: 9 })));
}

/// A tape of these chunks, each with the check that it needs.
fn tape_of<'a>(start: &[u8], chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut tape = start.to_vec();
    for chunk in chunks {
        tape.extend(file::chunk_header(chunk));
        tape.extend_from_slice(chunk);
    }
    tape
}

/// Plays what can be played, whatever it differs from.
fn play_anyway(tape: &[u8]) {
    let Ok((head, mut reader)) = Reader::open(tape) else { return };
    let Ok(mut replay) = Replay::new(&head) else { return };
    while let Ok(Some((record, bytes))) = reader.next() {
        let _ = replay.play(&record, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(bytes in vec(any::<u8>(), 0..300)) {
        play_anyway(&bytes);
        let beginning = [&file::MARK[..], &file::FORMAT.to_le_bytes()].concat();
        play_anyway(&tape_of(&beginning, [&*bytes]));
    }

    #[test]
    fn no_records_make_an_engine_panic(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..200)) {
        let tape = small();
        let starts = chunks(&tape);
        let mut records: Vec<Vec<u8>> =
            starts[1..].windows(2).map(|pair| tape[pair[0] + 8..pair[1]].to_vec()).collect();
        for (index, byte) in changes {
            let record = &mut records[index.index(starts.len() - 2)];
            let at = index.index(record.len());
            record[at] = byte;
        }
        play_anyway(&tape_of(&tape[..starts[1]], records.iter().map(Vec::as_slice)));
    }
}
