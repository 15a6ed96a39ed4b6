//! The brain: membership, replicated rooms, discovery and configuration.
