//! Figures of several rounds.

use super::super::BenchError;
use super::super::subscribing::as_f64;

/// The middle one; of an even number the higher of the two in the middle.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The seconds between two times of the shared clock.
pub(super) fn seconds(from: u64, to: u64) -> f64 {
    as_f64(to.saturating_sub(from)) / 1e9
}

/// To so many digits after the point.
pub(super) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// Does one round after the other, and says on the way which it is.
pub(super) async fn rounds<T>(
    count: u16,
    what: &str,
    mut round: impl AsyncFnMut() -> Result<T, BenchError>,
) -> Result<Vec<T>, BenchError> {
    let mut results = Vec::new();
    for number in 1..=count {
        super::super::progress::step(&format!("round {number} of {count}: {what}"));
        results.push(round().await?);
    }
    super::super::progress::end();
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        for (figures, middle) in [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0], 4.0)]
        {
            assert!((median(figures) - middle).abs() < f64::EPSILON, "{figures:?}");
        }
    }
}
