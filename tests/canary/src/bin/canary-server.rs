//! A server that logs to its standard error, at TRACE. Its first line on standard output has the
//! credentials for its clients. It ends with its standard input.

use std::error::Error;

use canary_tests::{App, Setup};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let setup = Setup::named(&name).ok_or("usage: canary-server SETUP")?;
    let app = App::new(setup)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let secrets = app.secrets(listener.local_addr()?).await?;
    println!("{}", serde_json::to_string(&secrets)?);
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(std::io::stderr)
        .init();
    tracing::trace!(?app, "the server is");
    let mut input = tokio::io::stdin();
    let mut bytes = [0];
    tokio::select! {
        served = app.serve(listener) => served,
        // Until it is closed.
        _ = input.read(&mut bytes) => Ok(()),
    }
}
