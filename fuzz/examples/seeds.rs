//! Writes the seeds of all targets into the corpora: `cargo run -p cluster-fuzz --example seeds [FOLDER]`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus"));
    match cluster_fuzz::seeds::write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the seeds to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
