//! The file of a trace: what the engine records is handed to a thread that writes it.
//!
//! Nobody waits for the disk but a member that leaves: what waits for it is bounded, and a trace that would have a hole ends instead.
//! Whatever becomes of the file, the node goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::queue::{Queue, Recorder};
use self::writer::Writer;
use crate::engine::tape::{Ending, Head, TapeSink, file};

mod queue;
mod writer;

/// How long a member that leaves waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the trace of a member is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceStatus {
    /// How many bytes are in the file.
    pub bytes: u64,
    /// How many there may be.
    pub max_bytes: u64,
    /// Why nothing more is written, or nothing at all; none while it is.
    pub ended: Option<String>,
}

/// The trace of a member.
pub(super) struct Trace {
    queue: Arc<Queue>,
    limit: u64,
    written: CancellationToken,
}

impl Trace {
    /// Has a thread write a trace of at most so many bytes; what records for it. The file is a new one: what
    /// is there already is not touched. That it cannot be written is said in the log.
    pub(super) fn start(path: PathBuf, limit: u64, head: &Head) -> (Self, Box<dyn TapeSink>) {
        let queue = Arc::new(Queue::default());
        let written = CancellationToken::new();
        let writer = Writer { path, limit, queue: Arc::clone(&queue), _done: written.clone().drop_guard() };
        let beginning = file::beginning(head);
        let thread = thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run(&beginning));
        if let Err(error) = thread {
            let why = format!("no thread for it: {error}");
            tracing::error!("no trace is written: {why}");
            queue.close(Ending::Failed, why);
        }
        (Self { queue: Arc::clone(&queue), limit, written }, Box::new(Recorder(queue)))
    }

    pub(super) fn status(&self) -> TraceStatus {
        let Self { queue, limit, written: _ } = self;
        TraceStatus { bytes: queue.written(), max_bytes: *limit, ended: queue.why().cloned() }
    }

    /// The member has ended. What was recorded is still written.
    pub(super) fn stop(&self) {
        self.queue.end(Ending::Stopped);
    }

    /// Waits until the file is whole, or a disk that hangs was waited for long enough. Cancel safe.
    pub(super) async fn written(&self) {
        if tokio::time::timeout(PATIENCE, self.written.cancelled()).await.is_err() {
            tracing::warn!("the trace is not written to its end: the disk has hung for {PATIENCE:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use cluster_transport::proto::{Incarnation, Instant};

    use super::*;
    use crate::engine::members::MembersSettings;
    use crate::engine::registers::StoreUse;
    use crate::engine::state::StateLimits;
    use crate::engine::tape::Replay;
    use crate::engine::tape::file::Reader;
    use crate::engine::{Engine, EngineSettings};

    const GIVE_UP: Duration = Duration::from_secs(30);

    pub(super) fn head() -> Head {
        let (node, incarnation) = ("a".parse().unwrap(), Incarnation { epoch: 1, nonce: 1 });
        let members = MembersSettings::builder("a".parse().unwrap(), incarnation).build().unwrap();
        let (limits, store) = (StateLimits::default(), StoreUse::Absent);
        let settings = EngineSettings { node, incarnation, members, limits, store };
        Head::new(&settings, Instant::ORIGIN, [7; 32], 0)
    }

    /// Gives an engine so many inputs.
    fn busy(engine: &mut Engine, inputs: u64) {
        for input in 0..inputs {
            engine.handle_timeout(Instant::after_origin(Duration::from_millis(input)));
            while engine.poll_event().is_some() {}
        }
    }

    /// Plays a file; how many inputs there were, and how it ends.
    fn played(path: &Path) -> (u64, Option<Ending>) {
        let (head, mut reader) = Reader::open(File::open(path).unwrap()).unwrap();
        let mut replay = Replay::new(&head).unwrap();
        while let Some((record, bytes)) = reader.next().unwrap() {
            replay.play(&record, bytes).unwrap();
        }
        (replay.inputs(), reader.ending())
    }

    /// Traces so many inputs to a file of at most so many bytes; how the trace is then.
    async fn trace(path: &Path, limit: u64, inputs: u64) -> TraceStatus {
        let head = head();
        let mut engine = head.engine().unwrap();
        let (trace, sink) = Trace::start(path.to_owned(), limit, &head);
        engine.tape_to(head.started(), sink);
        busy(&mut engine, inputs);
        trace.stop();
        tokio::time::timeout(GIVE_UP, trace.written.cancelled()).await.unwrap();
        trace.status()
    }

    #[tokio::test]
    async fn a_file_has_all_inputs_and_its_owner_alone_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let status = trace(&path, u64::MAX, 5_000).await;
        assert_eq!(status.bytes, fs::metadata(&path).unwrap().len());
        assert_eq!(status.ended.as_deref(), Some("its node stopped"));
        let (inputs, ending) = played(&path);
        assert!(inputs >= 5_000, "{inputs}");
        assert_eq!(ending, Some(Ending::Stopped));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn at_its_limit_a_file_ends_with_a_record_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let limit = 200 * 1024;
        let status = trace(&path, limit, 100_000).await;
        assert_eq!((status.max_bytes, status.ended.as_deref()), (limit, Some("it reached its limit")));
        assert_eq!(status.bytes, fs::metadata(&path).unwrap().len());
        let (inputs, ending) = played(&path);
        assert_eq!(ending, Some(Ending::Limit));
        assert!(inputs > 1_000, "{inputs}");
        let length = fs::metadata(&path).unwrap().len();
        assert!((limit - 2 * file::CHUNK as u64..=limit).contains(&length), "{length} bytes");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/such/folder"), folder.path().to_owned()] {
            let status = trace(&path, u64::MAX, 1_000).await;
            assert!(status.bytes == 0 && status.ended.is_some(), "{status:?}");
        }
    }

    #[tokio::test]
    async fn what_is_there_already_is_never_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        fs::write(&path, "another's").unwrap();
        let ended = trace(&path, u64::MAX, 1_000).await.ended.unwrap();
        assert!(ended.contains("it is left as it is; remove it, or name another file"), "{ended}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(folder.path().join("behind"), &link).unwrap();
            trace(&link, u64::MAX, 1_000).await;
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            // Whoever could write there is not led to another place.
            assert!(!folder.path().join("behind").exists());
            fs::write(folder.path().join("behind"), "").unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        }
    }
}
