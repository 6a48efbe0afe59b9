//! The trainer daemon.
