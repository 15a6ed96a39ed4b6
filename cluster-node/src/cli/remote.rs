//! Asks a running node over HTTP, once for each question.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;

/// How long a node may take, so that one that hangs is named.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The route that tells what a node knows.
pub(super) const STATUS: &str = "/_plugin/cluster/status";

/// Where a node serves its clients: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    host: String,
    port: u16,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: a URL is such as http://127.0.0.1:7512");
        let rest = match text.split_once("://") {
            None => text,
            Some(("http", rest)) => rest,
            Some((scheme, _)) => return Err(wrong(&format!("a node serves http and not {scheme}"))),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("there is more than a host and a port"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong(&format!("{port:?} is no port")))?)
            }
            _ => (authority, 7512),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

/// Which node a command is for, and by what right.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Where the node serves its clients
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7512")]
    url: Url,
    /// The node's plugins.cluster.adminToken, if it has one
    #[arg(long, value_name = "TOKEN", env = "CLUSTER_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Target {
    /// Has the node do something; the result of its answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        ask(&self.url, Method::POST, path, self.token.as_deref(), Some(body)).await
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

/// The result of a node's answer to a question.
pub(super) async fn get(url: &Url, path: &str) -> Result<Value, Failure> {
    ask(url, Method::GET, path, None, None).await
}

async fn ask(
    url: &Url,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let failed = |why: String| Failure::Remote(format!("{url}: {why}"));
    let mut request = Request::builder().method(method).uri(path).header(HOST, &url.host);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = body.map(|body| {
        (request.headers_mut().map(|headers| headers.insert(CONTENT_TYPE, JSON)), body.to_string())
    });
    let body = body.map_or_else(Body::empty, |(_, text)| Body::from(text));
    let request = request.body(body).map_err(|error| failed(error.to_string()))?;
    let answer = timeout(DEADLINE, exchange(url, request)).await;
    let answer = answer.map_err(|_| failed(format!("no answer within {DEADLINE:?}")))?.map_err(failed)?;
    let mut envelope: Value = serde_json::from_slice(&answer)
        .map_err(|_| failed("the answer is not of a cluster node".to_owned()))?;
    match envelope.get("error") {
        Some(Value::Null) => Ok(envelope.get_mut("result").map(Value::take).unwrap_or_default()),
        Some(error) => {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("refused without a reason");
            Err(failed(message.to_owned()))
        }
        None => Err(failed("the answer is not of a cluster node".to_owned())),
    }
}

async fn exchange(url: &Url, request: Request<Body>) -> Result<axum::body::Bytes, String> {
    let stream =
        TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER).await.map_err(|error| error.to_string());
    drop(connection);
    body
}

const JSON: axum::http::HeaderValue = axum::http::HeaderValue::from_static("application/json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_no_more_than_a_host() {
        for (given, shown) in [
            ("http://127.0.0.1:7512", "http://127.0.0.1:7512"),
            ("http://node-a/", "http://node-a:7512"),
            ("node-a:80", "http://node-a:80"),
            ("http://[::1]:7513/", "http://[::1]:7513"),
            ("[::1]", "http://[::1]:7512"),
        ] {
            assert_eq!(given.parse::<Url>().map(|url| url.to_string()).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        for (given, why) in [
            ("https://a", "a node serves http and not https"),
            ("http://a:x", "\"x\" is no port"),
            ("http://a/b", "there is more than a host and a port"),
            ("http://", "the host is missing"),
        ] {
            assert!(given.parse::<Url>().is_err_and(|error| error.starts_with(why)), "{given}");
        }
    }
}
