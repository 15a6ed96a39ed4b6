//! See the module `resume` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(resume);
