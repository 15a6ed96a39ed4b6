//! See the module `kuzzle_request` of the library.
#![cfg_attr(fuzzing, no_main)]

cluster_fuzz::target!(kuzzle_request);
