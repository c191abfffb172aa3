//! What an attacker would try, tried first.
//!
//! [`corpora`] are bad inputs, each with the refusal that it must get, through every carrier and
//! both HTTP versions; [`properties`] are statements about all inputs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod corpora;
mod extremes;
mod forge;
mod properties;
mod stack;
mod wire;
