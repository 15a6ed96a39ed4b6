//! Gives a body the bytes of files: a crash that was found, or a corpus.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Body;

/// The program of a target outside of fuzzing: runs the body on every file that it is given; folders stand for their files.
pub fn main(body: Body) -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        eprintln!("name files or folders to replay; to fuzz, use cargo fuzz (fuzz/README.md)");
        return ExitCode::from(2);
    }
    for path in paths {
        match files(&path) {
            Ok(files) => {
                for (file, bytes) in files {
                    eprintln!("{} ({} bytes)", file.display(), bytes.len());
                    body(&bytes);
                }
            }
            Err(error) => {
                eprintln!("cannot read {}: {error}", path.display());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

/// A file, or the files of a folder in the order of their names, with their contents.
///
/// # Errors
/// When something cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    if path.is_file() {
        return Ok(vec![(path.to_owned(), fs::read(path)?)]);
    }
    let mut names: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    names.sort();
    names.into_iter().map(|file| fs::read(&file).map(|bytes| (file, bytes))).collect()
}
