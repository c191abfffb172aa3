//! The chat, as a process: its options, and `listening on http://…` on standard output.
//!
//! `NODE_CLOCK_WRONG_BY_SECONDS` sets the seconds by which its clock is ahead, or behind with a
//! `-`.
//!
//! It is a program of this package because tests can only start those. It logs only with
//! `RUST_LOG`: hundreds of thousands of handshakes would be as many lines.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, SystemTime};

use chat::{Chat, Options};
use clap::Parser;
use tower_ws_auth::Clock;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let wrong: i64 = match std::env::var("NODE_CLOCK_WRONG_BY_SECONDS") {
        Ok(seconds) => seconds.parse()?,
        Err(_) => 0,
    };
    let chat = Chat::bind_with_clock(Options::parse(), clock(wrong)).await?;
    writeln!(std::io::stdout(), "listening on http://{}", chat.address())?;
    // Until it is killed.
    chat.serve(std::future::pending()).await?;
    Ok(())
}

/// The machine's clock, wrong by this many seconds.
fn clock(wrong: i64) -> Clock {
    let by = Duration::from_secs(wrong.unsigned_abs());
    Clock::from_fn(move || {
        let now = SystemTime::now();
        if wrong < 0 { now - by } else { now + by }
    })
}
