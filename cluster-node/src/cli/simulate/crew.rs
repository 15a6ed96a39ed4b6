//! Runs schedules on several threads, and shows how far they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use cluster_core::sim::schedule::{Report, Schedule};
use indicatif::{ProgressBar, ProgressStyle};

use super::Plan;

/// A schedule and what came of it.
pub(super) struct Run {
    pub(super) schedule: Schedule,
    pub(super) report: Report,
}

/// Runs everything that is planned; what came of each is taken on this thread, in the order in which they end.
pub(super) fn run(jobs: usize, plan: &Plan, mut take: impl FnMut(Run)) {
    let next = AtomicU64::new(0);
    let (done, runs) = mpsc::sync_channel(jobs);
    let bar = progress(plan.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.len() {
                        return;
                    }
                    let schedule = plan.schedule(number);
                    let report = schedule.run();
                    // Nobody takes it any more: this thread has nothing left to do.
                    if done.send(Run { schedule, report }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for run in runs {
            bar.inc(1);
            bar.suspend(|| take(run));
        }
    });
    bar.finish_and_clear();
}

/// A bar on standard error, if that is a terminal.
pub(super) fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
