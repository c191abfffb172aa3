//! The server of the canary test: every layer in its place, with everything logged.

mod app;
mod secrets;

pub use self::app::{App, Setup};
pub use self::secrets::{Claims, Secrets};
