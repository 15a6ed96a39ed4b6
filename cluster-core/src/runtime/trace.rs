//! The file of a trace: what the engine records is handed to a thread that writes it.
//!
//! Nobody waits for the disk: what waits for it is bounded by [`MAX_WAITING`], and a trace that would have a hole ends instead.
//! Whatever becomes of the file, the node goes on.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::tape::{Ending, Head, TapeSink, file};

/// How many bytes of records wait for the disk; another one as long as that is being written.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// How long a member that leaves waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The trace of a member.
pub(super) struct Trace {
    queue: Arc<Queue>,
    written: CancellationToken,
}

impl Trace {
    /// Has a thread write a trace of at most so many bytes; what records for it. A file of that name is kept with `.previous`
    /// behind its name. That it cannot be written is said in the log.
    pub(super) fn start(path: PathBuf, limit: u64, head: &Head) -> (Self, Box<dyn TapeSink>) {
        let queue = Arc::new(Queue::default());
        let written = CancellationToken::new();
        let mut writer = Writer {
            path,
            limit,
            queue: Arc::clone(&queue),
            written: 0,
            _done: written.clone().drop_guard(),
        };
        let beginning = file::beginning(head);
        let thread = thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run(&beginning));
        if let Err(error) = thread {
            tracing::error!("no trace is written: no thread for it: {error}");
            queue.end(Ending::Failed);
        }
        (Self { queue: Arc::clone(&queue), written }, Box::new(Recorder(queue)))
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

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Nothing is recorded from then on.
    ending: Option<Ending>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ending: Ending) {
        self.waiting().ending.get_or_insert(ending);
        self.news.notify_one();
    }

    /// The next chunk, or how the trace ends.
    fn next(&self) -> Result<Vec<u8>, Ending> {
        let waits = |waiting: &mut Waiting| waiting.chunks.is_empty() && waiting.ending.is_none();
        let mut waiting = self.news.wait_while(self.waiting(), waits).unwrap_or_else(PoisonError::into_inner);
        match (waiting.chunks.pop_front(), waiting.ending) {
            (Some(chunk), _) => {
                waiting.bytes -= chunk.len();
                Ok(chunk)
            }
            (None, ending) => Err(ending.unwrap_or(Ending::Stopped)),
        }
    }
}

/// The engine's end of the queue.
struct Recorder(Arc<Queue>);

impl TapeSink for Recorder {
    fn take(&mut self, record: &[u8]) -> bool {
        let mut waiting = self.0.waiting();
        if waiting.ending.is_some() {
            return false;
        }
        // One that is longer than all that may wait goes by itself.
        if waiting.bytes > 0 && waiting.bytes + record.len() > MAX_WAITING {
            waiting.ending = Some(Ending::CutOff);
            return false;
        }
        waiting.bytes += record.len();
        match waiting.chunks.back_mut() {
            Some(last) if last.len() + record.len() <= file::CHUNK => last.extend_from_slice(record),
            _ => waiting.chunks.push_back(record.to_vec()),
        }
        drop(waiting);
        self.0.news.notify_one();
        true
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.end(Ending::Stopped);
    }
}

/// The thread's part.
struct Writer {
    path: PathBuf,
    limit: u64,
    queue: Arc<Queue>,
    /// How many bytes are in the file, all of them in whole chunks.
    written: u64,
    _done: DropGuard,
}

impl Writer {
    fn run(&mut self, beginning: &[u8]) {
        let shown = self.path.display().to_string();
        let mut file = match create(&self.path) {
            Ok(file) => file,
            Err(error) => {
                tracing::error!("no trace is written: {shown}: {error}");
                return self.queue.end(Ending::Failed);
            }
        };
        tracing::info!("the inputs of this node are traced to {shown}, which is as sensitive as its state");
        match self.write(&mut file, beginning) {
            Ok(Ending::Stopped) => {}
            Ok(ending) => tracing::warn!("the trace {shown} ends: {ending}"),
            Err(error) => {
                tracing::error!("the trace {shown} ends: {error}");
                // What is whole is kept; if not even that can be said, a replay says that there is no end.
                let _ = file.set_len(self.written).and_then(|()| self.append(&mut file, Ending::Failed));
            }
        }
        self.queue.end(Ending::Failed);
    }

