//! `trace`: what a node was given is given to a new engine, which decides the same again.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use cluster_core::engine::flight::FlightLine;
use cluster_core::engine::tape::file::{Reader, TapeError};
use cluster_core::engine::tape::{Ending, Head, Replay};
use serde_json::{Value, json};

use super::timeline::Shown;
use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What a node wrote with --trace; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the decisions as JSON, as a flight recorder does, and what comes of them in one object behind them
    #[arg(long)]
    json: bool,
}

pub(super) fn trace(arguments: &Arguments) -> Result<(), Failure> {
    let file = &arguments.file;
    let refused = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(|error| refused(error.to_string()))?))
    };
    let (head, mut reader) = Reader::open(input).map_err(|error| refused(error.to_string()))?;
    let mut replay = Replay::new(&head).map_err(|error| refused(error.to_string()))?;
    let stopped = play(&mut reader, &mut replay, arguments.json);
    let outcome = Outcome { head: &head, replay: &replay, ending: reader.ending(), why: stopped.err() };
    if arguments.json {
        say(outcome.json());
    } else {
        outcome.lines().into_iter().for_each(say);
    }
    match outcome.why {
        None => Ok(()),
        Some(why) => Err(Failure::Trace(format!("{}: {why}", file.display()))),
    }
}

/// Plays all records, and tells of the decisions as they are taken; why it was not all.
fn play<R: Read>(reader: &mut Reader<R>, replay: &mut Replay, as_json: bool) -> Result<(), Stop> {
    tell(replay, 0, as_json);
    while let Some((record, bytes)) = reader.next().map_err(Stop::Unreadable)? {
        let told = replay.engine().recorded();
        let played = replay.play(&record, bytes);
        tell(replay, told, as_json);
        played.map_err(|difference| Stop::Differs(difference.to_string()))?;
    }
    Ok(())
}

/// Tells of the decisions after the first so many.
fn tell(replay: &Replay, told: u64, as_json: bool) {
    let engine = replay.engine();
    let new = usize::try_from(engine.recorded() - told).unwrap_or(usize::MAX);
    let decisions = engine.decisions();
    let known = decisions.len().saturating_sub(new);
    for decision in decisions.skip(known) {
        let line = FlightLine::new(&replay.origin(), decision);
        match serde_json::to_string(&line) {
            Ok(json) if as_json => say(json),
            _ => say(Shown(&line)),
        }
    }
}

/// Why a trace was not played to its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the replay {0}")]
    Differs(String),
    #[error(transparent)]
    Unreadable(TapeError),
}

/// What came of it.
struct Outcome<'a> {
    head: &'a Head,
    replay: &'a Replay,
    ending: Option<Ending>,
    why: Option<Stop>,
}

impl Outcome<'_> {
    fn seconds(&self) -> f64 {
        self.replay.now().since(self.head.started()).as_secs_f64()
    }

    /// Whether nothing that was played differs.
    fn is_same(&self) -> bool {
        !matches!(self.why, Some(Stop::Differs(_)))
    }

    fn reasons(&self) -> Vec<String> {
        self.replay.engine().members().reasons().iter().map(ToString::to_string).collect()
    }

    fn members(&self) -> Vec<Value> {
        let engine = self.replay.engine();
        let member = |(node, member): (&_, &cluster_core::engine::members::Member)| {
            let replica = engine.state().replica(node);
            json!({
                "node": node,
                "incarnation": member.incarnation().to_string(),
                "inSession": member.session().is_some(),
                "ready": member.claims().ready,
                "doubted": member.is_doubted(),
                "version": replica.as_ref().map(|replica| replica.version),
                "hash": replica.as_ref().map(|replica| hexadecimal(replica.hash)),
            })
        };
        engine.members().members().map(member).collect()
    }

    fn json(&self) -> Value {
        let engine = self.replay.engine();
        json!({
            "node": self.head.node,
            "incarnation": engine.incarnation().to_string(),
            "software": self.head.software,
            "inputs": self.replay.inputs(),
            "seconds": self.seconds(),
            "decisions": engine.recorded(),
            "same": self.is_same(),
            "why": self.why.as_ref().map(ToString::to_string),
            "ending": self.ending.map(|ending| ending.to_string()),
            "ready": engine.members().is_ready(),
            "reasons": self.reasons(),
            "rooms": engine.state().rooms(),
            "version": engine.state().version(),
            "hash": hexadecimal(engine.state().hash()),
            "registers": engine.registers().len(),
            "registersHash": hexadecimal(engine.registers().digest()),
            "members": self.members(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let engine = self.replay.engine();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut lines = vec![format!(
            "{} at the end: {}; {} rooms, own version {} with hash {}, {} registers",
            self.head.node,
            if engine.members().is_ready() { "ready".to_owned() } else { self.unready() },
            engine.state().rooms(),
            engine.state().version(),
            hexadecimal(engine.state().hash()),
            engine.registers().len(),
        )];
        for member in self.members() {
            let is = |key: &str| member.get(key) == Some(&Value::Bool(true));
            let words = [
                if is("inSession") { "in session" } else { "without a session" },
                if is("ready") { ", ready" } else { ", not ready" },
                if is("doubted") { ", in doubt" } else { "" },
            ];
            let [node, version, hash] =
                ["node", "version", "hash"].map(|key| member.get(key).map(text).unwrap_or_default());
            lines.push(format!("  {node}: {}; version {version} with hash {hash}", words.concat()));
        }
        if !self.head.is_of_this_software() {
            let (recorded, here) = (&self.head.software, env!("CARGO_PKG_VERSION"));
            lines.push(format!("recorded by version {recorded}, played by {here}: it may decide otherwise"));
        }
        let same = if self.is_same() { "the same" } else { "not the same" };
        let (inputs, seconds) = (self.replay.inputs(), self.seconds());
        let ending = self.ending.map(|ending| format!("; the trace ends: {ending}")).unwrap_or_default();
        lines.push(format!("replayed {inputs} inputs over {seconds:.3} s: {same}{ending}"));
        lines
    }

    fn unready(&self) -> String {
        format!("not ready ({})", self.reasons().join("; "))
    }
}

fn hexadecimal(hash: u128) -> String {
    format!("{hash:032x}")
}
