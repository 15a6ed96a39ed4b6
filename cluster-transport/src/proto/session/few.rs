//! A queue that mostly holds one thing at a time: the first is in place, and only more than one takes memory of its own.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Few<T> {
    first: Option<T>,
    /// Empty as long as there is no first.
    rest: VecDeque<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }
}

impl<T> Few<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, one: T) {
        match &self.first {
            None => self.first = Some(one),
            Some(_) => self.rest.push_back(one),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.first.take()?;
        self.first = self.rest.pop_front();
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
        Some(first)
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
            assert_eq!(few.pop(), Some(0));
            few.push(count);
            let left: Vec<_> = std::iter::from_fn(|| few.pop()).collect();
            assert_eq!(left, (1..=count).collect::<Vec<_>>());
            assert!(few.is_empty() && few.rest.capacity() == 0);
        }
    }
}
