//! Realtime filters: the part of Koncorde, Kuzzle's filter language, that the reference node speaks.
//!
//! `{}`, `equals`, `in`, `exists`, `missing`, `range`, `ids`, `and`, `or`, `not`. Everything else is refused by name.
//! [`Filter`] is what a client wrote, [`NormalFilter`] the one form of all filters that say the same, [`RoomKey`]
//! turns that into a room's id, and [`Matcher`] finds the rooms of a document.
//!
//! Where the answers differ from npm koncorde 4.7, on purpose: bounds are exact (Koncorde moves open ones by 1e-10,
//! which loses near values and far from zero makes `gt` mean `gte`); a list may lack an element and exist; an empty
//! key is a step of a path; of two keys that spell one path the more literal one wins, not the later; fields are
//! never those of JavaScript's own objects; and all filters that are equal in propositional logic share a room,
//! whatever the order of operands.

mod condition;
mod document;
mod error;
mod expression;
mod matcher;
mod normal;
mod parse;
mod room;
mod scalar;
mod terms;
#[cfg(test)]
mod tests;

pub use error::{FilterError, NormalFormError};
pub use expression::Filter;
pub use matcher::Matcher;
pub use normal::NormalFilter;
pub use room::RoomKey;

/// How deep operators may stand in each other.
pub const MAX_DEPTH: usize = 32;

/// How many conditions a filter may have; each value of `in` and `ids` is one. At most 128: a term is two 128-bit
/// masks.
pub const MAX_CONDITIONS: usize = 100;

/// How many alternatives the normal form of a filter may have.
pub const MAX_TERMS: usize = 512;

/// How many bytes a field's name may have, dots included.
pub const MAX_FIELD_BYTES: usize = 512;

/// How many bytes an encoded normal form may have.
pub const MAX_NORMAL_BYTES: usize = 16 * 1024;

const _: () = assert!(MAX_CONDITIONS <= 128);
