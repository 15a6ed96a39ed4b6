//! A queue that mostly holds one thing at a time: the first is in place, and only more than one takes memory of its own.

use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(super) struct Few<T> {
    first: Option<T>,
    /// None as long as there is no first, and never empty.
    rest: Option<Box<Rest<T>>>,
}

#[derive(Clone, Debug)]
struct Rest<T>(VecDeque<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, rest: None }
    }
}

impl<T> Few<T> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(super) fn push(&mut self, one: T) {
        match &self.first {
            None => self.first = Some(one),
            Some(_) => self.follow_with(one),
        }
    }

    fn follow_with(&mut self, one: T) {
        self.rest.get_or_insert_with(|| Box::new(Rest(VecDeque::new()))).0.push_back(one);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        self.pop_if(|_| true)
    }

    #[inline]
    pub(super) fn pop_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let first = self.first.take_if(|first| wanted(first))?;
        if self.rest.is_some() {
            self.follow();
        }
        Some(first)
    }

    /// Has the next one take the first place.
    fn follow(&mut self) {
        self.first = self.rest.as_mut().and_then(|rest| rest.0.pop_front());
        self.rest.take_if(|rest| rest.0.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_in_the_order_in_which_they_went_in_and_leave_no_memory_behind() {
        let mut few = Few::default();
        for count in 1..5 {
            (0..count).for_each(|one| few.push(one));
            assert_eq!((few.pop_if(|first| *first > 0), few.pop()), (None, Some(0)));
            few.push(count);
            let left: Vec<_> = std::iter::from_fn(|| few.pop()).collect();
            assert_eq!(left, (1..=count).collect::<Vec<_>>());
            assert!(few.is_empty() && few.rest.is_none());
        }
    }
}
