//! The chat, as a process: its options, and `listening on http://…` on standard output.
//!
//! It is a program of this package because tests can only start those. It logs when `RUST_LOG`
//! says so: hundreds of thousands of handshakes would be as many lines.

use std::error::Error;
use std::io::Write;

use chat::{Chat, Options};
use clap::Parser;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let chat = Chat::bind(Options::parse()).await?;
    writeln!(std::io::stdout(), "listening on http://{}", chat.address())?;
    // Until it is killed.
    chat.serve(std::future::pending()).await?;
    Ok(())
}
