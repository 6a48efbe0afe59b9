//! The Tributary node.
fn main() {}
