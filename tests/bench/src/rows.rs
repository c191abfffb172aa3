//! The cases without other crates.

pub(crate) mod accept;
pub(crate) mod attack;
mod by_hand;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod cookie;
pub(crate) mod cost;
mod first_message;
pub(crate) mod flood;
pub(crate) mod jwt;
pub(crate) mod lease;
mod protocol;
pub(crate) mod socket;
pub(crate) mod tickets;
mod two;
pub(crate) mod whole;

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
        whole::cases(),
        first_message::cases(),
        two::cases(),
        attack::cases(),
        flood::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
