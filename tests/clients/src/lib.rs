//! A server that refuses in every way, and the expected answer for each.

pub mod libraries;
mod page;
pub mod recipes;
mod refusals;
mod server;

pub use self::page::Page;
pub use self::refusals::{Refusal, refusals};
pub use self::server::Server;

/// The page's origin: every client sends one, or it would read the HTTP status.
pub const ORIGIN: &str = "https://app.example";
