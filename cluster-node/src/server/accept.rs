//! Accepting: which plain HTTP connections there may be, and for how long.
//!
//! A connection that becomes a WebSocket is counted among the clients from then on. One that stays plain ends after a
//! while, whatever it does or leaves undone, so nobody holds a place for ever.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::limits::ServerLimits;
use super::plain::{Place, Places};
use crate::load::Load;

/// How long an answer that is under way may still take when its connection has to end.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// How many connections may wait for a place at a time; more wait in the system.
const MAX_WAITING: usize = 64;

/// After an error of accepting, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the server stops. With as many plain connections as there may be, each that comes takes the place of an idle one;
/// none waits for another to get one.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    load: Load,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Places::new(limits.plain_connections, load);
    let waiting = Arc::new(Semaphore::new(MAX_WAITING));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = next(&listener, &waiting) => accepted,
        };
        match accepted {
            Ok(((stream, remote), waits)) => {
                let (places, router, stop) = (places.clone(), router.clone(), stop.clone());
                tasks.spawn(async move {
                    let Some(place) = stop.run_until_cancelled(places.take()).await else { return };
                    drop(waits);
                    serve(stream, remote, router, place, limits.plain_for, stop).await;
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a client: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The next connection, once there is room for it among those who wait. Cancel safe.
async fn next(
    listener: &TcpListener,
    waiting: &Arc<Semaphore>,
) -> io::Result<((TcpStream, SocketAddr), OwnedSemaphorePermit)> {
    let waits = Arc::clone(waiting).acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, waits))
}

/// Serves a connection until it ends or becomes a WebSocket.
async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    router: Router,
    place: Arc<Place>,
    plain_for: Duration,
    stop: CancellationToken,
) {
    // Notifications are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let asked = &place;
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (head, body) = request.into_parts();
        let (body, answering) = asked.is_asked(Body::new(body));
        let mut request = hyper::Request::from_parts(head, body);
        request.extensions_mut().insert(ConnectInfo(remote));
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(answer.map(|body| answering.until_given(body)))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer).with_upgrades());
    let grace = tokio::select! {
        biased;
        () = stop.cancelled() => LAST_ANSWER,
        () = sleep(plain_for) => LAST_ANSWER,
        // Before it may have to go: it reads what it is asked. An error is one more way of being gone.
        _ = connection.as_mut() => return,
        () = place.gives_way() => place.goes_within(),
    };
    connection.as_mut().graceful_shutdown();
    let _ = timeout(grace, connection).await;
}
