//! The command line of the reference node.

fn main() {}
