//! Keys that an issuer publishes, from a real HTTP server on loopback.

mod discovery;
#[cfg(feature = "backchannel-logout")]
mod events;
mod hostile;
mod issuers;
mod keys;
mod layer;
#[cfg(feature = "tracing")]
mod log;
#[cfg(feature = "backchannel-logout")]
mod logout;
mod outage;
mod own;
mod rotation;
mod server;
mod start;
