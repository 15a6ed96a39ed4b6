//! What has come in a lane and is handed to nobody: a message that is not complete, and numbers with nothing to hand over.

use bytes::BytesMut;

/// As good as always nothing: its lane remembers whether there is anything to look for.
///
/// Batches are taken in order, so the end of the last one says how far the application is. Parts of a message in reassembly are
/// handed to nobody; they count as soon as everything before them does, so that a message longer than the window can arrive.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// From where to where numbers wait for what is before them to be taken.
    absorbed: Option<(u64, u64)>,
    pub(super) partial: Option<Box<Partial>>,
}

/// A message that is not complete.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) message: u64,
    pub(super) total: u32,
    pub(super) received: BytesMut,
}

impl Partial {
    pub(super) fn total(&self) -> usize {
        usize::try_from(self.total).unwrap_or(usize::MAX)
    }
}

impl Apart {
    pub(super) fn is_empty(&self) -> bool {
        self.absorbed.is_none() && self.partial.is_none()
    }

    /// The numbers from `from` to below `to` were taken in without anything to hand over, and the application has everything below
    /// `handed`. The first number that is not taken now.
    pub(super) fn absorb(&mut self, from: u64, to: u64, handed: u64) -> u64 {
        self.absorbed = match self.absorbed {
            Some((start, end)) if end == from => Some((start, to)),
            _ => Some((from, to)),
        };
        self.after(handed)
    }

    /// The application has everything below `handed`. The first number that is not taken now.
    pub(super) fn after(&mut self, handed: u64) -> u64 {
        let absorbed = self.absorbed.take_if(|(from, _)| *from <= handed);
        absorbed.map_or(handed, |(_, to)| handed.max(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_once_everything_before_them_was_taken() {
        let mut apart = Apart::default();
        assert_eq!(apart.absorb(2, 3, 0), 0);
        assert_eq!(apart.absorb(3, 4, 0), 0);
        assert_eq!(apart.after(2), 4);
        assert_eq!(apart.absorb(4, 5, 4), 5);
        assert!(apart.is_empty());
    }
}
