//! How much state one member may make this node hold, and how much this node holds for slow members.

/// The most rooms of one member.
pub const DEFAULT_MAX_ROOMS: usize = 1_000_000;
/// The most memory for the rooms of one member, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 512 * 1024 * 1024;
/// The most removals that are kept for members that have not applied them, if there are fewer live rooms than that.
pub const DEFAULT_MAX_TOMBSTONES: usize = 65_536;

/// What one member, this node included, may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    pub(super) rooms: usize,
    pub(super) bytes: usize,
    pub(super) tombstones: usize,
}

impl StateLimits {
    /// At most this many rooms. Default [`DEFAULT_MAX_ROOMS`].
    #[must_use]
    pub fn with_rooms(self, rooms: usize) -> Self {
        Self { rooms, ..self }
    }

    /// At most this many bytes. Default [`DEFAULT_MAX_BYTES`], which is the worst case of memory for each member.
    #[must_use]
    pub fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// At most this many removals, or as many as there are live rooms; a member that is further behind gets a pass.
    /// Default [`DEFAULT_MAX_TOMBSTONES`], about 10 MiB.
    #[must_use]
    pub fn with_tombstones(self, tombstones: usize) -> Self {
        Self { tombstones, ..self }
    }

    /// The rooms, the bytes and the removals.
    pub(in crate::engine) fn numbers(self) -> [u64; 3] {
        let Self { rooms, bytes, tombstones } = self;
        [rooms, bytes, tombstones].map(|number| u64::try_from(number).unwrap_or(u64::MAX))
    }

    /// The limits of these [`numbers`](Self::numbers).
    pub(in crate::engine) fn of_numbers(numbers: [u64; 3]) -> Self {
        let [rooms, bytes, tombstones] = numbers.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        Self { rooms, bytes, tombstones }
    }
}

impl Default for StateLimits {
    fn default() -> Self {
        Self { rooms: DEFAULT_MAX_ROOMS, bytes: DEFAULT_MAX_BYTES, tombstones: DEFAULT_MAX_TOMBSTONES }
    }
}
