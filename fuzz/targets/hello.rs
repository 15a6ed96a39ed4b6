//! See the module `hello` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(hello);
