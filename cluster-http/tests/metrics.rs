//! The figures for a monitoring system are those of docs/METRICS.md, and the board asks for no others.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::identity;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use cluster_core::config::TraceFile;
use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::Cluster;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use setup::member;

const DOCUMENT: &str = include_str!("../../docs/METRICS.md");
const BOARD: &str = include_str!("../../docs/grafana.json");

async fn scrape(cluster: &Cluster, accept: &str) -> (String, String) {
    let request =
        Request::get("/_plugin/cluster/metrics").header("accept", accept).body(Body::empty()).unwrap();
    let response = cluster_http::router(cluster.clone()).oneshot(request).await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let page = response.into_body().collect().await.unwrap().to_bytes();
    (kind, String::from_utf8(page.to_vec()).unwrap())
}

/// A member that knows another one, and has measured the way to it. It was to write a trace where it cannot.
async fn measured() -> (Cluster, Cluster) {
    let directory = MemoryDirectory::default();
    let traced: TraceFile = "/no/such/folder/{node}".parse().unwrap();
    let a = member("a", &directory, |builder| builder.trace_file(traced)).await;
    let b = member("b", &directory, identity).await;
    let measured = async {
        let writes = |cluster: &Cluster| cluster.status().trace.is_some_and(|trace| trace.ended.is_none());
        while writes(&a) || a.status().members.iter().all(|member| member.round_trip_us.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), measured).await.unwrap();
    (a, b)
}

/// The names of the samples, each with its labels' names.
fn samples(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let labels =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels = labels.split(',').filter_map(|label| label.split_once('='));
        (name.to_owned(), labels.map(|(label, _)| label.to_owned()).collect())
    };
    lines.map(sample).collect()
}

/// The table of the document.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let rows =
        DOCUMENT.lines().filter(|line| line.starts_with("| `cluster_") && line.matches('|').count() == 5);
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (cells[1].clone(), labels)
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn the_figures_and_their_labels_are_those_of_the_document() {
    let (a, _b) = measured().await;
    for accept in ["application/openmetrics-text; version=1.0.0", "text/plain"] {
        let (kind, page) = scrape(&a, accept).await;
        assert!(kind.starts_with(accept.split(';').next().unwrap()), "{kind}");
        let families = page.lines().filter_map(|line| line.strip_prefix("# HELP "));
        let help: BTreeSet<_> = families.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        let mut documented = documented();
        let without_tls = documented.len() - 3;
        documented.retain(|name, _| !name.starts_with("cluster_certificate_"));
        assert_eq!(documented.len(), without_tls);
        assert_eq!(samples(&page), documented, "{page}");
        assert_eq!(help.len(), documented.len());
    }
}

#[tokio::test]
async fn openmetrics_end_with_their_mark_and_tell_of_peers() {
    let (a, b) = measured().await;
    let (_, page) = scrape(&a, "application/openmetrics-text").await;
    assert!(page.ends_with("# EOF\n"));
    assert!(page.contains("cluster_peer_connected{peer=\"b\"} 1"), "{page}");
    assert!(page.contains("cluster_nodes 2"), "{page}");
    assert!(
        page.contains("cluster_trace_running 0") && page.contains("cluster_trace_size_bytes 0"),
        "{page}"
    );
    drop(b);
}

#[test]
fn the_board_asks_for_documented_figures_alone() {
    let board: Value = serde_json::from_str(BOARD).unwrap();
    let known = documented();
    let mut asked = 0;
    for target in
        board["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        let query = target["expr"].as_str().unwrap();
        for word in query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            if word.starts_with("cluster_") {
                asked += 1;
                assert!(known.contains_key(word), "{word} of {query}");
            }
        }
    }
    assert!(asked > 10);
}
