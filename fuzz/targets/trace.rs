//! See the module `trace` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(trace);
