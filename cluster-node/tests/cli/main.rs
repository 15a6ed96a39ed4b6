//! The command line as a user meets it: real processes, their lines and their exit codes.

mod demo;
mod process;
mod run;
