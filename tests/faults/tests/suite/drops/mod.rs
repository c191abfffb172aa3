//! Every future of every layer is dropped at each place where it waits, as when its client leaves.
//! Nothing stays behind, and half a decision admits no request.

mod auth;
mod channel;
mod close;
mod inner;
mod jwks;
mod lease;
mod mint;
mod redis;
mod slow;
mod stack;
mod steps;
mod wire;
