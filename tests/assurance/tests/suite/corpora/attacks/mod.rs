//! The attacks of the tools and of the literature (RFC 8725 §2 and §3): on the form, the header and
//! the signature of a token. Every signature that can be valid is valid.

mod forms;
mod headers;
mod keys;
mod signatures;

use super::Bad;
use crate::forge::Door;

/// For one door, all of them.
pub(crate) fn against(door: Door) -> Vec<Bad> {
    let mut bad = Vec::new();
    keys::none(&mut bad);
    keys::confusion(door, &mut bad);
    keys::brought_keys(door, &mut bad);
    headers::kids(door, &mut bad);
    headers::extensions(door, &mut bad);
    headers::headers(door, &mut bad);
    forms::forms(door, &mut bad);
    signatures::signatures(door, &mut bad);
    signatures::flipped_bits(door, &mut bad);
    bad
}
