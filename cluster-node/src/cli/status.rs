//! `status`: what running nodes know of their cluster, as a table of at most 100 columns.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::remote::{self, Url};
use super::signals::Signals;
use super::{Failure, say};

/// How often a watched status is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// Clears the screen and what has scrolled by.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where nodes serve their clients
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:7512")]
    urls: Vec<Url>,
    /// Ask again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Print the answers as one JSON array, with --watch one a line
    #[arg(long)]
    json: bool,
}

/// Shows the status of each node.
pub(super) async fn status(arguments: Arguments) -> Result<(), Failure> {
    if !arguments.watch {
        return show(&arguments).await;
    }
    let mut signals = Signals::listen()?;
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            _ = every.tick() => {}
        }
        if !arguments.json && std::io::stdout().is_terminal() {
            say(CLEAR);
        }
        // What is not well is in the table, and may be well the next time.
        let _ = show(&arguments).await;
    }
}

async fn show(arguments: &Arguments) -> Result<(), Failure> {
    let mut asked = Vec::new();
    for url in &arguments.urls {
        asked.push((url, remote::get(url, remote::STATUS).await));
    }
    if arguments.json {
        let answers = asked.iter().map(|(url, answer)| match answer {
            Ok(status) => json!({ "status": status, "url": url.to_string() }),
            Err(failure) => json!({ "error": failure.to_string(), "url": url.to_string() }),
        });
        say(answers.collect::<Value>());
    } else {
        for (url, answer) in &asked {
            match answer {
                Ok(status) => say(table(status).trim_end()),
                Err(_) => say(format_args!("{url} does not answer")),
            }
        }
    }
    verdict(asked)
}

fn verdict(asked: Vec<(&Url, Result<Value, Failure>)>) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    for (_, answer) in asked {
        let status = answer?;
        if at(&status, "/current/ready") != true {
            waiting.push(format!("{} is not ready: {}", text(at(&status, "/current/id")), reasons(&status)));
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err(Failure::NotReady(waiting.join("; "))) }
}

/// A node's own line, and one for each other member.
fn table(status: &Value) -> String {
    let current = at(status, "/current");
    let converged = if at(status, "/converged") == true { "converged" } else { "NOT converged" };
    let ready = if at(current, "/ready") == true {
        "ready".to_owned()
    } else {
        format!("NOT ready ({})", reasons(status))
    };
    let mut table = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        table,
        "{} of {}: {ready}, {} nodes of {} needed, {} rooms, {} subscriptions, {converged}",
        text(at(current, "/id")),
        text(at(status, "/cluster")),
        at(status, "/count"),
        at(status, "/minimumNodes"),
        at(status, "/rooms"),
        at(status, "/subscriptions"),
    );
    for reason in list(status, "/load/overloaded") {
        let _ = writeln!(table, "  OVERLOADED: {}", text(reason));
    }
    let peers = list(status, "/pool");
    if peers.is_empty() {
        return table;
    }
    let row = |cells: [&str; 7]| {
        let [node, state, ready, trip, heard, lag, copy] = cells;
        let line =
            format!("  {node:<24.24} {state:<21.21} {ready:<5} {trip:>9} {heard:>8} {lag:>9} {copy:<15.15}");
        line.trim_end().to_owned() + "\n"
    };
    table += &row(["NODE", "STATE", "READY", "TRIP", "HEARD", "LAG", "COPY"]);
    for peer in peers {
        let trip = at(peer, "/roundTripUs").as_u64().map_or_else(|| "-".to_owned(), micros);
        let heard = at(peer, "/lastSeenMs").as_u64().map_or_else(|| "-".to_owned(), millis);
        let copy = match (at(peer, "/agrees") == true, at(peer, "/behind").as_u64()) {
            (true, _) => "equal".to_owned(),
            (false, Some(behind)) if behind > 0 => format!("{behind} behind"),
            (false, _) => "differs".to_owned(),
        };
        let ready = if at(peer, "/ready") == true { "yes" } else { "NO" };
        let state = match text(at(peer, "/state")) {
            state if state == "connected" && at(peer, "/draining") == true => state + ", draining",
            state => state,
        };
        table += &row([&text(at(peer, "/id")), &state, ready, &trip, &heard, &bytes(lag(peer)), &copy]);
    }
    table
}

