//! `simulate`: whole clusters in virtual time, one for each seed, under the faults of a profile.
//!
//! A seed whose run breaks a promise is told with the command that runs it again, and with a shorter schedule that breaks a
//! promise too. The last line of `--json` sums everything up.

mod crew;
mod report;
mod spans;
mod summary;
mod traces;

use std::fs;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cluster_core::sim::schedule::{Profile, Schedule};

use self::crew::Run;
use self::spans::Span;
use self::summary::Summary;
use super::{Failure, say};

/// How many runs are spent on the shorter schedule of a seed, and on how many seeds.
const ATTEMPTS: usize = 400;
const SHRUNK: usize = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many nodes: N, or from A to before B as A..B, or to B as A..=B; each seed chooses
    #[arg(long, value_name = "N", default_value = "3..=9")]
    nodes: Span,
    /// Which seeds: one, or from A to before B
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    seeds: Span,
    /// How many virtual seconds of faults, before everything is put right
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=86_400))]
    seconds: u64,
    /// What happens: calm, chaos, network, partial, resets, processes, mass-restart or starvation
    #[arg(long, value_name = "NAME", default_value_t = Profile::Chaos)]
    profile: Profile,
    /// How many seeds run at a time; by default one on each core
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Tell everything as one JSON object a line
    #[arg(long)]
    json: bool,
    /// Run the schedule in a file, as a failed seed tells it ("-": from standard input), in place of seeds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "seeds", "seconds", "profile"])]
    replay: Option<PathBuf>,
    /// Write what each engine was given, of the clusters that broke a promise and of the one of --replay, into a folder, for
    /// cluster-node trace
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Measure how reliable a cluster is, in place of running seeds, and write figures and plots into a folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["replay", "nodes", "seeds", "seconds", "profile", "jobs", "json", "traces"])]
    report: Option<PathBuf>,
}

/// The most nodes of one cluster: each pair of them costs memory.
const MAX_NODES: u64 = 1_000;

impl Arguments {
    /// The schedules, each made when its turn comes.
    fn plan(&self) -> Result<Plan, Failure> {
        if let Some(file) = &self.replay {
            return Ok(Plan::Replay(Box::new(read(file)?)));
        }
        if self.nodes.first() == 0 || self.nodes.last() > MAX_NODES {
            return Err(Failure::Usage(format!(
                "--nodes {}: a cluster of the simulation has 1 to {MAX_NODES} nodes",
                self.nodes
            )));
        }
        Ok(Plan::Seeds { seeds: self.seeds, nodes: self.nodes, seconds: self.seconds, profile: self.profile })
    }
}

/// What is run.
#[derive(Debug)]
enum Plan {
    Replay(Box<Schedule>),
    Seeds { seeds: Span, nodes: Span, seconds: u64, profile: Profile },
}

impl Plan {
    fn len(&self) -> u64 {
        match self {
            Self::Replay(_) => 1,
            Self::Seeds { seeds, .. } => seeds.len(),
        }
    }

    fn schedule(&self, number: u64) -> Schedule {
        match self {
            Self::Replay(schedule) => Schedule::clone(schedule),
            Self::Seeds { seeds, nodes, seconds, profile } => {
                let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                profile.schedule(seeds.first() + number, count(nodes.first())..=count(nodes.last()), *seconds)
            }
        }
    }

    /// How many virtual seconds each takes, about: what is put right at its end takes a few more.
    fn seconds(&self) -> u64 {
        match self {
            Self::Replay(schedule) => schedule.span().as_secs(),
            Self::Seeds { seconds, .. } => *seconds,
        }
    }

    /// The command that runs one of them again.
    fn command(&self, seed: u64) -> String {
        match self {
            Self::Replay(_) => "cluster-node simulate --replay FILE".to_owned(),
            Self::Seeds { nodes, seconds, profile, .. } => format!(
                "cluster-node simulate --profile {profile} --nodes {nodes} --seconds {seconds} --seeds {seed}"
            ),
        }
    }
}

pub(super) fn simulate(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(folder) = &arguments.report {
        return report::write(folder);
    }
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, NonZeroUsize::get);
    let plan = arguments.plan()?;
    let (mut summary, mut written) = (Summary::new(plan.len()), Ok(()));
    crew::run(jobs, &plan, |run| {
        summary.add(&run);
        if run.report.violation.is_some() {
            tell(&plan, &run, summary.violations, arguments.json);
        }
        if let Some(folder) = &arguments.traces
            && written.is_ok()
            && (run.report.violation.is_some() || matches!(plan, Plan::Replay(_)))
        {
            written = traces::write(folder, &run.schedule).map(|traces| {
                eprintln!("{traces} traces of seed {} are in {}", run.schedule.seed, folder.display());
            });
        }
    });
    say(if arguments.json { summary.json() } else { summary.to_string() });
    match summary.violations {
        0 => written,
        _ if written.is_err() => {
            eprintln!("{} promises were broken", summary.violations);
            written
        }
        violations => Err(Failure::Promises { violations, seeds: plan.len() }),
    }
}

/// Tells of a seed whose run broke a promise.
fn tell(plan: &Plan, run: &Run, which: usize, as_json: bool) {
    let Some(violation) = &run.report.violation else { return };
    let (seed, command) = (run.schedule.seed, plan.command(run.schedule.seed));
    let shorter = (which <= SHRUNK).then(|| run.schedule.shrunk(ATTEMPTS));
    let text = |schedule: &Schedule| serde_json::to_string(schedule).unwrap_or_default();
    if as_json {
        let line = serde_json::json!({
            "seed": seed,
            "violation": violation.to_string(),
            "replay": command,
            "steps": run.schedule.steps.len(),
            "shorter": shorter,
        });
        return say(line);
    }
    say(format_args!("seed {seed}, {} nodes: {violation}", run.schedule.nodes));
    say(format_args!("  replay: {command}"));
    if let Some(shorter) = shorter {
        let (short, long) = (shorter.steps.len(), run.schedule.steps.len());
        say(format_args!(
            "  {short} of its {long} steps break a promise too; put this into a file for --replay:"
        ));
        say(format_args!("  {}", text(&shorter)));
    }
}

fn read(file: &Path) -> Result<Schedule, Failure> {
    let cannot = |why: String| Failure::Usage(format!("--replay {}: {why}", file.display()));
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| cannot(error.to_string()))?;
    let schedule: Schedule =
        serde_json::from_str(&text).map_err(|error| cannot(format!("not a schedule: {error}")))?;
    if schedule.nodes == 0 || schedule.nodes as u64 > MAX_NODES {
        return Err(cannot(format!(
            "{} nodes: a cluster of the simulation has 1 to {MAX_NODES}",
            schedule.nodes
        )));
    }
    Ok(schedule)
}
