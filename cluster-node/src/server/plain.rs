//! The places for plain HTTP connections. When all are taken, the connection that has been idle for longest gives way: whoever
//! only holds places holds none against somebody who asks for something, such as a front for the node's health.
//!
//! As many go as wait, no matter whose place comes to be whose: places are given in the order of arrival.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::load::{Bound, Load, Present, Thing};

/// For how long the last answer of an idle connection may still be on its way.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long a connection may have had its place before its first request has to be there, if others wait.
const FIRST_REQUEST: Duration = Duration::from_millis(10);

/// How long the body of a request may have been under way before it has to be there, if others wait and nobody is idle.
const BODY: Duration = Duration::from_secs(1);

/// The places of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    order: Mutex<Order>,
    load: Load,
}

/// Who waits for a place, and who may have to go for that.
#[derive(Debug)]
struct Order {
    free: usize,
    next: u64,
    /// Those without a place, in the order of arrival. There is none while there are free places.
    waiting: BTreeMap<u64, CancellationToken>,
    /// Those with a place who may have to go: first those that are idle, then those whose request has not come whole, each for
    /// longest.
    may_go: BTreeMap<(Kind, u64), CancellationToken>,
    /// How many have to go, and still have a place.
    going: usize,
}

/// Who goes before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Idle,
    Asking,
}

/// A place, or the wait for one.
#[derive(Debug)]
struct Ticket {
    places: Places,
    number: u64,
    has_place: CancellationToken,
    gives_way: CancellationToken,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    _present: Present,
    ticket: Ticket,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    doing: Doing,
    since: Instant,
    /// Where it stands among those who may have to go.
    stands: Option<(Kind, u64)>,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing yet, or it sends the head of its first request, which may never end.
    New,
    /// Nothing since its last answer, or it sends the head of a request.
    Idle,
    /// It sends the body of a request.
    Asking,
    /// It is being answered, or its events are read.
    Answering,
}

/// An answer that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Arc<Place>);

impl Places {
    pub(super) fn new(connections: usize, load: Load) -> Self {
        let order =
            Order { free: connections, next: 0, waiting: BTreeMap::new(), may_go: BTreeMap::new(), going: 0 };
        Self(Arc::new(Inner { order: Mutex::new(order), load }))
    }

    /// A place, for which another connection may have to go. Waits while none may; those who wait get one in their order. Cancel
    /// safe.
    pub(super) async fn take(&self) -> Arc<Place> {
        let ticket = self.arrive();
        ticket.has_place.cancelled().await;
        let place = Place {
            ticket,
            state: Mutex::new(State { doing: Doing::New, since: Instant::now(), stands: None }),
            _present: self.0.load.enter(Thing::PlainConnection),
        };
        place.changes(Doing::New);
        Arc::new(place)
    }

    fn arrive(&self) -> Ticket {
        let (has_place, gives_way) = (CancellationToken::new(), CancellationToken::new());
        let mut order = self.order();
        let number = order.number();
        if order.free > 0 {
            order.free -= 1;
            has_place.cancel();
        } else {
            order.waiting.insert(number, has_place.clone());
            self.have_some_go(&mut order);
        }
        Ticket { places: self.clone(), number, has_place, gives_way }
    }

    /// As many are to go as wait.
    fn have_some_go(&self, order: &mut Order) {
        while order.going < order.waiting.len() {
            let Some((_, next)) = order.may_go.pop_first() else { return };
            self.0.load.meets(Bound::PlainConnections);
            order.going += 1;
            next.cancel();
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut order = self.places.order();
        if order.waiting.remove(&self.number).is_some() {
            return;
        }
        if self.gives_way.is_cancelled() {
            order.going = order.going.saturating_sub(1);
        }
        match order.waiting.pop_first() {
            Some((_, first)) => first.cancel(),
            None => order.free += 1,
        }
    }
}

impl Place {
    /// Resolves when the connection has to go for another one's sake. It is to be served meanwhile: what it may have sent already
    /// has to be read first.
    pub(super) async fn gives_way(&self) {
        self.ticket.gives_way.cancelled().await;
        loop {
            let State { doing, since, .. } = *self.state();
            let until = match doing {
                Doing::New => since + FIRST_REQUEST,
                Doing::Asking => since + BODY,
                Doing::Idle | Doing::Answering => return,
            };
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// How long it may take to go: nobody waits for a request that has not come whole.
    pub(super) fn goes_within(&self) -> Duration {
        let State { doing, since, .. } = *self.state();
        match doing {
            Doing::New | Doing::Asking => Duration::ZERO,
            Doing::Idle => LAST_ANSWER.saturating_sub(since.elapsed()),
            Doing::Answering => LAST_ANSWER,
        }
    }

    /// The connection is asked for something, by a request with this body. It is being answered once the body has come whole, or
    /// nobody wants it any more.
    pub(super) fn is_asked(self: &Arc<Self>, body: Body) -> (Body, Answering) {
        let answering = Answering(Arc::clone(self));
        if body.is_end_stream() {
            self.changes(Doing::Answering);
            return (body, answering);
        }
        self.changes(Doing::Asking);
        let holds = Some(Asking(Arc::clone(self)));
        (Body::new(UnderWay { body, holds }), answering)
    }

    fn changes(&self, doing: Doing) {
        let kind = match doing {
            Doing::New | Doing::Idle => Some(Kind::Idle),
            Doing::Asking => Some(Kind::Asking),
            Doing::Answering => None,
        };
        let mut state = self.state();
        let places = &self.ticket.places;
        let mut order = places.order();
        if let Some(before) = state.stands {
            order.may_go.remove(&before);
        }
        // Who goes already is not to be told again.
        let kind = kind.filter(|_| !self.ticket.gives_way.is_cancelled());
        let stands = kind.map(|kind| (kind, order.number()));
        *state = State { doing, since: Instant::now(), stands };
        if let Some(stands) = stands {
            order.may_go.insert(stands, self.ticket.gives_way.clone());
            places.have_some_go(&mut order);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.changes(Doing::Answering);
    }
}

impl Answering {
    /// Keeps the answer under way until its body has been given to the connection: that of events never ends. One that is in memory is
    /// taken whole, and its connection idle from then on, though the client may still have to read it.
    pub(super) fn until_given(self, body: Body) -> UnderWay<Self> {
        UnderWay { body, holds: Some(self) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.changes(Doing::Idle);
    }
}

/// A request whose body is under way until this is dropped.
#[derive(Debug)]
struct Asking(Arc<Place>);

impl Drop for Asking {
    fn drop(&mut self) {
        let is_asking = self.0.state().doing == Doing::Asking;
        if is_asking {
            self.0.changes(Doing::Answering);
        }
    }
}

/// A body that is under way, and what that holds until the body has come to its end.
#[derive(Debug)]
pub(super) struct UnderWay<T> {
    body: Body,
    holds: Option<T>,
}

impl<T: Unpin> hyper::body::Body for UnderWay<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let has_ended = matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream();
        if has_ended {
            self.holds = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
