//! A machine that is asked for its deadline only when that may have changed.

use std::ops::{Deref, DerefMut};

use cluster_transport::proto::Instant;

/// A machine, and its deadline as of the last time that it was touched.
#[derive(Debug)]
pub(super) struct Watched<M> {
    machine: M,
    is_touched: bool,
    deadline: Option<Instant>,
}

impl<M> Watched<M> {
    pub(super) fn new(machine: M) -> Self {
        Self { machine, is_touched: true, deadline: None }
    }

    /// The deadline, which `ask` reads of the machine if anybody has had it in hand since.
    pub(super) fn deadline(&mut self, ask: impl FnOnce(&M) -> Option<Instant>) -> Option<Instant> {
        if std::mem::take(&mut self.is_touched) {
            self.deadline = ask(&self.machine);
        }
        self.deadline
    }
}

impl<M> Deref for Watched<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M> DerefMut for Watched<M> {
    fn deref_mut(&mut self) -> &mut M {
        self.is_touched = true;
        &mut self.machine
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_is_read_again_only_after_a_touch() {
        let at = |seconds| Some(Instant::ORIGIN + Duration::from_secs(seconds));
        let mut watched = Watched::new(1);
        assert_eq!(watched.deadline(|seconds| at(*seconds)), at(1));
        assert_eq!(watched.deadline(|_| None), at(1));
        *watched = 2;
        assert_eq!(watched.deadline(|seconds| at(*seconds)), at(2));
    }
}
