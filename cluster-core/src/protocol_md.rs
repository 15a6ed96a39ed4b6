//! The examples in docs/PROTOCOL.md, for the tests of each module that owns a message: they are the bytes of version 1.

#[path = "../../cluster-transport/tests/protocol_md/examples.rs"]
mod examples;

use std::collections::BTreeMap;

/// The documented messages of one chapter, taken out one by one, so that none is left without a test.
pub(crate) struct Chapter(BTreeMap<String, Vec<u8>>);

impl Chapter {
    pub(crate) fn of(heading: &str) -> Self {
        Self(examples::examples(include_str!("../../docs/PROTOCOL.md"), heading))
    }

    /// The bytes of an example, each once.
    pub(crate) fn take(&mut self, name: &str) -> Vec<u8> {
        self.0.remove(name).unwrap_or_else(|| panic!("{name} is not documented, or was taken already"))
    }

    pub(crate) fn assert_empty(&self) {
        assert!(self.0.is_empty(), "no test for {:?}", self.0.keys());
    }
}
