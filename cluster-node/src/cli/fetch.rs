//! One question to a node's routes over plain HTTP, with a deadline and a bound on the answer.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read: a status of 1,000 members has less than half of that.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
const STATUS: &str = "/_plugin/cluster/status";

/// What the status route of the node at this URL answers. Of the URL only host and port count.
pub(super) async fn status(url: &str) -> Result<Value, Failure> {
    let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = text.parse().map_err(|error| Failure::Usage(format!("{url} is no URL: {error}")))?;
    let host = uri.host().ok_or_else(|| Failure::Usage(format!("{url} names no host")))?;
    if uri.scheme_str() != Some("http") {
        return Err(Failure::Usage(format!("{url}: a node's routes are asked over http:// only")));
    }
    let port = uri.port_u16().unwrap_or(80);
    let failed = |why: String| Failure::Node { url: url.to_owned(), why };
    match tokio::time::timeout(ANSWER_WITHIN, ask(host, port)).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {ANSWER_WITHIN:?}"))),
    }
}

async fn ask(host: &str, port: u16) -> Result<Value, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
    let shown = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(shown)?;
    let _connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(STATUS).header("Host", format!("{host}:{port}")).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(shown)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| format!("no answer of a node: {error}"))?.to_bytes();
    let mut answer: Value = serde_json::from_slice(&body)
        .map_err(|_| format!("{STATUS} answers {status} and no JSON: is it a node of the cluster?"))?;
    Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
}
