//! `timeline`: the flight recorders of several nodes as one story.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cluster_core::engine::flight::{FlightEvidence, FlightLine};

use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Dumps of flight recorders, one JSON object a line; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only what this node decided, and what others decided about it
    #[arg(long, value_name = "NODE")]
    about: Option<String>,
    /// Print the merged lines as JSON again
    #[arg(long)]
    json: bool,
}

pub(super) fn timeline(arguments: &Arguments) -> Result<(), Failure> {
    let mut dumps = Vec::new();
    for file in &arguments.files {
        dumps.push(parse(file, &read(file)?)?);
    }
    for line in merge(dumps) {
        let concerns = |node: &String| line.node == *node || line.about.as_ref() == Some(node);
        if !arguments.about.as_ref().is_none_or(concerns) {
            continue;
        }
        match serde_json::to_string(&line) {
            Ok(json) if arguments.json => say(json),
            _ => say(Shown(&line)),
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

fn parse(file: &Path, text: &str) -> Result<Vec<FlightLine>, Failure> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| {
            let (file, number) = (file.display(), number + 1);
            Failure::Usage(format!("{file}, line {number} is not of a flight recorder: {error}"))
        })
    });
    parsed.collect()
}

/// All lines in the order of the nodes' wall clocks; those of one process keep their own order, whatever became of its clock.
fn merge(dumps: Vec<Vec<FlightLine>>) -> Vec<FlightLine> {
    let mut lines: Vec<FlightLine> = dumps.into_iter().flatten().collect();
    lines.sort_by(|a, b| {
        let key = |line: &FlightLine| (line.wall_ms, line.node.clone(), line.incarnation.clone());
        key(a).cmp(&key(b)).then(a.at_ms.cmp(&b.at_ms))
    });
    // A dump that was taken twice, or overlaps another one, tells everything once.
    lines.dedup();
    lines
}

pub(super) struct Shown<'a>(pub(super) &'a FlightLine);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line) = self;
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(line.wall_ms)).unwrap_or(UNIX_EPOCH);
        write!(f, "{}  {}  {}", humantime::format_rfc3339_millis(at), line.node, line.text)?;
        line.evidence.as_ref().map_or(Ok(()), |evidence| write_evidence(f, evidence))
    }
}

fn write_evidence(f: &mut fmt::Formatter<'_>, evidence: &FlightEvidence) -> fmt::Result {
    let FlightEvidence { cause, doubted_ms, silent_ms, refusals, opinions } = evidence;
    write!(
        f,
        " ({cause}; in doubt for {doubted_ms} ms, silent for {silent_ms} ms, refused {refusals} times"
    )?;
    for (by, heard) in opinions {
        match heard {
            Some(ms) => write!(f, "; {by} heard it {ms} ms before")?,
            None => write!(f, "; {by} has no session with it")?,
        }
    }
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(wall_ms: u64, at_ms: u64, node: &str, text: &str) -> FlightLine {
        FlightLine {
            wall_ms,
            at_ms,
            node: node.to_owned(),
            incarnation: "1-0000000000000001".to_owned(),
            what: "removed".to_owned(),
            about: None,
            text: text.to_owned(),
            evidence: None,
        }
    }

    #[test]
    fn lines_of_several_nodes_are_put_in_order_and_told_once() {
        let a = vec![line(10, 5, "a", "first"), line(30, 25, "a", "third")];
        let b = vec![line(20, 1, "b", "second"), line(40, 21, "b", "fourth")];
        let merged = merge(vec![b, a.clone(), a]);
        let texts: Vec<&str> = merged.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["first", "second", "third", "fourth"]);
    }

    #[test]
    fn a_removal_is_shown_with_what_it_rests_on() {
        let evidence = FlightEvidence {
            cause: "it is silent".to_owned(),
            doubted_ms: 1_000,
            silent_ms: 2_500,
            refusals: 0,
            opinions: vec![("c".to_owned(), None), ("d".to_owned(), Some(2_600))],
        };
        let removal =
            FlightLine { evidence: Some(evidence), ..line(1_000, 5, "a", "removed b: it is silent") };
        assert_eq!(
            Shown(&removal).to_string(),
            "1970-01-01T00:00:01.000Z  a  removed b: it is silent (it is silent; in doubt for 1000 ms, silent for \
             2500 ms, refused 0 times; c has no session with it; d heard it 2600 ms before)"
        );
    }

    #[test]
    fn a_line_that_is_no_decision_is_named_with_its_place() {
        let error = parse(Path::new("a.jsonl"), "\n{}\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "a.jsonl, line 2 is not of a flight recorder: missing field `wallMs` at line 1 column 2"
        );
    }
}
