//! `cargo run -p gateway -- --upstream http://127.0.0.1:8080 --origin https://app.example`

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::panic::resume_unwind;
use std::process::ExitCode;

use clap::Parser;
use gateway::{Gateway, Options, Reload};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    // In a task, so that connections are accepted by the threads that serve them.
    let run = runtime.spawn(run(options));
    match runtime.block_on(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&*error),
        Err(panicked) => resume_unwind(panicked.into_panic()),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("gateway: {error}");
    ExitCode::FAILURE
}

/// A thread for each core. On one core a second thread would only take turns with the first.
fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

async fn run(options: Options) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();

    let gateway = Gateway::bind(options).await?;
    // Registered before the ready line, because its reader may send a signal at once.
    let interrupted = interrupted()?;
    #[cfg(unix)]
    tokio::spawn(reloads(gateway.reload())?);
    announce(&gateway)?;
    gateway.serve(interrupted).await;
    Ok(())
}

fn announce(gateway: &Gateway) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{}", gateway.address())?;
    if let Some(admin) = gateway.admin_address() {
        writeln!(out, "admin on http://{admin}")?;
    }
    out.flush()
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

/// SIGHUP reads the files of secrets again. It never ends the process.
#[cfg(unix)]
fn reloads(reload: Reload) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hung_up = signal(SignalKind::hangup())?;
    Ok(async move {
        while hung_up.recv().await.is_some() {
            match reload.now() {
                Ok(()) => tracing::info!("SIGHUP: the secrets are read again"),
                Err(error) => tracing::error!(%error, "SIGHUP: the former secrets stay in force"),
            }
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
