//! Fuzz targets: what reads bytes from outside, or takes input in any order, and what must be true of it.
//!
//! A body is a function over bytes that panics when its property does not hold. The programs in `targets` give it to
//! libFuzzer; the tests of this package give it the corpus, on any toolchain. README.md says how to run and add one.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a body is a test: it fails by panicking"
)]

pub mod binding;
pub mod config;
pub mod delta;
pub mod engine;
pub mod filter;
pub mod frame;
pub mod hello;
mod input;
pub mod kuzzle_request;
mod memory;
pub mod message;
mod pair;
pub mod replay;
pub mod resume;
pub mod seeds;
pub mod session;
pub mod trace;

/// A body: panics when the property does not hold for these bytes.
pub type Body = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Body); 12] = [
    ("binding", binding::run),
    ("config", config::run),
    ("delta", delta::run),
    ("engine", engine::run),
    ("filter", filter::run),
    ("frame", frame::run),
    ("hello", hello::run),
    ("kuzzle_request", kuzzle_request::run),
    ("message", message::run),
    ("resume", resume::run),
    ("session", session::run),
    ("trace", trace::run),
];

/// The program of a target: for libFuzzer, or one that replays the files it is given.
#[macro_export]
macro_rules! target {
    ($body:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$body::run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::replay::main($crate::$body::run)
        }
    };
}
