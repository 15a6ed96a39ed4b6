//! See the module `filter` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(filter);
