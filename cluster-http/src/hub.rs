//! One source of events for all readers: what it costs does not grow with them.
//!
//! A task runs while anybody reads. It sends the status at every change in the membership, but at most every [`AT_MOST`], and
//! otherwise every [`AT_LEAST`]; the matrix after each change and else now and then; each change once, under its number. A reader that
//! falls [`BEHIND`] frames behind gets a last one that says so, and its stream ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_core::runtime::{Activity, Cluster};
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

use crate::load::Loaded;
use crate::view;

/// How many readers there may be.
pub(crate) const MAX_LISTENERS: usize = 64;
/// How many frames a reader may be behind.
const BEHIND: usize = 64;
/// How far apart two statuses are at least.
const AT_MOST: Duration = Duration::from_millis(100);
/// How far apart two statuses are at most.
const AT_LEAST: Duration = Duration::from_secs(1);
/// How often the matrix is asked for while nothing changes, in a small cluster and in a large one.
const MATRIX_EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// From how many members on a cluster is a large one: the matrix grows with their square.
const LARGE: usize = 32;
/// How long a member may take to say what it sees.
const MATRIX_DEADLINE: Duration = Duration::from_millis(500);

/// One event for the readers.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: &'static str,
    pub(crate) id: Option<u64>,
    pub(crate) data: Arc<str>,
}

impl Frame {
    fn new(kind: &'static str, value: &serde_json::Value) -> Self {
        Self { kind, id: None, data: value.to_string().into() }
    }
}

/// Where readers come to.
#[derive(Debug)]
pub(crate) struct Hub {
    cluster: Cluster,
    load: Loaded,
    sender: broadcast::Sender<Frame>,
    runs: Arc<Mutex<bool>>,
}

/// One reader.
#[derive(Debug)]
pub(crate) struct Listener {
    first: VecDeque<Frame>,
    frames: Option<broadcast::Receiver<Frame>>,
}

impl Hub {
    pub(crate) fn new(cluster: Cluster, load: Loaded) -> Self {
        Self { cluster, load, sender: broadcast::Sender::new(BEHIND), runs: Arc::default() }
    }

    /// A new reader; one that was here before says after which change. `None` if there are too many.
    pub(crate) fn listen(&self, after: Option<u64>) -> Option<Listener> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sender.receiver_count() >= MAX_LISTENERS {
            return None;
        }
        let frames = self.sender.subscribe();
        let missed = after.map(|number| changes(&self.cluster, number).0).unwrap_or_default();
        let first = missed.into_iter().chain([status(&self.cluster, &self.load)]).collect();
        if !std::mem::replace(&mut *runs, true) {
            let (cluster, load, sender) = (self.cluster.clone(), self.load.clone(), self.sender.clone());
            tokio::spawn(run(cluster, load, sender, Arc::clone(&self.runs)));
        }
        Some(Listener { first, frames: Some(frames) })
    }
}

impl Listener {
    /// The next frame; `None` when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        match self.frames.as_mut()?.recv().await {
            Ok(frame) => Some(frame),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(missed)) => {
                self.frames = None;
                Some(Frame::new("shed", &json!({ "missed": missed })))
            }
        }
    }
}

/// A member that does not answer for the matrix holds no status back.
async fn run(cluster: Cluster, load: Loaded, sender: broadcast::Sender<Frame>, runs: Arc<Mutex<bool>>) {
    tokio::select! {
        () = tell_statuses(&cluster, &load, &sender, &runs) => {}
        () = tell_matrices(&cluster, &sender) => {}
    }
}

async fn tell_matrices(cluster: &Cluster, sender: &broadcast::Sender<Frame>) {
    let mut seen = 0;
    loop {
        let matrix = cluster.matrix(MATRIX_DEADLINE).await;
        let every = if matrix.nodes.len() < LARGE { MATRIX_EVERY.0 } else { MATRIX_EVERY.1 };
        // Nobody reads when the other half ends this one.
        let _ = sender.send(Frame::new("matrix", &json!(matrix)));
        sleep(AT_MOST).await;
        seen = timeout(every, cluster.wait_activity(seen)).await.unwrap_or(seen);
    }
}

/// Until nobody reads.
async fn tell_statuses(
    cluster: &Cluster,
    load: &Loaded,
    sender: &broadcast::Sender<Frame>,
    runs: &Mutex<bool>,
) {
    let mut seen = cluster.activity_after(0).last().map_or(0, |change| change.number);
    let mut told = seen;
    loop {
        sleep(AT_MOST).await;
        let waited = timeout(AT_LEAST.saturating_sub(AT_MOST), cluster.wait_activity(seen)).await;
        if let Ok(recorded) = waited {
            let (frames, last) = changes(cluster, told);
            (seen, told) = (recorded, last);
            frames.into_iter().for_each(|frame| drop(sender.send(frame)));
        }
        let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.send(status(cluster, load)).is_err() {
            // Nobody reads. Whoever comes next waits for this lock and starts the task anew.
            *runs = false;
            return;
        }
    }
}

fn status(cluster: &Cluster, load: &Loaded) -> Frame {
    Frame::new("status", &view::status(&cluster.status(), load))
}

/// The changes after the one with this number, and the number of the last one.
fn changes(cluster: &Cluster, after: u64) -> (Vec<Frame>, u64) {
    let changes = cluster.activity_after(after);
    let last = changes.last().map_or(after, |change| change.number);
    let frame = |change: &Activity| Frame { id: Some(change.number), ..Frame::new("change", &json!(change)) };
    (changes.iter().map(frame).collect(), last)
}
