//! See the module `binding` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(binding);
