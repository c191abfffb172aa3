//! The rules of the crate, as sentences under the RFCs that demand them; and keys that an issuer
//! publishes.

#![cfg(test)]

mod allocations;
mod claims;
mod config;
mod edges;
mod encoder;
mod header;
mod inherited;
mod interop;
mod jwk;
#[cfg(all(
    feature = "jwks-reqwest",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
mod jwks;
mod keys;
mod layer;
mod secrets;
mod shown;
#[cfg(feature = "single-use")]
mod single_use;
mod support;
mod user_claim;
