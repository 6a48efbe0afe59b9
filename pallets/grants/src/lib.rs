//! Permission to use a Datanet.
#![cfg_attr(not(feature = "std"), no_std)]
