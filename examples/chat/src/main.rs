//! `cargo run -p chat`

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use chat::{Chat, Options};
use clap::Parser;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();

    let chat = Chat::bind(options).await?;
    // Registered before the ready line, because its reader may send a signal at once.
    let interrupted = interrupted()?;
    introduce(&chat)?;
    chat.serve(interrupted).await?;
    Ok(())
}

fn introduce(chat: &Chat) -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = chat.address();
    let tokens = chat.demo_tokens()?;
    let mut out = io::stdout().lock();
    // `ws` or `wss`, to match `http` or `https`.
    let scheme = chat.scheme();
    let ws = scheme.replacen("http", "ws", 1);
    writeln!(out, "listening on {scheme}://{address}")?;
    writeln!(out, "\ntokens for ada:")?;
    writeln!(out, "  good for an hour  {}", tokens.valid)?;
    writeln!(out, "  expired           {}", tokens.expired)?;
    writeln!(out, "  wrong key         {}", tokens.tampered)?;
    writeln!(out, "\ntry it:")?;
    let handshake = "-H 'Connection: Upgrade' -H 'Upgrade: websocket' \
                     -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='";
    writeln!(
        out,
        "  npx wscat -c '{ws}://{address}/ws/jwt?token={}'",
        tokens.valid
    )?;
    writeln!(
        out,
        "  npx wscat -o {scheme}://{address} -c '{ws}://{address}/ws/jwt?token={}'",
        tokens.expired
    )?;
    writeln!(
        out,
        "  curl -i --http1.1 {handshake} '{scheme}://{address}/ws/jwt?token={}'",
        tokens.expired
    )?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// The signals to stop: Ctrl+C, or that of a service manager. They are received from this call on.
#[cfg(unix)]
fn interrupted() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn interrupted() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without signals it runs until it is killed.
            std::future::pending::<()>().await;
        }
    })
}
