//! `soak [MINUTES]`: a server with every layer and clients of every kind, some hundreds a second,
//! both in this process. It fails if memory grows, if a descriptor, a task, a lease, a permit or a
//! registration stays, or if a client gets an unexpected answer.

mod clients;
mod samples;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fault_tests::{Server, Settings};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use clients::{Clients, KINDS};
use samples::{Sample, Samples};

/// The number of clients a second.
const RATE: u64 = 250;
/// Between two looks whether all clients have gone.
const PAUSE: Duration = Duration::from_millis(50);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(soak()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak() -> Result<(), BoxError> {
    let minutes: u64 = match std::env::args().nth(1) {
        Some(minutes) => minutes.parse()?,
        None => 10,
    };
    rlimit::increase_nofile_limit(16_384)?;
    let server = Arc::new(Server::start(Settings::default()).await?);
    // One client of each kind, to create all state that is created once.
    let clients = Clients::new(Arc::clone(&server));
    for number in 0..KINDS {
        clients.come(number).await;
    }
    back_to(None, &server).await?;
    let before = Sample::now(&server);

    println!("{RATE} clients a second for {minutes} min, each second a sample");
    println!("{}", samples::HEADING);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut samples = Samples::default();
    let mut tick = interval(Duration::from_micros(1_000_000 / RATE));
    // After a pause, not all clients at once.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = Instant::now() + Duration::from_secs(1);
    let mut number = KINDS;
    while Instant::now() < end {
        tick.tick().await;
        let clients = clients.clone();
        tokio::spawn(async move { clients.come(number).await });
        number += 1;
        if Instant::now() >= next {
            next += Duration::from_secs(1);
            if let Some(row) = samples.add(Sample::now(&server)) {
                println!("{row}");
            }
        }
    }
    while clients.are_here() {
        sleep(PAUSE).await;
    }
    println!("{}", clients.report());
    back_to(Some(&before), &server).await?;
    println!(
        "back to {} descriptors, {} tasks, no lease, no registration, all permits",
        before.descriptors, before.tasks
    );
    println!("{}", samples.verdict()?);
    clients.verdict()
}

/// Waits until nothing is open, and descriptors and tasks are back to their former number.
async fn back_to(before: Option<&Sample>, server: &Server) -> Result<(), BoxError> {
    let is_back = || {
        let now = Sample::now(server);
        before
            .is_none_or(|before| now.tasks <= before.tasks && now.descriptors <= before.descriptors)
    };
    let back = async {
        while !(server.is_idle() && is_back()) {
            sleep(PAUSE).await;
        }
    };
    if timeout(Duration::from_secs(10), back).await.is_err() {
        let now = Sample::now(server);
        return Err(format!("something is left: {now:?}, before: {before:?}").into());
    }
    Ok(())
}
