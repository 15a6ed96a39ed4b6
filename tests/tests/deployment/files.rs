//! The compose files say what they mean: every name is known, every command and configuration is understood.

use std::collections::BTreeSet;
use std::process::Command;

use cluster_tests::{Compose, binary, compose};
use serde_json::Value;

/// The files, as they are used.
const USES: [&[&str]; 4] = [
    &["docker-compose.yml"],
    &["docker-compose.yml", "docker-compose.redis-cluster.yml"],
    &["docker-compose.yml", "docker-compose.dev.yml"],
    &["docker-compose.yml", "docker-compose.haproxy.yml"],
];

fn uses() -> impl Iterator<Item = (String, Compose)> {
    USES.iter().map(|files| (files.join(" + "), Compose::read(files)))
}

#[test]
fn every_file_of_the_folder_is_used() {
    let used: BTreeSet<_> =
        USES.iter().flat_map(|files| files.iter().map(|file| (*file).to_owned())).collect();
    let names = std::fs::read_dir(compose::folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> =
        names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".yml")).collect();
    assert_eq!(used, there);
}

#[test]
fn every_command_of_the_node_is_understood() {
    for (files, compose) in uses() {
        let mut commands = 0;
        for (name, service) in compose.services() {
            if service["image"] == "cluster-node" {
                let words = [vec!["cluster-node".to_owned()], compose.command(name)].concat();
                let parsed = cluster_node::cli::grammar().try_get_matches_from(&words);
                parsed.unwrap_or_else(|error| panic!("{files}: {name}: {error}"));
                commands += 1;
            }
        }
        assert_eq!(commands, 2, "{files}: the nodes and the certificates");
    }
}

#[test]
fn the_configuration_is_one_that_a_node_starts_with() {
    for (files, compose) in uses() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let certs = compose.command("certificates").into_iter().map(|word| word.replace("/certs", here));
        assert!(Command::new(binary()).args(certs).output().unwrap().status.success());
        let text = std::fs::read_to_string(compose::folder().join("kuzzlerc")).unwrap();
        let configuration = folder.path().join("kuzzlerc");
        std::fs::write(&configuration, text.replace("/certs", here)).unwrap();
        let path = configuration.to_str().unwrap();
        let words =
            compose.command("node").into_iter().map(|word| word.replace("/etc/cluster/kuzzlerc", path));
        let checked = Command::new(binary())
            .args(words)
            .arg("--check-config")
            .envs(compose.environment("node"))
            // Of this machine nothing is known, not even whether it has a network.
            .env("kuzzle_plugins__cluster__bind", "tcp://127.0.0.1:7511")
            .output()
            .unwrap();
        assert!(checked.status.success(), "{files}: {checked:?}");
        let shown = String::from_utf8(checked.stdout).unwrap();
        for words in
            ["mutual TLS with the certificate of any node", "the name node:7511 in the DNS", "the Redis"]
        {
            assert!(shown.contains(words), "{files}: {words:?} is not in {shown}");
        }
    }
}

#[test]
fn the_names_in_the_configurations_are_those_of_services() {
    let compose = Compose::read(USES[0]);
    let names: Vec<_> = compose.services().keys().map(String::as_str).collect();
    for name in ["node", "redis", "front", "certificates"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for front in ["nginx.conf", "haproxy.cfg"] {
        let text = std::fs::read_to_string(compose::folder().join(front)).unwrap();
        assert!(text.contains(" node:7512 "), "{front} points at the service of the nodes");
    }
    let cluster = Compose::read(USES[1]);
    let servers = &cluster.environment("node")[..];
    let (_, servers) = servers.iter().find(|(name, _)| name.ends_with("internalCache__nodes")).unwrap();
    let servers: Value = serde_json::from_str(servers.strip_prefix("*json:").unwrap()).unwrap();
    for server in servers.as_array().unwrap() {
        assert!(cluster.services().contains_key(server["host"].as_str().unwrap()), "{server}");
    }
}

#[test]
fn what_a_service_waits_for_can_come_about() {
    for (files, compose) in uses() {
        for (name, service) in compose.services() {
            for (other, wait) in service["depends_on"].as_object().into_iter().flatten() {
                let awaited = compose.services().get(other);
                let awaited = awaited
                    .unwrap_or_else(|| panic!("{files}: {name} waits for {other}, which is no service"));
                match wait["condition"].as_str().unwrap() {
                    // The image of the node has a health check of its own.
                    "service_healthy" => assert!(
                        awaited["image"] == "cluster-node" || awaited["healthcheck"]["test"].is_array(),
                        "{files}: {name} waits for the health of {other}, which has none"
                    ),
                    "service_completed_successfully" => {
                        assert_eq!(awaited["restart"], "no", "{files}: {other}")
                    }
                    other => panic!("{files}: {other} is no condition"),
                }
            }
        }
    }
}

#[test]
fn what_is_mounted_is_there() {
    for (files, compose) in uses() {
        for (name, service) in compose.services() {
            for volume in service["volumes"].as_array().into_iter().flatten() {
                let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
                let is_there = match source.strip_prefix("./") {
                    Some(file) => compose::folder().join(file).is_file(),
                    None => compose.at("/volumes").get(source).is_some(),
                };
                assert!(is_there, "{files}: {name} mounts {source}");
            }
        }
    }
}

#[test]
fn the_commands_of_the_readme_are_understood_and_its_files_exist() {
    let readme = include_str!("../../../docker-compose/README.md");
    let commands = readme.split('`').filter_map(|code| code.find("cluster-node ").map(|at| &code[at..]));
    let commands: Vec<_> = commands.map(|command| command.split(' ').collect::<Vec<_>>()).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for words in commands {
        let parsed = cluster_node::cli::grammar().try_get_matches_from(&words);
        parsed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = readme.split([' ', '`']).filter(|word| word.ends_with(".yml"));
    let files = files.map(|file| file.trim_start_matches("docker-compose/"));
    for file in links.chain(files) {
        assert!(compose::folder().join(file).exists(), "{file}");
    }
}

#[test]
fn every_variable_has_a_default_and_is_explained() {
    let sample = std::fs::read_to_string(compose::folder().join("env.sample")).unwrap();
    let lines = sample.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let explained: BTreeSet<_> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let compose = Compose::read(USES[0]);
    let variables = compose.variables.iter();
    let used: BTreeSet<_> = variables
        .map(|(name, default)| {
            (name.as_str(), default.as_deref().unwrap_or_else(|| panic!("{name} has no default")))
        })
        .collect();
    assert_eq!(used, explained);
    let known: BTreeSet<_> = used.iter().map(|(name, _)| *name).collect();
    for (files, compose) in uses() {
        for name in compose.variables.keys() {
            assert!(known.contains(name.as_str()), "{files}: {name}");
        }
    }
}
