//! What a host is told and answered.

use bytes::Bytes;

use super::entry::RegisterKey;

/// A register has another value than before, because of another node or because a held write took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterChange {
    /// Which register.
    pub key: RegisterKey,
    /// Its value; none if it was removed.
    pub value: Option<Bytes>,
    /// Grows with each change on this node: apply it only if nothing newer is known of that register, from a verb's answer say.
    pub at: u64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It holds here and is on its way to the others.
    Now {
        /// Its place in the order of the changes here.
        at: u64,
    },
    /// It takes effect when this node has read the registers of the others; the host is told then.
    Held,
    /// Nothing was written: a default where there is a value or a removal already, or a removal where there is nothing.
    Kept,
}

/// Whose registers a node has to read before it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// Those of the members in session; each has `readyWait`.
    Members,
    /// Those in the store, or those of a member that has read them.
    Store,
}

/// What happened to registers, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterCounters {
    /// How often the registers of a member were fetched.
    pub pulls: u64,
    /// How many registers were sent to members that fetched them.
    pub offered: u64,
    /// How often there was no room for a key.
    pub keys_given_way: u64,
    /// How many held writes could not be made when their time had come.
    pub held_writes_lost: u64,
}
