//! A trace that an earlier build wrote is read as it was meant: so a type that has become another is seen.

use std::collections::BTreeMap;

use super::*;

/// Inputs of every kind, as they were written.
const GOLDEN: &[u8] = include_bytes!("golden.trace");

const REMEDY: &str = "the format of traces has changed: raise FORMAT and make a new golden.trace, by \
    `cargo test -p cluster-core --lib golden -- --ignored`";

/// What tells inputs of different shapes apart: the kind, and the names of all that is in it.
fn shape(input: &Input<'_>) -> String {
    let text = format!("{input:?}");
    let names =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with(char::is_uppercase));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_golden_trace_is_read_as_it_was_written() {
    let (head, mut reader) = Reader::open(GOLDEN).expect(REMEDY);
    assert!(file::beginning(&head) == GOLDEN[..chunks(GOLDEN)[1]], "the head: {REMEDY}");
    let mut kinds = BTreeSet::new();
    while let Some((record, bytes)) = reader.next().expect(REMEDY) {
        assert!(postcard::to_allocvec(&record).unwrap() == bytes, "{record:?}: {REMEDY}");
        let Record::Input { input, .. } = record else { panic!("{record:?}: {REMEDY}") };
        kinds.insert(shape(&input).split(' ').next().map(str::to_owned));
    }
    assert_eq!(reader.ending(), Some(Ending::Stopped), "{REMEDY}");
    assert_eq!(kinds.len(), KINDS, "{kinds:?}: {REMEDY}");
    play_anyway(GOLDEN);
}

#[test]
fn the_version_that_is_needed_is_named() {
    let needed = |record: bool| {
        let (mut head, _) = Reader::open(GOLDEN).unwrap();
        head.software = "0.0.7".to_owned();
        let mut bytes = postcard::to_allocvec(&head).unwrap();
        if !record {
            bytes.truncate(bytes.len() - 20);
        }
        let mark = [&file::MARK[..], &file::FORMAT.to_le_bytes()].concat();
        play(&tape_of(&mark, [&*bytes, &[200]])).unwrap_err()
    };
    for (record, what) in [(false, "the head"), (true, "a record")] {
        let said = needed(record);
        assert!(said.starts_with(&format!("{what} of the trace is of another version: 0.0.7")), "{said}");
        assert!(said.ends_with("use 0.0.7"), "{said}");
    }
}

#[test]
#[ignore = "it writes the golden trace anew"]
fn write_the_golden_trace() {
    let mut tapes: Vec<Vec<u8>> = vec![operated().1];
    for seed in 0..8 {
        tapes.extend(taped(&Profile::Chaos.schedule(seed, 3..=5, 12)).tapes().map(|(_, tape)| tape));
    }
    let mut shapes = BTreeMap::new();
    for tape in &tapes {
        let (_, mut reader) = Reader::open(&**tape).unwrap();
        while let Some((record, bytes)) = reader.next().unwrap() {
            let Record::Input { input, .. } = record else { continue };
            shapes.entry(shape(&input)).or_insert_with(|| bytes.to_vec());
        }
    }
    let beginning = &tapes[0][..chunks(&tapes[0])[1]];
    let golden =
        [tape_of(beginning, shapes.values().map(Vec::as_slice)), file::end(Ending::Stopped)].concat();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tape/tests/golden.trace"), golden)
        .unwrap();
}
