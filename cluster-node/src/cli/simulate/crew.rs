//! Runs schedules on several threads, and shows how far they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cluster_core::sim::schedule::{Report, Schedule};
use indicatif::{ProgressBar, ProgressStyle};

use super::Plan;

/// How often the time that is left is shown anew.
const TICK: Duration = Duration::from_secs(1);

/// A schedule and what came of it.
pub(super) struct Run {
    pub(super) schedule: Schedule,
    pub(super) report: Report,
}

/// Runs everything that is planned; what came of each is taken on this thread, in the order in which they end.
pub(super) fn run(jobs: usize, plan: &Plan, mut take: impl FnMut(Run)) {
    let next = AtomicU64::new(0);
    let (done, runs) = mpsc::sync_channel(jobs);
    let bar = time_bar(plan);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (next, done, bar) = (&next, done.clone(), &bar);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.len() {
                        return;
                    }
                    let schedule = plan.schedule(number);
                    let report = run_shown(&schedule, plan.seconds(), bar);
                    // Nobody takes it any more: this thread has nothing left to do.
                    if done.send(Run { schedule, report }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (ended, run) in (1_u64..).zip(runs) {
            bar.set_message(format!("{ended} of {} seeds", plan.len()));
            bar.suspend(|| take(run));
        }
    });
    bar.finish_and_clear();
}

/// Runs a schedule of about so many virtual seconds, which the bar counts as they pass.
fn run_shown(schedule: &Schedule, seconds: u64, bar: &ProgressBar) -> Report {
    let mut shown = 0;
    let mut show = |passed: u64| {
        let passed = passed.min(seconds);
        if passed > shown {
            bar.inc(passed - shown);
            shown = passed;
        }
    };
    let report = schedule.run_watched(|passed| show(passed.as_secs()));
    show(seconds);
    report
}

/// A bar of the virtual seconds of all seeds: one cluster of a thousand nodes takes minutes.
fn time_bar(plan: &Plan) -> ProgressBar {
    let bar = ProgressBar::new(plan.seconds().saturating_mul(plan.len()));
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} virtual seconds, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(format!("0 of {} seeds", plan.len()));
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar on standard error, if that is a terminal.
pub(super) fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
