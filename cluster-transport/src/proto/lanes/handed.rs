//! How far the application has taken in a lane: what an acknowledgement says.

/// The first number that was not handed over yet.
///
/// Batches are taken in order, so the end of the last one counts. Parts of a message in reassembly are handed to nobody; they
/// count as soon as everything before them does, so that a message longer than the window can arrive.
#[derive(Debug, Default)]
pub(super) struct Handed {
    next: u64,
    /// From where to where parts wait for what is before them: as good as never.
    absorbed: Option<Box<(u64, u64)>>,
}

impl Handed {
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn restart(&mut self, first: u64) {
        *self = Self { next: first, absorbed: None };
    }

    /// The application has taken everything below `end`.
    pub(super) fn done(&mut self, end: u64) {
        self.next = self.next.max(end);
        self.merge();
    }

    /// The numbers from `from` to below `to` were taken in without anything to hand over.
    pub(super) fn absorbed(&mut self, from: u64, to: u64) {
        if from <= self.next {
            self.next = self.next.max(to);
            self.absorbed = None;
            return;
        }
        match self.absorbed.as_deref_mut() {
            Some((_, end)) if *end == from => *end = to,
            Some(other) => *other = (from, to),
            None => self.absorbed = Some(Box::new((from, to))),
        }
    }

    fn merge(&mut self) {
        if let Some((_, to)) = self.absorbed.take_if(|absorbed| absorbed.0 <= self.next).as_deref() {
            self.next = self.next.max(*to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_once_everything_before_them_was_taken() {
        let mut handed = Handed::default();
        handed.absorbed(2, 3);
        handed.absorbed(3, 4);
        assert_eq!(handed.next(), 0);
        handed.done(2);
        assert_eq!(handed.next(), 4);
        handed.absorbed(4, 5);
        assert_eq!(handed.next(), 5);
    }

    #[test]
    fn a_late_completion_never_takes_progress_back() {
        let mut handed = Handed::default();
        handed.done(7);
        handed.done(3);
        assert_eq!(handed.next(), 7);
    }
}
