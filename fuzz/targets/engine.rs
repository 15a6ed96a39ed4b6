//! See the module `engine` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(engine);
