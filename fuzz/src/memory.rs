//! What reading costs in memory.

/// How many bytes of memory a byte of input may cost at the most while it is read.
const FACTOR: u64 = 64;
/// What an input of no bytes may cost: the text of an error.
const FLOOR: u64 = 4 * 1024;

/// Reads with a bound on the memory that is held at any time meanwhile: 64 times the input.
pub(crate) fn bounded<T>(input: &[u8], read: impl FnOnce() -> T) -> T {
    let mut result = None;
    let spent = allocation_counter::measure(|| result = Some(read()));
    let limit = FLOOR + FACTOR * input.len() as u64;
    assert!(
        spent.bytes_max <= limit,
        "reading {} bytes held {} bytes of memory (at most {limit})",
        input.len(),
        spent.bytes_max
    );
    result.unwrap()
}
