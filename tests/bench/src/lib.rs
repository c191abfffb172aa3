//! The goals that are measured, side by side in one run with what one would use instead.
//!
//! `bench-suite` prints the table, with what is in this workspace's tree anyway: jsonwebtoken, a
//! handler written by hand in axum, axum-extra's signed cookies, hyper itself. `bench-peers`, in
//! the folder `peers` and a workspace of its own, adds the crates that one would choose.
//!
//! - **Time** is taken in rounds, in each of which every case has its turn. A ratio is the median
//!   of the rounds' ratios, so that what else the machine does weighs on both sides. Times are
//!   shown, and fail nothing.
//! - **Instructions** are counted by valgrind's callgrind while a case runs, and nowhere else.
//!   Its processor has no instructions for SHA, on no side: HMAC is compared with jsonwebtoken on
//!   `rust_crypto`, because aws-lc without them is not what anyone runs.
//! - **Allocations** and **bytes** are counted by an allocator, in a program of its own: where
//!   time is taken nothing counts.
//!
//! `bench-cost` measures what a handshake costs a server, and puts a fleet of servers on top of
//! that, as a model.
//!
//! `bench-growth` counts the instructions of every parser that reads what a stranger sends, for
//! inputs of 1 kB to 1 MB, and fails where they grow faster than the input.
//!
//! With `--check` the program fails where instructions, allocations or bytes miss a goal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a bench that cannot go on has nothing to report"
)]

mod callgrind;
mod case;
mod cost;
mod fleet;
mod goals;
mod growth;
mod measure;
mod plot;
mod program;
mod results;
mod rows;
mod table;

pub use self::case::{Case, Crypto, now};
pub use self::cost::main as cost;
pub use self::growth::{Shape, main as growth};
pub use self::measure::Counted;
pub use self::program::{allocations, main};
pub use self::rows::jwt::{FourStrings, SECRET, SESSION_USER, handshake, token};
pub use self::rows::own;
pub use self::rows::tickets::{each_in_turn, key};
