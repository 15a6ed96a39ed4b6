//! The example for Kubernetes: its parts fit together, and a node understands what it is given.

use std::time::Duration;

use cluster_core::config::{Config, Sources};
use cluster_tests::compose::words;
use serde_json::Value;

fn objects() -> Vec<Value> {
    serde_saphyr::from_multiple(include_str!("../../../docs/kubernetes.yaml")).unwrap()
}

fn object(kind: &str, name: &str) -> Value {
    let fits = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects().into_iter().find(fits).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn container() -> Value {
    object("StatefulSet", "cluster")["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn the_objects_belong_together() {
    let nodes = object("StatefulSet", "cluster");
    let (labels, spec) = (&nodes["spec"]["template"]["metadata"]["labels"], &nodes["spec"]);
    assert_eq!(&spec["selector"]["matchLabels"], labels);
    let members = object("Service", spec["serviceName"].as_str().unwrap());
    assert_eq!(members["spec"]["clusterIP"], "None");
    assert_eq!(members["spec"]["publishNotReadyAddresses"], true);
    for service in [&members, &object("Service", "cluster")] {
        assert_eq!(&service["spec"]["selector"], labels);
        let port = &service["spec"]["ports"][0];
        let same = |it: &&Value| it["name"] == port["name"] && it["containerPort"] == port["port"];
        assert_eq!(container()["ports"].as_array().unwrap().iter().filter(same).count(), 1, "{port}");
    }
    let budget = object("PodDisruptionBudget", "cluster");
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    let volumes = spec["template"]["spec"]["volumes"].as_array().unwrap();
    for mount in container()["volumeMounts"].as_array().unwrap() {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    object("ConfigMap", volumes[0]["configMap"]["name"].as_str().unwrap());
}

#[test]
fn the_configuration_is_understood_and_fits_the_rest() {
    let text = object("ConfigMap", "cluster")["data"]["kuzzlerc"].as_str().unwrap().to_owned();
    let variables = container()["env"].clone();
    let variables = variables.as_array().unwrap().iter().map(|variable| {
        assert_eq!(variable["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
        (variable["name"].as_str().unwrap().to_owned(), "cluster-0".to_owned())
    });
    let config = Config::load(&Sources::new().file("kuzzlerc", text).environment(variables)).unwrap();
    assert_eq!(config.node_id().unwrap().as_str(), "cluster-0");
    assert_eq!(config.dns()[0].to_string(), "cluster-members:7511");
    let budget = object("PodDisruptionBudget", "cluster");
    assert_eq!(budget["spec"]["minAvailable"], config.minimum_nodes().get());
    assert!(
        object("StatefulSet", "cluster")["spec"]["replicas"].as_u64()
            > budget["spec"]["minAvailable"].as_u64()
    );
}

#[test]
fn the_command_is_understood_and_has_time_to_drain() {
    let words = [vec!["cluster-node".to_owned()], words(&container()["args"])].concat();
    let parsed = cluster_node::cli::grammar().try_get_matches_from(words).unwrap();
    let (_, run) = parsed.subcommand().unwrap();
    let window: Duration = *run.get_one("drain_window").unwrap();
    let grace = object("StatefulSet", "cluster")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        .as_u64();
    assert!(Duration::from_secs(grace.unwrap()) > window + Duration::from_secs(10));
}

#[test]
fn the_probes_ask_for_routes_that_exist() {
    let described: Value =
        serde_json::from_str(include_str!("../../../cluster-http/assets/openapi.json")).unwrap();
    for (probe, route) in [("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")] {
        let path = container()[probe]["httpGet"]["path"].as_str().unwrap().to_owned();
        assert!(path.ends_with(&format!("/health/{route}")), "{probe}: {path}");
        assert!(described["paths"][&path]["get"].is_object(), "{path} is not described");
    }
}
