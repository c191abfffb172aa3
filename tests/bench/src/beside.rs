//! Servers side by side: ours, by hand, in Node, in Python, and nginx beside the gateway.
//!
//! Each server is a process of its own, on one core. It accepts a JSON Web Token in the query and
//! echoes messages. The clients run on another core, so a server's CPU time does not depend on
//! them. All servers take turns in each round, and the median of the rounds counts.

mod client;
mod load;
mod process;
mod server;
mod servers;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;

use self::load::Target;
use self::process::{Cores, kernel_memory, raise_open_files};
use self::server::{PROXIES, Running, SERVERS, Server};
use self::table::{Measured, print};
use crate::case::Crypto;
use crate::random::Random;
use crate::table::{date, machine};

/// Handshakes a second that every server bears.
const SAME_RATE: f64 = 400.0;

const USAGE: &str = "\
Measures this project's stack beside what one would use instead, one after the other:

  --check          asks each server once, and fails if one does not accept, refuse or echo
  --only NAME      only the servers whose names begin so; may be repeated
  --rounds N       rounds in which every server has its turn (3)
  --seconds N      of load for each number in a round (2)
  --sockets N      open sockets for the memory of one (10000)
  serve NAME PORT  is one of the servers";

/// The program that measures, and that is each of the servers in Rust.
pub fn main() -> ExitCode {
    Crypto::AwsLc.install();
    let mut args = std::env::args().skip(1).peekable();
    let done = if args.next_if_eq("serve").is_some() {
        servers::serve(&args.collect::<Vec<_>>())
    } else {
        Options::read(args).and_then(|options| run(&options))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    check: bool,
    only: Vec<String>,
    rounds: u32,
    time: Duration,
    sockets: u32,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            check: false,
            only: Vec::new(),
            rounds: 3,
            time: Duration::from_secs(2),
            sockets: 10_000,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            let number = |text: String| {
                let number = text.parse::<u32>().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("{arg} wants a number, not `{text}`"))
            };
            match arg.as_str() {
                "--check" => read.check = true,
                "--only" => read.only.push(value()?),
                "--rounds" => read.rounds = number(value()?)?,
                "--seconds" => read.time = Duration::from_secs(number(value()?)?.into()),
                "--sockets" => read.sockets = number(value()?)?,
                _ => return Err(format!("unexpected argument `{arg}`\n\n{USAGE}")),
            }
        }
        Ok(read)
    }

    fn wants(&self, server: &Server) -> bool {
        let named = |start: &String| server.name.starts_with(start.as_str());
        self.only.is_empty() || self.only.iter().any(named)
    }
}

fn run(options: &Options) -> Result<(), String> {
    let sockets = options.sockets.min(raise_open_files());
    // Before this process is bound to a core.
    let machine = format!("{}, {}", machine(), date());
    let cores = Cores::assigned();
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let tables = [SERVERS, PROXIES].map(|table| {
        let wanted = table.iter().filter(|server| options.wants(server));
        wanted.collect::<Vec<_>>()
    });
    if options.check {
        return runtime.block_on(check(&tables.concat(), cores));
    }
    for servers in tables {
        let measured = runtime.block_on(measure(&servers, cores, options, sockets));
        print(&machine, &measured);
    }
    Ok(())
}

/// Asks each server once.
async fn check(servers: &[&Server], cores: Cores) -> Result<(), String> {
    let mut failures = Vec::new();
    for server in servers {
        let checked = async {
            let running = Running::start(server, cores).await?;
            load::check(&running.target()).await
        };
        match checked.await {
            Ok(()) => println!("{}: accepts, refuses and echoes", server.name),
            Err(why) => failures.push(format!("{}: {why}", server.name)),
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.join("\n"))
}

/// A server that cannot be measured says why, and the others are measured all the same.
async fn measure(
    servers: &[&Server],
    cores: Cores,
    options: &Options,
    sockets: u32,
) -> Vec<Measured> {
    let mut all: Vec<_> = servers
        .iter()
        .map(|server| Measured::new(server.name))
        .collect();
    let mut running = Vec::new();
    for (server, measured) in servers.iter().zip(&mut all) {
        // Memory first, in a process that has served nobody yet.
        let begun = async {
            let fresh = Running::start(server, cores).await?;
            let memory = memory(&fresh, sockets).await?;
            measured.idle = Some(memory.server);
            measured.kernel = Some(memory.kernel);
            drop(fresh);
            let running = Running::start(server, cores).await?;
            // Node compiles what is called often.
            load::warm_up(&running.target(), 2000).await?;
            Ok(running)
        };
        match begun.await {
            Ok(server) => running.push(Some(server)),
            Err(why) => {
                measured.failed = Some(why);
                running.push(None);
            }
        }
    }
    let mut random = Random::new();
    for _ in 0..options.rounds {
        for (server, measured) in running.iter_mut().zip(&mut all) {
            if let Some(up) = server
                && let Err(why) = round(up, measured, options.time, &mut random).await
            {
                measured.failed = Some(why);
                *server = None;
            }
        }
    }
    all
}

/// Bytes for each open socket.
struct Memory {
    server: f64,
    /// For both ends of the socket, and for the way to the upstream if there is one.
    kernel: f64,
}

async fn memory(server: &Running, sockets: u32) -> Result<Memory, String> {
    let target = server.target();
    // What a server sets up for its first clients is not kept for each of them.
    load::warm_up(&target, 200).await?;
    let before = (server.resident(), kernel_memory());
    let open = load::open(&target, sockets).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = (server.resident(), kernel_memory());
    drop(open);
    Ok(Memory {
        server: (after.0 - before.0) / f64::from(sockets),
        kernel: (after.1 - before.1) / f64::from(sockets),
    })
}

async fn round(
    server: &Running,
    measured: &mut Measured,
    time: Duration,
    random: &mut Random,
) -> Result<(), String> {
    let target = &server.target();
    let accept = server.cpu(load::accepted(target, time)).await?;
    measured.accept.push(accept);
    let refuse = server.cpu(load::refused(target, time)).await?;
    measured.refuse.push(refuse);
    let own = load::p99(target, 0.5 / accept, time, random).await?;
    measured.p99.push(own);
    let same = load::p99(target, SAME_RATE, time, random).await?;
    measured.p99_at_same.push(same);
    let small = server
        .cpu_in_front(load::echoes(target, 1024, time))
        .await?;
    measured.small.push(small);
    let large = server
        .cpu_in_front(load::echoes(target, 64 * 1024, time))
        .await?;
    measured.large.push(large);
    Ok(())
}
