//! Every input of the corpora, and every one that once broke something, holds on any toolchain.

use std::path::Path;

use cluster_fuzz::{Body, TARGETS, replay, seeds};

/// Runs a body on all files of a folder and says which one it was if it fails; how many there were.
fn replay_all(kind: &str, target: &str, body: Body) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target);
    if !folder.exists() {
        return 0;
    }
    let files = replay::files(&folder).unwrap();
    for (file, bytes) in &files {
        if std::panic::catch_unwind(|| body(bytes)).is_err() {
            panic!("replay with: cargo run -p cluster-fuzz --bin {target} -- {}", file.display());
        }
    }
    files.len()
}

#[test]
fn the_corpora_hold() {
    for (target, body) in TARGETS {
        assert!(replay_all("corpus", target, body) > 0, "{target} has no corpus: run the seeds command");
    }
}

#[test]
fn what_once_broke_something_holds() {
    for (target, body) in TARGETS {
        replay_all("regressions", target, body);
    }
}

#[test]
fn every_target_has_a_program_and_seeds() {
    for (target, body) in TARGETS {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets").join(format!("{target}.rs"));
        let text = std::fs::read_to_string(program).unwrap();
        assert!(text.contains(&format!("cluster_fuzz::target!({target});")), "{target}");
        let seeds = seeds::of(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds.iter().for_each(|seed| body(seed));
    }
}
