//! The measured goals, in one run with the alternatives of other crates.
//!
//! `bench-suite` prints the table for the crates in this workspace's tree: jsonwebtoken, a handler
//! written by hand in axum, axum-extra's signed cookies, hyper itself. `bench-peers`, in the folder
//! `peers` and a workspace of its own, adds further crates for comparison.
//!
//! - **Time** is taken in rounds, in each of which every case has its turn. A ratio is the median
//!   of the rounds' ratios, so that other load on the machine affects both sides. Times are shown,
//!   and fail nothing.
//!   With the times of earlier runs beside it (`--runs`), a row shows the median of all runs and their
//!   range. It is met if it is in each of at least five.
//! - **Instructions** are counted by valgrind's callgrind, only while a case runs. Its processor
//!   has no instructions for SHA, on either side. So HMAC is compared with jsonwebtoken on
//!   `rust_crypto`: nobody runs aws-lc without those instructions.
//! - **Allocations** and **bytes** are counted by an allocator, in a separate program, so that
//!   counting does not disturb the times.
//!
//! `bench-cost` measures the cost of a handshake for a server. A model of a fleet of servers builds
//! on it.
//!
//! `bench-growth` counts the instructions of every parser of untrusted input, for inputs of 1 kB to
//! 1 MB. It fails if they grow faster than the input.
//!
//! `bench-beside` runs whole servers side by side: ours, those that one writes by hand, and those of
//! other languages, with nginx beside the gateway.
//!
//! `bench-redis` takes tickets from one Redis and from three, for the page about fleets.
//!
//! With `--check` the program fails if instructions, allocations or bytes miss a goal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a bench that cannot go on has nothing to report"
)]

#[cfg(feature = "beside")]
mod beside;
mod callgrind;
mod case;
mod cost;
mod fleet;
mod goals;
mod growth;
mod measure;
mod plot;
mod program;
mod random;
#[cfg(feature = "redis")]
mod redis;
mod results;
mod rows;
mod runs;
mod table;

#[cfg(feature = "beside")]
pub use self::beside::main as beside;
pub use self::case::{Case, Crypto, now};
pub use self::cost::main as cost;
pub use self::growth::{Shape, main as growth};
pub use self::measure::Counted;
pub use self::program::{allocations, main};
#[cfg(feature = "redis")]
pub use self::redis::main as redis;
pub use self::rows::jwt::{FourStrings, SECRET, SESSION_USER, handshake, token};
pub use self::rows::own;
pub use self::rows::tickets::{each_in_turn, key};