/// What is at a path of an answer; null if there is nothing.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// The list at a path of an answer; an empty one if there is none.
pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

fn reasons(status: &Value) -> String {
    list(status, "/reasons").iter().map(text).collect::<Vec<_>>().join("; ")
}

/// What a node says is not trusted to be harmless to a terminal.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").chars().filter(|letter| !letter.is_control()).collect()
}

fn lag(peer: &Value) -> u64 {
    let lanes = at(peer, "/lag").as_object().into_iter().flat_map(serde_json::Map::values);
    let bytes = |lane: &Value| {
        at(lane, "/unsentBytes")
            .as_u64()
            .unwrap_or(0)
            .saturating_add(at(lane, "/unacknowledgedBytes").as_u64().unwrap_or(0))
    };
    lanes.map(bytes).fold(0, u64::saturating_add)
}

fn micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        _ => format!("{} ms", micros / 1_000),
    }
}

fn millis(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} s", ms / 1_000),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        let lane = json!({ "unsentBytes": 1_000_000_000_u64, "unacknowledgedBytes": 5_000 });
        let peer = |id: &str, state: &str, agrees: bool| {
            json!({
                "id": id, "state": state, "ready": agrees, "roundTripUs": 412, "lastSeenMs": 305,
                "agrees": agrees, "behind": if agrees { 0 } else { 1_234_567 }, "lag": { "state": lane },
            })
        };
        json!({
            "cluster": "kuzzle", "converged": false, "count": 3, "minimumNodes": 2, "rooms": 7, "subscriptions": 9, "reasons": [],
            "current": { "id": "node-a", "ready": true },
            "pool": [peer("node-b", "connected", true), peer(&"c".repeat(63), "unreachable from here", false)],
        })
    }

    #[test]
    fn a_table_is_at_most_a_hundred_columns_wide() {
        let table = table(&status());
        assert!(table.lines().skip(1).all(|line| line.chars().count() <= 100), "{table}");
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "node-a of kuzzle: ready, 3 nodes of 2 needed, 7 rooms, 9 subscriptions, NOT converged"
        );
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["NODE", "STATE", "READY", "TRIP", "HEARD", "LAG", "COPY"]
        );
        assert_eq!(
            lines[2].split_whitespace().collect::<Vec<_>>(),
            ["node-b", "connected", "yes", "0.41", "ms", "0.3", "s", "953", "MiB", "equal"]
        );
        assert!(lines[3].contains("unreachable from here NO"), "{table}");
        assert!(lines[3].ends_with("1234567 behind"), "{table}");
    }

    #[test]
    fn who_drains_and_who_is_overloaded_is_shown() {
        let mut status = status();
        status["pool"][0]["draining"] = json!(true);
        status["pool"][1]["draining"] = json!(true);
        status["load"] = json!({ "overloaded": ["clients are turned away", "requests are refused"] });
        let table = table(&status);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[1..3],
            ["  OVERLOADED: clients are turned away", "  OVERLOADED: requests are refused"]
        );
        assert!(lines[4].contains("connected, draining   yes"), "{table}");
        assert!(lines[5].contains("unreachable from here NO"), "{table}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{table}");
    }

    #[test]
    fn what_a_node_says_cannot_move_the_cursor() {
        let mut status = status();
        status["current"]["id"] = json!("\u{1b}[2Jx");
        assert!(table(&status).starts_with("[2Jx of"));
    }

    #[test]
    fn a_node_that_is_not_ready_is_a_failure_of_its_own() {
        let url: Url = "http://a".parse().unwrap();
        assert!(verdict(vec![(&url, Ok(status()))]).is_ok());
        let mut waiting = status();
        waiting["current"]["ready"] = json!(false);
        waiting["reasons"] = json!(["1 of 2 nodes (minimumNodes)"]);
        let failure = verdict(vec![(&url, Ok(status())), (&url, Ok(waiting))]).unwrap_err();
        assert_eq!(failure.to_string(), "node-a is not ready: 1 of 2 nodes (minimumNodes)");
        assert_eq!(failure.code(), 3);
    }
}
