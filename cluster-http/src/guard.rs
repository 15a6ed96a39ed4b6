//! Who may use the routes that change something.

use std::net::SocketAddr;

use axum::http::header::{AUTHORIZATION, FORWARDED, HeaderName, ORIGIN, VIA};
use axum::http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq;

use crate::envelope::Failure;

/// Without a token, what shows that a request comes from a web page or through a proxy, not from somebody on this machine.
const THROUGH_OTHERS: [HeaderName; 3] = [ORIGIN, FORWARDED, VIA];

/// Lets a request pass, or says why not. With a token it is required from everywhere; without one only loopback passes.
pub(crate) fn check(
    token: Option<&str>,
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    match token {
        Some(token) => check_token(token, headers),
        None => check_local(peer, headers),
    }
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    match given {
        Some(given) if bool::from(given.ct_eq(token.as_bytes())) => Ok(()),
        Some(_) => Err(unauthorised("the token is not the one in plugins.cluster.adminToken")),
        None => Err(unauthorised(
            "this route needs the header Authorization: Bearer <plugins.cluster.adminToken>",
        )),
    }
}

fn check_local(peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), Failure> {
    let forwarded =
        |name: &&HeaderName| THROUGH_OTHERS.contains(name) || name.as_str().starts_with("x-forwarded-");
    if let Some(name) = headers.keys().find(forwarded) {
        return Err(forbidden(format!(
            "a request with the header {name} comes from a web page or through a proxy: set plugins.cluster.adminToken and send it"
        )));
    }
    match peer {
        Some(peer) if peer.ip().to_canonical().is_loopback() => Ok(()),
        Some(peer) => Err(forbidden(format!(
            "without plugins.cluster.adminToken this route answers loopback only, and you are {}",
            peer.ip()
        ))),
        None => {
            Err(forbidden("without plugins.cluster.adminToken this route answers loopback only".to_owned()))
        }
    }
}

fn unauthorised(message: &str) -> Failure {
    Failure {
        status: StatusCode::UNAUTHORIZED,
        id: "security.rights.unauthorized",
        code: 0x0703_0001,
        message: message.to_owned(),
        props: Vec::new(),
    }
}

fn forbidden(message: String) -> Failure {
    Failure {
        status: StatusCode::FORBIDDEN,
        id: "security.rights.forbidden",
        code: 0x0703_0002,
        message,
        props: Vec::new(),
    }
}
