//! The cases without other crates.

pub(crate) mod accept;
pub(crate) mod attack;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod cookie;
pub(crate) mod cost;
pub(crate) mod flood;
pub(crate) mod jwt;
pub(crate) mod lease;
mod protocol;
mod socket;
pub(crate) mod tickets;

use crate::Case;

/// The cases of this package.
pub fn own() -> Vec<Case> {
    [
        jwt::cases(),
        cookie::cases(),
        tickets::cases(),
        close::cases(),
        protocol::cases(),
        lease::cases(),
        accept::cases(),
        attack::cases(),
        flood::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
