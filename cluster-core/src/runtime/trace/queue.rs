//! What was recorded and waits for the disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::engine::tape::{Ending, TapeSink, file};

/// How many bytes of records wait for the disk, unless it is one record that is longer.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// How long the first record of a chunk waits for others: a node that is killed loses as much.
const GATHERS: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
    /// How many bytes of the file are whole.
    written: AtomicU64,
    /// Why nothing more is written.
    why: OnceLock<String>,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Nothing is recorded from then on.
    ending: Option<Ending>,
}

impl Waiting {
    /// Nothing is gained by waiting for more.
    fn is_enough(&self) -> bool {
        self.bytes >= file::CHUNK || self.ending.is_some()
    }

    /// Whether the writer is to be woken: at the first record, and when there is enough.
    fn take(&mut self, record: &[u8]) -> Result<bool, Ending> {
        if let Some(ending) = self.ending {
            return Err(ending);
        }
        if record.len() > file::MAX_CHUNK {
            return Err(Ending::TooLong);
        }
        // One that is longer than all that may wait goes by itself.
        if self.bytes > 0 && self.bytes + record.len() > MAX_WAITING {
            return Err(Ending::CutOff);
        }
        let (was_empty, was_enough) = (self.bytes == 0, self.is_enough());
        self.bytes += record.len();
        match self.chunks.back_mut() {
            Some(last) if last.len() + record.len() <= file::CHUNK => last.extend_from_slice(record),
            _ => self.chunks.push_back(record.to_vec()),
        }
        Ok(was_empty || self.is_enough() != was_enough)
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is recorded; what waits is still written.
    pub(super) fn end(&self, ending: Ending) {
        self.waiting().ending.get_or_insert(ending);
        self.news.notify_one();
    }

    /// So many bytes of the file are whole.
    pub(super) fn wrote(&self, bytes: u64) {
        self.written.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Why nothing more is written, if it is so.
    pub(super) fn why(&self) -> Option<&String> {
        self.why.get()
    }

    /// Nothing more is recorded or written, for this reason.
    pub(super) fn close(&self, ending: Ending, why: String) {
        self.why.get_or_init(|| why);
        let mut waiting = self.waiting();
        waiting.ending.get_or_insert(ending);
        (waiting.chunks, waiting.bytes) = (VecDeque::new(), 0);
    }

    /// The next chunk, or how the trace ends.
    pub(super) fn next(&self) -> Result<Vec<u8>, Ending> {
        let is_idle = |waiting: &mut Waiting| waiting.chunks.is_empty() && waiting.ending.is_none();
        let waiting = self.news.wait_while(self.waiting(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let gathers = |waiting: &mut Waiting| !waiting.is_enough();
        let gathered = self.news.wait_timeout_while(waiting, GATHERS, gathers);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
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
pub(super) struct Recorder(pub(super) Arc<Queue>);

impl TapeSink for Recorder {
    fn take(&mut self, record: &[u8]) -> bool {
        let mut waiting = self.0.waiting();
        let taken = waiting.take(record);
        if let Err(ending) = taken {
            waiting.ending.get_or_insert(ending);
        }
        drop(waiting);
        if taken != Ok(false) {
            self.0.news.notify_one();
        }
        taken.is_ok()
    }

    fn fail(&mut self, why: Ending) {
        self.0.end(why);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.end(Ending::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is written of a queue: the lengths of its chunks, and how it ends.
    fn drained(queue: &Queue) -> (Vec<usize>, Ending) {
        let mut lengths = Vec::new();
        loop {
            match queue.next() {
                Ok(chunk) => lengths.push(chunk.len()),
                Err(ending) => return (lengths, ending),
            }
        }
    }

    fn recorder() -> (Arc<Queue>, Recorder) {
        let queue = Arc::new(Queue::default());
        (Arc::clone(&queue), Recorder(queue))
    }

    #[test]
    fn what_the_disk_does_not_take_in_time_ends_the_trace_and_keeps_nobody_waiting() {
        let (queue, mut recorder) = recorder();
        let record = [7; 1_000];
        let taken = (0..).take_while(|_| recorder.take(&record)).count();
        assert_eq!(taken, MAX_WAITING / record.len());
        drop(recorder);
        let (lengths, ending) = drained(&queue);
        assert_eq!((lengths.iter().sum(), ending), (taken * record.len(), Ending::CutOff));
    }

    #[test]
    fn a_record_that_no_chunk_can_hold_ends_the_trace_with_its_own_reason() {
        let (queue, mut recorder) = recorder();
        assert!(recorder.take(&vec![7; file::MAX_CHUNK]), "the longest that may be");
        assert_eq!(queue.next().unwrap().len(), file::MAX_CHUNK);
        assert!(!recorder.take(&vec![7; file::MAX_CHUNK + 1]));
        drop(recorder);
        assert_eq!(drained(&queue), (vec![], Ending::TooLong));
    }

    #[test]
    fn a_record_that_cannot_be_encoded_does_not_pass_for_a_node_that_stopped() {
        let (queue, mut recorder) = recorder();
        recorder.fail(Ending::Unencodable);
        drop(recorder);
        assert_eq!(drained(&queue), (vec![], Ending::Unencodable));
    }

    #[test]
    fn the_writer_is_woken_by_the_first_record_and_by_a_full_chunk_alone() {
        let mut waiting = Waiting::default();
        let record = [7; 1_000];
        let woken: Vec<usize> = (0..200).filter(|_| waiting.take(&record) == Ok(true)).collect();
        assert_eq!(woken, [0, file::CHUNK / record.len()]);
    }

    #[test]
    fn nothing_is_kept_of_a_trace_that_has_ended() {
        let (queue, mut recorder) = recorder();
        assert!(recorder.take(&[7; 1_000]));
        queue.close(Ending::Failed, "the disk is full".to_owned());
        assert!(!recorder.take(&[7; 1_000]));
        assert_eq!(queue.waiting().chunks.capacity(), 0);
        assert_eq!(drained(&queue), (vec![], Ending::Failed));
    }
}
