//! Kuzzle's API as the official SDK speaks it: what a client may ask ([`Request`], [`Call`]) and what it gets
//! ([`Response`], [`ApiError`]). Texts in, typed values out, and back; no sockets, no state.
//!
//! A server reads a message with [`Incoming::parse`], asks [`Request::call`] what is wanted, does it, and answers
//! with [`Response::success`] or [`Response::failure`]. The results of the actions are made by [`results`].

mod call;
mod channel;
mod error;
mod request;
mod response;
pub mod results;
#[cfg(test)]
mod tests;

pub use call::Call;
pub use channel::{Channel, ChannelOptions, Scope, Users};
pub use error::ApiError;
pub use request::{Incoming, Protocol, Rejection, Request};
pub use response::Response;

/// The id of every client that is not logged in.
pub const ANONYMOUS: &str = "-1";

/// How many bytes the name of an index or a collection may have.
pub const MAX_NAME_BYTES: usize = 128;
