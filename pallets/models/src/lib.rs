//! Base models, published models and deployments.
#![cfg_attr(not(feature = "std"), no_std)]
