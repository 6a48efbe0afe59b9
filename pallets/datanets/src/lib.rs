//! Datanets, their contributions and versions.
#![cfg_attr(not(feature = "std"), no_std)]
