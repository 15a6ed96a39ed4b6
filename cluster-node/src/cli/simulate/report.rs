//! `--report`: how reliable a cluster is, measured in virtual time, as one table of figures and a plot for each question.

mod agreement;
mod plot;
mod repair;
mod rolling;
mod starvation;

use std::fs;
use std::path::Path;

use cluster_core::sim::Sim;

use self::plot::Plot;
use crate::cli::{Failure, say};

/// Measures everything and writes it into a folder, which is made if it is missing.
pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    let cannot = |error: String| Failure::Usage(format!("--report {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(|error| cannot(error.to_string()))?;
    let plots: [fn() -> Plot; 4] =
        [agreement::measure, repair::measure, starvation::measure, rolling::measure];
    let bar = super::crew::progress(plots.len() as u64);
    let mut figures = String::new();
    for measure in plots {
        let plot = measure();
        bar.inc(1);
        plot.draw(folder).map_err(cannot)?;
        figures.push_str(&plot.table());
    }
    bar.finish_and_clear();
    fs::write(folder.join("figures.md"), &figures).map_err(|error| cannot(error.to_string()))?;
    say(figures.trim_end());
    Ok(())
}

/// How many bytes all nodes have sent to each other.
fn traffic(sim: &Sim, nodes: usize) -> u64 {
    (0..nodes).flat_map(|from| (0..nodes).map(move |to| sim.bytes_sent(from, to))).sum()
}

/// The value below which this share of all values is; zero without values.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) * percent).div_ceil(100);
    values.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            [0, 50, 99, 100].map(|percent| percentile(&mut values, percent)),
            [1.0, 51.0, 100.0, 100.0]
        );
        assert_eq!(percentile(&mut [7.0], 50), 7.0);
        assert_eq!(percentile(&mut [], 50), 0.0);
    }
}
