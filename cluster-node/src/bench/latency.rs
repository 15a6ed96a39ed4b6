//! Latencies, to three digits.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What is longer counts as this long: a minute, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Latencies as they are collected.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Option<Histogram<u64>>);

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Percentiles {
    /// Half of all took no longer.
    pub p50: f64,
    /// 99 of a hundred took no longer.
    pub p99: f64,
    /// 999 of a thousand took no longer.
    pub p999: f64,
}

impl Latencies {
    /// Counts one, in nanoseconds.
    pub(super) fn record(&mut self, nanos: u64) {
        if self.0.is_none() {
            self.0 = Histogram::new_with_max(LONGEST, 3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(nanos);
        }
    }

    /// Counts all of another collection too.
    pub(super) fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            // Both have the same range and precision.
            (Some(all), Some(other)) => all.add(other).unwrap_or_default(),
            (all @ None, other) => *all = other.clone(),
            (Some(_), None) => {}
        }
    }

    /// The percentiles, if there is anything.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let histogram = self.0.as_ref()?;
        let micros = |quantile| {
            let nanos = u32::try_from(histogram.value_at_quantile(quantile)).map_or(f64::INFINITY, f64::from);
            (nanos / 100.0).round() / 10.0
        };
        Some(Percentiles { p50: micros(0.5), p99: micros(0.99), p999: micros(0.999) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_collections_together() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        assert_eq!(one.percentiles(), None);
        (1..=500).for_each(|micros| one.record(micros * 1_000));
        (501..=1_000).for_each(|micros| other.record(micros * 1_000));
        let mut all = Latencies::default();
        all.add(&one);
        all.add(&other);
        let Percentiles { p50, p99, p999 } = all.percentiles().unwrap();
        assert!((p50 - 500.0).abs() < 1.0, "{p50}");
        assert!((p99 - 990.0).abs() < 1.0, "{p99}");
        assert!((p999 - 999.0).abs() < 1.0, "{p999}");
    }
}
