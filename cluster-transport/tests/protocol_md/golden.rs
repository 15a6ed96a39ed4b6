//! The golden bytes of version 1, kept in a file of their own, so that an edit of the document cannot change them.

use std::collections::{BTreeMap, BTreeSet};

use cluster_transport::proto::frame::PREFIX;

use super::PROTOCOL;
use super::examples::examples;

const GOLDEN: &str = include_str!("../golden/v1.txt");

/// Each example by its chapter and name.
fn golden() -> BTreeMap<(&'static str, &'static str), Vec<u8>> {
    let mut golden = BTreeMap::new();
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let [chapter, name, digits] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
        let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).expect(line)).collect();
        assert!(golden.insert((chapter, name), bytes).is_none(), "twice: {line}");
    }
    golden
}

fn chapters() -> BTreeSet<&'static str> {
    golden().into_keys().map(|(chapter, _)| chapter).collect()
}

#[test]
fn the_document_has_the_golden_bytes_and_no_others() {
    let golden = golden();
    for chapter in chapters() {
        let documented = examples(PROTOCOL, chapter);
        for (name, bytes) in &documented {
            let kept = golden.get(&(chapter, name.as_str()));
            assert_eq!(
                kept,
                Some(bytes),
                "{chapter} | {name}: add it to golden/v1.txt, or leave it as it was"
            );
        }
        let kept = golden.keys().filter(|(of, _)| *of == chapter).count();
        assert_eq!(documented.len(), kept, "an example of {chapter} has gone from the document");
    }
}

/// The first byte behind the length, or of a message the first.
fn kinds(chapter: &str, at: usize) -> BTreeSet<u8> {
    let of_chapter = golden().into_iter().filter(|((of, _), _)| *of == chapter);
    of_chapter.map(|(_, bytes)| bytes[at]).collect()
}

#[test]
fn every_frame_and_every_message_has_golden_bytes() {
    assert_eq!(kinds("Frames", PREFIX), (0x01..=0x0b).collect());
    assert_eq!(kinds("Tunnels", PREFIX), (0x8c..=0x8f).collect());
    assert_eq!(kinds("The requests lane", 0), (1..=4).collect());
    assert_eq!(kinds("The control lane", 0), (1..=10).chain([0x8d]).collect());
    assert_eq!(kinds("The state lane", 0), (1..=3).collect());
    assert_eq!(kinds("Registers", 0), BTreeSet::from([4, 11, 12]));
    assert_eq!(kinds("The events lane", 0), BTreeSet::from([1, 2, 3, 4, 5, 8, 9]));
    assert_eq!(kinds("The notifications lane", 0), BTreeSet::from([1, 2]));
    assert_eq!(kinds("Requests of the engine", 0), (1..=8).collect());
}
