//! The wire: framed publish and request/reply between members, over any byte stream.
