//! The description of the routes is true: it names the same routes, and real answers are as it says.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use cluster_core::config::{ConfigBuilder, TraceFile};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::Cluster;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{router, table};
use setup::member;

#[path = "../../tests/setup/mod.rs"]
mod setup;

/// Member `a` of a cluster with `b`, both with sessions.
async fn two(adapt: impl Fn(ConfigBuilder) -> ConfigBuilder) -> (Cluster, Cluster) {
    let directory = MemoryDirectory::default();
    let (a, b) = (member("a", &directory, &adapt).await, member("b", &directory, &adapt).await);
    let met = async {
        while a.members().is_empty() || b.members().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), met).await.unwrap();
    (a, b)
}

fn description() -> Value {
    serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap()
}

/// The operations of the description: method, path, operation.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

async fn ask(cluster: &Cluster, method: &str, path: &str, body: &'static str) -> Response {
    let local: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let request = Request::builder().method(method).uri(path).extension(ConnectInfo(local));
    router(cluster.clone()).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

/// The answer in JSON, which has to be as described for its status.
async fn described(cluster: &Cluster, method: &str, path: &str, template: &str, body: &'static str) -> Value {
    let response = ask(cluster, method, path, body).await;
    let status = response.status().as_u16().to_string();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    let description = description();
    let operation = &description["paths"][template][method.to_lowercase()];
    let schema = &operation["responses"][&status]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} answers {status}, which is not described");
    let mut schema = schema.clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&answer).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:#?}\n{answer:#}");
    answer
}

#[test]
fn the_description_names_every_route_and_no_other() {
    let described: BTreeSet<_> =
        operations(&description()).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let routed: BTreeSet<_> = table().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(described, routed);
}

#[tokio::test]
async fn every_described_operation_is_routed() {
    let (a, _b) = two(|builder| builder).await;
    for (method, path, _) in operations(&description()) {
        let status = ask(&a, &method, &path.replace("{node}", "b"), "").await.status();
        let unrouted = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        assert!(!unrouted.contains(&status), "{method} {path} answers {status}");
    }
}

#[tokio::test]
async fn the_routes_of_the_original_answer_and_its_aliases_do_not_as_is_told_to_those_who_come_from_it() {
    let text = include_str!("../../../docs/MIGRATION.md");
    let (_, routes) = text.split_once("## Routes\n").unwrap();
    let (routes, _) = routes.split_once("\n## ").unwrap();
    let (a, b) = two(|builder| builder).await;
    a.wait_ready().await;
    b.wait_ready().await;
    let mut asked = 0;
    for row in routes.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        for route in cells[0].split('`').skip(1).step_by(2) {
            let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
            let status = ask(&a, method, path, "").await.status();
            let wanted = if cells[2].starts_with("none") { StatusCode::NOT_FOUND } else { StatusCode::OK };
            assert_eq!(status, wanted, "{route}");
            asked += 1;
        }
    }
    assert_eq!(asked, 6, "the table has changed: {routes}");
}

#[tokio::test]
async fn answers_are_as_described() {
    let traced: TraceFile = "/no/such/folder/{node}".parse().unwrap();
    let (a, b) = two(|builder| builder.trace_file(traced.clone())).await;
    a.wait_ready().await;
    b.wait_ready().await;
    for path in ["health", "health/live", "health/ready", "status", "status/matrix"] {
        let path = format!("/_plugin/cluster/{path}");
        let answer = described(&a, "GET", &path, &path, "").await;
        assert_eq!((&answer["error"], &answer["status"]), (&Value::Null, &json!(200)), "{path}");
    }
    let successor = described(&a, "GET", "/cluster/_status", "/cluster/_status", "").await["result"].clone();
    assert_eq!(successor["activeNodes"], 2);
    assert_eq!(
        (&successor["nodes"][1]["id"], &successor["nodes"][1]["address"]),
        (&json!("a"), &json!("127.0.0.1"))
    );
    let joined = &successor["activity"][0];
    assert_eq!(
        (&joined["event"], &joined["id"], joined.get("reason")),
        (&json!("joined"), &json!("b"), None)
    );
}

