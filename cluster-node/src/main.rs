//! The command line of the reference node.

use std::process::ExitCode;

fn main() -> ExitCode {
    cluster_node::cli::main()
}
