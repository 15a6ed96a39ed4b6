//! The Dockerfile: what it copies exists, what it runs is understood, and it runs as nobody in particular.

use std::path::Path;

/// The instructions, each with what follows it on the same line and those that it is continued on.
fn instructions() -> Vec<(String, String)> {
    let text = include_str!("../../../docker-compose/Dockerfile");
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let lines = lines.replace("\\\n", " ");
    let split =
        |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
    lines.lines().filter_map(split).collect()
}

/// What the image does with its command line: the last words in the form of a list.
fn words(of: &str) -> Vec<String> {
    let stages = instructions();
    let (_, rest) = stages.iter().rfind(|(name, _)| name == of).unwrap_or_else(|| panic!("no {of}"));
    let list =
        &rest[rest.find('[').unwrap_or_else(|| panic!("{of} is a list of words: there is no shell"))..];
    serde_json::from_str(list).unwrap()
}

#[test]
fn the_image_runs_a_node_as_nobody_in_particular() {
    let all = instructions();
    let last = all.iter().rposition(|(name, _)| name == "FROM").unwrap();
    assert!(last > 0, "what builds is not in the image");
    let (_, user) = all[last..].iter().find(|(name, _)| name == "USER").expect("a user");
    assert_eq!(user, "nonroot:nonroot");
    let entry = words("ENTRYPOINT");
    assert!(entry[0].ends_with("/cluster-node"));
    for command in [[entry.clone(), words("CMD")].concat(), words("HEALTHCHECK")] {
        assert_eq!(command[0], entry[0]);
        cluster_node::cli::grammar().try_get_matches_from(&command).unwrap();
    }
}

#[test]
fn what_is_copied_from_a_stage_was_put_there() {
    let all = instructions();
    let built: Vec<&str> =
        all.iter().filter(|(name, _)| name == "RUN").map(|(_, command)| command.as_str()).collect();
    let from_stage = all.iter().filter(|(name, rest)| name == "COPY" && rest.contains("--from=build"));
    for (_, rest) in from_stage.clone() {
        let source = rest.split(' ').find(|word| word.starts_with('/')).unwrap();
        let folder = Path::new(source).parent().unwrap().to_str().unwrap();
        assert!(
            built.iter().any(|command| command.contains(source) || command.contains(&format!("{folder}/"))),
            "{source}"
        );
    }
    assert_eq!(from_stage.count(), 2);
}

#[test]
fn it_builds_with_the_rust_that_the_workspace_needs() {
    let manifest = include_str!("../../../Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let all = instructions();
    let (_, base) = all.iter().find(|(name, _)| name == "FROM").unwrap();
    assert_eq!(base, &format!("rust:{version}-bookworm AS build"));
}