#[tokio::test]
async fn failures_are_as_described() {
    let three = std::num::NonZeroUsize::new(3).unwrap();
    let (a, _b) = two(|builder| builder.minimum_nodes(three)).await;
    for path in ["/_plugin/cluster/health", "/_plugin/cluster/health/ready"] {
        let answer = described(&a, "GET", path, path, "").await;
        assert_eq!(
            (&answer["status"], &answer["error"]["id"]),
            (&json!(503), &json!("plugin.cluster.not_ready"))
        );
    }
    let ready =
        described(&a, "GET", "/_plugin/cluster/health/ready", "/_plugin/cluster/health/ready", "").await;
    assert_eq!(ready["result"]["ready"], false);
    assert_eq!(ready["result"]["reasons"], ready["error"]["props"]);
    let live = described(&a, "GET", "/_plugin/cluster/health/live", "/_plugin/cluster/health/live", "").await;
    assert_eq!(live["result"], json!({ "live": true }), "it lives, whatever becomes of others");
    described(&a, "POST", "/_plugin/cluster/reset", "/_plugin/cluster/reset", "[").await;
    let hold = "/_plugin/cluster/hold";
    for body in [
        r#"{"node":"b"}"#,
        r#"{"node":"b","seconds":-1}"#,
        r#"{"node":"b","seconds":1e9}"#,
        r#"{"node":"B","seconds":1}"#,
    ] {
        assert_eq!(described(&a, "POST", hold, hold, body).await["status"], 400, "{body}");
    }
    assert_eq!(described(&a, "POST", hold, hold, r#"{"node":"nobody","seconds":1}"#).await["status"], 404);
    let forget = "/_plugin/cluster/forget/{node}";
    assert_eq!(described(&a, "POST", "/_plugin/cluster/forget/nobody", forget, "").await["status"], 404);
    let drain = "/_plugin/cluster/drain";
    let refused = described(&a, "POST", drain, drain, "").await;
    assert_eq!(
        (&refused["status"], &refused["error"]["id"]),
        (&json!(412), &json!("plugin.cluster.drain_refused"))
    );
    a.leave().await;
    assert_eq!(
        described(&a, "GET", "/_plugin/cluster/health/live", "/_plugin/cluster/health/live", "").await["status"],
        200
    );
}

#[tokio::test]
async fn operators_hold_forget_and_drain_members() {
    let (a, b) = two(|builder| builder).await;
    a.wait_ready().await;
    b.wait_ready().await;
    let hold = "/_plugin/cluster/hold";
    let held = described(&a, "POST", hold, hold, r#"{"node":"b","seconds":60}"#).await;
    assert_eq!(held["result"], json!({ "held": "b", "seconds": 60.0 }));
    assert!(a.status().members[0].held_for_ms.is_some());
    described(&a, "POST", hold, hold, r#"{"node":"b","seconds":0}"#).await;
    assert_eq!(a.status().members[0].held_for_ms, None);
    let forget = "/_plugin/cluster/forget/{node}";
    let forgotten = described(&a, "POST", "/_plugin/cluster/forget/b", forget, "").await;
    assert_eq!(forgotten["result"], json!({ "forgotten": "b" }));
    let drain = "/_plugin/cluster/drain";
    let drained = described(&a, "POST", drain, drain, r#"{"force":true}"#).await;
    assert_eq!(drained["result"], json!({ "draining": true }));
    assert_eq!(a.readiness().reasons, ["this node is draining"]);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_may_not() {
    let (a, _b) = two(|builder| builder).await;
    for (path, kind) in [
        ("", "text/html; charset=utf-8"),
        ("dashboard.css", "text/css; charset=utf-8"),
        ("dashboard.js", "text/javascript; charset=utf-8"),
        ("model.js", "text/javascript; charset=utf-8"),
    ] {
        let response = ask(&a, "GET", &format!("/_plugin/cluster/{path}"), "").await;
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &kind.parse().unwrap())
        );
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let redirected = ask(&a, "GET", "/_plugin/cluster", "").await;
    assert_eq!(&redirected.headers()["location"], "/_plugin/cluster/");
}

#[tokio::test]
async fn the_matrix_has_what_both_nodes_see() {
    let (a, b) = two(|builder| builder).await;
    let path = "/_plugin/cluster/status/matrix";
    let matrix = described(&a, "GET", path, path, "").await["result"].clone();
    assert_eq!(matrix["nodes"], json!(["a", "b"]));
    assert_eq!(matrix["rows"]["a"]["sees"]["b"]["state"], "connected");
    assert_eq!(matrix["rows"]["b"]["sees"]["a"]["state"], "connected");
    assert_eq!(matrix["silent"], json!({}));
    drop(b);
}
