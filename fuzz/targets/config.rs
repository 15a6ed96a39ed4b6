//! See the module `config` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(config);
