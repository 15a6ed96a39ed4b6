//! What the README shows is what is there.

use cluster_core::config::{Config, Sources};

const README: &str = include_str!("../../README.md");

/// The blocks fenced as this language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut inside: Option<String> = None;
    for line in README.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(fence)) => inside = Some(format!("{fence}\n")),
            (Some(block), None) => block.extend([line, "\n"]),
            (Some(_), Some(_)) => blocks.extend(inside.take()),
            (None, None) => {}
        }
    }
    let begin = format!("{language}\n");
    blocks.iter().filter_map(|block| block.strip_prefix(&begin)).map(str::to_owned).collect()
}

#[test]
fn the_example_is_the_one_that_compiles() {
    assert_eq!(blocks("rust"), [include_str!("../../cluster-core/examples/two_members.rs")]);
}

#[test]
fn the_first_commands_are_the_demo_and_the_tests() {
    let first = blocks("sh").into_iter().next().unwrap();
    assert_eq!(first, "cargo run --release --bin cluster-node -- demo --once\ntests/run\n");
}

/// The command lines of the node in the blocks for a shell, each as its words from `cluster-node` on.
fn command_lines() -> Vec<Vec<String>> {
    let blocks = blocks("sh").concat();
    let lines = blocks.lines().filter_map(|line| line.find("cluster-node ").map(|at| &line[at..]));
    let words = |line: &str| line.split(' ').filter(|word| *word != "--").map(str::to_owned).collect();
    lines.map(words).collect()
}

#[test]
fn the_command_lines_are_understood() {
    let mut subcommands = Vec::new();
    for words in command_lines() {
        if let Err(refused) = cluster_node::cli::grammar().try_get_matches_from(&words) {
            panic!("{}: {refused}", words.join(" "));
        }
        let given = words.iter().zip(words.iter().skip(1)).filter(|(option, _)| *option == "--set");
        let sources = given.fold(Sources::new(), |sources, (_, setting)| sources.assign(setting));
        if let Err(refused) = Config::load(&sources) {
            panic!("{}: {refused}", words.join(" "));
        }
        subcommands.extend(words.into_iter().nth(1));
    }
    assert_eq!(
        subcommands,
        [
            "demo", "certs", "run", "run", "run", "quorum", "certs", "run", "trace", "bench", "bench",
            "bench", "bench", "bench", "bench", "bench", "run", "doctor", "simulate"
        ]
    );
}

#[test]
fn the_files_that_are_linked_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let links: Vec<_> = README.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        assert!(root.join(link).exists(), "{link} is linked and does not exist");
    }
}
