//! See the module `message` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(message);
