//! Notifications of one publisher arrive in its order, and none arrives twice.

use std::collections::BTreeMap;

use super::Violation;
use crate::sim::Stamp;

/// What one process has got of each publishing process.
#[derive(Debug, Default)]
pub struct Delivery {
    publishers: BTreeMap<(usize, u64), Got>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Got {
    count: u64,
    last: u64,
}

impl Delivery {
    /// Takes note of one notification.
    ///
    /// # Errors
    /// One that is not newer than all before it of the same publisher.
    pub fn observe(&mut self, stamp: Stamp) -> Result<(), Violation> {
        let got = self.publishers.entry((stamp.node, stamp.life)).or_default();
        if got.count > 0 && stamp.number <= got.last {
            return Err(Violation::new(format!("{stamp:?} arrived after number {}", got.last)));
        }
        *got = Got { count: got.count + 1, last: stamp.number };
        Ok(())
    }

    /// How many notifications of a node's process have arrived.
    pub fn count(&self, node: usize, life: u64) -> u64 {
        self.publishers.get(&(node, life)).map_or(0, |got| got.count)
    }

    /// How many notifications have arrived.
    pub fn total(&self) -> u64 {
        self.publishers.values().map(|got| got.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_repetition_and_on_disorder_of_one_publisher() {
        let judge = |numbers: &[(u64, u64)]| {
            let mut delivery = Delivery::default();
            numbers.iter().try_for_each(|(life, number)| {
                delivery.observe(Stamp { node: 0, life: *life, number: *number })
            })
        };
        assert_eq!(judge(&[(1, 0), (1, 1), (2, 0), (1, 7)]), Ok(()));
        assert!(judge(&[(1, 0), (1, 0)]).is_err());
        assert!(judge(&[(1, 3), (1, 2)]).is_err());
    }
}
