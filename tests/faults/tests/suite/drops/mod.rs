//! Every future of every layer is dropped at each place where it waits, as a client that goes away
//! drops it: nothing stays behind, and nobody is let in by half a decision.

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
