//! Who goes for whom.

use std::convert::Infallible;

use futures_util::{FutureExt, stream};
use http_body_util::BodyExt as _;

use super::*;

fn asked(place: &Arc<Place>) -> Answering {
    place.is_asked(Body::empty()).1
}

fn goes(place: &Place) -> bool {
    place.ticket.gives_way.is_cancelled()
}

#[tokio::test]
async fn who_has_been_idle_for_longest_gives_way_and_who_answers_does_not() {
    let load = Load::new(1);
    let places = Places::new(3, load.clone());
    let [first, second, third] = [places.take().await, places.take().await, places.take().await];
    let first_answer = asked(&first);
    drop(asked(&second));
    let mut fourth = Box::pin(places.take());
    assert!(fourth.as_mut().now_or_never().is_none());
    assert_eq!([&first, &second, &third].map(|place| goes(place)), [false, false, true]);
    drop(third);
    let fourth = fourth.await;
    let _answers = [asked(&fourth), asked(&second)];
    let mut fifth = Box::pin(places.take());
    assert!(fifth.as_mut().now_or_never().is_none());
    drop(first_answer);
    assert!(fifth.as_mut().now_or_never().is_none());
    assert!(goes(&first), "it has fallen idle while another one waited");
    drop(first);
    drop(fifth.await);
    assert_eq!(load.met(Bound::PlainConnections), 2);
    assert!(places.order().may_go.is_empty());
}

#[tokio::test]
async fn for_each_who_waits_one_goes_and_nobody_goes_twice() {
    let load = Load::new(1);
    let places = Places::new(2, load.clone());
    let places_taken = [places.take().await, places.take().await];
    let answers = places_taken.each_ref().map(asked);
    let mut waiting = [(); 3].map(|()| Box::pin(places.take()));
    let mut are_waiting = || waiting.each_mut().map(|taking| taking.as_mut().now_or_never().is_none());
    assert_eq!(are_waiting(), [true; 3]);
    drop(answers);
    assert_eq!(are_waiting(), [true; 3]);
    assert_eq!(
        (places_taken.each_ref().map(|place| goes(place)), load.met(Bound::PlainConnections)),
        ([true; 2], 2)
    );
    // They are asked once more before they are gone.
    drop(places_taken.each_ref().map(asked));
    assert_eq!((load.met(Bound::PlainConnections), places.order().may_go.len()), (2, 0));
    drop(places_taken);
    let taken = waiting.each_mut().map(|taking| taking.as_mut().now_or_never());
    assert_eq!(taken.each_ref().map(Option::is_some), [true, true, false], "in their order");
}

#[tokio::test]
async fn whoever_waits_is_not_left_waiting_while_others_are_idle() {
    let load = Load::new(1);
    let places = Places::new(3, load.clone());
    let [first, second, third] = [places.take().await, places.take().await, places.take().await];
    let answers = [asked(&second), asked(&third)];
    let answer = asked(&first);
    let mut earlier = Box::pin(places.take());
    assert!(earlier.as_mut().now_or_never().is_none());
    drop(answer);
    let mut later = Box::pin(places.take());
    assert!(later.as_mut().now_or_never().is_none());
    assert!(earlier.as_mut().now_or_never().is_none());
    drop(first);
    let earlier = earlier.as_mut().now_or_never().expect("the place of the first");
    let _answer = asked(&earlier);
    assert!(later.as_mut().now_or_never().is_none());
    drop(answers);
    let gone = [&earlier, &second, &third].map(|place| goes(place));
    assert_eq!(gone.iter().filter(|gone| **gone).count(), 1, "{gone:?}");
    let given_up = Box::pin(places.take()).as_mut().now_or_never();
    assert!(given_up.is_none());
    drop([second, third]);
    assert!(later.as_mut().now_or_never().is_some());
    let order = places.order();
    assert_eq!((order.waiting.len(), order.going, order.free), (0, 1, 2), "only the earlier one is there");
}

#[tokio::test(start_paused = true)]
async fn only_a_last_answer_has_time_to_get_there() {
    let places = Places::new(1, Load::new(1));
    let place = places.take().await;
    assert_eq!(place.goes_within(), Duration::ZERO);
    let answering = asked(&place);
    assert_eq!(place.goes_within(), LAST_ANSWER);
    drop(answering.until_given(Body::empty()));
    tokio::time::advance(LAST_ANSWER / 4).await;
    assert_eq!(place.goes_within(), LAST_ANSWER * 3 / 4);
    tokio::time::advance(LAST_ANSWER).await;
    assert_eq!(place.goes_within(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_is_new_has_a_moment_for_its_first_request() {
    let places = Places::new(1, Load::new(1));
    let place = places.take().await;
    let mut next = Box::pin(places.take());
    assert!(next.as_mut().now_or_never().is_none());
    assert!(goes(&place) && place.gives_way().now_or_never().is_none());
    let began = Instant::now();
    place.gives_way().await;
    assert_eq!((began.elapsed(), place.goes_within()), (FIRST_REQUEST, Duration::ZERO));
    drop(place);
    let place = next.await;
    let _third = Box::pin(places.take()).as_mut().now_or_never();
    let _answering = asked(&place);
    assert_eq!(place.goes_within(), LAST_ANSWER);
}

#[tokio::test(start_paused = true)]
async fn whose_request_has_not_come_whole_goes_behind_who_is_idle_and_before_who_is_answered() {
    let drips = || Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let ends = Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"x"))]));
    let places = Places::new(3, Load::new(1));
    let [first, second, third] = [places.take().await, places.take().await, places.take().await];
    let _first = first.is_asked(drips());
    let (body, _second) = second.is_asked(ends);
    assert_eq!(body.collect().await.expect("a body").to_bytes(), "x");
    let mut waiting = [(); 3].map(|()| Box::pin(places.take()));
    let [fourth, fifth, sixth] = &mut waiting;
    let goers = || [&first, &second, &third].map(|place| goes(place));
    assert!(fourth.as_mut().now_or_never().is_none());
    assert_eq!(goers(), [false, false, true]);
    assert!(fifth.as_mut().now_or_never().is_none() && sixth.as_mut().now_or_never().is_none());
    assert_eq!(goers(), [true, false, true]);
    let began = Instant::now();
    first.gives_way().await;
    assert_eq!((began.elapsed(), first.goes_within()), (BODY, Duration::ZERO));
}
