//! A tape as bytes: a mark and the number of the format, then chunks, the head in the first and records in the others.
//!
//! ```text
//! | "cluster trace\n" | format: u16 | chunk … |        chunk:  | length: u32 | check: u32 | so many bytes |
//! ```
//! Numbers are little-endian; the check is the lower half of the chunk's xxh3. A record is postcard and never crosses chunks.
//! What a reader is given is not trusted: every length is checked, and memory is spent on bytes that are there.

use std::io::{self, Read};

use xxhash_rust::xxh3::xxh3_64;

use super::{Ending, Head, Record};

/// What every tape begins with.
pub const MARK: &[u8; 14] = b"cluster trace\n";
/// The number of the format: another one has other records.
pub const FORMAT: u16 = 1;
/// How many bytes of records a chunk has, if there are several in it.
pub const CHUNK: usize = 64 * 1024;
/// The longest chunk, and so the longest record: 1,000 registers of a store that are as long as they may be. What is decoded takes
/// up to some ten times as much memory.
pub const MAX_CHUNK: usize = 16 * 1024 * 1024;

/// Why a tape cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// The bytes are none.
    #[error("not a trace: it does not begin as one")]
    NoTape,
    /// Its format is another.
    #[error("a trace of format {got}; this version reads format {FORMAT}: use the version that recorded it")]
    Format {
        /// Its number.
        got: u16,
    },
    /// The bytes end too early: the node was killed, or is at it, or the file was not copied whole.
    #[error("the trace has no end: its node was killed or still runs, or the file is not whole")]
    NoEnd,
    /// It is whole, and yet says what this version does not know.
    #[error(
        "{what} of the trace is of another version: {software} recorded it, {VERSION} reads it; use {software}"
    )]
    OtherVersion {
        /// What cannot be read.
        what: &'static str,
        /// The version that recorded it.
        software: String,
    },
    /// Something in it is not what was written.
    #[error("the trace is damaged: {0}")]
    Damaged(&'static str),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// This version of the software.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a tape begins with, up to the first record.
pub fn beginning(head: &Head) -> Vec<u8> {
    let mut bytes = MARK.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    append(&mut bytes, &postcard::to_allocvec(head).unwrap_or_default());
    bytes
}

/// What a tape ends with.
pub fn end(ending: Ending) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, &postcard::to_allocvec(&Record::End(ending)).unwrap_or_default());
    bytes
}

/// What stands before a chunk of records.
pub fn chunk_header(chunk: &[u8]) -> [u8; 8] {
    let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_le_bytes();
    let [a, b, c, d] = length;
    let [e, f, g, h, ..] = xxh3_64(chunk).to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

fn append(bytes: &mut Vec<u8>, chunk: &[u8]) {
    bytes.extend_from_slice(&chunk_header(chunk));
    bytes.extend_from_slice(chunk);
}

/// Reads a tape record by record.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// The version that recorded it.
    software: String,
    chunk: Vec<u8>,
    at: usize,
    ended: Option<Ending>,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    /// When it is not a tape of this format, or cannot be read.
    pub fn open(mut input: R) -> Result<(Head, Self), TapeError> {
        let mut mark = Vec::new();
        input.by_ref().take(MARK.len() as u64).read_to_end(&mut mark)?;
        if mark != MARK {
            return Err(TapeError::NoTape);
        }
        let mut format = [0; 2];
        input.read_exact(&mut format).map_err(no_end)?;
        match u16::from_le_bytes(format) {
            FORMAT => {}
            got => return Err(TapeError::Format { got }),
        }
        let mut reader = Self { input, software: String::new(), chunk: Vec::new(), at: 0, ended: None };
        reader.read_chunk()?;
        // The version stands first, so that it is known of a head that is otherwise another.
        let software = postcard::take_from_bytes(&reader.chunk).map(|(software, _)| software);
        reader.software = software.map_err(|_| TapeError::Damaged("its head"))?;
        let head =
            postcard::from_bytes(&reader.chunk).map_err(|_| other_version("the head", &reader.software))?;
        reader.at = reader.chunk.len();
        Ok((head, reader))
    }

    /// The next record with its bytes; none after the last one.
    ///
    /// # Errors
    /// When the bytes end before the last record, are damaged, or cannot be read.
    #[expect(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Result<Option<(Record<'_>, &[u8])>, TapeError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        if self.at >= self.chunk.len() {
            self.read_chunk()?;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let (record, after) = postcard::take_from_bytes::<Record<'_>>(rest)
            .map_err(|_| other_version("a record", &self.software))?;
        let bytes = rest.get(..rest.len() - after.len()).unwrap_or_default();
        self.at += bytes.len();
        if let Record::End(ending) = record {
            self.ended = Some(ending);
            return Ok(None);
        }
        Ok(Some((record, bytes)))
    }

    /// Why it ends, once it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ended
    }

    fn read_chunk(&mut self) -> Result<(), TapeError> {
        let mut header = [0; 8];
        self.input.read_exact(&mut header).map_err(no_end)?;
        let [a, b, c, d, ..] = header;
        let length = u32::from_le_bytes([a, b, c, d]);
        if usize::try_from(length).map_or(true, |length| length == 0 || length > MAX_CHUNK) {
            return Err(TapeError::Damaged("the length of a chunk"));
        }
        self.chunk.clear();
        self.at = 0;
        self.input.by_ref().take(length.into()).read_to_end(&mut self.chunk)?;
        if self.chunk.len() as u64 != u64::from(length) {
            return Err(TapeError::NoEnd);
        }
        if chunk_header(&self.chunk) != header {
            return Err(TapeError::Damaged("a chunk has another check than it was written with"));
        }
        Ok(())
    }
}

/// What has the right check was written so. A text of strangers is not repeated as it is.
fn other_version(what: &'static str, software: &str) -> TapeError {
    if software == VERSION {
        return TapeError::Damaged(what);
    }
    TapeError::OtherVersion { what, software: software.escape_debug().take(MAX_VERSION).collect() }
}

/// How much of a version is shown.
const MAX_VERSION: usize = 40;

fn no_end(error: io::Error) -> TapeError {
    if error.kind() == io::ErrorKind::UnexpectedEof { TapeError::NoEnd } else { error.into() }
}
