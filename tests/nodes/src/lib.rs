//! A chat as its clients see it, in any process. The tests over many nodes share it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and they fail by panicking"
)]

mod begun;
mod delay;
mod node;
mod socket;

pub use self::begun::Begun;
pub use self::delay::LongWay;
pub use self::node::Node;
pub use self::socket::Socket;
