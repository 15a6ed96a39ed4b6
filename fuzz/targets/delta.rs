//! See the module `delta` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(delta);
