//! See the module `frame` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(frame);
