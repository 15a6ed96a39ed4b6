//! The requests of one direction that have not ended, with their deadlines.

use std::collections::VecDeque;

use super::super::Instant;
use super::RequestId;

/// Requests in the order of their ids, which is the order in which they are asked, and nearly that in which they end: so both
/// cost next to nothing.
#[derive(Debug)]
pub(super) struct UnderWay<T> {
    requests: VecDeque<Request<T>>,
    /// No deadline is earlier. The request that it belonged to may have ended.
    earliest: Option<Instant>,
}

#[derive(Debug)]
struct Request<T> {
    id: RequestId,
    deadline: Instant,
    tag: T,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self { requests: VecDeque::new(), earliest: None }
    }
}

impl<T> UnderWay<T> {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds a request; one with the same id is replaced. True if it sets the next deadline.
    pub(super) fn insert(&mut self, id: RequestId, deadline: Instant, tag: T) -> bool {
        let request = Request { id, deadline, tag };
        if self.requests.back().is_none_or(|last| last.id < id) {
            self.requests.push_back(request);
        } else {
            match self.find(id) {
                Ok(at) => self.requests.get_mut(at).into_iter().for_each(|old| old.deadline = deadline),
                Err(at) => self.requests.insert(at, request),
            }
        }
        let is_next = self.earliest.is_none_or(|earliest| deadline < earliest);
        if is_next {
            self.earliest = Some(deadline);
        }
        is_next
    }

    /// Ends a request, if it is under way.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<T> {
        let at = self.find(id).ok()?;
        let request = self.requests.remove(at)?;
        if self.requests.is_empty() {
            self.earliest = None;
        }
        Some(request.tag)
    }

    /// Ends the one that was asked first.
    pub(super) fn pop_first(&mut self) -> Option<(RequestId, T)> {
        self.earliest = None;
        self.requests.pop_front().map(|request| (request.id, request.tag))
    }

    /// Ends those whose deadline has passed.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<(RequestId, T)> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let (late, left) =
            std::mem::take(&mut self.requests).into_iter().partition::<Vec<_>, _>(|one| one.deadline <= now);
        self.requests = left.into();
        self.earliest = self.requests.iter().map(|request| request.deadline).min();
        late.into_iter().map(|request| (request.id, request.tag)).collect()
    }

    /// When [`take_late`](Self::take_late) is to be called: at the earliest deadline, or before it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    fn find(&self, id: RequestId) -> Result<usize, usize> {
        match self.requests.front() {
            Some(first) if first.id == id => Ok(0),
            _ => self.requests.binary_search_by_key(&id, |request| request.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::after_origin(Duration::from_millis(millis))
    }

    #[test]
    fn only_an_earlier_deadline_is_the_next_one() {
        let mut requests = UnderWay::default();
        assert!(requests.insert(RequestId(0), at(50), ()));
        assert!(!requests.insert(RequestId(1), at(60), ()));
        assert!(requests.insert(RequestId(2), at(40), ()));
        requests.remove(RequestId(2));
        assert_eq!(requests.poll_timeout(), Some(at(40)), "too early costs a look, too late a deadline");
        assert_eq!(requests.take_late(at(40)), []);
        assert_eq!(requests.poll_timeout(), Some(at(50)));
        assert_eq!(requests.take_late(at(50)), [(RequestId(0), ())]);
        requests.remove(RequestId(1));
        assert_eq!(requests.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn any_history_ends_as_in_a_map(steps in prop::collection::vec((0_u8..4, 0_u64..12, 0_u64..100), 0..60)) {
            let (mut requests, mut model) = (UnderWay::default(), BTreeMap::new());
            for (step, id, time) in steps {
                let id = RequestId(id);
                match step {
                    0 | 1 => {
                        requests.insert(id, at(time), ());
                        model.insert(id, at(time));
                    }
                    2 => prop_assert_eq!(requests.remove(id).is_some(), model.remove(&id).is_some()),
                    _ => {
                        let late: Vec<_> = requests.take_late(at(time)).into_iter().map(|(id, ())| id).collect();
                        let expected: Vec<_> = model.iter().filter(|one| *one.1 <= at(time)).map(|one| *one.0).collect();
                        model.retain(|_, deadline| *deadline > at(time));
                        prop_assert_eq!(late, expected);
                    }
                }
                prop_assert_eq!(requests.len(), model.len());
                let earliest = model.values().min().copied();
                prop_assert!(requests.poll_timeout() <= earliest || earliest.is_none());
                prop_assert_eq!(requests.poll_timeout().is_none(), earliest.is_none());
            }
        }
    }
}
