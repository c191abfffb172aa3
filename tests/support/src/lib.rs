//! The shared parts of the tests of several packages.
//!
//! It depends on no crate of ours: it is built once, and the tests of every crate can use it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and they fail by panicking"
)]

pub mod bench;
#[cfg(feature = "proptest")]
pub mod credentials;
pub mod frame;
pub mod handshake;
pub mod http1;
#[cfg(feature = "hyper")]
pub mod memory;

mod counts;
mod gauge;
mod log;
mod packages;
mod port;
mod printed;
mod random;
mod signal;
mod stopwatch;
mod tier;
mod wait;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::counts::{Counting, Counts};
pub use self::gauge::{Gauge, Held};
pub use self::log::Log;
pub use self::packages::{find_packages, packages};
pub use self::port::free_port;
pub use self::printed::Printed;
pub use self::random::Random;
pub use self::signal::signal;
pub use self::stopwatch::{Stopwatch, measured};
pub use self::tier::of_tier;
pub use self::wait::{
    Success, What, Within, arrives_no_more, settle, stands_still, stays, until, until_done,
    until_ok, within,
};

/// No test waits longer than this for a peer, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A secret for HMAC with SHA-256, of the length of its hash.
pub const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// The output of a future, which must come within [`PATIENCE`].
///
/// # Panics
///
/// It takes longer. The message names it.
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(PATIENCE, future).await;
    in_time.unwrap_or_else(|_| panic!("{what}: too long"))
}

/// Polls a future once outside of a task, so that polls do not share a task's budget.
///
/// # Panics
///
/// It is pending.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