    fn write(&mut self, file: &mut File, beginning: &[u8]) -> io::Result<Ending> {
        file.write_all(beginning)?;
        self.written = beginning.len() as u64;
        let end = file::end(Ending::Limit).len() as u64;
        let ending = loop {
            let chunk = match self.queue.next() {
                Ok(chunk) => chunk,
                Err(ending) => break ending,
            };
            let header = file::chunk_header(&chunk);
            let after = self.written + (header.len() + chunk.len()) as u64;
            if after + end > self.limit {
                self.queue.end(Ending::Limit);
                break Ending::Limit;
            }
            file.write_all(&[&header[..], &chunk].concat())?;
            self.written = after;
        };
        self.append(file, ending)?;
        Ok(ending)
    }

    fn append(&self, file: &mut File, ending: Ending) -> io::Result<()> {
        file.write_all(&file::end(ending))
    }
}

/// A new file that its owner alone reads. One of that name is kept under another.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    match fs::symlink_metadata(path) {
        Ok(known) if known.is_file() || known.is_symlink() => {
            let mut previous = path.as_os_str().to_owned();
            previous.push(".previous");
            fs::rename(path, &previous)?;
            options.create_new(true);
        }
        // A device or a pipe, which is what was asked for.
        Ok(_) => {}
        Err(_) => {
            options.create_new(true);
        }
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use cluster_transport::proto::{Incarnation, Instant};

    use super::*;
    use crate::engine::members::MembersSettings;
    use crate::engine::registers::StoreUse;
    use crate::engine::state::StateLimits;
    use crate::engine::tape::Replay;
    use crate::engine::tape::file::Reader;
    use crate::engine::{Engine, EngineSettings};

    const GIVE_UP: Duration = Duration::from_secs(30);

    fn head() -> Head {
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

    /// Traces so many inputs to a file of at most so many bytes.
    async fn trace(path: &Path, limit: u64, inputs: u64) {
        let head = head();
        let mut engine = head.engine().unwrap();
        let (trace, sink) = Trace::start(path.to_owned(), limit, &head);
        engine.tape_to(head.started(), sink);
        busy(&mut engine, inputs);
        trace.stop();
        tokio::time::timeout(GIVE_UP, trace.written.cancelled()).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_has_all_inputs_and_the_one_before_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        fs::write(&path, "the previous one").unwrap();
        trace(&path, u64::MAX, 5_000).await;
        let (inputs, ending) = played(&path);
        assert!(inputs >= 5_000, "{inputs}");
        assert_eq!(ending, Some(Ending::Stopped));
        assert_eq!(fs::read_to_string(folder.path().join("trace.previous")).unwrap(), "the previous one");
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
        trace(&path, limit, 100_000).await;
        let (inputs, ending) = played(&path);
        assert_eq!(ending, Some(Ending::Limit));
        assert!(inputs > 1_000, "{inputs}");
        let length = fs::metadata(&path).unwrap().len();
        assert!((limit - 2 * file::CHUNK as u64..=limit).contains(&length), "{length} bytes");
    }

    #[test]
    fn what_the_disk_does_not_take_in_time_ends_the_trace_and_keeps_nobody_waiting() {
        let queue = Arc::new(Queue::default());
        let mut recorder = Recorder(Arc::clone(&queue));
        let record = [7; 1_000];
        let taken = (0..).take_while(|_| recorder.take(&record)).count();
        assert_eq!(taken, MAX_WAITING / record.len());
        drop(recorder);
        let mut read = 0;
        let ending = loop {
            match queue.next() {
                Ok(chunk) => read += chunk.len(),
                Err(ending) => break ending,
            }
        };
        assert_eq!((read, ending), (taken * record.len(), Ending::CutOff));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/such/folder"), folder.path().to_owned()] {
            trace(&path, u64::MAX, 1_000).await;
        }
        #[cfg(target_os = "linux")]
        trace(Path::new("/dev/full"), u64::MAX, 1_000).await;
    }
}
