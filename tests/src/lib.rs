//! Shared harness of the cross-crate and real-process tests.
