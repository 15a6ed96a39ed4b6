//! See the module `session` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(session);
