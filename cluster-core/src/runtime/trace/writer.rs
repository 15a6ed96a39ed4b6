//! The thread that writes a trace.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::DropGuard;

use super::queue::Queue;
use crate::engine::tape::{Ending, file};

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) limit: u64,
    pub(super) queue: Arc<Queue>,
    pub(super) _done: DropGuard,
}

impl Writer {
    pub(super) fn run(&self, beginning: &[u8]) {
        let shown = self.path.display().to_string();
        let (ending, why) = match create(&self.path) {
            Ok(file) => {
                tracing::info!(
                    "the inputs of this node are traced to {shown}, which is as sensitive as its state"
                );
                Sheet { file, written: 0, limit: self.limit }.fill(beginning, &self.queue, &shown)
            }
            Err(error) => {
                let why = Refused(&error).to_string();
                tracing::error!("no trace is written: {shown}: {why}");
                (Ending::Failed, why)
            }
        };
        self.queue.close(ending, why);
    }
}

/// What a trace is written to.
trait Paper: Write + Seek {
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Paper for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

struct Sheet<P> {
    file: P,
    /// How many bytes are in the file, all of them in whole chunks.
    written: u64,
    limit: u64,
}

impl<P: Paper> Sheet<P> {
    /// Writes all of a trace; how it ends, and why.
    fn fill(&mut self, beginning: &[u8], queue: &Queue, shown: &str) -> (Ending, String) {
        match self.write(beginning, queue) {
            Ok(ending) => {
                if ending != Ending::Stopped {
                    tracing::warn!("the trace {shown} ends: {ending}");
                }
                (ending, ending.to_string())
            }
            Err(error) => {
                tracing::error!("the trace {shown} ends: {error}");
                // What is whole is kept; if not even that can be said, a replay says that there is no end.
                let _ = self.cut_off();
                queue.wrote(self.written);
                (Ending::Failed, error.to_string())
            }
        }
    }

    fn write(&mut self, beginning: &[u8], queue: &Queue) -> io::Result<Ending> {
        self.append(beginning)?;
        queue.wrote(self.written);
        let end = file::end(Ending::Limit).len() as u64;
        let ending = loop {
            let chunk = match queue.next() {
                Ok(chunk) => chunk,
                Err(ending) => break ending,
            };
            let header = file::chunk_header(&chunk);
            if self.written + (header.len() + chunk.len()) as u64 + end > self.limit {
                break Ending::Limit;
            }
            self.append(&[&header[..], &chunk].concat())?;
            queue.wrote(self.written);
        };
        self.append(&file::end(ending))?;
        queue.wrote(self.written);
        Ok(ending)
    }

    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.written += chunk.len() as u64;
        Ok(())
    }

    /// Takes away what was written of the chunk that failed, and ends.
    fn cut_off(&mut self) -> io::Result<()> {
        self.file.cut(self.written)?;
        self.file.seek(SeekFrom::Start(self.written))?;
        self.append(&file::end(Ending::Failed))
    }
}

/// A new file that its owner alone reads and writes. What is there already, whatever it is, is not touched.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Why there is no file, and what to do about it.
struct Refused<'a>(&'a io::Error);

impl std::fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)?;
        if self.0.kind() == io::ErrorKind::AlreadyExists {
            f.write_str(": it is left as it is; remove it, or name another file: {started} in the name makes one for each start")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Recorder;
    use super::super::tests::head;
    use super::*;
    use crate::engine::tape::TapeSink as _;
    use crate::engine::tape::file::Reader;

    /// A disk with so many bytes left, which takes what it can of a chunk.
    struct Disk {
        bytes: io::Cursor<Vec<u8>>,
        left: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = self.bytes.write(&bytes[..bytes.len().min(self.left)])?;
            self.left -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.seek(to)
        }
    }

    impl Paper for Disk {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            let bytes = self.bytes.get_mut();
            let length = usize::try_from(length).unwrap();
            self.left += bytes.len() - length;
            bytes.truncate(length);
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_takes_half_a_chunk_leaves_a_trace_that_says_so_behind_what_is_whole() {
        let beginning = file::beginning(&head());
        let queue = Arc::new(Queue::default());
        let mut recorder = Recorder(Arc::clone(&queue));
        assert!(recorder.take(&[0; file::CHUNK]));
        drop(recorder);
        let disk = Disk { bytes: io::Cursor::default(), left: beginning.len() + file::CHUNK / 2 };
        let mut sheet = Sheet { file: disk, written: 0, limit: u64::MAX };
        assert_eq!(sheet.fill(&beginning, &queue, "a").0, Ending::Failed);
        assert_eq!(queue.written(), sheet.file.bytes.get_ref().len() as u64);
        let (read, mut reader) = Reader::open(sheet.file.bytes.get_ref().as_slice()).unwrap();
        assert_eq!(read, head());
        assert!(reader.next().unwrap().is_none());
        assert_eq!(reader.ending(), Some(Ending::Failed));
    }
}
