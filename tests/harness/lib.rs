//! Starts the project's real binaries on free ports and folders of their own, and ends them with the test.

mod binaries;
mod daemon;
mod http;
mod node;
mod ports;

pub use binaries::{binary, fixtures, repository};
pub use daemon::Daemon;
pub use http::{ask, get};
pub use node::Node;
pub use ports::free_port;
