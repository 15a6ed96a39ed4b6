//! What a session has to say, until its link takes it.

use std::collections::VecDeque;

use bytes::Bytes;
use cluster_transport::proto::Lane;
use cluster_transport::proto::session::Outbox;

/// What a session has put up for its link: mostly one piece, which needs no queue.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    first: Option<Bytes>,
    /// Never without a first.
    others: Option<VecDeque<Bytes>>,
    /// How much more is wanted.
    pub(super) budget: usize,
}

impl Pieces {
    pub(super) fn first_mut(&mut self) -> Option<&mut Bytes> {
        self.first.as_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let first = self.first.take();
        if let Some(others) = &mut self.others {
            self.first = others.pop_front();
            self.others.take_if(|others| others.is_empty());
        }
        first
    }

    /// How many bytes they are.
    pub(super) fn bytes(&self) -> usize {
        let others = |others: &VecDeque<Bytes>| others.iter().map(Bytes::len).sum();
        self.first.as_ref().map_or(0, Bytes::len) + self.others.as_ref().map_or(0, others)
    }
}

impl Outbox for Pieces {
    fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn takes(&self, _: Lane) -> bool {
        self.budget > 0
    }

    fn put(&mut self, _: Lane, piece: Bytes) {
        self.budget = self.budget.saturating_sub(piece.len());
        match &self.first {
            None => self.first = Some(piece),
            Some(_) => self.others.get_or_insert_default().push_back(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_taken_in_their_order_and_wanted_until_the_budget_is_used_up() {
        let mut pieces = Pieces { budget: 4, ..Pieces::default() };
        for _ in 0..2 {
            for piece in ["a", "bc", "def"] {
                assert!(pieces.takes(Lane::Control));
                pieces.put(Lane::Control, piece.into());
            }
            // The last one goes over the budget, which does not wrap.
            assert!(!pieces.takes(Lane::Control) && pieces.budget == 0);
            assert_eq!(pieces.bytes(), 6);
            assert_eq!(pieces.pop().unwrap(), "a");
            pieces.put(Lane::Control, "g".into());
            assert_eq!(pieces.first_mut().unwrap(), "bc");
            let rest: Vec<Bytes> = std::iter::from_fn(|| pieces.pop()).collect();
            assert_eq!(rest, ["bc", "def", "g"]);
            assert!(pieces.is_empty() && pieces.others.is_none() && pieces.bytes() == 0);
            pieces.budget = 4;
        }
    }
}
